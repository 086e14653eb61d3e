"""Madds: cut and stretched ones are found in any style, and right ones are not held against anybody."""

from collections.abc import Callable

import pytest
from measured import SILENCE, held_to, lasting, listen, steady
from ruled import phone, reads
from voiced import vowel

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import SAMPLE_HZ
from recitation.made_voice import MadeRecitation
from recitation.tajweed.held import NATURAL_HARAKAT
from recitation.tajweed.lengths import Heard
from recitation.tajweed.rules import Rule
from recitation.tajweed.tempo import Tempo
from recitation.tajweed.validators.durations import LEAST_HEARD
from recitation.tajweed.validators.madd import MaddValidator
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from recitation.vad import SileroVad

STYLES = (1.1, 2.0, 2.8)
"""Harakat of a held count: a made voice, a light reciter and a slow one."""
FOUR, TWO, FREE = (4.0, 4.0), (2.0, 2.0), (2.0, 6.0)


def said(validator: MaddValidator, rule: Rule, madd: Heard, counts: tuple[float, float]) -> RuleVerdict:
    [verdict] = validator.hear(madd, [held_to(rule, madd, counts)])
    assert (verdict.rule, verdict.expected) == (rule, counts)
    return verdict


def long_madd(harakat: float) -> Heard:
    return lasting("اا", harakat)


def after(style: float, rule: Rule = Rule.MADD_MUTTASIL, times: int = 5) -> MaddValidator:
    """A validator that has heard so many right madds of four counts in a style."""
    validator = MaddValidator(steady(), SILENCE)
    for n in range(times):
        verdict = said(validator, rule, long_madd(4 * style * (1 + 0.05 * (n % 3 - 1))), FOUR)
        assert verdict.severity is Severity.FINE and verdict.slip is None
    return validator


def test_a_natural_madd_is_two_counts() -> None:
    verdict = said(MaddValidator(steady(), SILENCE), Rule.MADD_TABII, lasting("اا", NATURAL_HARAKAT), TWO)
    assert (verdict.severity, verdict.slip, verdict.heard) == (Severity.FINE, None, None)
    assert verdict.measured == pytest.approx(2.0, abs=0.02)
    assert verdict.uncertainty is not None and 0 < verdict.uncertainty < 0.5
    assert verdict.confidence > 0.9


def test_a_lost_natural_madd_is_an_error_when_the_ear_misses_it_too() -> None:
    verdict = said(MaddValidator(steady(), SILENCE), Rule.MADD_BADAL, lasting("اا", 1.0, p=0.02, heard=""), TWO)
    assert (verdict.severity, verdict.slip, verdict.heard) == (Severity.ERROR, Slip.SHORT, "")
    assert said(MaddValidator(steady(), SILENCE), Rule.MADD_BADAL, lasting("اا", 1.4), TWO).severity is Severity.FINE


def test_the_ear_alone_is_not_enough() -> None:
    verdict = said(
        MaddValidator(steady(), SILENCE), Rule.MADD_TABII, lasting("اا", 1.15 * NATURAL_HARAKAT, p=0.02, heard=""), TWO
    )
    assert verdict.severity is Severity.FINE


def test_confidence_grows_with_the_violation() -> None:
    short = [said(after(2.0), Rule.MADD_MUTTASIL, long_madd(harakat), FOUR) for harakat in (4.5, 4.2, 3.9)]
    long = [
        said(MaddValidator(steady(), SILENCE), Rule.MADD_TABII, lasting("اا", harakat), TWO) for harakat in (3.4, 3.45)
    ]
    assert [verdict.slip for verdict in short + long] == [Slip.SHORT] * 3 + [Slip.LONG] * 2
    for verdicts in (short, long):
        confidences = [verdict.confidence for verdict in verdicts]
        assert confidences == sorted(confidences) and len(set(confidences)) == len(confidences)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rule", [Rule.MADD_MUNFASIL, Rule.MADD_SILAH_KUBRA, Rule.MADD_MUTTASIL])
def test_a_long_madd_cut_to_two_counts(style: float, rule: Rule) -> None:
    verdict = said(after(style, rule), rule, long_madd(NATURAL_HARAKAT), FOUR)
    assert (verdict.severity, verdict.slip) == (Severity.ERROR, Slip.SHORT)
    assert verdict.measured == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("style", STYLES)
def test_a_madd_of_four_counts_held_for_six(style: float) -> None:
    verdict = said(after(style, times=20), Rule.MADD_MUTTASIL, long_madd(6.2 * style), FOUR)
    assert (verdict.severity, verdict.slip) == (Severity.ERROR, Slip.LONG)
    assert verdict.measured == pytest.approx(6.2, rel=0.1)


@pytest.mark.parametrize("style", STYLES)
def test_lazim_is_judged_by_the_length_of_the_others(style: float) -> None:
    assert said(after(style), Rule.MADD_LAZIM, long_madd(6 * style), (6, 6)).severity is Severity.FINE
    assert said(after(style), Rule.MADD_LAZIM, long_madd(8 * style), (6, 6)).severity is Severity.FINE
    short = said(after(style), Rule.MADD_LAZIM, long_madd(3 * style), (6, 6))
    assert (short.severity, short.slip) == (Severity.ERROR, Slip.SHORT)


def test_the_moshaf_decides() -> None:
    for counts in ((2.0, 2.0), (3.0, 3.0)):
        verdict = said(after(2.0), Rule.MADD_MUNFASIL, long_madd(NATURAL_HARAKAT), counts)
        assert (verdict.severity is Severity.FINE) is (counts == (2.0, 2.0))


def test_a_way_of_reading_becomes_advice() -> None:
    validator = after(2.0)
    verdicts = [said(validator, Rule.MADD_MUNFASIL, long_madd(NATURAL_HARAKAT), FOUR) for _ in range(LEAST_HEARD + 3)]
    assert all(verdict.slip is Slip.SHORT for verdict in verdicts)
    assert {verdict.severity for verdict in verdicts} == {Severity.ADVICE}
    validator = after(2.0, Rule.MADD_MUNFASIL)
    assert said(validator, Rule.MADD_MUNFASIL, long_madd(NATURAL_HARAKAT), FOUR).severity is Severity.ERROR
    again = [said(validator, Rule.MADD_MUTTASIL, long_madd(NATURAL_HARAKAT), FOUR) for _ in range(LEAST_HEARD + 3)]
    assert {verdict.severity for verdict in again} == {Severity.ERROR}, "nobody reads muttasil with two"


@pytest.mark.parametrize("rule", [Rule.MADD_ARID, Rule.MADD_LEEN])
@pytest.mark.parametrize("counts", [2, 4, 6])
def test_what_is_free_is_right_at_any_length(rule: Rule, counts: int) -> None:
    validator = after(2.0)
    harakat = validator._tempo.held.length(counts).harakat
    verdicts = [said(validator, rule, long_madd(harakat), FREE) for _ in range(5)]
    assert {verdict.severity for verdict in verdicts} == {Severity.FINE}
    uneven = said(validator, rule, long_madd(harakat * (2.2 if counts == 2 else 0.5)), FREE)
    assert (uneven.severity, uneven.slip) == (Severity.ADVICE, Slip.UNEVEN)


@pytest.mark.parametrize("hush_s", [0.0, 0.3])
@pytest.mark.parametrize("at", ["1:1:1", "1:1:2"])
def test_a_natural_madd_too_long_at_the_end_of_a_word_may_be_a_stop(at: str, hush_s: float) -> None:
    """Where it is hushed before the next word; within a word it is no stop."""
    madd = lasting("اا", 6.5)
    sound = vowel(120, (700.0, 1200.0, 2500.0, 3500.0, 4500.0), 4.0)
    end = madd.phone.end
    sound[end - round(hush_s * SAMPLE_HZ) : end] *= 0.001
    validator = MaddValidator(steady(), reads(sound))
    assert validator.hear(madd, [held_to(Rule.MADD_TABII, madd, TWO)]) == []
    [verdict] = validator.hear(phone("م", at=at, start=end + 1_600), [])
    stopped = bool(hush_s) and at == "1:1:2"
    assert (verdict.severity, verdict.slip) == (Severity.ADVICE if stopped else Severity.ERROR, Slip.LONG)
    assert verdict.at == "1:1:1"
    assert validator.hear(phone("ن"), []) == []


def test_a_natural_madd_whose_word_went_on_before_it_was_judged_is_told_at_once() -> None:
    madd = lasting("اا", 6.5)
    [verdict] = MaddValidator(steady(), SILENCE).hear(phone("م"), [held_to(Rule.MADD_TABII, madd, TWO)])
    assert (verdict.severity, verdict.slip) == (Severity.ERROR, Slip.LONG)


def test_nothing_is_said_without_tempo_or_length_or_where_the_place_is_not_sure() -> None:
    unknown = said(MaddValidator(Tempo(), SILENCE), Rule.MADD_TABII, lasting("اا", 0.5), TWO)
    assert (unknown.severity, unknown.measured) == (Severity.UNCLEAR, None)
    final = said(MaddValidator(steady(), SILENCE), Rule.MADD_IWAD, phone("اا", following=None), TWO)
    assert (final.severity, final.measured) == (Severity.UNCLEAR, None)
    unsure = said(MaddValidator(steady(), SILENCE), Rule.MADD_TABII, lasting("اا", 0.5, sure=False), TWO)
    assert (unsure.severity, unsure.slip, unsure.measured) == (Severity.UNCLEAR, None, pytest.approx(0.48, abs=0.02))


@pytest.mark.parametrize("sure", [True, False])
def test_a_madd_left_out_is_as_sure_as_the_vowel_before_it(sure: bool) -> None:
    validator = MaddValidator(steady(), SILENCE)
    madd = lasting("اا", 1.0, p=0.02, heard="", sure=False, left_out=True)
    vowel = phone("َ", end=madd.phone.start, sure=sure, index=1)
    assert validator.hear(vowel, []) == []
    verdict = said(validator, Rule.MADD_TABII, madd, TWO)
    assert verdict.severity is (Severity.ERROR if sure else Severity.UNCLEAR)


def test_a_madd_after_a_doubted_vowel_is_unclear() -> None:
    validator = MaddValidator(steady(), SILENCE)
    madd = lasting("اا", 1.0, p=0.02, heard="")
    validator.hear(phone("َ", end=madd.phone.start, p=0.1, heard="ُ", index=1), [])
    assert said(validator, Rule.MADD_TABII, madd, TWO).severity is Severity.UNCLEAR


def madds_of(
    pcm_of: MadeRecitation, verses: str, engine: OnnxEngine, vad: SileroVad
) -> dict[tuple[str, Rule], RuleVerdict]:
    verdicts: dict[tuple[str, Rule], RuleVerdict] = {}
    validator: MaddValidator | None = None
    for step in listen(pcm_of.pcm, verses, engine, vad):
        validator = validator or MaddValidator(step.tempo, step.audio)
        for verdict in validator.hear(step.heard, step.found):
            verdicts[verdict.at, verdict.rule] = verdict
    return verdicts


def test_made_voices_with_mistakes_and_without(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    right = madds_of(make("109"), "109", engine, vad)
    assert not [verdict for verdict in right.values() if verdict.severity is Severity.ERROR]
    places = (("109:5:1", Rule.MADD_MUNFASIL), ("109:3:3", Rule.MADD_TABII))
    wrong = madds_of(make("109", errors=("madd:109:5:1=2", "madd:109:3:3=0")), "109", engine, vad)
    for place in places:
        assert right[place].severity is Severity.FINE
        assert wrong[place].slip is Slip.SHORT and wrong[place].severity in (Severity.ERROR, Severity.ADVICE)
        assert (wrong[place].measured or 9) < (right[place].measured or 0) - 0.7
    others = [verdict for place, verdict in wrong.items() if place not in places]
    assert not [verdict for verdict in others if verdict.severity is Severity.ERROR]
