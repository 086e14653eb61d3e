"""The weight of letters: by the ear, by the vowel after them, and not at all where neither can tell."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from ruled import judged, phone, place, reads, spoken
from voiced import vowel

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import SAMPLE_HZ, Pcm
from recitation.lexicon import Form, default_lexicon
from recitation.prosody.release import LAG_SAMPLES
from recitation.prosody.weight import LEAST_KNOWN
from recitation.tajweed.lengths import Heard
from recitation.tajweed.rules import Rule
from recitation.tajweed.validators.weight import WeightValidator
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from recitation.vad import SileroVad

LIGHT = (660.0, 1550.0, 2500.0, 3400.0, 4400.0)
HEAVY = (680.0, 1060.0, 2500.0, 3400.0, 4400.0)
LETTER_S, VOWEL_S = 0.08, 0.2


class Syllables:
    """Syllables of a letter and an /a/, one after another: their sound, and the phones as the ear emits them."""

    def __init__(self) -> None:
        self.pcm: Pcm = np.zeros(SAMPLE_HZ, np.float32)
        self.phones: list[Heard] = []

    def say(self, letter: str, resonances_hz: Sequence[float], *, p: float = 1.0, heard: str | None = None) -> Heard:
        """Add a syllable; the phone of its letter."""
        begin = len(self.pcm) + LAG_SAMPLES
        between, end = begin + round(LETTER_S * SAMPLE_HZ), begin + round((LETTER_S + VOWEL_S) * SAMPLE_HZ)
        hush = np.zeros(between - begin, np.float32)
        self.pcm = np.concatenate([self.pcm, hush, vowel(120, tuple(resonances_hz), VOWEL_S, len(self.phones))])
        said = phone(letter, begin, between, p=p, heard=heard)
        self.phones += [said, phone("َ", between, end, following="ب")]
        return said


def weighed(
    rule: Rule, letter: str, resonances_hz: Sequence[float], *, known: int = LEAST_KNOWN, p: float = 1.0,
    heard: str | None = None, at_once: bool = False,
) -> RuleVerdict:  # fmt: skip
    """What is said of a letter after ``known`` light syllables: with the letter ``at_once``, or with its vowel."""
    said = Syllables()
    for _ in range(known):
        said.say("ب", LIGHT)
    asked = said.say(letter, resonances_hz, p=p, heard=heard)
    validator = WeightValidator(reads(np.concatenate([said.pcm, np.zeros(SAMPLE_HZ, np.float32)])))
    told = [validator.hear(one, [place(rule, one)] if one is asked else []) for one in said.phones]
    assert [len(verdicts) for verdicts in told[-2:]] == ([1, 0] if at_once else [0, 1]) and not any(told[:-2])
    [verdict] = told[-2] + told[-1]
    assert verdict.rule is rule and verdict.start == asked.phone.start
    return verdict


@pytest.mark.parametrize(
    ("letter", "severity"),
    [
        ("ص", Severity.ADVICE),
        ("ق", Severity.ADVICE),
        ("خ", Severity.ADVICE),
        ("ر", Severity.ERROR),
        ("لل", Severity.ERROR),
    ],
)
def test_the_vowel_after_a_letter_shows_its_weight(letter: str, severity: Severity) -> None:
    assert weighed(Rule.TAFKHIM, letter, HEAVY, p=0.5).severity is Severity.FINE
    light = weighed(Rule.TAFKHIM, letter, LIGHT, p=0.5)
    assert (light.slip, light.severity) == (Slip.LIGHT, severity) and light.confidence > 0.9


def test_another_letter_in_its_place_is_not_weighed() -> None:
    assert weighed(Rule.TAFKHIM, "ر", HEAVY, p=0.05, heard="ل").severity is Severity.UNCLEAR


def test_a_letter_the_ear_is_certain_of_is_what_it_is() -> None:
    assert weighed(Rule.TAFKHIM, "ص", LIGHT, p=0.95, at_once=True).severity is Severity.FINE


def test_a_light_lam_said_heavy() -> None:
    assert weighed(Rule.TARQIQ, "لل", LIGHT).severity is Severity.FINE
    heavy = weighed(Rule.TARQIQ, "لل", HEAVY)
    assert heavy.slip is Slip.HEAVY
    between = weighed(Rule.TARQIQ, "لل", (670.0, 1200.0, *LIGHT[2:]))
    assert between.slip is Slip.HEAVY and between.confidence < heavy.confidence


def test_the_ear_names_the_light_twin() -> None:
    said = weighed(Rule.TAFKHIM, "ص", HEAVY, p=0.03, heard="س", at_once=True)
    assert (said.slip, said.heard, said.confidence) == (Slip.LIGHT, "س", 0.97)


def test_a_voice_not_known_yet() -> None:
    """Of istiʿlāʾ the ear answers; to it ra is one unit, heavy or light.  Nothing is waited for."""

    def early(letter: str, p: float = 1.0) -> Severity:
        return weighed(Rule.TAFKHIM, letter, LIGHT, known=LEAST_KNOWN - 1, p=p, at_once=True).severity

    assert early("ق") is Severity.FINE
    assert early("ق", p=0.5) is Severity.UNCLEAR
    assert early("ر") is Severity.UNCLEAR


def test_a_letter_without_a_vowel_to_show_its_weight() -> None:
    validator = WeightValidator(reads(np.zeros(0, np.float32)))

    def alone(rule: Rule, one: Heard) -> RuleVerdict:
        [verdict] = validator.hear(one, [place(rule, one)])
        return verdict

    assert alone(Rule.TAFKHIM, phone("ط", p=0.95, following="ِ")).severity is Severity.FINE
    assert alone(Rule.TAFKHIM, phone("ط", p=0.6, following="ِ")).severity is Severity.UNCLEAR
    assert alone(Rule.TAFKHIM, phone("ط", p=0.05, heard="ت", following=None)).slip is Slip.LIGHT
    assert alone(Rule.TARQIQ, phone("ر", following="ِ")).severity is Severity.UNCLEAR
    assert alone(Rule.TAFKHIM, phone("ط", p=0.05, heard="ت", following="ِ", sure=False)).severity is Severity.UNCLEAR


def with_light_ras(form: Form) -> Form:
    """A word whose ras before an /a/ are said light, and the /a/ with them."""
    lexicon = default_lexicon()
    light = next(index for index, traits in enumerate(lexicon.sifat) if "moraqaq" in traits)
    scripts = [one.script for one in form]
    ras = {n for n, pair in enumerate(pairwise(scripts)) if pair == ("ر", "َ")}
    said = ras | {n + 1 for n in ras} | {n + 2 for n in ras if scripts[n + 2 : n + 3] == ["اا"]}
    return tuple(replace(one, sifa=light) if n in said else one for n, one in enumerate(form))


def test_a_recitation_with_its_ras_said_light(engine: OnnxEngine, vad: SileroVad) -> None:
    right = judged(spoken("93:1-5", lambda form: form).pcm, "93:1-5", WeightValidator, engine, vad)
    wrong = judged(spoken("93:1-5", with_light_ras).pcm, "93:1-5", WeightValidator, engine, vad)
    assert not [one for one in right if one.slip]
    assert [(one.at, one.slip) for one in wrong if one.slip] == [("93:4:1", Slip.LIGHT), ("93:5:3", Slip.LIGHT)]
