"""Pitch beside the encoder loop: all who wait in one call, and a fault costs nobody the session."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

import aiohttp
import numpy as np
import pytest
from toy_ear import StartServer

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm
from recitation.made_voice import MadeRecitation
from recitation.prosody.pitch import Contour, PitchSession, SwiftPitch
from server.app import ear_of
from server.messages import PhraseMessage
from server.metrics import Metrics
from server.pitch import PitchLoop
from server.reciter import Reciter, encode_recording


class Line:
    """A line with a second of sound whose pitch it wants."""

    def __init__(self, hz: float) -> None:
        self.pitch: PitchSession | None = PitchSession()
        self.pitch.push(np.sin(2 * np.pi * hz * np.arange(24_000) / 16_000).astype(np.float32))
        self.pitch.close(0, 16_000)
        self.heard: list[Contour] = []

    def hear_pitch(self, contours: Sequence[Contour]) -> None:
        self.heard += contours


async def test_all_who_wait_are_heard_in_one_call() -> None:
    network, calls = SwiftPitch(), []

    def hear(spans: Sequence[Sequence[tuple[int, Pcm]]]) -> list[list[Contour]]:
        calls.append(len(spans))
        return network.hear(spans)

    lines = [Line(150.0), Line(300.0), Line(220.0)]
    lines[1].pitch = None
    metrics = Metrics()
    loop = PitchLoop(hear, lambda: lines, metrics)
    running = asyncio.create_task(loop.run())
    await asyncio.sleep(1.0)
    running.cancel()
    await asyncio.wait([running])
    assert calls == [2], "nobody waits the second time"
    assert metrics.stages["pitch"].count == 1
    for line, hz in ((lines[0], 150.0), (lines[2], 220.0)):
        (contour,) = line.heard
        assert np.median(contour.hz[contour.voiced]) == pytest.approx(hz, rel=0.03)
    assert lines[1].heard == []


async def test_a_fault_costs_the_pitch_alone() -> None:
    def broken(spans: Sequence[Sequence[tuple[int, Pcm]]]) -> list[list[Contour]]:
        raise RuntimeError("the network is gone")

    line, metrics = Line(150.0), Metrics()
    loop = PitchLoop(broken, lambda: [line], metrics)
    await loop.hear([line])
    await loop.hear([line])
    assert line.heard == []
    assert metrics.faults.value == 1, "the span is not asked for again"


async def test_phrases_come_while_reciting_and_the_last_before_the_summary(
    start_server: StartServer, http: aiohttp.ClientSession, make: Callable[..., MadeRecitation], engine: OnnxEngine
) -> None:
    running = await start_server(ear=ear_of(engine, 4), capacity=4)
    made = make("112:1-3", voice="man4", harakah_s=0.14)
    heard = await Reciter(http, running.url, "112:1-3", encode_recording(made.pcm, 0.6)).recite()
    control = [message for _, message in heard.control]
    phrases = [message for message in control if isinstance(message, PhraseMessage)]
    assert 2 <= len(phrases) <= 6
    assert all(a.end <= b.start for a, b in pairwise(phrases))
    when = [time for time, message in heard.control if isinstance(message, PhraseMessage)]
    assert when[-1] - when[0] > 1.0, "not all at the end"
    for phrase in phrases:
        assert phrase.pitch is not None and 60 < phrase.pitch.low_hz <= phrase.pitch.median_hz < 300
        assert len(phrase.contour.hz) == pytest.approx((phrase.end - phrase.start) / 256, abs=2)
    assert heard.summary is not None and heard.summary.prosody is not None
    assert heard.summary.prosody.phrases == len(phrases)
    assert running.server.metrics.stages["pitch"].count >= 2
