"""What a line leaves behind so that another one, in another process, can go on with the recitation.

Verdicts and what is known of the voice, nothing of the sound: a line that goes on hears anew from the next word on.
"""

import msgspec

from recitation.events import PhoneVerdict, WordVerdict
from recitation.tajweed.verdict import RuleVerdict


class TempoState(msgspec.Struct, frozen=True, array_like=True):
    """A reciter's tempo: what ``recitation.tajweed.tempo`` and ``held`` remember."""

    noted_s: float
    syllables: tuple[tuple[float, float], ...]
    madds: tuple[float, ...]
    free_madds: tuple[float, ...]


class ProsodyState(msgspec.Struct, frozen=True, array_like=True):
    """Sums over the phrases told, and the voiced frames by pitch: (step of the histogram, frames)."""

    phrases: int
    breaths: int
    phones: int
    phone_samples: int
    unevenness: float
    uneven_samples: int
    pitches: tuple[tuple[int, int], ...]


class LineState(msgspec.Struct, frozen=True):
    """One line; times by the clock of whoever keeps it."""

    verses: str
    """The address of the passage."""
    sought: bool
    """The passage was found, not named: of its words those count that lie before the last ayah reached."""
    word: int
    """Index of the word that follows the last one with a verdict: there the recitation goes on."""
    samples: int
    """Heard so far."""
    words: tuple[WordVerdict, ...]
    phones: tuple[PhoneVerdict, ...]
    """Of words that were not accepted: those of accepted words are told of nobody any more, and are most of them."""
    rules: tuple[RuleVerdict, ...] = ()
    doubt: float = 0.0
    """Share of doubtful phones (``recitation.judge``)."""
    odds: tuple[float, ...] = ()
    """Log-odds of the last phones (``recitation.clarity``)."""
    tempo: TempoState | None = None
    prosody: ProsodyState | None = None
