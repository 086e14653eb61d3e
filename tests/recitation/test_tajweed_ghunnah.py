"""Ghunnah: what is not held is found, and how long others hold it does not matter."""

from collections.abc import Callable

import pytest
from measured import held_to, lasting, listen, steady
from ruled import phone

from recitation.acoustics.engine import OnnxEngine
from recitation.made_voice import MadeRecitation
from recitation.tajweed.lengths import Heard
from recitation.tajweed.rules import Rule
from recitation.tajweed.tempo import Tempo
from recitation.tajweed.validators.ghunnah import GhunnahValidator
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from recitation.vad import SileroVad

TWO = (2.0, 2.0)
SOUNDS = [
    (Rule.GHUNNAH, "نننن", "ن"), (Rule.GHUNNAH, "مممم", "م"), (Rule.IDGHAM_GHUNNAH, "ييي", "يي"),
    (Rule.IDGHAM_GHUNNAH, "ووو", "و"), (Rule.IDGHAM_SHAFAWI, "مممم", "م"), (Rule.IKHFA, "ںںں", "ن"),
    (Rule.IQLAB, "۾۾۾", "م"), (Rule.IKHFA_SHAFAWI, "۾۾۾", "م"),
]  # fmt: skip
HIDDEN = (Rule.IKHFA, Rule.IQLAB, Rule.IKHFA_SHAFAWI)


def said(rule: Rule, *phones: Heard, tempo: Tempo | None = None) -> RuleVerdict:
    validator = GhunnahValidator(tempo or steady())
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
    assert verdict.severity is (Severity.ADVICE if rule in HIDDEN else Severity.ERROR)
    assert (verdict.slip, verdict.heard) == (Slip.MISSING, plain)
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
    assert GhunnahValidator(steady()).hear(madd, [held_to(Rule.MADD_TABII, madd, TWO)]) == []


def test_made_voices_with_mistakes_and_without(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    verdicts: list[dict[tuple[str, Rule], RuleVerdict]] = []
    for errors in ((), ("ghunnah:114:4:4", "ghunnah:114:6:3")):
        heard: dict[tuple[str, Rule], RuleVerdict] = {}
        validator: GhunnahValidator | None = None
        for step in listen(make("114", errors=errors).pcm, "114", engine, vad):
            validator = validator or GhunnahValidator(step.tempo)
            heard |= {(verdict.at, verdict.rule): verdict for verdict in validator.hear(step.heard, step.found)}
        verdicts.append(heard)
    right, wrong = verdicts
    places = {("114:4:4", Rule.GHUNNAH), ("114:6:3", Rule.GHUNNAH)}
    assert places <= set(right)
    assert not [one for one in right.values() if one.severity is Severity.ERROR]
    assert {place for place, one in wrong.items() if one.severity is Severity.ERROR} == places
