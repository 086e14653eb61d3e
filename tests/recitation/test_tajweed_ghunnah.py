"""Ghunnah: what is not held is found, and how long others hold it does not matter."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from measured import HARAKAH_S, SILENCE, held_to, lasting, listen, steady
from ruled import phone, reads
from voiced import vowel

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import SAMPLE_HZ
from recitation.made_voice import MadeRecitation
from recitation.made_voice.speech import colour
from recitation.spoiling.kinds import NOT_NASAL
from recitation.tajweed.lengths import Heard
from recitation.tajweed.rules import Rule
from recitation.tajweed.tempo import Tempo
from recitation.tajweed.validators.ghunnah import GhunnahValidator
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from recitation.vad import SileroVad

TWO = (2.0, 2.0)
A, NASAL = (730.0, 1090.0, 2440.0, 3400.0, 4400.0), (250.0, 1000.0, 2200.0, 3200.0, 4200.0)
SOUNDS = [
    (Rule.GHUNNAH, "نننن", "ن"), (Rule.GHUNNAH, "مممم", "م"), (Rule.IDGHAM_GHUNNAH, "ييي", "يي"),
    (Rule.IDGHAM_GHUNNAH, "ووو", "و"), (Rule.IDGHAM_SHAFAWI, "مممم", "م"), (Rule.IKHFA, "ںںں", "ن"),
    (Rule.IQLAB, "۾۾۾", "م"), (Rule.IKHFA_SHAFAWI, "۾۾۾", "م"),
]  # fmt: skip
HIDDEN = (Rule.IKHFA, Rule.IQLAB, Rule.IKHFA_SHAFAWI)


def said(rule: Rule, *phones: Heard, tempo: Tempo | None = None) -> RuleVerdict:
    validator = GhunnahValidator(tempo or steady(), SILENCE)
    for before in phones[:-1]:
        assert validator.hear(before, []) == []
    [verdict] = validator.hear(phones[-1], [held_to(rule, phones[-1], TWO)])
    assert (verdict.rule, verdict.expected) == (rule, TWO)
    return verdict


@pytest.mark.parametrize("harakat", [1.9, 2.7, 5.5])
@pytest.mark.parametrize(("rule", "unit"), [case[:2] for case in SOUNDS])
def test_a_ghunnah_held(rule: Rule, unit: str, harakat: float) -> None:
    verdict = said(rule, lasting(unit, harakat))
    assert (verdict.severity, verdict.slip, verdict.heard) == (Severity.FINE, None, None)
    assert verdict.measured is not None and verdict.uncertainty is not None
    assert 1.7 < verdict.measured < 3.3


@pytest.mark.parametrize(("rule", "unit", "plain"), SOUNDS)
def test_a_ghunnah_left_out(rule: Rule, unit: str, plain: str) -> None:
    verdict = said(rule, lasting(unit, 0.6, p=0.03, heard=plain))
    assert verdict.severity is Severity.ERROR
    assert (verdict.slip, verdict.heard) == (Slip.REPLACED if rule in HIDDEN else Slip.MISSING, plain)
    assert verdict.measured is not None and verdict.measured < 0.7


def test_length_and_ear_have_to_agree() -> None:
    assert said(Rule.GHUNNAH, lasting("نننن", 0.6, p=0.999)).severity is Severity.FINE
    assert said(Rule.GHUNNAH, lasting("نننن", 5.0, p=0.03, heard="ن")).severity is Severity.FINE
    other = said(Rule.GHUNNAH, lasting("نننن", 1.9, p=0.03, heard="ل"))
    assert other.severity is Severity.FINE, "another letter says nothing of the length"


def test_too_short_to_the_measure_alone_is_advice() -> None:
    verdict = said(Rule.GHUNNAH, lasting("نننن", 0.6, p=0.5, heard="ل"))
    assert (verdict.severity, verdict.slip) == (Severity.ADVICE, Slip.SHORT)
    doubted = said(Rule.GHUNNAH, lasting("نننن", 0.6, p=0.4, heard="ن"))
    assert (doubted.severity, doubted.slip) == (Severity.ERROR, Slip.SHORT)


def test_what_the_ear_gives_to_the_vowel_before_counts() -> None:
    vowel = lasting("َ", 4.0, index=1)
    short = lasting("ووو", 0.5, begin=vowel.phone.end)
    assert said(Rule.IDGHAM_GHUNNAH, vowel, short).measured == pytest.approx(2.5, abs=0.5)
    assert (said(Rule.IDGHAM_GHUNNAH, short).measured or 9) < 0.6
    plain = lasting("َ", 1.0, index=1)
    missing = lasting("ووو", 0.5, begin=plain.phone.end, p=0.05, heard="و")
    assert said(Rule.IDGHAM_GHUNNAH, plain, missing).slip is Slip.MISSING


@pytest.mark.parametrize(("share", "severity"), [(0.9, Severity.FINE), (0.5, Severity.ERROR)])
def test_half_of_the_reciters_own_ghunnah_is_short(share: float, severity: Severity) -> None:
    """Though it is longer than two counts, and the ear, which knows what is held, is content."""
    validator = GhunnahValidator(steady(), SILENCE)
    for harakat in (5.3, 5.0, 5.6):
        usual = lasting("نننن", harakat)
        [verdict] = validator.hear(usual, [held_to(Rule.GHUNNAH, usual, TWO)])
        assert verdict.severity is Severity.FINE
    nasal = lasting("نننن", 5.3 * share)
    [verdict] = validator.hear(nasal, [held_to(Rule.GHUNNAH, nasal, TWO)])
    assert verdict.severity is severity
    assert verdict.slip is (Slip.SHORT if severity is Severity.ERROR else None)


@pytest.mark.parametrize("through_the_nose", [True, False])
def test_what_does_not_go_through_the_nose_is_no_ghunnah(through_the_nose: bool) -> None:
    sound = np.concatenate([vowel(120, A, 1.15), vowel(120, NASAL, 0.8), vowel(120, A, 0.5)])
    begin, end = round(1.15 * SAMPLE_HZ), round(1.95 * SAMPLE_HZ)
    if not through_the_nose:
        colour(sound, begin, end, NOT_NASAL)
    before = lasting("َ", 1.0, index=1)
    emitted_late = lasting("نننن", 0.3, begin=end - round(0.3 * HARAKAH_S * SAMPLE_HZ))
    nasal = replace(emitted_late, phone=msgspec.structs.replace(emitted_late.phone, start=before.phone.end))
    validator = GhunnahValidator(steady(), reads(sound))
    validator.hear(before, [])
    [verdict] = validator.hear(nasal, [held_to(Rule.GHUNNAH, nasal, TWO)])
    assert verdict.severity is (Severity.FINE if through_the_nose else Severity.ERROR)
    assert verdict.slip is (None if through_the_nose else Slip.MISSING)


def test_confidence_grows_with_the_violation() -> None:
    confidences = [
        said(Rule.GHUNNAH, lasting("نننن", harakat, p=0.4, heard="ن")).confidence for harakat in (1.2, 1.0, 0.8, 0.6)
    ]
    assert confidences == sorted(confidences) and confidences[0] < confidences[-1]


def test_nothing_is_said_without_tempo_or_length_or_where_the_place_is_not_sure() -> None:
    for unknown in (
        said(Rule.GHUNNAH, lasting("نننن", 0.5), tempo=Tempo()),
        said(Rule.GHUNNAH, phone("نننن", following=None)),
        said(Rule.GHUNNAH, lasting("نننن", 0.5, sure=False)),
    ):
        assert (unknown.severity, unknown.slip) == (Severity.UNCLEAR, None)


def test_rules_without_a_length_are_left_to_others() -> None:
    madd = lasting("اا", 2.0)
    assert GhunnahValidator(steady(), SILENCE).hear(madd, [held_to(Rule.MADD_TABII, madd, TWO)]) == []


def test_made_voices_with_mistakes_and_without(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    verdicts: list[dict[tuple[str, Rule], RuleVerdict]] = []
    for errors in ((), ("ghunnah:114:4:4", "ghunnah:114:6:3")):
        heard: dict[tuple[str, Rule], RuleVerdict] = {}
        validator: GhunnahValidator | None = None
        for step in listen(make("114", errors=errors).pcm, "114", engine, vad):
            validator = validator or GhunnahValidator(step.tempo, step.audio)
            heard |= {(verdict.at, verdict.rule): verdict for verdict in validator.hear(step.heard, step.found)}
        verdicts.append(heard)
    right, wrong = verdicts
    places = {("114:4:4", Rule.GHUNNAH), ("114:6:3", Rule.GHUNNAH)}
    assert places <= set(right)
    assert not [one for one in right.values() if one.severity is Severity.ERROR]
    assert {place for place, one in wrong.items() if one.severity is Severity.ERROR} == places
