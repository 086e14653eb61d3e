from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.audio import Pcm
from recitation.vad import WINDOW_SAMPLES, SileroVad, SpeechChange, SpeechGate, VadSession


def resonate(pulses: list[float], hz: float, bandwidth_hz: float) -> list[float]:
    """A formant: two-pole resonator at 16 kHz."""
    radius = np.exp(-np.pi * bandwidth_hz / 16_000)
    a1, a2 = 2 * radius * np.cos(2 * np.pi * hz / 16_000), -radius * radius
    out = [0.0, 0.0]
    for pulse in pulses:
        out.append(pulse + a1 * out[-1] + a2 * out[-2])
    return out[2:]


def voice(seed: int) -> Pcm:
    """One second of near silence, then half a second of a spoken [a], float32[24000]."""
    t = np.arange(24_000) / 16_000
    pitch = np.cumsum(130 + 5 * seed + 20 * np.sin(2 * np.pi * 0.7 * t)) / 16_000
    pulses = (np.diff(np.floor(pitch), prepend=0) > 0).astype(float).tolist()
    for hz, bandwidth in ((700, 90), (1200, 110), (2600, 160)):
        pulses = resonate(pulses, hz, bandwidth)
    vowel = np.array(pulses) * np.clip(np.sin(2 * np.pi * 3 * t) + 0.4, 0, 1) * (t > 1.0)
    noise = np.random.default_rng(seed).standard_normal(24_000) * 1e-4
    return (0.2 * vowel / np.abs(vowel).max() + noise).astype(np.float32)


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad()


@pytest.fixture(scope="module")
def voices() -> list[Pcm]:
    return [voice(seed) for seed in range(5)]


def listen(vad: SileroVad, pcm: Pcm, sizes: Sequence[int] = ()) -> list[float]:
    """Probabilities of every window of one reciter alone, pushed in chunks of `sizes` and then the rest."""
    session, heard = VadSession(), []
    for chunk in np.split(pcm, np.minimum(np.cumsum(list(sizes), dtype=int), len(pcm))):
        session.push(chunk)
        while session.ready:
            heard.append(float(vad.step([session])[0]))
    assert session.position == len(heard) * WINDOW_SAMPLES
    return heard


def test_speech_is_told_from_silence(vad: SileroVad, voices: list[Pcm]) -> None:
    heard = listen(vad, voices[0])
    assert max(heard[:30]) < 0.1
    assert max(heard[32:]) > 0.9


def test_the_last_window_is_remembered(vad: SileroVad, voices: list[Pcm]) -> None:
    fresh = VadSession()
    fresh.push(voices[0][40 * WINDOW_SAMPLES : 41 * WINDOW_SAMPLES])
    assert abs(float(vad.step([fresh])[0]) - listen(vad, voices[0])[40]) > 1e-3


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.integers(1, 3000), max_size=20))
def test_verdicts_do_not_depend_on_chunking(vad: SileroVad, voices: list[Pcm], sizes: list[int]) -> None:
    assert listen(vad, voices[1], sizes) == listen(vad, voices[1])


@settings(deadline=None, max_examples=10)
@given(
    delays=st.lists(st.integers(0, 20), min_size=5, max_size=5),
    order=st.permutations(range(5)),
)
def test_a_batch_hears_what_each_session_hears_alone(
    vad: SileroVad, voices: list[Pcm], delays: list[int], order: list[int]
) -> None:
    """Sessions of different ages, joining and leaving, in any order."""
    sessions = [VadSession() for _ in voices]
    heard: list[list[float]] = [[] for _ in voices]
    for tick in range(47 + max(delays)):
        due = [i for i in order if delays[i] <= tick < delays[i] + 46]
        for i in due:
            start = (tick - delays[i]) * WINDOW_SAMPLES
            sessions[i].push(voices[i][start : start + WINDOW_SAMPLES])
        for i, probability in zip(due, vad.step([sessions[i] for i in due]), strict=True):
            heard[i].append(float(probability))
    for i, pcm in enumerate(voices):
        np.testing.assert_allclose(heard[i], listen(vad, pcm), atol=1e-5)


def test_impossible_steps_are_refused(vad: SileroVad) -> None:
    session = VadSession()
    session.push(np.zeros(511, np.float32))
    with pytest.raises(ValueError, match="whole window"):
        vad.step([session])
    session.push(np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="only one"):
        vad.step([session, session])
    assert len(vad.step([session])) == 1
    assert len(vad.step([])) == 0


# Gate


def gate(probabilities: list[float]) -> list[SpeechChange]:
    """Changes over windows of 100 samples, the end of the stream included."""
    it = SpeechGate(0.5, 0.35, min_speech=200, min_silence=300)
    changes = [it.push(p, i * 100, (i + 1) * 100) for i, p in enumerate(probabilities)]
    return [change for change in (*changes, it.flush(len(probabilities) * 100)) if change]


def test_speech_is_dated_from_its_first_window() -> None:
    assert gate([0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1]) == [
        SpeechChange(True, 100, 300),
        SpeechChange(False, 400, 700),
    ]


@pytest.mark.parametrize(
    "probabilities",
    [
        [0.1, 0.9, 0.1, 0.9, 0.1],  # clicks
        [0.4, 0.49, 0.4, 0.49],  # never reaches the upper threshold
    ],
)
def test_no_speech(probabilities: list[float]) -> None:
    assert gate(probabilities) == []


def test_short_silences_and_doubt_do_not_end_speech() -> None:
    assert gate([0.9, 0.9, 0.1, 0.1, 0.9, 0.4, 0.4, 0.4, 0.4, 0.9]) == [
        SpeechChange(True, 0, 200),
        SpeechChange(False, 1000, 1000),
    ]


def test_doubt_after_silence_does_not_resume_speech() -> None:
    assert gate([0.9, 0.9, 0.1, 0.4, 0.4, 0.4])[1:] == [SpeechChange(False, 200, 500)]


@given(st.lists(st.floats(0, 1), max_size=80))
def test_changes_alternate_and_keep_their_lengths(probabilities: list[float]) -> None:
    changes = gate(probabilities)
    assert [change.speaking for change in changes] == [i % 2 == 0 for i in range(len(changes))]
    for begin, end in zip(changes[::2], changes[1::2], strict=True):
        assert begin.known_at - begin.sample >= 200
        assert end.known_at - end.sample >= 300 or end.known_at == len(probabilities) * 100
    samples = [change.sample for change in changes]
    assert samples == sorted(samples)
    for begin in changes[::2]:
        assert probabilities[begin.sample // 100] >= 0.5


def test_thresholds_are_checked() -> None:
    with pytest.raises(ValueError, match="thresholds"):
        SpeechGate(on=0.3, off=0.5)
