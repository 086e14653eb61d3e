"""Tempo: known after some seconds, true for made voices of any pace, and no slave of a few odd syllables."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from measured import HARAKAH_S, listen, steady

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import SAMPLE_HZ
from recitation.events import PhoneVerdict
from recitation.made_voice import MadeRecitation
from recitation.tajweed.lengths import PLACE_SD_S, Heard
from recitation.tajweed.tempo import LEAST_OBSERVATIONS, NATURAL_COUNTS, Syllables, Tempo
from recitation.vad import SileroVad

SYLLABLE_S = 0.22


def joined(*units: tuple[str, float], p: float = 1.0) -> list[Heard]:
    """Phones of one phrase in its midst, each with its seconds."""
    phones: list[Heard] = []
    begin = SAMPLE_HZ
    for n, (unit, seconds) in enumerate(units):
        end = begin + round(seconds * SAMPLE_HZ)
        following = units[n + 1][0] if n + 1 < len(units) else "َ"
        phones.append(Heard(PhoneVerdict("1:1:1", n, unit, begin, end, p, None), begin, end, None, following))
        begin = end
    return phones


def noted(phones: list[Heard], **marks: bool) -> list[tuple[float, float]]:
    syllables = Syllables()
    return [one for heard in phones if (one := syllables.push(heard, **marks))]


def test_nothing_is_known_before_anything_was_heard() -> None:
    tempo = Tempo()
    assert not tempo.known
    assert math.isnan(tempo.harakah_s) and math.isinf(tempo.uncertainty)
    for n in range(LEAST_OBSERVATIONS):
        assert (tempo.known, tempo.observations) == (False, n)
        tempo.note(1.0, SYLLABLE_S)
    assert tempo.known


@pytest.mark.parametrize(("counts", "seconds"), [(0.0, 0.2), (1.0, 0.0), (-1.0, 0.2)])
def test_impossible_notes_are_a_mistake_of_the_caller(counts: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        Tempo().note(counts, seconds)


def test_what_no_reciter_does_is_ignored() -> None:
    tempo = steady()
    before = tempo.harakah_s, tempo.observations
    tempo.note(1.0, 3.0)
    tempo.note(1.0, 0.02)
    assert (tempo.harakah_s, tempo.observations) == before


def test_a_harakah_is_a_syllable_without_its_consonant() -> None:
    assert steady().harakah_s == pytest.approx(HARAKAH_S)
    slow, fast = Tempo(), Tempo()
    slow.note(1.0, 0.30)
    fast.note(1.0, 0.15)
    assert 2 < slow.harakah_s / fast.harakah_s < 2.6, "vowels follow the pace more than consonants do"


def test_odd_syllables_hardly_count() -> None:
    tempo = steady(20)
    for seconds in (0.7, 0.75, 0.8):
        tempo.note(1.0, seconds)
    assert tempo.harakah_s == pytest.approx(HARAKAH_S, rel=0.1)


def test_a_change_of_pace_is_followed() -> None:
    tempo = steady(60)
    for _ in range(40):
        tempo.note(1.0, 0.35)
    assert tempo.harakah_s == pytest.approx(0.259, rel=0.05)


def test_uncertainty_falls_with_what_was_heard() -> None:
    assert steady(100).uncertainty < steady(20).uncertainty < steady(6).uncertainty < 0.2


def test_a_length_is_as_uncertain_as_tempo_and_boundaries() -> None:
    tempo = steady()
    long, short = tempo.length(10 * HARAKAH_S), tempo.length(HARAKAH_S)
    assert (long.harakat, short.harakat) == (pytest.approx(10), pytest.approx(1))
    assert tempo.uncertainty < long.spread < short.spread
    assert short.spread == pytest.approx(math.hypot(tempo.uncertainty, math.sqrt(2) * PLACE_SD_S / HARAKAH_S))


def test_open_syllables_are_measured_from_consonant_to_consonant() -> None:
    [(counts, seconds)] = noted(joined(("ن", 0.06), ("َ", 0.15), ("م", 0.07)))
    assert (counts, seconds) == (1.0, pytest.approx(0.21, abs=1e-4))


def test_a_natural_madd_counts_for_more() -> None:
    [(counts, seconds)] = noted(joined(("ن", 0.06), ("َ", 0.1), ("اا", 0.2), ("م", 0.07)))
    assert (counts, seconds) == (NATURAL_COUNTS, pytest.approx(0.36, abs=1e-4))
    assert not noted(joined(("ن", 0.06), ("َ", 0.1), ("اا", 0.2), ("م", 0.07)), long_madd=True)


@pytest.mark.parametrize(
    "phones",
    [
        joined(("ن", 0.06), ("َ", 0.15)),
        joined(("نن", 0.2), ("َ", 0.15), ("م", 0.07)),
        joined(("ن", 0.06), ("َ", 0.15), ("مممم", 0.3)),
        joined(("ن", 0.06), ("َ", 0.15), ("م", 0.07), p=0.1),
    ],
    ids=["not over", "doubled", "before ghunnah", "doubtful"],
)
def test_other_syllables_are_not(phones: list[Heard]) -> None:
    assert not noted(phones)


@pytest.mark.parametrize(("voice", "harakah_s"), [("man4", 0.11), ("woman2", 0.17)])
def test_tempo_of_a_made_voice(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad, voice: str, harakah_s: float
) -> None:
    made = make("2:6-7", voice=voice, harakah_s=harakah_s)
    known_s, later = math.inf, []
    for step in listen(made.pcm, "2:6-7", engine, vad):
        now_s = step.heard.phone.end / SAMPLE_HZ
        if step.tempo.known:
            known_s = min(known_s, now_s)
        if now_s > 8:
            later.append(step.tempo.harakah_s / harakah_s)
    assert known_s <= 8
    assert len(later) > 50
    assert abs(np.median(later) - 1) <= 0.1
    assert max(abs(ratio - 1) for ratio in later) <= 0.2
