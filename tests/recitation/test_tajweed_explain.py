"""Every slip of a rule is put in words in both languages, with the numbers and sounds it is given."""

import re
from itertools import product

import pytest

from recitation.phones import UNITS
from recitation.tajweed.explain import SLIPS, RuleExplanation, explain_rule
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.verdict import Slip

ARABIC = re.compile(r"[ء-ْ ،:٠-٩]+")
LATIN = re.compile(r"[^؀-ۿ]+")
PAIRS = [(rule, slip) for rule in Rule for slip in SLIPS[rule]]


def sentences(explained: RuleExplanation) -> list[tuple[re.Pattern[str], str]]:
    what, fix = explained.what, explained.fix
    return [(ARABIC, what.ar), (ARABIC, fix.ar), (LATIN, what.en), (LATIN, fix.en)]


@pytest.mark.parametrize(("rule", "slip"), PAIRS)
def test_every_slip_is_said_in_both_languages(rule: Rule, slip: Slip) -> None:
    lengths = product((None, (2.0, 2.0), (4.0, 6.0)), (None, 0.2, 3.4, 14.0))
    told = [explain_rule(rule, slip, heard) for heard in (None, *UNITS)]
    told += [explain_rule(rule, slip, expected=expected, measured=measured) for expected, measured in lengths]
    for script, text in {sentence for one in told for sentence in sentences(one)}:
        assert script.fullmatch(text), text
        assert len(text) < 150 and "  " not in text


def test_slips_and_what_each_family_can_suffer() -> None:
    assert set(SLIPS) == set(Rule)
    assert {slip for slips in SLIPS.values() for slip in slips} == set(Slip)
    slips = {family: {slip for rule, slip in PAIRS if rule.family is family} for family in Family}
    assert slips[Family.MADD] == {Slip.SHORT, Slip.LONG, Slip.UNEVEN}
    assert slips[Family.QALQALAH] == {Slip.MISSING, Slip.VOWELLED}
    assert slips[Family.STOP] == {Slip.NO_PAUSE, Slip.BREATH, Slip.BROKEN, Slip.REPLACED}


def test_different_slips_of_a_rule_are_told_and_mended_differently() -> None:
    for rule in Rule:
        told = [explain_rule(rule, slip) for slip in SLIPS[rule]]
        assert len({one.what.ar for one in told}) == len({one.what.en for one in told}) == len(told)
        assert len({one.fix.ar for one in told}) == len({one.fix.en for one in told}) == len(told)


def test_lengths_are_counted_in_words() -> None:
    short = explain_rule(Rule.MADD_MUTTASIL, Slip.SHORT, expected=(4, 6), measured=2.6)
    assert "حركتين ونصف" in short.what.ar and "about 2.5 counts" in short.what.en
    assert "أربع حركات إلى ست حركات" in short.fix.ar and "4 to 6 counts" in short.fix.en
    long = explain_rule(Rule.MADD_TABII, Slip.LONG, expected=(2, 2), measured=4.9)
    assert "خمس حركات" in long.what.ar and "حركتين" in long.fix.ar and "2 counts" in long.fix.en
    one = explain_rule(Rule.GHUNNAH, Slip.SHORT, expected=(2, 2), measured=1.1)
    assert (
        one.what.ar.startswith("قصُرت غنة النون") and "بمقدار حركة،" in one.what.ar and "about 1 count;" in one.what.en
    )


def test_the_sound_heard_is_named() -> None:
    replaced = explain_rule(Rule.IKHFA, Slip.REPLACED, "ن")
    assert "نون مظهرة" in replaced.what.ar and "a clear nūn" in replaced.what.en
    light = explain_rule(Rule.TAFKHIM, Slip.LIGHT, "س")
    assert "السين" in light.what.ar and "sīn" in light.what.en
    vowelled = explain_rule(Rule.QALQALAH_SUGHRA, Slip.VOWELLED, "َ")
    assert "الفتحة" in vowelled.what.ar
    stopped = explain_rule(Rule.WAQF, Slip.REPLACED, "ِ")
    assert "الكسرة" in stopped.what.ar


def test_a_slip_that_the_rule_cannot_suffer() -> None:
    with pytest.raises(ValueError, match="tafkhim cannot be broken by heavy; what is known of it: light"):
        explain_rule(Rule.TAFKHIM, Slip.HEAVY)
    with pytest.raises(ValueError, match="none"):
        explain_rule(Rule.HAMZAT_WASL, Slip.MISSING)
