"""The probe: its arithmetic, and the whole line from a made recitation to feedback."""

import argparse
import asyncio
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from toy_ear import StartServer

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import read_audio
from recitation.events import Following, Status
from recitation.lexicon import default_lexicon
from recitation.mushaf import parse_reference
from server.app import ear_of
from server.delays import Arrivals, Unit, figures, spread, transport_delays
from server.messages import CursorRow, Feedback, PhoneRow, Stamps, WordRow
from server.probe import Limit, add_arguments, as_text, recite_and_return
from server.reciter import Heard, Network, Reciter, Recording, encode_recording
from server.recoveries import at_right_word, recovery_figures
from server.returning import Recovery

SAMPLES = Path(__file__).parent.parent.parent / "static" / "samples"
UNITS = [Unit("112:1:1", 0, 1600), Unit("112:1:1", 1, 3200), Unit("112:1:2", 0, 4800)]


def feedback(
    seq: int,
    cursor: CursorRow | None = None,
    phones: tuple[PhoneRow, ...] = (),
    words: tuple[WordRow, ...] = (),
    rtp: int = 0,
) -> Feedback:
    stamps = Stamps(10.0, 14.0, 15.0)
    return Feedback(seq, rtp, 0, cursor, True, -20.0, Following.FOLLOWING, phones, words, stamps)


def heard(*messages: tuple[float, Feedback]) -> Heard:
    return Heard(started=100.02, connect_s=0.05, feedback=list(messages), network=Network(first_rtp=2**32 - 960))


def test_delays_count_from_the_acoustic_end() -> None:
    session = heard(
        (100.15, feedback(1, CursorRow("112:1:1", 0, 0))),
        (100.25, feedback(2, CursorRow("112:1:1", 1, 0), (PhoneRow(1, "112:1:1", 0, "ق", 0, 1600, 0.9, None, 0, 1),))),
        (100.30, feedback(3, CursorRow("112:1:1", 0, 0), (PhoneRow(1, "112:1:1", 0, "ق", 0, 1600, 0.9, None, 0, 1),))),
        (100.45, feedback(4, None, (), (WordRow(1, "112:1:1", 0, 3200, 0.9, Status.ACCEPTED),))),
    )
    report = figures([session], Recording((), 312, 0.3), UNITS)
    # Sample 0 sounds at 100.00: the first packet, due at 100.02, is full then.
    assert report["tentative"] == {"n": 3, "missing": 1, "p50": 50.0, "p95": None, "p99": None}
    assert report["confirmed"] == {"n": 3, "missing": 2, "p50": None, "p95": None, "p99": None}
    assert report["words"]["confirmed"]["n"] == 2 and report["words"]["confirmed"]["p50"] == 250.0
    assert report["server"]["p50"] == 5.0 and report["connect"]["p95"] == 50.0
    assert "never" in as_text({"sessions": 1, "seconds": 1.0, "url": "x", "loss": 0.0, **report})


def test_a_cursor_past_a_phone_counts_for_it() -> None:
    arrivals = Arrivals.of(heard((101.0, feedback(1, CursorRow("112:1:2", 0, 0)))), UNITS)
    assert set(arrivals.tentative.values()) == {101.0} and len(arrivals.tentative) == 3


def test_the_word_after_a_recovery_is_that_recited_then() -> None:
    words = [Unit(f"112:1:{n}", 0, n * 16_000) for n in range(1, 5)]
    names = [unit.at for unit in words]
    session = heard(*((100.02 + s, feedback(s, CursorRow("112:1:1", 0, 0))) for s in range(1, 5)))
    recovery = Recovery(down=100.0, up=100.0, noticed=100.0, opened=100.1, back=100.2)
    assert at_right_word(session, recovery, words, names) is True, "after 1.75 s the second word is recited"
    assert at_right_word(session, replace(recovery, back=101.0), words, names) is False, "after 2.75 s the third"
    assert at_right_word(session, recovery, words, names, until=101.9) is None
    assert at_right_word(session, replace(recovery, back=math.inf), words, names) is None


async def test_connections_are_lost_and_made_up_for(start_server: StartServer) -> None:
    running = await start_server()
    t = np.arange(6 * 16_000) / 16_000
    recording = encode_recording((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 0.1)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = ["--audio", "tone", "--verses", "112", "--reconnect-every", "1", "--transport", "websocket"]
    (returning,) = await recite_and_return(parser.parse_args([running.url, *options]), recording)
    await running.sessions(0)
    assert returning.heard.summary is not None
    assert running.server.metrics.resumed["live"].value == len(returning.recoveries) == 1
    words = [word.at for word in default_lexicon().words(parse_reference("112"))]
    report = recovery_figures([returning], UNITS, words)
    assert (report["lost"], report["back"]["missing"], report["tries_failed"]) == (1, 0, 0)


def test_transport_is_what_the_server_did_not_take() -> None:
    session = heard((100.40, feedback(1, rtp=960 * 2)))
    session.network.sent = {2: 100.30, 3: 100.38}
    # Packet 0 has timestamp 2**32 - 960: sample 960 * 2 + 960 lies at the end of packet 2, and 2 ms more are needed.
    assert list(transport_delays(session)) == [pytest.approx(15.0)]


def test_percentiles_take_the_nearest_rank() -> None:
    assert spread([3.0, 1.0, 2.0, math.inf]) == {"n": 4, "missing": 1, "p50": 2.0, "p95": None, "p99": None}
    assert spread([])["p50"] is None


def test_limits() -> None:
    report = {"confirmed": {"p95": 400.0, "p99": None}}
    assert not Limit.parse("confirmed.p95=500").passed(report)
    assert Limit.parse("confirmed.p95=300").passed(report)
    assert Limit.parse("confirmed.p99=300").passed(report), "infinite"
    with pytest.raises(ValueError, match="no such figure"):
        Limit.parse("confirmed.p42=300").passed(report)
    with pytest.raises(ValueError, match="write a figure"):
        Limit.parse("confirmed.p95")


async def test_a_made_recitation_is_followed_live(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    """The real line, end to end: model, tracker, judge, WebRTC."""
    running = await start_server(ear=ear_of(OnnxEngine(), 2), capacity=2)
    pcm = read_audio(SAMPLES / "2.opus")
    truth = json.loads((SAMPLES / "2.times.json").read_text())
    ends = {word["at"]: word["end"] for word in truth["words"]}
    assert truth["verses"] == "112"
    heard = await Reciter(http, running.url, "112", encode_recording(pcm)).recite()
    cursors = [m.cursor.at for _, m in heard.feedback if m.cursor is not None]
    order = list(ends)
    reached = [at for n, at in enumerate(order) if at in cursors]
    assert len(reached) >= 12, "the words light up"
    firsts = [cursors.index(at) for at in reached]
    assert sum(later < first for first, later in itertools.pairwise(firsts)) <= 1, "in order"
    rows = {row.at: row for _, m in heard.feedback for row in m.words}
    assert len(rows) >= 11
    # Where the session's clock begins is told by the RTP timestamps.
    newest = heard.feedback[-1][1]
    assert heard.network.first_rtp is not None
    began = newest.sample - ((newest.rtp - heard.network.first_rtp) & 0xFFFFFFFF) // 3
    late = sorted(abs((row.end - began) / 16_000 - ends[at]) for at, row in rows.items())
    assert late[len(late) // 2] < 0.15, "in their places"
    assert heard.summary is not None and len(heard.summary.words) == len(order)


async def test_a_server_that_goes_away_ends_the_recitation(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    endless = replace(tone, packets=tone.packets * 50)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        reciting = tasks.create_task(Reciter(http, running.url, "112", endless).recite())
        await running.sessions(1)
        warmed = len(running.encoder.steps)
        while len(running.encoder.steps) < warmed + 5:
            await asyncio.sleep(0.05)
        await running.stop()
    session = reciting.result()
    assert session.broken and session.summary is None
    report = {"sessions": 1, "seconds": 1.0, "url": "x", "loss": 0.0, **figures([session], endless, UNITS)}
    assert report["broken"] == 1
    assert "1 of 1 sessions broken off" in as_text(report)
