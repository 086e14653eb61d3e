"""Log-mel features: causal, on a fixed grid, the same for any chunking."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.audio import Pcm
from recitation.features import (
    FLOOR,
    MEAN,
    MELS,
    SCALE,
    StreamingLogMel,
    features_of,
    mel_filters,
)

QUIET = (np.log(FLOOR) - MEAN) * SCALE


def noise(samples: int, seed: int = 0) -> Pcm:
    return (np.random.default_rng(seed).standard_normal(samples) * 0.05).astype(np.float32)


@given(st.integers(0, 6000), st.lists(st.integers(0, 900), max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_chunking_gives_the_same_features(samples: int, sizes: list[int]) -> None:
    pcm = noise(samples)
    stream = StreamingLogMel()
    parts = [stream.push(piece) for piece in np.split(pcm, np.minimum(np.cumsum(sizes, dtype=int), samples))]
    together = np.concatenate(parts)
    assert together.shape == (samples // 160, MELS)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, features_of(pcm), atol=1e-5)


@given(st.integers(0, 30), st.integers(1, 2000))
@settings(max_examples=30, deadline=None)
def test_a_frame_hears_nothing_after_its_last_sample(frame: int, later: int) -> None:
    pcm = noise(5200)
    changed = pcm.copy()
    changed[160 * (frame + 1) :][:later] += 0.5
    np.testing.assert_array_equal(features_of(pcm)[: frame + 1], features_of(changed)[: frame + 1])


def test_a_frame_covers_25_ms() -> None:
    click = np.zeros(3200, np.float32)
    click[1000] = 1.0
    heard = np.flatnonzero((features_of(click) > QUIET + 0.1).any(axis=1))
    # Frame i covers samples 160 i - 240 to 160 i + 160.
    assert heard.tolist() == [6, 7]
    assert all(160 * i - 240 <= 1000 < 160 * i + 160 for i in heard)


def test_silence_is_the_floor() -> None:
    np.testing.assert_allclose(features_of(np.zeros(1600, np.float32)), QUIET, atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 159])
def test_less_than_a_frame_is_no_frame(samples: int) -> None:
    assert features_of(noise(samples)).shape == (0, MELS)


def test_filters_average_and_cover_the_band() -> None:
    filters = mel_filters()
    assert filters.shape == (257, MELS)
    np.testing.assert_allclose(filters.sum(axis=0), 1, atol=1e-6)
    assert (filters >= 0).all()
    centres = (filters * np.arange(257)[:, None]).sum(axis=0)
    assert (np.diff(centres) >= 0).all()


@pytest.mark.parametrize("hz", [300.0, 1000.0, 3000.0, 6000.0])
def test_a_tone_is_loudest_in_its_band(hz: float) -> None:
    tone = (0.1 * np.sin(2 * np.pi * hz * np.arange(8000) / 16_000)).astype(np.float32)
    band = int(features_of(tone)[10:].mean(axis=0).argmax())
    edges = 2595 * np.log10(1 + np.array([20.0, 8000.0]) / 700)
    centre = 700 * (10 ** (np.linspace(*edges, MELS + 2)[band + 1] / 2595) - 1)
    assert abs(centre - hz) < 0.06 * hz


def test_ten_decibels_are_a_fixed_step() -> None:
    pcm = noise(8000)
    quiet, loud = features_of(pcm), features_of(pcm * np.float32(10**0.5))
    np.testing.assert_allclose(loud - quiet, np.log(10) * SCALE, atol=1e-3)
