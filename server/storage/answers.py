"""What the history and progress of a student look like to those who ask (docs/protocol.md)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Unix = Annotated[int, Meta(description="seconds of Unix time")]


class Counts(msgspec.Struct, frozen=True):
    """Verdicts on words; a teacher's where there is one."""

    words: int
    accepted: int
    questioned: int
    wrong: Annotated[int, Meta(description="omitted words included")]
    unclear: int


class SessionLine(msgspec.Struct, frozen=True):
    """A session in the list."""

    session: str
    began: Unix
    seconds: Annotated[float, Meta(description="of sound")]
    voice_s: Annotated[float, Meta(description="of it with a voice")]
    verses: str
    ended: str | None
    counts: Counts
    letter_slips: int
    rule_slips: int


class History(msgspec.Struct, frozen=True):
    """Sessions, newest first."""

    sessions: tuple[SessionLine, ...]
    next: Annotated[int | None, Meta(description="`before` of the next page; null: that was all")]


class SlipLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A slip of a letter or of a rule."""

    at: str
    kind: Literal["letter", "tajweed"]
    first: int
    stop: int
    start_ms: Annotated[int, Meta(description="since the session began")]
    expected: str | None = None
    """Unit."""
    heard: str | None = None
    rule: str | None = None
    slip: str | None = None
    severity: str | None = None
    low: float | None = None
    high: float | None = None
    measured: float | None = None


class VerseLine(msgspec.Struct, frozen=True):
    """An ayah of a session."""

    at: str
    counts: Counts
    slips: tuple[SlipLine, ...]


class Weak(msgspec.Struct, frozen=True):
    """A rule or a unit: how often it was judged, and how often it slipped."""

    of: str
    times: int
    slips: int


class RemarkLine(msgspec.Struct, frozen=True):
    """What a teacher said."""

    at: str | None
    text: str
    said: Unix


class OverruledLine(msgspec.Struct, frozen=True):
    """A verdict that a teacher overruled."""

    at: str
    status: str
    was: str
    said: Unix


class WordLine(msgspec.Struct, frozen=True):
    """A word of a session."""

    at: str
    status: Annotated[str, Meta(description="the newest verdict; a teacher's where there is one")]


class SessionDetail(msgspec.Struct, frozen=True):
    """A session by ayah, by rule and by letter."""

    line: SessionLine
    verses: tuple[VerseLine, ...]
    rules: tuple[Weak, ...]
    letters: tuple[Weak, ...]
    remarks: tuple[RemarkLine, ...]
    overruled: tuple[OverruledLine, ...]
    words: tuple[WordLine, ...]
    """In the order of the text."""


class Day(msgspec.Struct, frozen=True):
    """What was recited on a day."""

    day: Annotated[str, Meta(description="YYYY-MM-DD where the student is")]
    sessions: int
    seconds: float
    voice_s: float
    words: int
    accepted: Annotated[Share | None, Meta(description="share of the words; null: none")]
    letter_slips: int
    rule_slips: dict[str, int]


class Due(msgspec.Struct, frozen=True):
    """An ayah that is to be recited again."""

    at: str
    last: Annotated[str, Meta(description="day on which it was recited last")]
    due: Annotated[str, Meta(description="day from which on it is due")]
    accepted: Share


class Progress(msgspec.Struct, frozen=True):
    """How it goes."""

    days: tuple[Day, ...]
    rules: Annotated[tuple[Weak, ...], Meta(description="weakest first")]
    letters: Annotated[tuple[Weak, ...], Meta(description="weakest first")]
    due: Annotated[tuple[Due, ...], Meta(description="longest due first")]


class StudentLine(msgspec.Struct, frozen=True):
    """A student of a class."""

    student: Annotated[int, Meta(description="number of the student on this server")]
    name: Annotated[str, Meta(description="empty for a guest")]
    sessions: int
    voice_s: float
    last: Unix


class Students(msgspec.Struct, frozen=True):
    """The students of a class, who recited last first."""

    class_name: str = msgspec.field(name="class")
    students: tuple[StudentLine, ...]


class Settings(msgspec.Struct, frozen=True):
    """What a student chose."""

    kept: Annotated[bool, Meta(description="something is kept of whoever asks")]
    reading: Annotated[str | None, Meta(description="as in the message `reading`; null: never chosen")] = None


class Choice(msgspec.Struct, frozen=True):
    """Settings that a student chooses."""

    reading: Annotated[str, Meta(max_length=512)]


class Label(msgspec.Struct, frozen=True):
    """A verdict that a teacher overruled, for whoever trains or measures."""

    session: str
    at: str
    was: str
    status: str
    score: Share | None
    start_ms: int | None
    end_ms: int | None
    misheard: tuple[tuple[str, str], ...]
    """Units expected and heard in the word, where the word was doubted."""
    by: str
    said: Unix
