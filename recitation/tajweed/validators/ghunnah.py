"""Ghunnah: how long what is nasal is held, and whether it is held at all.

Two counts are 2 to 6 short vowels long (``tajweed.held``), a nasal that is not held hardly one.  Which rule a nasal is
heard as is told by the validator of nasals.
"""

from collections.abc import Sequence

from recitation.audio import SAMPLE_HZ
from recitation.judge import FAINT
from recitation.phones import IKHFA, IQLAB, SHORT_VOWELS
from recitation.tajweed.held import NATURAL_HARAKAT, Length
from recitation.tajweed.lengths import Heard
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.tempo import Tempo
from recitation.tajweed.validators.durations import Habit, Recent, chance_below, severity_of, told, with_ear
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

SHORT_COUNTS = 1.3
"""A ghunnah of fewer counts is short."""
EAR_NATS = 6.0
"""Most that the ear may say: it knows nasals that are held as units of their own, while the end of one between vowels
is easily mistaken."""
ONLY_ADVICE = (Rule.IKHFA, Rule.IKHFA_SHAFAWI, Rule.IQLAB)
"""Where the nasal ends that is hidden before a letter is not certain."""
_PLAIN = {
    "ن": ("ن", "نن", ""), "م": ("م", "مم", ""), "و": ("و", "وو", ""), "ي": ("ي", "يي", ""),
    IKHFA: ("ن", "نن", ""), IQLAB: ("ن", "م", "مم", ""),
}  # fmt: skip
"""What is heard without ghunnah, by the letter of the unit with it."""


class GhunnahValidator:
    """Judges the ghunnah of every rule that has one, each as soon as it is found."""

    def __init__(self, tempo: Tempo) -> None:
        self._tempo = tempo
        self._habit = Habit()
        self._recent = Recent()

    def hear(self, heard: Heard, found: Sequence[Found]) -> list[RuleVerdict]:
        """See ``recitation.tajweed.validators.Validator``."""
        self._recent.push(heard)
        return [self._judge(place) for place in found if _has_ghunnah(place)]

    def _judge(self, place: Found) -> RuleVerdict:
        nasal = place.phones[-1]
        seconds = self._seconds(nasal)
        if not self._tempo.known or not seconds:
            return told(place, Severity.UNCLEAR, None, 0.0, None)
        length = self._tempo.length(seconds)
        measured = self._tempo.held.counts(length)
        if not self._recent.sure(place):
            return told(place, Severity.UNCLEAR, None, 0.0, measured)
        limit = Length(SHORT_COUNTS * NATURAL_HARAKAT / 2, 0.0)
        plain = _PLAIN[nasal.phone.unit[0]]
        short = with_ear(chance_below(length, limit, self._habit.spread), nasal.phone, plain, EAR_NATS)
        self._habit.note(length.harakat)
        severity = severity_of(short)
        if severity is Severity.FINE:
            return told(place, severity, None, 1 - short, measured)
        if place.instance.rule in ONLY_ADVICE or nasal.phone.heard not in plain:
            severity = Severity.ADVICE  # where the ear does not agree a boundary may be wrong
        missing = nasal.phone.p < FAINT and nasal.phone.heard in plain
        return told(place, severity, Slip.MISSING if missing else Slip.SHORT, short, measured)

    def _seconds(self, nasal: Heard) -> float | None:
        """How long the nasal lasted, with what is more than a harakah of a short vowel before it.

        The ear often hears what is held, a glide above all, only when it is released.
        """
        own = nasal.seconds
        vowel = self._recent.before(nasal)
        if own is None or vowel is None or vowel.start is None or vowel.phone.unit not in SHORT_VOWELS:
            return own
        assert nasal.end is not None
        return max(own, (nasal.end - vowel.start) / SAMPLE_HZ - self._tempo.harakah_s)


def _has_ghunnah(place: Found) -> bool:
    return place.instance.rule.family in (Family.GHUNNAH, Family.NASAL) and place.instance.counts is not None
