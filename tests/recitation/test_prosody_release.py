"""Qalqalah and weight: what is measured in sound made to measure."""

import numpy as np
import pytest
from voiced import vowel

from recitation.audio import Pcm
from recitation.prosody.formants import MAN, Formants, vowel_formants
from recitation.prosody.release import LAG_SAMPLES, MISSING, log_odds, missing, release_of
from recitation.prosody.weight import Lobanov, lightness, onset_formants, too_heavy, too_light

A = (730.0, 1090.0, 2440.0, 3400.0, 4400.0)
LIGHT_A = (660.0, 1550.0, 2500.0, 3400.0, 4400.0)
SCHWA = (500.0, 1500.0, 2500.0, 3400.0, 4400.0)


def stop(echo_s: float, gain: float = 1.0) -> tuple[Pcm, int, int]:
    """A vowel, a closure of 80 ms, a burst with an echo, the next vowel: sound, and where the ear would emit the letter
    and the phone after the qalqalah."""
    hiss = 0.002 * np.random.default_rng(0).standard_normal(1_280).astype(np.float32)
    echo = 0.5 * vowel(120, SCHWA, echo_s) if echo_s else np.zeros(0, np.float32)
    closing = 0.003 * np.random.default_rng(1).standard_normal(800 if echo_s else 0).astype(np.float32)
    parts = [vowel(120, A, 0.4), hiss, echo, closing, vowel(120, A, 0.4, 2)]
    letter = len(parts[0]) + LAG_SAMPLES
    following = sum(map(len, parts[:-1])) - len(closing) + LAG_SAMPLES
    return (gain * np.concatenate(parts)).astype(np.float32), letter, following


@pytest.mark.parametrize("gain", [0.1, 1.0])
@pytest.mark.parametrize("echo_s", [0.1, 0.15, 0.2])
def test_an_echo_is_measured(echo_s: float, gain: float) -> None:
    found = release_of(*stop(echo_s, gain))
    assert found is not None and found.echo_s == pytest.approx(echo_s, abs=0.02)
    assert found.dip_db > 15 and found.rise_db > 10
    assert not missing(found) and not missing(found, 6.0)


def test_a_closure_that_opens_into_the_next_letter_has_none() -> None:
    found = release_of(*stop(0.0))
    assert found is not None and found.echo_s == pytest.approx(0, abs=0.02)
    assert missing(found, -5.0)


def test_the_ear_tips_the_scales() -> None:
    found = release_of(*stop(0.05))
    assert found is not None
    odds = [log_odds(found, ratio) for ratio in (-20.0, -8.0, 0.0, 8.0)]
    assert odds[0] == odds[1] and odds[1] is not None and odds[3] is not None
    assert odds[1] < MISSING < odds[3]


def test_nothing_is_said_before_a_pause() -> None:
    pcm, letter, _ = stop(0.1)
    found = release_of(pcm, letter, None)
    assert found is not None and found.echo_s is None and found.rise_db > 10
    assert log_odds(found, -8.0) is None and not missing(found, -8.0)


def test_sound_that_does_not_reach_the_closure() -> None:
    pcm, letter, following = stop(0.1)
    assert release_of(pcm[: letter - 3_000], letter, following) is None


def formants(f1: float, f2: float, f3: float) -> Formants:
    return Formants((f1, f2, f3), (80.0, 90.0, 120.0), 1.0)


def known(scale: float = 1.0, spread: float = 0.05) -> Lobanov:
    voice, random = Lobanov(), np.random.default_rng(5)
    for _ in range(40):
        voice.note("a", formants(*(scale * np.array([660, 1550, 2500]) * np.exp(spread * random.standard_normal(3)))))
    return voice


@pytest.mark.parametrize("scale", [0.9, 1.0, 1.2, 1.45])
def test_the_size_of_the_voice_cancels(scale: float) -> None:
    voice = known(scale)
    heavy = voice.offset("a", formants(700 * scale, 1100 * scale, 2500 * scale))
    light = voice.offset("a", formants(660 * scale, 1560 * scale, 2500 * scale))
    assert heavy is not None and light is not None
    heavy_nats, light_nats = lightness(heavy), lightness(light)
    assert heavy_nats is not None and light_nats is not None
    assert heavy_nats < -2 and light_nats > 2
    assert too_heavy(heavy) and not too_heavy(light)
    for letter in "رلصق":
        assert too_light(light, letter) and not too_light(heavy, letter)


def test_z_scores_have_unit_spread_and_bear_outliers() -> None:
    voice = known(spread=0.1)
    for _ in range(5):
        voice.note("a", formants(660, 2900, 3500))
    z = voice.z("a", formants(660 * np.exp(0.1), 1550 * np.exp(-0.2), 2500))
    assert z is not None and z == pytest.approx((1, -2, 0), abs=0.7)


def test_an_unknown_voice_or_vowel_gives_nothing() -> None:
    assert Lobanov().offset("a", formants(660, 1550, 2500)) is None
    assert known().z("i", formants(300, 2200, 3000)) is None
    voice = Lobanov()
    for _ in range(20):
        voice.note("a", formants(660, float("nan"), 2500))
    assert voice.offset("a", formants(660, 1550, 2500)) is None


def test_a_third_formant_taken_for_the_second_is_no_measurement() -> None:
    offset = known().offset("a", formants(900, 2500, 3400))
    assert offset is not None and lightness(offset) is None
    assert not too_light(offset, "ص") and not too_heavy(offset)


def test_the_begin_of_a_vowel_is_measured() -> None:
    pcm = np.concatenate([vowel(120, A, 0.2), vowel(120, LIGHT_A, 0.3)])
    found = onset_formants(pcm, 3_200 + LAG_SAMPLES, len(pcm) + LAG_SAMPLES, MAN)
    assert found is not None and found.hz[:2] == pytest.approx(LIGHT_A[:2], rel=0.06)
    assert vowel_formants(pcm[:200]) is None and onset_formants(pcm, 3_200, 3_300, MAN) is None
