"""What one session has to keep, until the writer asks for it. Knows no database and no clock.

A record is asked seldom and told often, so what changes between two questions is coalesced: the length of the session,
its passage and its tallies are kept as they stand, verdicts in order. At most `MOST_WAITING` rows wait; a database that
is away for longer than that loses the newest (`dropped`), never the session.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from recitation.events import PhoneVerdict, Status, Update, WordVerdict
from recitation.tajweed.verdict import RuleVerdict, Severity

MOST_WAITING = 4096
"""Rows of one session that may wait, a good hour of recitation; overflow drops the newest."""

ROWS_AFTER = 1024
"""That other process may write so many rows more when it is not quite gone; their numbers are left to it."""

MOST_VERSES = 200
"""Characters that name the passages of a session."""

SAMPLES_PER_MS = 16

NO_VERDICT = frozenset({Status.NOT_REACHED})
DOUBTED = frozenset({Status.QUESTIONED, Status.WRONG})
SLIPPED = frozenset({Severity.ADVICE, Severity.ERROR})

TallyKind = Literal["unit", "rule"]


class Unavailable(Exception):
    """What is kept cannot be asked for at present."""


@dataclass(frozen=True, slots=True)
class Student:
    """Whose record it is."""

    subject: str
    name: str = ""
    classes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Begun:
    """What another process, which is no more, has kept of a session."""

    number: int
    verses: str
    began: int
    seconds: float
    voice_s: float
    rows: int
    """The highest number of a row of any kind."""
    tallies: dict[tuple["TallyKind", str], tuple[int, int]]


class WordRow(msgspec.Struct, frozen=True):
    """A verdict on a word; fields are the columns of `words`."""

    n: int
    surah: int
    ayah: int
    word: int
    status: str
    score: int
    start_ms: int
    end_ms: int


class LetterRow(msgspec.Struct, frozen=True):
    """A letter slip; fields are the columns of `letter_slips`."""

    n: int
    surah: int
    ayah: int
    word: int
    first: int
    stop: int
    expected: str
    heard: str
    p: int
    start_ms: int
    end_ms: int


class RuleRow(msgspec.Struct, frozen=True):
    """A slip of tajweed; fields are the columns of `rule_slips`."""

    n: int
    surah: int
    ayah: int
    word: int
    first: int
    stop: int
    rule: str
    slip: str
    severity: str
    confidence: int
    low: float | None
    high: float | None
    measured: float | None
    heard: str | None
    start_ms: int
    end_ms: int


class LabelRow(msgspec.Struct, frozen=True):
    """A verdict that a teacher overruled; fields are the columns of `labels`."""

    n: int
    surah: int
    ayah: int
    word: int
    status: str
    was: str
    by: str
    said: int


class RemarkRow(msgspec.Struct, frozen=True):
    """What a teacher said; fields are the columns of `remarks`."""

    n: int
    at: str | None
    text: str
    by: str
    said: int


Row = WordRow | LetterRow | RuleRow | LabelRow | RemarkRow


@dataclass(slots=True)
class Changes:
    """What is new in a record."""

    rows: list[Row] = field(default_factory=list)
    tallies: dict[tuple[TallyKind, str], tuple[int, int]] = field(default_factory=dict)
    """Times judged and slips since the session began, where they changed."""
    advanced: bool = False
    """Length, passage or end of the session changed."""
    reading: str | None = None
    """Settings of the reading that the student chose."""

    def __bool__(self) -> bool:
        return bool(self.rows or self.tallies or self.advanced or self.reading is not None)


class Record:
    """One session's. Nothing is kept before there is a verdict or a teacher's word, the settings apart."""

    def __init__(self, session: str, student: Student, verses: str, began: float) -> None:
        """`began`: Unix time."""
        self.session, self.student, self.began = session, student, began
        self.verses = verses
        self.seconds = self.voice_s = 0.0
        self.ended: str | None = None
        """Why."""
        self.dropped = 0
        """Rows for which there was no room."""
        self.forgotten = False
        """The student's history was deleted meanwhile: nothing more is kept of this session."""
        self._changes = Changes()
        self._worth = False
        self._numbers: Counter[type[Row]] = Counter()
        self._times: Counter[tuple[TallyKind, str]] = Counter()
        self._slips: Counter[tuple[TallyKind, str]] = Counter()
        self._misheard: list[PhoneVerdict] = []
        """Of words that have no verdict yet."""
        self._passage_from = 0
        """Samples of the passages before this one."""
        self._sample = 0

    @classmethod
    def unkept(cls) -> "Record":
        """The record of a session of which nothing is kept."""
        record = cls("", Student(""), "", 0.0)
        record.forget()
        return record

    def go_on(self, begun: Begun, passage_from: int) -> None:
        """Go on with what another process has kept; `passage_from`: samples of the passages before this one."""
        self.began, self.verses, self.voice_s, self.seconds = begun.began, begun.verses, begun.voice_s, begun.seconds
        self._passage_from = passage_from
        self._worth = True
        for kind in (WordRow, LetterRow, RuleRow, LabelRow, RemarkRow):
            self._numbers[kind] = begun.rows + ROWS_AFTER
        for key, (times, slips) in begun.tallies.items():
            self._times[key], self._slips[key] = times, slips

    @property
    def passage_from(self) -> int:
        """Samples of the passages before this one."""
        return self._passage_from

    def turn(self, verses: str) -> None:
        """Another passage, whose clock begins anew."""
        if self.forgotten:
            return
        self._passage_from += self._sample
        self._sample = 0
        self._misheard.clear()
        self.verses = f"{self.verses}, {verses}"[-MOST_VERSES:]
        self._changes.advanced = True

    def found(self, verses: str) -> None:
        """The passage has become known."""
        if self.forgotten:
            return
        before, comma, _ = self.verses.rpartition(", ")
        self.verses = f"{before}{comma}{verses}"
        self._changes.advanced = True

    def heard(self, update: Update) -> None:
        """What a hop brought."""
        if self.forgotten:
            return
        if update.speech:
            self.voice_s += max(0, update.sample - self._sample) / (1000 * SAMPLES_PER_MS)
        self._sample = max(self._sample, update.sample)
        self.seconds = (self._passage_from + self._sample) / (1000 * SAMPLES_PER_MS)
        for phone in update.phones:
            self._tally("unit", phone.unit)
            if phone.heard is not None:
                self._misheard.append(phone)
        for word in update.words:
            self._word(word)
        for verdict in update.rules:
            self._rule(verdict)
        self._changes.advanced |= bool(update.words)

    def read_by(self, reading: str) -> None:
        """The student chose other settings."""
        if not self.forgotten:
            self._changes.reading = reading

    def overruled(self, at: str, status: Status, was: Status, by: str, now: float) -> None:
        """A teacher's verdict in place of ours; `by` is the subject of the teacher's token, `now` Unix time."""
        self._keep(LabelRow(self._next(LabelRow), *_place(at), status, was, by, int(now)))

    def remarked(self, text: str, at: str | None, by: str, now: float) -> None:
        """What a teacher said."""
        self._keep(RemarkRow(self._next(RemarkRow), at, text, by, int(now)))

    def end(self, reason: str) -> None:
        """The session is over."""
        self.ended = reason
        if self.forgotten:
            return
        self._changes.advanced = True

    def take(self) -> Changes | None:
        """What is new since it was last asked; None where there is nothing to keep."""
        if not self.waits:
            return None
        if not self._worth:  # The session itself waits for its first verdict.
            taken, self._changes = Changes(reading=self._changes.reading), self._changes
            self._changes.reading = None
            return taken
        taken, self._changes = self._changes, Changes()
        return taken

    @property
    def waits(self) -> bool:
        """There is something to be kept still."""
        return bool(self._changes) and (self._worth or self._changes.reading is not None)

    def put_back(self, changes: Changes) -> None:
        """It could not be kept; it is asked for again."""
        if self.forgotten:
            return
        newer = self._changes
        self._changes = Changes(
            [*changes.rows, *newer.rows],
            changes.tallies | newer.tallies,
            changes.advanced or newer.advanced,
            changes.reading if newer.reading is None else newer.reading,
        )

    def forget(self) -> None:
        """Keep nothing more, and nothing of what waits."""
        self.forgotten = True
        self._changes = Changes()
        self._misheard.clear()

    def _keep(self, row: Row) -> None:
        if self.forgotten:
            return
        self._worth = True
        if len(self._changes.rows) >= MOST_WAITING:
            self.dropped += 1
        else:
            self._changes.rows.append(row)

    def _word(self, word: WordVerdict) -> None:
        misheard = [phone for phone in self._misheard if phone.at == word.at]
        self._misheard = [phone for phone in self._misheard if phone.at != word.at]
        if word.status in NO_VERDICT:
            return
        place, span = _place(word.at), self._span(word.start, word.end)
        self._keep(WordRow(self._next(WordRow), *place, word.status, _thousandths(word.score), *span))
        if word.status not in DOUBTED:
            return
        for phone in misheard:
            assert phone.heard is not None
            self._tally("unit", phone.unit, times=0, slips=1)
            first, last = phone.letters
            span = self._span(phone.start, phone.end)
            row = LetterRow(
                self._next(LetterRow), *place, first, last + 1, phone.unit, phone.heard, _thousandths(phone.p), *span
            )
            self._keep(row)

    def _rule(self, verdict: RuleVerdict) -> None:
        if verdict.severity is Severity.UNCLEAR:
            return
        slipped = verdict.slip is not None and verdict.severity in SLIPPED
        self._tally("rule", verdict.rule, slips=int(slipped))
        if not slipped:
            return
        assert verdict.slip is not None
        low, high = verdict.expected or (None, None)
        first, last = verdict.letters
        self._keep(
            RuleRow(
                self._next(RuleRow), *_place(verdict.at), first, last + 1, verdict.rule, verdict.slip, verdict.severity,
                _thousandths(verdict.confidence), low, high,
                None if verdict.measured is None else round(verdict.measured, 2), verdict.heard,
                *self._span(verdict.start, verdict.end),
            )
        )  # fmt: skip

    def _tally(self, kind: TallyKind, of: str, times: int = 1, slips: int = 0) -> None:
        key = kind, str(of)
        self._times[key] += times
        self._slips[key] += slips
        self._changes.tallies[key] = self._times[key], self._slips[key]

    def _next(self, kind: type[Row]) -> int:
        self._numbers[kind] += 1
        return self._numbers[kind]

    def _span(self, start: int, end: int) -> tuple[int, int]:
        return (self._passage_from + start) // SAMPLES_PER_MS, (self._passage_from + end) // SAMPLES_PER_MS


def _place(at: str) -> tuple[int, int, int]:
    surah, ayah, word = map(int, at.split(":"))
    return surah, ayah, word


def _thousandths(p: float) -> int:
    return round(1000 * min(max(p, 0.0), 1.0))
