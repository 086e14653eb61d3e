"""The benefit of the doubt: a voice's own, whatever a few mistakes do."""

import math

import pytest

from recitation.clarity import MEMORY, MOST, PRESUMED, TYPICAL, USUAL, WEIGHT, Clarity


def heard(clarity: Clarity, odds: float, phones: int) -> None:
    """Phones whose log-odds, without any allowance, are ``odds``."""
    for _ in range(phones):
        allowance = clarity.allowance
        clarity.note(1 / (1 + math.exp(-(odds + allowance))), allowance)


def test_a_voice_begins_as_nobodys() -> None:
    assert Clarity().allowance == USUAL


@pytest.mark.parametrize("odds", [TYPICAL - 2, TYPICAL, TYPICAL + 1.5])
def test_the_allowance_comes_to_fit_the_voice(odds: float) -> None:
    clarity = Clarity()
    heard(clarity, odds, PRESUMED + 1)
    assert clarity.allowance == pytest.approx(USUAL + WEIGHT * (TYPICAL - odds), abs=1e-6)


def test_a_few_mistakes_earn_no_indulgence() -> None:
    clarity = Clarity()
    for _ in range(6):
        heard(clarity, TYPICAL + 1, 8)
        heard(clarity, -10.0, 2)
    assert clarity.allowance == pytest.approx(USUAL - WEIGHT, abs=1e-6)


def test_indulgence_has_an_end_and_old_phones_are_forgotten() -> None:
    clarity = Clarity()
    heard(clarity, -9.0, 50)
    assert clarity.allowance == USUAL + MOST
    heard(clarity, TYPICAL, MEMORY)
    assert clarity.allowance == pytest.approx(USUAL, abs=1e-6)


def test_what_a_typical_voice_would_be_given_is_told() -> None:
    clarity = Clarity()
    heard(clarity, TYPICAL - 2, 20)
    odds = -1.0
    allowance = clarity.allowance
    usual = clarity.note(1 / (1 + math.exp(-(odds + allowance))), allowance)
    assert allowance > USUAL
    assert usual == pytest.approx(1 / (1 + math.exp(-(odds + USUAL))))


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_certainty_is_a_number(p: float) -> None:
    clarity = Clarity()
    clarity.note(p, 0.0)
    assert math.isfinite(clarity.allowance)
