"""Pitch: batches and chunks change nothing, known pitches are found, octave slips are folded back."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from swift_f0 import SwiftF0
from voiced import vowel

from recitation.audio import Pcm
from recitation.made_voice import MadeRecitation
from recitation.prosody.octaves import settle_octaves
from recitation.prosody.pitch import HIGHEST_HZ, HOP_SAMPLES, LOWEST_HZ, Contour, PitchSession, SwiftPitch

A = (730.0, 1090.0, 2440.0, 3400.0, 4400.0)


@pytest.fixture(scope="module")
def network() -> SwiftPitch:
    return SwiftPitch()


def contours(network: SwiftPitch, pcm: Pcm, chunk: int, span: int) -> list[Contour]:
    """Streamed: sound in chunks, a span closed whenever ``span`` samples are there."""
    session, found, closed = PitchSession(), [], 0
    for begin in range(0, len(pcm), chunk):
        session.push(pcm[begin : begin + chunk])
        if session.end - closed >= span:
            session.close(closed, session.end)
            closed = session.end
        found += network.step([session])[0]
    if closed < session.end:
        session.close(closed, session.end)
    session.finish()
    return found + network.step([session])[0]


@pytest.mark.parametrize(("chunk", "span"), [(1280, 16_000), (333, 5_000), (40_000, 40_000)])
def test_streamed_equals_the_network_on_the_whole(
    network: SwiftPitch, make: Callable[..., MadeRecitation], chunk: int, span: int
) -> None:
    """The look-ahead and left context of the pinned network are what this module takes them for."""
    pcm = make("112").pcm
    whole = SwiftF0(threads=1, spin=False).detect(pcm, 16_000, fmin=LOWEST_HZ, fmax=HIGHEST_HZ)
    streamed = contours(network, pcm, chunk, span)
    assert all(a.end == b.start for a, b in pairwise(streamed))
    confidence = np.concatenate([contour.confidence for contour in streamed])
    inner = slice(12, len(whole.confidence) - 12)  # the network pads the ends of a file in its own way
    np.testing.assert_allclose(confidence[: len(whole.confidence)][inner], whole.confidence[inner], atol=1e-4)


def test_company_changes_nothing(network: SwiftPitch, make: Callable[..., MadeRecitation]) -> None:
    sounds = [make("112").pcm[:40_000], make("112", voice="man1", harakah_s=0.2).pcm[:30_000], vowel(220, A, 0.5)]
    sessions = [PitchSession() for _ in sounds]
    for session, pcm in zip(sessions, sounds, strict=True):
        session.push(pcm)
        session.close(0, session.end)
        session.finish()
    for (together,), pcm in zip(network.step(sessions), sounds, strict=True):
        (alone,) = contours(network, pcm, len(pcm), len(pcm))
        np.testing.assert_allclose(together.confidence, alone.confidence, atol=1e-5)
        np.testing.assert_allclose(together.hz[together.voiced], alone.hz[alone.voiced], rtol=1e-5)


@pytest.mark.parametrize("hz", [85.0, 130.0, 220.0, 400.0])
def test_known_pitch(network: SwiftPitch, hz: float) -> None:
    (contour,) = contours(network, vowel(hz, A, 1.0), 1280, 20_000)
    assert contour.voiced[15:-15].mean() > 0.9
    assert np.median(contour.hz[contour.voiced]) == pytest.approx(hz, rel=0.02)


def test_a_span_waits_for_its_look_ahead() -> None:
    session = PitchSession()
    session.push(np.zeros(16_000, np.float32))
    session.close(0, 16_000)
    assert session.ready == 0
    session.push(np.zeros(11 * HOP_SAMPLES, np.float32))
    assert session.ready == 1


def test_only_sound_that_may_be_asked_for_is_kept() -> None:
    session = PitchSession()
    for _ in range(60):
        session.push(np.zeros(16_000, np.float32))
    session.close(0, session.end)
    session.finish()
    first, sound = session.take()
    assert len(sound) < 21 * 16_000 and first * HOP_SAMPLES >= 40 * 16_000 - HOP_SAMPLES


def test_callers_mistakes_are_named(network: SwiftPitch) -> None:
    session = PitchSession()
    session.push(np.zeros(100, np.float32))
    with pytest.raises(ValueError, match="ends at 100"):
        session.close(0, 101)
    with pytest.raises(ValueError, match="only once"):
        network.step([session, session])


def test_octave_slips_are_folded_back() -> None:
    steady = (200 + 10 * np.sin(np.arange(80) / 6)).astype(np.float32)
    slipped = steady.copy()
    slipped[20:29] *= 2
    slipped[50:55] /= 2
    settled = settle_octaves(slipped, np.ones(80, np.bool_))
    np.testing.assert_allclose(settled, steady, rtol=1e-5)


def test_melody_is_left_alone() -> None:
    """A rise of a whole octave in a tenth of a second, and a leap over a pause."""
    rising = np.exp2(np.linspace(7, 8, 8)).astype(np.float32)
    voiced = np.ones(60, np.bool_)
    hz = np.concatenate([np.full(10, 128, np.float32), rising, np.full(42, 256, np.float32)])
    np.testing.assert_array_equal(settle_octaves(hz, voiced), hz)
    apart = np.concatenate([np.full(20, 120, np.float32), np.zeros(20, np.float32), np.full(20, 300, np.float32)])
    voiced[20:40] = False
    np.testing.assert_array_equal(settle_octaves(apart, voiced), apart)
