"""Formants against vowels whose resonances are known (Peterson and Barney 1952, F4 and F5 added)."""

import numpy as np
import pytest
from voiced import vowel

from recitation.prosody.formants import CHILD, MAN, WOMAN, Tract, burg, resonances, tract_of, vowel_formants

VOWELS = {
    "man a": (MAN, 120.0, (730.0, 1090.0, 2440.0, 3400.0, 4400.0)),
    "man i": (MAN, 120.0, (270.0, 2290.0, 3010.0, 3700.0, 4600.0)),
    "man u": (MAN, 120.0, (300.0, 870.0, 2240.0, 3300.0, 4300.0)),
    "man ae": (MAN, 120.0, (660.0, 1720.0, 2410.0, 3400.0, 4400.0)),
    "woman a": (WOMAN, 210.0, (850.0, 1220.0, 2810.0, 3900.0, 4900.0)),
    "woman i": (WOMAN, 210.0, (310.0, 2790.0, 3310.0, 4200.0, 5000.0)),
    "woman u": (WOMAN, 210.0, (370.0, 950.0, 2670.0, 3800.0, 4800.0)),
    "woman ae": (WOMAN, 210.0, (860.0, 2050.0, 2850.0, 3900.0, 4900.0)),
    "child a": (CHILD, 300.0, (1030.0, 1370.0, 3170.0, 4600.0, 5800.0)),
    "child i": (CHILD, 300.0, (370.0, 3200.0, 3730.0, 5000.0, 6200.0)),
    "child u": (CHILD, 300.0, (430.0, 1170.0, 3260.0, 4500.0, 5700.0)),
    "child ae": (CHILD, 300.0, (1010.0, 2320.0, 3320.0, 4600.0, 5900.0)),
}


@pytest.mark.parametrize("name", VOWELS)
@pytest.mark.parametrize("order", [10, 12])
@pytest.mark.parametrize("register", [0.8, 1.0, 1.25])
def test_known_resonances_are_found(name: str, order: int, register: float) -> None:
    """Within 5 %, or a third of the pitch where harmonics are far apart and draw a resonance towards the nearest."""
    tract, pitch, truth = VOWELS[name]
    found = vowel_formants(vowel(pitch * register, truth), Tract(tract.ceiling_hz, order, tract.window_s))
    assert found is not None and found.support == 1.0
    for hz, wanted in zip(found.hz, truth[:3], strict=True):
        assert hz == pytest.approx(wanted, abs=max(0.05 * wanted, pitch * register / 3))


def test_burg_recovers_a_stable_predictor() -> None:
    """Noise through a known all-pole filter gives the filter back."""
    wanted = np.array([1.0, -1.2, 0.8])
    noise = np.random.default_rng(0).standard_normal((4, 4000))
    sound = np.zeros_like(noise)
    for n in range(noise.shape[1]):
        sound[:, n] = noise[:, n]
        for lag in (1, 2):
            if n >= lag:
                sound[:, n] -= wanted[lag] * sound[:, n - lag]
    assert burg(sound, 2) == pytest.approx(np.tile(wanted, (4, 1)), abs=0.04)


def test_a_frame_does_not_depend_on_its_company() -> None:
    frames = np.random.default_rng(1).standard_normal((6, 300))
    together = resonances(burg(frames, 10), 10_000)
    alone = [resonances(burg(frame[None], 10), 10_000) for frame in frames]
    np.testing.assert_allclose(together[0], np.concatenate([hz for hz, _ in alone]), rtol=1e-9)


def test_silence_has_no_formants() -> None:
    found = vowel_formants(np.zeros(3200, np.float32))
    assert found is not None and found.support == 0.0
    assert np.isnan(found.hz).all()


def test_too_short_a_vowel_is_none() -> None:
    assert vowel_formants(vowel(120, VOWELS["man a"][2], 0.03)) is None


def test_a_predictor_needs_frames_longer_than_itself() -> None:
    with pytest.raises(ValueError, match="order 12"):
        burg(np.ones((1, 12)), 12)


def test_the_tract_goes_by_the_pitch() -> None:
    assert [tract_of(hz) for hz in (None, 110, 220, 340)] == [MAN, MAN, WOMAN, CHILD]
