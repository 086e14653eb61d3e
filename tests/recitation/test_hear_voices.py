"""Voice activity heard for many sessions at once, in another thread: every session hears what it hears alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm
from recitation.events import Update
from recitation.listening import hear_voices
from recitation.made_voice import MadeRecitation
from recitation.pipeline import HopStep, Session, passage
from recitation.vad import SileroVad

VERSES = ("112", "113:1-3", "112", "112")


@pytest.fixture(scope="module")
def voices(make: Callable[..., MadeRecitation]) -> list[Pcm]:
    """Two recitations, one that begins later, and a noise."""
    first, second = make("112").pcm[:64_000], make("113:1-3", voice="woman2").pcm[:64_000]
    noise = np.random.default_rng(1).normal(0, 0.01, 40_000).astype(np.float32)
    return [first, second, np.concatenate([np.zeros(20_000, np.float32), first]), noise]


def live(engine: OnnxEngine, vad: SileroVad, voices: list[Pcm], chunk: int, together: bool) -> list[list[Update]]:
    """All sessions at once, the next audio pushed while a hop is worked on; voices heard together in a thread, or each
    in its own ``hop_done``."""
    sessions = [Session(passage(verses), vad) for verses in VERSES]
    steps = [HopStep(engine) for _ in sessions]
    updates: list[list[Update]] = [[] for _ in sessions]
    with ThreadPoolExecutor(1) as thread:
        for begin in range(0, max(map(len, voices)) + 2 * chunk, chunk):
            ready = [n for n, session in enumerate(sessions) if session.hops_ready]
            hops = {n: sessions[n].take_hop() for n in ready}
            hearing = thread.submit(hear_voices, vad, [sessions[n].voice_ready() for n in ready if together])
            for session, pcm in zip(sessions, voices, strict=True):
                session.push(pcm[begin : begin + chunk])
            hearing.result()
            for n in ready:
                updates[n].append(sessions[n].hop_done(steps[n](hops[n])))
    for session, step, heard in zip(sessions, steps, updates, strict=True):
        heard.append(session.finish(step))
    return updates


@pytest.mark.parametrize("chunk", [320, 1000])
def test_voices_heard_together_are_heard_as_alone(
    engine: OnnxEngine, vad: SileroVad, voices: list[Pcm], chunk: int
) -> None:
    alone = live(engine, vad, voices, chunk, together=False)
    assert live(engine, vad, voices, chunk, together=True) == alone
    assert sum(len(update.words) for updates in alone for update in updates) > 3


def test_nothing_is_heard_twice(vad: SileroVad, voices: list[Pcm]) -> None:
    session = Session(passage("112"), vad)
    with pytest.raises(IndexError, match="no hop"):
        session.voice_ready()
    session.push(voices[0][:1300])
    voice = session.voice_ready()
    hear_voices(vad, [voice])
    hear_voices(vad, [session.voice_ready()])
    assert session.voice_ready() is voice
    assert voice.ends == [0, 512, 1024] and len(voice.values) == 3
