"""`talaqqi probe`: recite a file to a server in real time, and measure the delay of its feedback.

The clock is that of a microphone: sample s of the file sounds at `start + s / 16000`, and the packet that holds it can
leave when its last sample has sounded. For every phone and word the delay is counted from its acoustic end, by the
offline alignment of the file, to the arrival of the first feedback whose cursor is at or past it (tentative) and of
its verdict (confirmed). Tentative delays may be negative: a long madd is lit before it ends. What never comes counts as
infinite.
"""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
from tqdm import tqdm

from recitation.audio import SAMPLE_HZ, AudioError, read_audio
from recitation.lexicon import default_lexicon
from recitation.mushaf import parse_reference
from server.config import ConfigError
from server.delays import expected_units, figures
from server.metrics import Way
from server.over import first_of
from server.probe_check import check_timing
from server.probe_prometheus import exposition, write
from server.reciter import (
    PACKET_S,
    Client,
    Heard,
    Network,
    Reciter,
    ReciterError,
    Recording,
    encode_recording,
)
from server.recoveries import lose_every, recovery_figures
from server.returning import Returning
from server.socket_reciter import SocketReciter

STAGGER_S = 0.137
"""Between the starts of two sessions: no divisor of a hop, so that their hops fall anywhere."""

PASSED, UNTRUSTWORTHY, UNREACHED = 1, 3, 4
"""Exit statuses: a limit was passed; this machine was too busy to tell, where that was asked; the server could not be
reached, refused, or broke off. 2 is for bad input, as with every command."""

LEAST_BETWEEN_S = 5.0
"""Between two losses of a connection: a reciter has come back by then, and something was said of where."""

LATE_MS = 20.0
"""A sender that is later than one packet for one packet in a hundred measures itself."""

CLIENTS: dict[Way, type[Reciter] | type[SocketReciter]] = {"webrtc": Reciter, "websocket": SocketReciter}


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure that must not be passed, such as confirmed.p95 = 500."""

    path: tuple[str, ...]
    value: float

    @classmethod
    def parse(cls, text: str) -> "Limit":
        """From `confirmed.p95=500`. Raises ConfigError."""
        path, _, value = text.partition("=")
        try:
            return cls(tuple(path.split(".")), float(value))
        except ValueError:
            raise ConfigError(f"--limit {text!r}: write a figure and its bound, as in confirmed.p95=500") from None

    def figure(self, report: dict[str, Any]) -> float | None:
        """The figure in a report; None when infinite. Raises ConfigError when there is no such figure."""
        value: Any = report
        for key in self.path:
            if not isinstance(value, dict) or key not in value:
                raise ConfigError(f"--limit {'.'.join(self.path)}: there is no such figure")
            value = value[key]
        if value is not None and not isinstance(value, int | float):
            raise ConfigError(f"--limit {'.'.join(self.path)}: that is no figure")
        return value

    def passed(self, report: dict[str, Any]) -> bool:
        """The figure lies above the bound."""
        figure = self.figure(report)
        return figure is None or figure > self.value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `talaqqi probe`."""
    parser.add_argument("url", help="the server, http://127.0.0.1:8080")
    parser.add_argument("--audio", type=Path, required=True, metavar="FILE", help="a recitation")
    parser.add_argument("--verses", required=True, metavar="REF", help="what is recited in it: 1:1-7")
    parser.add_argument("--sessions", type=int, default=1, metavar="N", help="reciters at once (1)")
    parser.add_argument("--seconds", type=float, metavar="S", help="recite only the first S seconds")
    parser.add_argument("--transport", choices=CLIENTS, default="webrtc", help="how to recite (webrtc)")
    parser.add_argument("--loss", type=float, default=0.0, metavar="SHARE", help="share of packets lost, 0.02 is 2 %%")
    parser.add_argument("--jitter-ms", type=float, default=0.0, metavar="MS", help="packets come up to MS late")
    parser.add_argument("--seed", type=int, default=1, help="of what is lost and late (1)")
    parser.add_argument(
        "--reconnect-every",
        type=float,
        metavar="S",
        help="lose each connection every S seconds (5 or more)",
    )
    parser.add_argument("--token", help="bearer token")
    parser.add_argument("--limit", action="append", default=[], metavar="FIGURE=MS", help="exit 1 when passed; repeat")
    parser.add_argument("--prometheus", type=Path, metavar="FILE", help="write the figures for Prometheus as well")
    parser.add_argument("--require-timing", action="store_true", help="exit 3 when this machine is too busy to measure")
    parser.add_argument("--no-check", action="store_true", help="leave out the click that checks the probe's own clock")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Probe; the status is one of those below. Raises AudioError, AddressError, ConfigError, ModelError."""
    if arguments.sessions < 1 or not 0 <= arguments.loss < 1 or arguments.jitter_ms < 0:
        raise ConfigError("--sessions is at least 1, --loss from 0 to below 1, --jitter-ms at least 0")
    if arguments.jitter_ms and arguments.transport == "websocket":
        raise ConfigError("--jitter-ms is for WebRTC: over a WebSocket no packet comes later than the next")
    if arguments.reconnect_every is not None and arguments.reconnect_every < LEAST_BETWEEN_S:
        raise ConfigError(f"--reconnect-every is at least {LEAST_BETWEEN_S:g} s, in which a session has come back")
    limits = [Limit.parse(text) for text in arguments.limit]
    pcm = read_audio(arguments.audio)
    if arguments.seconds is not None:
        pcm = pcm[: max(0, round(arguments.seconds * SAMPLE_HZ))]
    units = expected_units(pcm, arguments.verses)
    if not units:
        raise AudioError(f"{arguments.audio}: nothing of {arguments.verses} is heard in it")
    recording = encode_recording(pcm)
    check = None if arguments.no_check else asyncio.run(check_timing())
    recovery = {}
    try:
        if arguments.reconnect_every is None:
            sessions = asyncio.run(_recite(arguments, recording))
        else:
            returned = asyncio.run(recite_and_return(arguments, recording))
            sessions = [one.heard for one in returned]
            recovery = {"recovery": recovery_figures(returned, units, _addresses(arguments.verses))}
    except ReciterError as error:
        print(f"talaqqi probe: {error}", file=sys.stderr)
        _expose(arguments, None)
        return UNREACHED
    report = {
        "url": arguments.url,
        "audio": str(arguments.audio),
        "verses": str(parse_reference(arguments.verses)),
        "sessions": arguments.sessions,
        "seconds": round(recording.seconds, 3),
        "way": arguments.transport,
        "loss": arguments.loss,
        "jitter_ms": arguments.jitter_ms,
        "check": None if check is None else {**asdict(check), "good": check.good},
        **figures(sessions, recording, units),
        **recovery,
    }
    passed = [limit for limit in limits if limit.passed(report)]
    print(json.dumps(report) if arguments.json else as_text(report))
    _expose(arguments, report, len(passed))
    for limit in passed:
        found = limit.figure(report)
        shown = "infinite" if found is None else f"{found:.0f}"
        print(f"talaqqi probe: {'.'.join(limit.path)} is {shown}, above {limit.value:g}", file=sys.stderr)
    if (why := _untrustworthy(report)) is not None:
        print(f"talaqqi probe: {why}: the figures are this machine's, not the server's", file=sys.stderr)
        if arguments.require_timing:
            return UNTRUSTWORTHY
    if report["broken"]:
        return UNREACHED
    return PASSED if passed else 0


def _untrustworthy(report: dict[str, Any]) -> str | None:
    """Why the delays cannot be the server's."""
    check, lag = report["check"], report["sender_lag"]["p99"]
    if check is not None and not check["good"]:
        return (
            f"a click was {check['place_ms']} ms off its place and left {check['handed_over_ms']} ms after it sounded"
        )
    if lag is not None and lag > LATE_MS:
        return f"one packet in a hundred left {lag:.0f} ms late"
    return None


def _expose(arguments: argparse.Namespace, report: dict[str, Any] | None, passed: int = 0) -> None:
    if arguments.prometheus is not None:
        write(arguments.prometheus, exposition(report, arguments.url, time.time(), passed))


async def _recite(arguments: argparse.Namespace, recording: Recording) -> list[Heard]:
    """Raises ReciterError."""
    seconds = len(recording.packets) * PACKET_S + STAGGER_S * (arguments.sessions - 1)
    limit = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=limit) as http:
        reciters: list[Client] = [
            CLIENTS[arguments.transport](
                http,
                arguments.url,
                arguments.verses,
                recording,
                token=arguments.token,
                network=Network(arguments.loss, arguments.jitter_ms / 1000, arguments.seed + n),
            )
            for n in range(arguments.sessions)
        ]
        try:
            async with asyncio.TaskGroup() as tasks:
                progress = tasks.create_task(_show_progress(seconds))
                running = [tasks.create_task(r.recite(n * STAGGER_S)) for n, r in enumerate(reciters)]
                await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
                progress.cancel()
        except* ReciterError as errors:
            raise first_of(errors) from None
    return [task.result() for task in running]


async def recite_and_return(arguments: argparse.Namespace, recording: Recording) -> list[Returning]:
    """Recite as `_recite` does, losing each connection every `reconnect_every` seconds. Raises ReciterError."""
    every = arguments.reconnect_every
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        def make(before: Client | None, network: Network) -> Client:
            network.loss, network.jitter_s, network.seed = arguments.loss, arguments.jitter_ms / 1000, arguments.seed
            return CLIENTS[arguments.transport](
                http, arguments.url, arguments.verses, recording,
                token=arguments.token, network=network, before=before,
            )  # fmt: skip

        async def recite(n: int) -> Returning:
            await asyncio.sleep(n * STAGGER_S)
            one = Returning(make)
            await one.recite(lambda it: asyncio.create_task(lose_every(every, it, recording.seconds)))
            return one

        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(recite(n)) for n in range(arguments.sessions)]
        except* ReciterError as errors:
            raise first_of(errors) from None
    return [task.result() for task in running]


def _addresses(verses: str) -> list[str]:
    return [word.at for word in default_lexicon().words(parse_reference(verses))]


async def _show_progress(seconds: float) -> None:
    with tqdm(total=round(seconds), unit="s", desc="reciting", disable=not sys.stderr.isatty(), leave=False) as bar:
        while True:
            await asyncio.sleep(1)
            bar.update(1)


def as_text(report: dict[str, Any]) -> str:
    """A report for people."""
    lines = [f"{report['sessions']} x {report['seconds']:.1f} s to {report['url']}, {report['loss']:.1%} lost"]
    lines.append(f"{'ms':>18} {'p50':>8} {'p95':>8} {'p99':>8} {'n':>7} {'missing':>8}")
    named = {
        "phones tentative": report["tentative"],
        "phones confirmed": report["confirmed"],
        "words tentative": report["words"]["tentative"],
        "words confirmed": report["words"]["confirmed"],
        **{name: report[name] for name in ("transport", "server", "connect", "sender_lag")},
    }
    for name, spread in named.items():
        figures = " ".join(f"{'never' if spread[p] is None else spread[p]:>8}" for p in ("p50", "p95", "p99"))
        lines.append(f"{name:>18} {figures} {spread['n']:>7} {spread['missing']:>8}")
    if (recovery := report.get("recovery")) is not None:
        back, right = recovery["back"], recovery["right"]
        shown = "none of them judged" if right is None else f"{right:.0%} of {recovery['judged']} at the right word"
        lines.append(f"{recovery['lost']} connections lost, back after {back['p50']} ms (P95 {back['p95']}), {shown}")
    if report["broken"]:
        lines.append(f"{report['broken']} of {report['sessions']} sessions broken off by the server")
    lines += [f"server: {text}" for text in report["errors"]]
    return "\n".join(lines)
