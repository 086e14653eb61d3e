"""Qalqalah: the release of ق ط ب ج د without a vowel, by its echo and by the ear.

Within the recitation both speak.  Before a pause the decay of the room hides what the sound would show
(``recitation.prosody.release``), so that the ear is alone and only advises.
"""

from collections.abc import Sequence

from recitation.events import PhoneVerdict
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
33.  (Left out: cut ones whose letter was taken for another, and those taken for a vowel.)  Letters doubted or left out
included, of 104 right ones of six voices one lies below it and 35 of 44 cut ones, nine of which have an echo still."""
LEAST_VOWEL_S = 0.08
"""What the ear takes for a vowel lasts so long; what is shorter is what comes after."""
_VOWELS = tuple(SHORT_VOWELS + MADD_VOWELS)


class QalqalahValidator:
    """Judges every qalqalah of a session, each as soon as it is found."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio

    def hear(self, heard: Heard, found: Sequence[Found]) -> list[RuleVerdict]:
        """See ``recitation.tajweed.validators.Validator``."""
        return [self._judge(place) for place in found if place.instance.rule.family is Family.QALQALAH]

    def _judge(self, place: Found) -> RuleVerdict:
        letter, release = place.phones[0].phone, place.phones[-1].phone
        if not _is_sure(place):
            return unclear(place)
        other_letter = letter.p < FAINT and bool(letter.heard)  # which may have no release
        before_pause = place.instance.rule is Rule.QALQALAH_KUBRA or place.phones[-1].following is None
        echo = None if before_pause else echo_s(letter, release, self._audio)
        if echo is None:
            return unclear(place) if other_letter else _by_ear(place, release)
        odds = CONSTANT + ECHO_SECOND * echo + EAR_NAT * log_odds_of(release.p)
        if other_letter:
            surely = odds < MISSING and echo < LEAST_VOWEL_S
            return _missing(place, Severity.ADVICE, probability(-odds)) if surely else unclear(place)
        if _vowelled(release) and echo >= LEAST_VOWEL_S:
            return _with_vowel(place, release)
        if odds < MISSING:
            return _missing(place, Severity.ERROR, probability(-odds))
        return answer(place, Severity.FINE, None, probability(odds))


def _by_ear(place: Found, release: PhoneVerdict) -> RuleVerdict:
    """The verdict on a release of which the sound tells nothing."""
    if _vowelled(release):
        return _with_vowel(place, release)
    if release.p < FAINT:
        return _missing(place, Severity.ADVICE, 1 - release.p)
    return answer(place, Severity.FINE, None, release.p)


def _vowelled(release: PhoneVerdict) -> bool:
    return release.p < FAINT and release.heard is not None and release.heard[:1] in _VOWELS


def _with_vowel(place: Found, release: PhoneVerdict) -> RuleVerdict:
    return answer(place, Severity.ADVICE, Slip.VOWELLED, 1 - release.p, release.heard)


def _missing(place: Found, severity: Severity, confidence: float) -> RuleVerdict:
    return answer(place, severity, Slip.MISSING, confidence, "")


def echo_s(letter: PhoneVerdict, release: PhoneVerdict, audio: Audio) -> float | None:
    """Seconds from the burst of a letter to the phone after its release; None where no closure is found."""
    begin = letter.start - BEFORE_SAMPLES
    measured = release_of(audio(begin, release.end + AFTER_SAMPLES), letter.start - begin, release.end - begin)
    if measured is None or measured.echo_s is None:
        return None
    return min(max(measured.echo_s, LEAST_ECHO_S), LONGEST_ECHO_S)


def _is_sure(place: Found) -> bool:
    """What the tracker left out, the release or the letter before it, is as sure as the other of the two.

    That it is not there is what is asked.
    """
    letter, release = place.phones[0], place.phones[-1]
    letter_out, release_out = (heard.phone.start == heard.phone.end for heard in (letter, release))
    return (letter.sure or letter_out) and (release.sure or release_out) and not (letter_out and release_out)
