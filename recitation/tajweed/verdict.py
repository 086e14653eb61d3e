"""What the line says of a rule at the place where it holds."""

from enum import StrEnum

import msgspec

from recitation.tajweed.rules import Rule


class Slip(StrEnum):
    """How a rule was broken."""

    SHORT = "short"
    LONG = "long"
    UNEVEN = "uneven"
    """Not as long as the reciter's other madds of the kind (taswiyah)."""
    MISSING = "missing"
    VOWELLED = "vowelled"
    """A qalqalah turned into a vowel."""
    REPLACED = "replaced"
    """Another sound or rule in its place, which ``RuleVerdict.heard`` names."""
    LIGHT = "light"
    HEAVY = "heavy"
    NO_PAUSE = "no_pause"
    """Sakt left out."""
    BREATH = "breath"
    """A stop where a sakt, without a breath, belongs."""
    BROKEN = "broken"
    """A stop within a word."""


class Severity(StrEnum):
    """What is to be made of a verdict."""

    FINE = "fine"
    ADVICE = "advice"
    """Worth listening again; the rule's measured error rate, or this voice, does not allow more."""
    ERROR = "error"
    UNCLEAR = "unclear"
    """Nothing can be said: the tempo is not known yet, the sound was made up or the place was not sure."""


class RuleVerdict(msgspec.Struct, frozen=True, array_like=True):
    """A rule at one place, confirmed once for each time it is recited and never revised."""

    at: str
    """``surah:ayah:word`` of the word whose letters the rule names."""
    rule: Rule
    letters: tuple[int, int]
    """First and last character of the word's text that the rule is about."""
    start: int
    end: int
    """Span of the sound, 16 kHz samples since the session began."""
    severity: Severity
    slip: Slip | None = None
    """None where the rule was kept, or nothing can be said."""
    confidence: float = 0.0
    """Probability that the slip is one, 0 to 1; it grows with the violation.  Of a rule kept, that it was kept."""
    expected: tuple[float, float] | None = None
    """Least and most harakat where the rule is one of length."""
    measured: float | None = None
    """Harakat, in the reciter's own tempo."""
    uncertainty: float | None = None
    """Standard error of ``measured``, harakat."""
    heard: str | None = None
    """Unit heard in place of the rule's, where one is named; an empty string when nothing was."""
