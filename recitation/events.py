"""What the line says about a recitation.  Spans are 16 kHz samples since the session began."""

from enum import StrEnum

import msgspec

from recitation.prosody.phrase import Phrase, ProsodyReport
from recitation.tajweed.verdict import RuleVerdict


class Status(StrEnum):
    """The verdict on a word."""

    ACCEPTED = "accepted"
    QUESTIONED = "questioned"
    WRONG = "wrong"
    UNCLEAR = "unclear"
    OMITTED = "omitted"
    REPEATED = "repeated"
    NOT_REACHED = "not_reached"


class Following(StrEnum):
    """How the tracker stands to the passage."""

    WAITING = "waiting"
    FOLLOWING = "following"
    UNCLEAR = "unclear"
    LOST = "lost"
    DONE = "done"


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The tentative place: the newest phone begun."""

    at: str
    """``surah:ayah:word``."""
    phone: int
    """Index of the phone in the form recited."""
    sample: int
    """Where that phone was first heard."""


class PhoneVerdict(msgspec.Struct, frozen=True, array_like=True):
    """A phone, confirmed once for each time it is recited and never revised."""

    at: str
    index: int
    unit: str
    start: int
    end: int
    p: float
    """Probability that the expected phone was said, given what the window sounds like."""
    heard: str | None
    """The competing unit when it is likelier; an empty string when nothing was heard in its place."""
    letters: tuple[int, int] = (0, 0)
    """First and last character of the word's text that spell the phone."""


class WordVerdict(msgspec.Struct, frozen=True, array_like=True):
    """A word, confirmed once for each time it is recited.

    A later verdict can mend an earlier one and never spoils it: a word recited again that gains nothing by it, because
    it was accepted before or is unclear now, is ``repeated``.
    """

    at: str
    start: int
    end: int
    score: float
    status: Status


class Update(msgspec.Struct, frozen=True):
    """What one hop of audio brought."""

    sample: int
    """End of the audio this update rests on."""
    cursor: Cursor | None
    phones: tuple[PhoneVerdict, ...]
    words: tuple[WordVerdict, ...]
    speech: bool
    level_db: float
    state: Following
    rules: tuple[RuleVerdict, ...] = ()
    """Rules of tajweed, where the session listens for them."""
    harakah_s: float | None = None
    """The reciter's own tempo, seconds a count; None until it is known."""
    phrases: tuple[Phrase, ...] = ()
    """What was recited from pause to pause, where the session listens for prosody."""


class WordReport(msgspec.Struct, frozen=True):
    """A word of the passage when the recitation is over."""

    at: str
    text: str
    start: int | None
    end: int | None
    score: float | None
    status: Status
    phones: tuple[PhoneVerdict, ...]


class HarakahReport(msgspec.Struct, frozen=True):
    """The reciter's own tempo at the end."""

    harakah: float
    """Seconds of one count."""
    uncertainty: float
    """Standard error of it, seconds."""


class Summary(msgspec.Struct, frozen=True):
    """The whole passage when the recitation is over."""

    words: tuple[WordReport, ...]
    samples: int
    rules: tuple[RuleVerdict, ...] = ()
    """Each rule of tajweed as it was recited last."""
    tempo: HarakahReport | None = None
    prosody: ProsodyReport | None = None

    def count(self, status: Status) -> int:
        """Words with a status."""
        return sum(word.status is status for word in self.words)
