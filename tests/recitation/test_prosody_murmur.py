"""The murmur of a nasal stands out, and is missed when it is gone."""

import numpy as np
import pytest
from voiced import vowel

from recitation.audio import Pcm
from recitation.made_voice.speech import colour
from recitation.prosody.murmur import LEAST_SAMPLES, murmur_db
from recitation.spoiling.kinds import NOT_NASAL

A = (730.0, 1090.0, 2440.0, 3400.0, 4400.0)
NASAL = (250.0, 1000.0, 2200.0, 3200.0, 4200.0)


@pytest.fixture(scope="module")
def sounds() -> tuple[Pcm, Pcm]:
    """A held nasal, and the vowel before it."""
    return vowel(120, NASAL, 0.4), vowel(120, A, 0.15)


def test_the_murmur_is_missed_when_it_is_filtered_out(sounds: tuple[Pcm, Pcm]) -> None:
    nasal, before = sounds
    whole = murmur_db(nasal, before)
    oral = nasal.copy()
    colour(oral, 0, len(oral), NOT_NASAL)
    filtered = murmur_db(oral, before)
    assert whole is not None and filtered is not None
    assert whole - filtered > 20


def test_distance_and_volume_do_not_matter(sounds: tuple[Pcm, Pcm]) -> None:
    nasal, before = sounds
    quiet = np.float32(0.05)
    assert murmur_db(quiet * nasal, quiet * before) == pytest.approx(murmur_db(nasal, before), abs=0.1)


def test_too_short_to_tell(sounds: tuple[Pcm, Pcm]) -> None:
    nasal, before = sounds
    assert murmur_db(nasal[: LEAST_SAMPLES - 1], before) is None
    assert murmur_db(nasal, before[: LEAST_SAMPLES - 1]) is None
