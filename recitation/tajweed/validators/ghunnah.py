"""Ghunnah: how long what is nasal is held, whether it goes through the nose, and whether it is held at all.

Two counts are 2 to 6 short vowels long (``tajweed.held``), a nasal that is not held hardly one, so that a ghunnah is
held against that and, once some were heard, against the reciter's own.  Which rule a nasal is heard as is told by the
validator of nasals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from recitation.audio import SAMPLE_HZ
from recitation.events import PhoneVerdict
from recitation.judge import FAINT
from recitation.phones import IKHFA, IQLAB, SHORT_VOWELS
from recitation.prosody.murmur import murmur_db
from recitation.tajweed.held import NATURAL_HARAKAT, Length
from recitation.tajweed.lengths import Audio, Heard, held_nasal_start
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.tempo import Tempo
from recitation.tajweed.validators.answers import probability
from recitation.tajweed.validators.durations import Habit, Recent, chance_below, severity_of, told, with_ear
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

SHORT_COUNTS = 1.3
"""A ghunnah of fewer counts is short."""
SHORT_SHARE = 0.72
"""One of less than this share of what the reciter's own usually last is short: half lies as far below it, in the
logarithm, as what is usual above."""
SURE_GHUNNAH = 0.88
"""Probability from which a ghunnah is an error: 6 of 335 right ones of six voices reach it (``perf/tajweed --fit``)."""
OWN_SPREAD = 0.12
"""Standard deviation of the logarithm of one ghunnah about the voice's usual one, beyond what boundaries add."""
EAR_NATS = 6.0
"""Most that the ear may say: it knows nasals that are held as units of their own, while the end of one between vowels
is easily mistaken."""
ORAL_DB, NATS_PER_DB = -15.0, 1.5
"""Murmur (``recitation.prosody.murmur``) below which a nasal does not go through the nose, and the odds about it."""
HIDDEN = (Rule.IKHFA, Rule.IKHFA_SHAFAWI, Rule.IQLAB)
"""Where the nasal ends that is hidden before a letter is not certain."""
_PLAIN = {
    "ن": ("ن", "نن", ""), "م": ("م", "مم", ""), "و": ("و", "وو", ""), "ي": ("ي", "يي", ""),
    IKHFA: ("ن", "نن", ""), IQLAB: ("ن", "م", "مم", ""),
}  # fmt: skip
"""What is heard without ghunnah, by the letter of the unit with it."""


@dataclass(frozen=True, slots=True)
class _Sound:
    """Where a nasal lies."""

    start: int
    end: int
    vowel_start: int | None
    """Begin of the short vowel before it, None where there is none."""

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / SAMPLE_HZ


class GhunnahValidator:
    """Judges the ghunnah of every rule that has one, each as soon as it is found."""

    def __init__(self, tempo: Tempo, audio: Audio) -> None:
        self._tempo, self._audio = tempo, audio
        self._habit = Habit()
        self._recent = Recent()

    def hear(self, heard: Heard, found: Sequence[Found]) -> list[RuleVerdict]:
        """See ``recitation.tajweed.validators.Validator``."""
        self._recent.push(heard)
        return [self._judge(place) for place in found if _has_ghunnah(place)]

    def _judge(self, place: Found) -> RuleVerdict:
        nasal = place.phones[-1]
        sound = self._sound(nasal) if self._tempo.known else None
        if sound is None or not sound.seconds:
            return told(place, Severity.UNCLEAR, None, 0.0, None)
        length = self._tempo.length(sound.seconds)
        measured = self._tempo.held.counts(length)
        if not self._recent.sure(place):
            return told(place, Severity.UNCLEAR, None, 0.0, measured)
        severity, slip, chance = self._weigh(place, length, sound)
        self._habit.note(length.harakat)
        return told(place, severity, slip, chance if slip else 1 - chance, measured)

    def _weigh(self, place: Found, length: Length, sound: _Sound) -> tuple[Severity, Slip | None, float]:
        """What is to be made of a nasal: severity, slip, and the probability of the likeliest slip."""
        nasal = place.phones[-1].phone
        plain = _PLAIN[nasal.unit[0]]
        limit = Length(SHORT_COUNTS * NATURAL_HARAKAT / 2, 0.0)
        short = chance_below(length, limit, self._habit.spread)
        short = with_ear(short, nasal, plain, EAR_NATS, EAR_NATS)
        if severity_of(short, SURE_GHUNNAH) is not Severity.FINE:
            agreed = nasal.p < FAINT and nasal.heard in plain
            # Where the ear does not agree a boundary may be wrong.
            doubtful = not agreed if place.instance.rule in HIDDEN else nasal.heard not in plain
            slip = _left_out_as(nasal) if agreed else Slip.SHORT
            return Severity.ADVICE if doubtful else severity_of(short, SURE_GHUNNAH), slip, short
        uneven, oral = self._chance_uneven(length), self._chance_oral(sound)
        if severity_of(oral, SURE_GHUNNAH) is not Severity.FINE:
            return severity_of(oral, SURE_GHUNNAH), Slip.MISSING, oral
        if severity_of(uneven, SURE_GHUNNAH) is not Severity.FINE:
            return severity_of(uneven, SURE_GHUNNAH), Slip.SHORT, uneven
        return Severity.FINE, None, max(short, uneven, oral)

    def _sound(self, nasal: Heard) -> _Sound | None:
        """Where the nasal lies; None where that is not known.

        The ear often hears what is held, a glide above all, only when it is released: after a short vowel it is looked
        for from the vowel on.
        """
        vowel = self._recent.before(nasal)
        if nasal.start is None or nasal.end is None:
            return None
        if vowel is None or vowel.start is None or vowel.phone.unit not in SHORT_VOWELS:
            return _Sound(nasal.start, nasal.end, None)
        start = held_nasal_start(vowel.start, nasal.end, self._tempo.harakah_s, self._audio)
        return _Sound(start, nasal.end, vowel.start)

    def _chance_uneven(self, length: Length) -> float:
        """Probability that it is short of the reciter's other ghunnahs.

        The ear knows what is held, not how long.
        """
        usual = Length(SHORT_SHARE * self._habit.usual, self._habit.usual_spread)
        return chance_below(length, usual, OWN_SPREAD) if self._habit.heard else 0.0

    def _chance_oral(self, sound: _Sound) -> float:
        """Probability that nothing of a nasal goes through the nose."""
        if sound.vowel_start is None:
            return 0.0
        vowel, nasal = self._audio(sound.vowel_start, sound.start), self._audio(sound.start, sound.end)
        murmur = murmur_db(nasal, vowel)
        return 0.0 if murmur is None else probability(NATS_PER_DB * (ORAL_DB - murmur))


def _has_ghunnah(place: Found) -> bool:
    return place.instance.rule.family in (Family.GHUNNAH, Family.NASAL) and place.instance.counts is not None


def _left_out_as(nasal: PhoneVerdict) -> Slip:
    """What it is when the ear hears a nasal without its ghunnah: a hidden one that is heard is said clearly."""
    return Slip.REPLACED if nasal.unit[0] in IKHFA + IQLAB and nasal.heard else Slip.MISSING
