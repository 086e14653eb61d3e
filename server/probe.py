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
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from tqdm import tqdm

from recitation.audio import SAMPLE_HZ, AudioError, Pcm, read_audio
from recitation.mushaf import parse_reference
from server.config import ConfigError
from server.messages import Error
from server.metrics import Way
from server.reciter import (
    PACKET_RTP,
    PACKET_S,
    Client,
    Heard,
    Network,
    Reciter,
    ReciterError,
    Recording,
    encode_recording,
)
from server.socket_reciter import SocketReciter

STAGGER_S = 0.137
"""Between the starts of two sessions: no divisor of a hop, so that their hops fall anywhere."""

RESAMPLER_RTP = 96
"""Audio after a sample that must have come before the server's resampler lets the sample go: 2 ms."""


CLIENTS: dict[Way, type[Reciter] | type[SocketReciter]] = {"webrtc": Reciter, "websocket": SocketReciter}


@dataclass(frozen=True, slots=True)
class Unit:
    """A phone or word of the file, by the offline alignment."""

    at: str
    index: int
    end: int
    """16 kHz sample."""


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
    parser.add_argument("--token", help="bearer token")
    parser.add_argument("--limit", action="append", default=[], metavar="FIGURE=MS", help="exit 1 when passed; repeat")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Probe; 1 when a limit is passed. Raises AudioError, AddressError, ConfigError, ModelError."""
    if arguments.sessions < 1 or not 0 <= arguments.loss < 1 or arguments.jitter_ms < 0:
        raise ConfigError("--sessions is at least 1, --loss from 0 to below 1, --jitter-ms at least 0")
    if arguments.jitter_ms and arguments.transport == "websocket":
        raise ConfigError("--jitter-ms is for WebRTC: over a WebSocket no packet comes later than the next")
    limits = [Limit.parse(text) for text in arguments.limit]
    pcm = read_audio(arguments.audio)
    if arguments.seconds is not None:
        pcm = pcm[: max(0, round(arguments.seconds * SAMPLE_HZ))]
    units = expected_units(pcm, arguments.verses)
    if not units:
        raise AudioError(f"{arguments.audio}: nothing of {arguments.verses} is heard in it")
    recording = encode_recording(pcm)
    try:
        sessions = asyncio.run(_recite(arguments, recording))
    except ReciterError as error:
        raise ConfigError(str(error)) from error
    report = {
        "url": arguments.url,
        "audio": str(arguments.audio),
        "verses": str(parse_reference(arguments.verses)),
        "sessions": arguments.sessions,
        "seconds": round(recording.seconds, 3),
        "way": arguments.transport,
        "loss": arguments.loss,
        "jitter_ms": arguments.jitter_ms,
        **figures(sessions, recording, units),
    }
    passed = [limit for limit in limits if limit.passed(report)]
    print(json.dumps(report) if arguments.json else as_text(report))
    for limit in passed:
        found = limit.figure(report)
        shown = "infinite" if found is None else f"{found:.0f}"
        print(f"talaqqi probe: {'.'.join(limit.path)} is {shown}, above {limit.value:g}", file=sys.stderr)
    return 1 if passed else 0


def expected_units(pcm: Pcm, verses: str) -> list[Unit]:
    """Phones of the passage in the order recited, with their acoustic ends. Raises AddressError, ModelError."""
    from recitation.acoustics.engines import open_engine
    from recitation.pipeline import align_offline, passage

    place = passage(str(parse_reference(verses)))
    return [Unit(at, index, end) for at, index, _, end in align_offline(open_engine(), pcm, place)]


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
            raise _first(errors) from None
    return [task.result() for task in running]


async def _show_progress(seconds: float) -> None:
    with tqdm(total=round(seconds), unit="s", desc="reciting", disable=not sys.stderr.isatty(), leave=False) as bar:
        while True:
            await asyncio.sleep(1)
            bar.update(1)


def _first(errors: BaseExceptionGroup[ReciterError]) -> ReciterError:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def figures(sessions: Sequence[Heard], recording: Recording, units: Sequence[Unit]) -> dict[str, Any]:
    """Delays over all sessions, milliseconds."""
    words = [unit for unit, following in zip(units, [*units[1:], None], strict=True) if _ends_word(unit, following)]
    arrivals = [Arrivals.of(heard, units) for heard in sessions]
    pairs = list(zip(sessions, arrivals, strict=True))
    errors = [m.text for heard in sessions for _, m in heard.control if isinstance(m, Error)]
    return {
        "tentative": _spread(_delay(h, u.end, a.tentative.get((u.at, u.index))) for h, a in pairs for u in units),
        "confirmed": _spread(_delay(h, u.end, a.phones.get((u.at, u.index))) for h, a in pairs for u in units),
        "words": {
            "tentative": _spread(_delay(h, u.end, a.tentative.get((u.at, u.index))) for h, a in pairs for u in words),
            "confirmed": _spread(_delay(h, u.end, a.words.get(u.at)) for h, a in pairs for u in words),
        },
        "transport": _spread(delay for heard in sessions for delay in transport_delays(heard)),
        "server": _spread(m.stamps.sent_ms - m.stamps.rx_ms for heard in sessions for _, m in heard.feedback),
        "connect": _spread(heard.connect_s * 1000 for heard in sessions),
        "sender_lag": _spread(lag * 1000 for heard in sessions for lag in heard.lags),
        "packets": {
            "sent": sum(len(heard.network.sent) for heard in sessions),
            "dropped": sum(heard.network.dropped for heard in sessions),
        },
        "feedback": {
            "received": sum(len(heard.feedback) for heard in sessions),
            "sent": sum(max((m.seq for _, m in heard.feedback), default=0) for heard in sessions),
        },
        "broken": sum(heard.broken for heard in sessions),
        "accepted": sum(heard.summary.accepted for heard in sessions if heard.summary is not None),
        "errors": errors,
    }


def _ends_word(unit: Unit, following: Unit | None) -> bool:
    return following is None or following.at != unit.at


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When feedback on each unit of a session first arrived, monotonic seconds."""

    tentative: dict[tuple[str, int], float]
    phones: dict[tuple[str, int], float]
    words: dict[str, float]

    @classmethod
    def of(cls, heard: Heard, units: Sequence[Unit]) -> "Arrivals":
        """Read a session's feedback."""
        place = {(unit.at, unit.index): n for n, unit in enumerate(units)}
        last_of = {unit.at: n for n, unit in enumerate(units)}
        arrivals = cls({}, {}, {})
        reached = 0
        for arrived, message in heard.feedback:
            for phone in message.phones:
                arrivals.phones.setdefault((phone.at, phone.index), arrived)
            for word in message.words:
                arrivals.words.setdefault(word.at, arrived)
            if message.cursor is None or message.cursor.at not in last_of:
                continue
            # Live and offline may differ in a word's form, whose last phones then have other numbers.
            now = place.get((message.cursor.at, message.cursor.phone), last_of[message.cursor.at])
            for unit in units[reached : now + 1]:
                arrivals.tentative[unit.at, unit.index] = arrived
            reached = max(reached, now + 1)
        return arrivals


def _delay(heard: Heard, end: int, arrived: float | None) -> float:
    """Milliseconds from the sounding of sample `end` of the file to `arrived`; infinite when None."""
    if arrived is None:
        return math.inf
    # Packet 0 leaves when it is full: the microphone was opened 20 ms before.
    return (arrived - (heard.started - PACKET_S + end / SAMPLE_HZ)) * 1000


def transport_delays(heard: Heard) -> Iterable[float]:
    """Milliseconds a feedback and the audio it rests on spent outside the server's session: both ways on the network,
    and in the tap waiting for order."""
    first = heard.network.first_rtp
    for arrived, message in heard.feedback:
        if first is None:
            continue
        packet = (((message.rtp - first) & 0xFFFFFFFF) + RESAMPLER_RTP - 1) // PACKET_RTP
        left = heard.network.sent.get(packet)
        if left is not None:
            yield (arrived - left) * 1000 - (message.stamps.sent_ms - message.stamps.rx_ms)


def _spread(delays: Iterable[float]) -> dict[str, float | int | None]:
    ordered = sorted(delays)
    spread: dict[str, float | int | None] = {
        "n": len(ordered),
        "missing": sum(math.isinf(delay) for delay in ordered),
    }
    for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
        # Nearest rank: the smallest value that at least the share lies at or below.
        value = ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf
        spread[name] = None if math.isinf(value) else round(value, 1)
    return spread


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
    if report["broken"]:
        lines.append(f"{report['broken']} of {report['sessions']} sessions broken off by the server")
    lines += [f"server: {text}" for text in report["errors"]]
    return "\n".join(lines)
