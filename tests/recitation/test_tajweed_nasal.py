"""Nasals: the sound of another rule is told from the right one, and from the right one shorter or longer."""

from collections.abc import Callable

import pytest
from ruled import judged, phone, place

from recitation.acoustics.engine import OnnxEngine
from recitation.made_voice import MadeRecitation
from recitation.phones import INDEX
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.validators.nasal import NasalValidator, replaces
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from recitation.vad import SileroVad

HIDDEN, LIPS = "ںںں", "۾۾۾"
UNITS_OF = [
    (Rule.IKHFA, HIDDEN), (Rule.IKHFA_SHAFAWI, LIPS), (Rule.IQLAB, LIPS), (Rule.IZHAR, "ن"), (Rule.IZHAR_SHAFAWI, "م"),
    (Rule.IDGHAM_GHUNNAH, "ييي"), (Rule.IDGHAM_GHUNNAH, "ووو"), (Rule.IDGHAM_GHUNNAH, "نننن"),
    (Rule.IDGHAM_GHUNNAH, "مممم"), (Rule.IDGHAM_NO_GHUNNAH, "لل"), (Rule.IDGHAM_NO_GHUNNAH, "رر"),
    (Rule.IDGHAM_SHAFAWI, "مممم"), (Rule.IDGHAM_MITHLAYN, "بب"), (Rule.IDGHAM_MUTAJANISAYN, "تت"),
    (Rule.IDGHAM_MUTAQARIBAYN, "رر"),
]  # fmt: skip


def verdict(rule: Rule, unit: str, p: float, heard: str | None = None, *, sure: bool = True) -> RuleVerdict:
    one = phone(unit, p=p, heard=heard, sure=sure)
    [said] = NasalValidator().hear(one, [place(rule, one)])
    assert (said.rule, said.at, said.start) == (rule, "1:1:1", 16_000)
    return said


@pytest.mark.parametrize(("rule", "unit"), UNITS_OF)
def test_a_rule_that_is_heard_is_kept(rule: Rule, unit: str) -> None:
    said = verdict(rule, unit, 0.97)
    assert (said.severity, said.slip, said.confidence) == (Severity.FINE, None, 0.97)


@pytest.mark.parametrize(
    ("rule", "unit", "heard"),
    [
        (Rule.IKHFA, HIDDEN, "ن"),
        (Rule.IKHFA, HIDDEN, "م"),
        (Rule.IQLAB, LIPS, "ن"),
        (Rule.IKHFA_SHAFAWI, LIPS, "م"),
        (Rule.IZHAR, "ن", HIDDEN),
        (Rule.IZHAR_SHAFAWI, "م", LIPS),
        (Rule.IDGHAM_GHUNNAH, "ييي", HIDDEN),
        (Rule.IDGHAM_GHUNNAH, "ووو", "ن"),
        (Rule.IDGHAM_NO_GHUNNAH, "لل", "ن"),
        (Rule.IDGHAM_MUTAJANISAYN, "تت", "د"),
        (Rule.IDGHAM_MUTAQARIBAYN, "رر", "ل"),
    ],
)
def test_the_sound_of_another_rule_replaces_it(rule: Rule, unit: str, heard: str) -> None:
    said = verdict(rule, unit, 0.05, heard)
    assert said.severity is (Severity.ERROR if rule in (Rule.IKHFA, Rule.IZHAR) else Severity.ADVICE)
    assert (said.slip, said.heard, said.confidence) == (Slip.REPLACED, heard, 0.95)
    assert verdict(rule, unit, 0.15, heard).confidence < said.confidence


@pytest.mark.parametrize(
    ("rule", "unit", "heard"),
    [
        (Rule.IDGHAM_SHAFAWI, "مممم", "م"),
        (Rule.IDGHAM_GHUNNAH, "ييي", "يي"),
        (Rule.IQLAB, LIPS, "مممم"),
        (Rule.IKHFA, HIDDEN, "نننن"),
        (Rule.IZHAR, "ن", "نن"),
        (Rule.IDGHAM_NO_GHUNNAH, "رر", "ر"),
        (Rule.IDGHAM_MITHLAYN, "بب", "ب"),
        (Rule.IKHFA, HIDDEN, ""),
        (Rule.IKHFA, HIDDEN, "ل"),
    ],
)
def test_a_length_another_letter_or_another_held_nasal_is_not_told(rule: Rule, unit: str, heard: str) -> None:
    said = verdict(rule, unit, 0.05, heard)
    assert (said.severity, said.slip) == (Severity.UNCLEAR, None)


@pytest.mark.parametrize(("rule", "unit"), UNITS_OF)
def test_no_unit_replaces_itself_and_most_nasals_can_be_replaced(rule: Rule, unit: str) -> None:
    others = [heard for heard in INDEX if heard and replaces(rule, unit, heard)]
    assert unit not in others
    assert bool(others) == (rule is not Rule.IDGHAM_MITHLAYN and unit != "نننن")


def test_nothing_is_held_against_a_phone_that_is_not_sure() -> None:
    assert verdict(Rule.IKHFA, HIDDEN, 0.01, "ن", sure=False).severity is Severity.UNCLEAR


def test_other_families_are_left_alone() -> None:
    one = phone("نننن")
    assert NasalValidator().hear(one, [place(Rule.GHUNNAH, one), place(Rule.TAFKHIM, one)]) == []


def test_a_hidden_nun_said_clearly(make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad) -> None:
    """The ikhfa of 88:17 is said as a clear nun in one of two recitations."""

    def listen(*errors: str) -> dict[tuple[str, Rule], RuleVerdict]:
        made = make("88:15-17", errors=errors)
        found = judged(made.pcm, "88:15-17", lambda _: NasalValidator(), engine, vad)
        assert all(one.rule.family is Family.NASAL for one in found)
        return {(one.at, one.rule): one for one in found}

    right, wrong = listen(), listen("ghunnah:88:17:2:2")
    spot = ("88:17:2", Rule.IKHFA)
    assert right[spot].severity is Severity.FINE
    assert (wrong[spot].slip, wrong[spot].heard) == (Slip.REPLACED, "ن")
    assert {place for place in right if right[place].slip} == {place for place in wrong if wrong[place].slip} - {spot}
