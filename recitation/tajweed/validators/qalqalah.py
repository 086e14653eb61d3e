"""Qalqalah: the release of ق ط ب ج د without a vowel, by its echo and by the ear.

Within the recitation both speak.  Before a pause the decay of the room hides what the sound would show
(``recitation.prosody.release``), so that the ear is alone and only advises.
"""

from collections.abc import Sequence

from recitation.judge import FAINT
from recitation.phones import MADD_VOWELS, SHORT_VOWELS
from recitation.prosody.release import LEAST_ECHO_S, LONGEST_ECHO_S, release_of
from recitation.tajweed.lengths import Audio, Heard
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.validators.answers import answer, log_odds_of, probability, unclear
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

BEFORE_SAMPLES, AFTER_SAMPLES = 4_800, 1_600
"""Sound read from so long before the letter's emission to so long after that of the phone behind the release."""
CONSTANT, ECHO_SECOND, EAR_NAT = -2.21, 16.6, 0.36
"""Constant, weight of a second of echo, weight of a nat of the judge's log-odds: logistic regression on 94 releases of
four training reciters and 65 of them from which the echo was cut, as the live line hears them.  The rise out of the
closure, which ``recitation.prosody.release`` weighs too, gained nothing beside the judge."""
MISSING = -0.55
"""Below it lay 2 % of the releases it was fitted to and 74 % of those cut; of an unseen reciter none of 59, and 70 % of
33.  (Left out: cut ones whose letter was taken for another, and those taken for a vowel.)"""


class QalqalahValidator:
    """Judges every qalqalah of a session, each as soon as it is found."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio

    def hear(self, heard: Heard, found: Sequence[Found]) -> list[RuleVerdict]:
        """See ``recitation.tajweed.validators.Validator``."""
        return [self._judge(place) for place in found if place.instance.rule.family is Family.QALQALAH]

    def _judge(self, place: Found) -> RuleVerdict:
        letter, release = place.phones[0].phone, place.phones[-1].phone
        if not _is_sure(place) or (letter.p < FAINT and letter.heard):
            return unclear(place)  # another letter, which may have none
        if release.p < FAINT and release.heard and release.heard[0] in SHORT_VOWELS + MADD_VOWELS:
            return answer(place, Severity.ADVICE, Slip.VOWELLED, 1 - release.p, release.heard)
        odds = self._odds(place)
        if odds is None:
            if release.p < FAINT:
                return answer(place, Severity.ADVICE, Slip.MISSING, 1 - release.p, "")
            return answer(place, Severity.FINE, None, release.p)
        if odds < MISSING:
            return answer(place, Severity.ERROR, Slip.MISSING, probability(-odds), "")
        return answer(place, Severity.FINE, None, probability(odds))

    def _odds(self, place: Found) -> float | None:
        """Nats in favour of a release between the letter and the next phone; None before a pause."""
        letter, release = place.phones[0].phone, place.phones[-1].phone
        if place.instance.rule is Rule.QALQALAH_KUBRA or place.phones[-1].following is None:
            return None
        begin = letter.start - BEFORE_SAMPLES
        pcm = self._audio(begin, release.end + AFTER_SAMPLES)
        measured = release_of(pcm, letter.start - begin, release.end - begin)
        if measured is None or measured.echo_s is None:
            return None
        echo = min(max(measured.echo_s, LEAST_ECHO_S), LONGEST_ECHO_S)
        return CONSTANT + ECHO_SECOND * echo + EAR_NAT * log_odds_of(release.p)


def _is_sure(place: Found) -> bool:
    """A release that the tracker left out is as sure as its letter: that it is not there is what is asked."""
    letter, release = place.phones[0], place.phones[-1]
    return letter.sure and (release.sure or release.phone.start == release.phone.end)
