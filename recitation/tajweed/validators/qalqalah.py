"""Qalqalah: the release of ق ط ب ج د without a vowel, by its sound and by the ear.

Within the recitation both speak (``recitation.prosody.release``).  Before a pause the decay of the room hides what the
sound would show, so that the ear is alone and only advises.
"""

from collections.abc import Sequence

from recitation.judge import DOUBTFUL
from recitation.phones import MADD_VOWELS, SHORT_VOWELS
from recitation.prosody.release import MISSING, log_odds, release_of
from recitation.tajweed.lengths import Audio, Heard
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family
from recitation.tajweed.validators.answers import answer, ear_ratio, is_sure, probability, unclear
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

BEFORE_SAMPLES, AFTER_SAMPLES = 4_800, 1_600
"""Sound read from so long before the letter's emission to so long after that of the phone behind the release."""


class QalqalahValidator:
    """Judges every qalqalah of a session, each as soon as it is found."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio

    def hear(self, heard: Heard, found: Sequence[Found]) -> list[RuleVerdict]:
        """See ``recitation.tajweed.validators.Validator``."""
        return [self._judge(place) for place in found if place.instance.rule.family is Family.QALQALAH]

    def _judge(self, place: Found) -> RuleVerdict:
        letter, release = place.phones[0].phone, place.phones[-1].phone
        if not is_sure(place) or letter.p < DOUBTFUL:
            return unclear(place)
        if release.p < DOUBTFUL and release.heard and release.heard[0] in SHORT_VOWELS + MADD_VOWELS:
            return answer(place, Severity.ADVICE, Slip.VOWELLED, 1 - release.p, release.heard)
        odds = self._odds(place)
        if odds is not None:
            if odds < MISSING:
                return answer(place, Severity.ERROR, Slip.MISSING, probability(-odds), "")
            return answer(place, Severity.FINE, None, probability(odds))
        if release.p < DOUBTFUL:
            return answer(place, Severity.ADVICE, Slip.MISSING, 1 - release.p, "")
        return answer(place, Severity.FINE, None, release.p)

    def _odds(self, place: Found) -> float | None:
        """Nats in favour of a release between letter and next phone; None before a pause, or without the sound."""
        letter, release = place.phones[0].phone, place.phones[-1].phone
        if place.phones[-1].following is None:
            return None
        begin = letter.start - BEFORE_SAMPLES
        pcm = self._audio(begin, release.end + AFTER_SAMPLES)
        measured = release_of(pcm, letter.start - begin, release.end - begin)
        return None if measured is None else log_odds(measured, ear_ratio(release.p))
