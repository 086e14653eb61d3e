"""Madds: too short, too long, or not like the reciter's others.

A length is held against its limits as a probability, with all that is uncertain about it.  The limits of natural madds
are shares of what they last in every voice, those of long ones counts of the reciter's own (``tajweed.held``).  A
length that the moshaf leaves free is never wrong within what is transmitted; only its evenness (taswiyah) is looked at.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from recitation.audio import SAMPLE_HZ
from recitation.phones import SHORT_VOWELS
from recitation.tajweed.held import NATURAL_HARAKAT, Held, Length
from recitation.tajweed.lengths import Audio, Heard
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Instance, Rule
from recitation.tajweed.silence import hush_s
from recitation.tajweed.tempo import Tempo
from recitation.tajweed.validators.durations import (
    LIKELY,
    Counts,
    Habit,
    Recent,
    chance_below,
    severity_of,
    told,
    with_ear,
)
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

NATURAL = (Rule.MADD_TABII, Rule.MADD_BADAL, Rule.MADD_IWAD, Rule.MADD_SILAH_SUGHRA)
SHORT_NATURAL, LONG_NATURAL = 1.5, 2.8
"""Counts beyond which a natural madd is short or long."""
SURE_NATURAL, SURE_SHORT, SURE_LONG = 0.9, 0.8, 0.9
"""Probabilities from which a natural madd is wrong, a long one too short and too long: where at most 3 in 100 of an
unseen reciter, of made voices and of three of four training reciters are accused (``perf/tajweed --fit``)."""
SHORT_BY, LONG_BY = 0.8, 1.0
"""Counts by which a long madd may miss what the moshaf says."""
LAZIM = (5.0, 9.0)
"""It is often held longer than its six counts."""
FREE = (1.5, 7.0)
"""What no way of reading goes beyond, where the moshaf is free."""
UNEVEN_BY = 1.25
"""A quarter longer or shorter than usual is uneven."""
ONLY_ADVICE = (Rule.MADD_ARID, Rule.MADD_LEEN)
"""People who listen differ by a count about these (quran-muaalem, qdat_bench: 1.03)."""
OWN_CHOICE = (Rule.MADD_MUNFASIL, Rule.MADD_SILAH_KUBRA)
"""Transmitted with 2 to 5 counts: a reciter who always reads them otherwise than the moshaf has chosen to, which is
told as advice."""
NOT_HELD = ("", *SHORT_VOWELS)
"""What is heard of a madd that is not there."""
LEAST_STOP_S = 0.12
"""Silence from which a word may have been stopped at although the ear heard it joined; closures are shorter."""
MISSED_NATS, PRESENT_NATS = 6.0, 3.0
"""Most that the ear may say of a madd that is not there, and of one that is: of 780 right natural madds of six voices
it gave none less than 0.48, of 100 halved ones 61 less than 0.05; but it gave 14 of them more than 0.9."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which a madd is right, in harakat."""

    short: Length
    long: Length

    def contain(self, harakat: float) -> bool:
        """Whether a length is right."""
        return self.short.harakat <= harakat <= self.long.harakat


class MaddValidator:
    """Judges every madd of a session, each as soon as it is found."""

    def __init__(self, tempo: Tempo, audio: Audio) -> None:
        self._tempo, self._audio = tempo, audio
        self._habits: defaultdict[tuple[str, tuple[float, float]], Habit] = defaultdict(Habit)
        self._recent = Recent()
        self._waiting: list[RuleVerdict] = []
        """Natural madds too long, until it is known whether their word goes on."""

    def hear(self, heard: Heard, found: Sequence[Found]) -> list[RuleVerdict]:
        """See ``recitation.tajweed.validators.Validator``."""
        verdicts, self._waiting = [self._at_end(one, heard) for one in self._waiting], []
        self._recent.push(heard)
        for place in found:
            if place.instance.rule.family is Family.MADD:
                verdict = self._judge(place)
                newest = place.phones[-1] is heard
                (self._waiting if newest and _may_be_a_stop(verdict) else verdicts).append(verdict)
        return verdicts

    def _judge(self, place: Found) -> RuleVerdict:
        instance = place.instance
        seconds = self._seconds(place)
        if not self._tempo.known or seconds is None or instance.counts is None:
            return told(place, Severity.UNCLEAR, None, 0.0, None)
        length = self._tempo.length(seconds)
        measured = self._counts(instance.rule, length)
        if not self._recent.sure(place):
            return told(place, Severity.UNCLEAR, None, 0.0, measured)
        habit = self._habits[_kind(instance.rule), instance.counts]
        severity, slip, chance = self._weigh(place, length, habit)
        habit.note(length.harakat)
        if slip is not Slip.SHORT:
            self._learn(instance, length)
        return told(place, severity, slip, chance if slip else 1 - chance, measured)

    def _at_end(self, verdict: RuleVerdict, heard: Heard) -> RuleVerdict:
        """A natural madd too long, by the phone after it: at a word's end the reciter may have stopped unnoticed."""
        if heard.phone.at == verdict.at or hush_s(self._audio, verdict.start, heard.phone.start) < LEAST_STOP_S:
            return verdict
        return msgspec.structs.replace(verdict, severity=Severity.ADVICE)

    def _learn(self, instance: Instance, length: Length) -> None:
        """What a madd tells of how long a count is when it is held."""
        if instance.counts == (2, 6) and instance.rule is Rule.MADD_ARID:
            self._tempo.held.note_free(length.harakat)
        elif instance.counts is not None and instance.counts[0] == instance.counts[1] > 2:
            self._tempo.held.note(instance.counts[0], length.harakat)

    def _seconds(self, place: Found) -> float | None:
        """How long the vowel lasted, of a leen the glide and what is more than a harakah of the vowel before it."""
        glide = place.phones[-1]
        if place.instance.rule is not Rule.MADD_LEEN:
            return glide.seconds or None
        vowel = self._recent.before(glide)
        if vowel is None or vowel.vowel_start is None or glide.end is None:
            return glide.seconds or None
        seconds = (glide.end - vowel.vowel_start) / SAMPLE_HZ - self._tempo.harakah_s
        return seconds if seconds > 0 else None

    def _counts(self, rule: Rule, length: Length) -> Counts:
        if rule in NATURAL:
            counts = 2 * length.harakat / NATURAL_HARAKAT
            return counts, counts * length.spread
        return self._tempo.held.counts(length)

    def _weigh(self, place: Found, length: Length, habit: Habit) -> tuple[Severity, Slip | None, float]:
        """What is to be made of a length: severity, slip, and the probability of the likeliest slip."""
        rule, phone = place.instance.rule, place.phones[-1].phone
        limits = limits_of(place.instance, self._tempo.held)
        short = chance_below(length, limits.short, habit.spread)
        long = 1 - chance_below(length, limits.long, habit.spread)
        if rule is Rule.MADD_IWAD:  # the end of its vowel is known only when the stop after it was not noticed
            long = 0.0
        if limits.short.harakat < NATURAL_HARAKAT or phone.heard in NOT_HELD:  # the ear tells two counts from one
            short = with_ear(short, phone, NOT_HELD, MISSED_NATS, PRESENT_NATS)
        slip, chance = (Slip.SHORT, short) if short >= long else (Slip.LONG, long)
        severity = severity_of(chance, SURE_NATURAL if rule in NATURAL else SURE_SHORT if short >= long else SURE_LONG)
        if severity is Severity.FINE and rule not in NATURAL and habit.known:
            uneven = habit.chance_uneven(length, UNEVEN_BY)
            if uneven >= LIKELY:
                return Severity.ADVICE, Slip.UNEVEN, uneven
        if severity is Severity.FINE:
            return severity, None, chance
        own = rule in OWN_CHOICE and _may_be_own_choice(habit, length, limits)
        return Severity.ADVICE if own or rule in ONLY_ADVICE else severity, slip, chance


def limits_of(instance: Instance, held: Held) -> Limits:
    """Between which lengths a madd is right in a voice.  ``instance.counts`` is not None."""
    assert instance.counts is not None
    least, most = instance.counts
    if instance.rule in NATURAL:
        natural = NATURAL_HARAKAT / 2
        return Limits(Length(SHORT_NATURAL * natural, 0.0), Length(LONG_NATURAL * natural, 0.0))
    if least == most:
        short, long = LAZIM if instance.rule is Rule.MADD_LAZIM else (least - SHORT_BY, most + LONG_BY)
    else:
        short, long = (FREE[0] if least <= 2 else least - SHORT_BY), FREE[1]
    return Limits(held.length(short), held.length(long))


def _may_be_own_choice(habit: Habit, length: Length, limits: Limits) -> bool:
    """Whether a madd that may have two counts is read otherwise than the moshaf says; two counts until it is known."""
    if habit.known:
        return not limits.contain(habit.usual)
    return length.harakat <= LONG_NATURAL * NATURAL_HARAKAT / 2


def _kind(rule: Rule) -> str:
    """Rules whose lengths ought to be alike."""
    return "natural" if rule in NATURAL else "separated" if rule in OWN_CHOICE else rule


def _may_be_a_stop(verdict: RuleVerdict) -> bool:
    return verdict.rule in NATURAL and verdict.slip is Slip.LONG and verdict.severity is Severity.ERROR
