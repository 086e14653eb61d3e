"""Slips: letters, omitted words and broken rules in one list, each told once."""

from collections.abc import Iterator

import msgspec
import pytest

from recitation.events import PhoneVerdict, Status, Summary, WordReport
from recitation.slips import SlipKind, slips_of
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip


def phone(unit: str, p: float, heard: str | None, start: int, letter: int) -> PhoneVerdict:
    return PhoneVerdict("112:1:4", letter, unit, start, start + 1600, p, heard, (letter, letter))


@pytest.fixture
def summary() -> Summary:
    spoken = (
        phone("ح", 0.03, "ه", 1600, 1),
        phone("د", 0.9, None, 4800, 3),
        phone("ڇ", 0.02, "", 6400, 3),
    )
    return Summary(
        (
            WordReport("112:1:3", "ٱللَّهُ", 800, 800, 0.0, Status.OMITTED, ()),
            WordReport("112:1:4", "أَحَدٌ", 0, 8000, 0.1, Status.QUESTIONED, spoken),
            WordReport("112:2:1", "ٱللَّهُ", 9600, 12800, 0.3, Status.UNCLEAR, (phone("ل", 0.01, "ر", 9600, 1),)),
        ),
        16_000,
    )


def verdict(slip: Slip | None, severity: Severity = Severity.ADVICE) -> RuleVerdict:
    return RuleVerdict("112:1:4", Rule.QALQALAH_KUBRA, (3, 4), 4800, 8000, severity, slip, 0.875)


def told(summary: Summary) -> Iterator[tuple[str, str, str]]:
    return ((slip.kind.value, slip.rule, slip.at) for slip in slips_of(summary))


def test_letters_of_questioned_words_and_words_left_out(summary: Summary) -> None:
    assert list(told(summary)) == [
        ("word", "omitted", "112:1:3"),
        ("letter", "substitution", "112:1:4"),
        ("letter", "omission", "112:1:4"),
    ]
    letter = slips_of(summary)[1]
    assert (letter.expected, letter.measured, letter.confidence) == ("ح", "ه", 0.97)
    assert "throat" in letter.text.en


def test_the_letter_a_word_is_called_wrong_for_is_an_error(summary: Summary) -> None:
    phones = (phone("ح", 0.01, "ه", 1600, 1), phone("د", 0.45, "ت", 4800, 3))
    word = msgspec.structs.replace(summary.words[1], status=Status.WRONG, phones=phones)
    slips = slips_of(msgspec.structs.replace(summary, words=(word,)))
    assert [(slip.expected, slip.severity) for slip in slips] == [("ح", Severity.ERROR), ("د", Severity.ADVICE)]


def test_a_letter_that_breaks_a_rule_is_told_by_the_rule(summary: Summary) -> None:
    broken = msgspec.structs.replace(summary, rules=(verdict(Slip.MISSING),))
    assert list(told(broken)) == [
        ("word", "omitted", "112:1:3"),
        ("letter", "substitution", "112:1:4"),
        ("tajweed", "qalqalah_kubra", "112:1:4"),
    ]
    rule = slips_of(broken)[-1]
    assert rule.kind is SlipKind.TAJWEED
    assert (rule.slip, rule.severity, rule.confidence) == ("missing", Severity.ADVICE, 0.875)
    assert rule.name == Rule.QALQALAH_KUBRA.label
    assert rule.text.ar and rule.fix.en


def test_rules_kept_are_no_slips(summary: Summary) -> None:
    kept = msgspec.structs.replace(summary, rules=(verdict(None, Severity.FINE), verdict(None, Severity.UNCLEAR)))
    assert slips_of(kept) == slips_of(summary)
