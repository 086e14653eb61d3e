"""Augmentation: any rendition is finite, in shape, above the floor, and the same from the same seed."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.features import MELS, features_of
from recitation.training.augment import (
    LIGHT,
    SILENCE,
    Floats,
    Strength,
    band_limit,
    colour,
    disguise,
    dry,
    holes,
    mask,
    noise,
    room,
    stretch,
    warp,
)

ALWAYS = Strength(warp_share=1, band_share=1, noise_share=1, room_share=1, hole_share=1, mask_share=1, dry_share=1)

RANDOM_PARTS: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "colour": colour,
    "dry": dry,
    "noise": noise,
    "room": room,
    "holes": holes,
    "mask": mask,
}


def speechlike(frames: int, seed: int = 0) -> Floats:
    """Features of noise whose loudness moves like syllables."""
    random = np.random.default_rng(seed)
    t = np.arange(frames * 160)
    pcm = random.standard_normal(len(t)) * 0.05 * (1.05 + np.sin(2 * np.pi * 4 * t / 16_000))
    return features_of(pcm.astype(np.float32))


def tone(hz: float, frames: int = 40) -> Floats:
    return features_of((0.1 * np.sin(2 * np.pi * hz * np.arange(frames * 160) / 16_000)).astype(np.float32))


@given(st.integers(0, 10_000), st.integers(2, 400), st.sampled_from([Strength(), LIGHT, ALWAYS]))
@settings(max_examples=60, deadline=None)
def test_any_rendition_is_sound(seed: int, frames: int, strength: Strength) -> None:
    x = speechlike(frames)
    before = x.copy()
    y = disguise(x, np.random.default_rng(seed), strength)
    assert y.shape == (frames, MELS)
    assert y.dtype == np.float32
    assert np.isfinite(y).all()
    assert (y >= SILENCE).all()
    assert y.max() < 10
    np.testing.assert_array_equal(x, before)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_rendition(seed: int) -> None:
    x = speechlike(150)
    first = disguise(x, np.random.default_rng(seed), ALWAYS)
    np.testing.assert_array_equal(first, disguise(x, np.random.default_rng(seed), ALWAYS))
    other = disguise(x, np.random.default_rng(seed + 1), ALWAYS)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", RANDOM_PARTS)
@pytest.mark.parametrize("kind", ["speech", "silence"])
def test_each_distortion_keeps_the_shape(name: str, kind: str) -> None:
    x = speechlike(200) if kind == "speech" else np.full((200, MELS), SILENCE, np.float32)
    before = x.copy()
    for seed in range(5):
        y = RANDOM_PARTS[name](x, np.random.default_rng(seed))
        assert y.shape == x.shape
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
    np.testing.assert_array_equal(x, before)


def test_stretching_changes_the_length_alone() -> None:
    x = speechlike(100)
    np.testing.assert_allclose(stretch(x, 1.0), x, atol=1e-5)
    assert len(stretch(x, 1.25)) == 125
    np.testing.assert_allclose(stretch(stretch(x, 4.0), 0.25).mean(axis=0), x.mean(axis=0), atol=0.05)


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_warping_moves_a_tone(ratio: float) -> None:
    x, moved = tone(1000), tone(1000 * ratio)
    assert abs(int(warp(x, ratio)[20].argmax()) - int(moved[20].argmax())) <= 1
    # The highest band has no neighbour above to be sure of.
    np.testing.assert_allclose(warp(x, 1.0)[:, :-1], x[:, :-1], atol=1e-4)


def test_a_band_limit_leaves_the_band_and_takes_the_rest() -> None:
    x = speechlike(50)
    y = band_limit(x, 300, 3400, 1.0)
    inside, outside = int(tone(1000)[20].argmax()), int(tone(7000)[20].argmax())
    np.testing.assert_array_equal(x[:, inside], y[:, inside])
    assert (x[:, outside] - y[:, outside]).min() > 1


def test_noise_only_adds() -> None:
    x = speechlike(100)
    assert (noise(x, np.random.default_rng(0)) - x).min() > -1e-4


def test_a_room_rings_after_the_sound() -> None:
    x = np.concatenate([speechlike(50), np.full((50, MELS), SILENCE, np.float32)])
    y = room(x, np.random.default_rng(0))
    assert (y[52:58] - x[52:58]).mean() > 0.5
    assert y[52].mean() > y[90].mean()


def test_a_dry_voice_has_deeper_valleys_and_no_louder_peaks() -> None:
    x = speechlike(300)
    spreads = []
    for seed in range(20):
        y = dry(x, np.random.default_rng(seed))
        spreads.append(float((y.std(axis=0) / x.std(axis=0)).mean()))
        assert (np.percentile(y, 90, axis=0) - np.percentile(x, 90, axis=0)).max() < 0.3
        assert (y.argmax(axis=0) == x.argmax(axis=0)).all()
    assert min(spreads) > 0.85 and max(spreads) > 1.7


def test_holes_are_silent_and_short() -> None:
    x = speechlike(300)
    y = holes(x, np.random.default_rng(0))
    silent = (y == SILENCE).all(axis=1)
    assert 2 <= silent.sum() < 100
    np.testing.assert_array_equal(x[~silent], y[~silent])
