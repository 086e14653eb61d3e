"""Everything a student is told about a recitation: letters, words and rules, in the order in which they were said."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from recitation.events import Status, Summary, WordReport
from recitation.explain import explain
from recitation.judge import DOUBTFUL
from recitation.letters import Said
from recitation.tajweed.explain import explain_rule
from recitation.tajweed.verdict import RuleVerdict, Severity


class SlipKind(StrEnum):
    """What a slip is about."""

    LETTER = "letter"
    WORD = "word"
    TAJWEED = "tajweed"


class Slip(msgspec.Struct, frozen=True):
    """One slip with its explanation."""

    kind: SlipKind
    rule: str
    """The rule of tajweed, or the class of a slip of a letter or word."""
    at: str
    letters: tuple[int, int]
    """First and last character of the word's text."""
    severity: Severity
    expected: str | tuple[float, float] | None
    """A unit, or the least and most harakat."""
    measured: str | float | None
    """The unit heard (empty: nothing), or harakat."""
    confidence: float
    start: int
    end: int
    """16 kHz samples since the session began."""
    text: Said
    fix: Said
    name: Said | None = None
    """What the rule is called."""
    slip: str | None = None
    """How the rule was broken (``recitation.tajweed.verdict.Slip``)."""
    traits: tuple[str, ...] = ()
    """Traits of the expected letter that the one heard has not (``recitation.letters``)."""
    uncertainty: float | None = None
    """Standard error of the harakat measured."""


def slips_of(summary: Summary) -> list[Slip]:
    """The slips of a recitation.  A letter that breaks a rule is told once, by the rule."""
    broken = [_of_rule(verdict) for verdict in summary.rules if verdict.slip is not None]
    told = [slip for word in summary.words for slip in _of_word(word) if not any(_same(slip, rule) for rule in broken)]
    return sorted([*told, *broken], key=lambda slip: (slip.start, slip.end, slip.rule))


def _same(slip: Slip, rule: Slip) -> bool:
    """Whether two slips are of the same letters and the same sound."""
    return (
        slip.at == rule.at
        and slip.letters[0] <= rule.letters[1]
        and rule.letters[0] <= slip.letters[1]
        and slip.start < rule.end
        and rule.start < slip.end
    )


def _of_rule(verdict: RuleVerdict) -> Slip:
    assert verdict.slip is not None
    told = explain_rule(verdict.rule, verdict.slip, verdict.heard, expected=verdict.expected, measured=verdict.measured)
    return Slip(
        SlipKind.TAJWEED,
        verdict.rule.value,
        verdict.at,
        verdict.letters,
        verdict.severity,
        verdict.expected,
        verdict.measured if verdict.measured is not None else verdict.heard,
        round(verdict.confidence, 3),
        verdict.start,
        verdict.end,
        told.what,
        told.fix,
        verdict.rule.label,
        verdict.slip.value,
        uncertainty=verdict.uncertainty,
    )


OMITTED = Said("لم تُقرأ هذه الكلمة", "this word was left out")
SAY_IT = Said("أعد من الكلمة التي قبلها", "go back to the word before it")


def _of_word(word: WordReport) -> Iterator[Slip]:
    if word.status is Status.OMITTED:
        place = word.start or 0
        letters = (0, len(word.text) - 1)
        kind, rule = SlipKind.WORD, Status.OMITTED.value
        yield Slip(kind, rule, word.at, letters, Severity.ADVICE, None, None, 0.5, place, place, OMITTED, SAY_IT)
    if word.status not in (Status.QUESTIONED, Status.WRONG):
        return
    for phone in word.phones:
        if phone.heard is None:
            continue
        told = explain(phone.unit, phone.heard)
        wrong = word.status is Status.WRONG and phone.p < DOUBTFUL
        yield Slip(
            SlipKind.LETTER,
            told.kind.value,
            word.at,
            phone.letters,
            Severity.ERROR if wrong else Severity.ADVICE,
            phone.unit,
            phone.heard,
            round(1 - phone.p, 3),
            phone.start,
            phone.end,
            told.what,
            told.fix,
            traits=told.traits,
        )
