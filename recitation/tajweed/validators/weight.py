"""Heavy and light: the seven letters of istiʿlāʾ, ra and the lam of Allah.

Two witnesses.  The ear tells a letter of istiʿlāʾ from its light twin; ra and lam are one unit each to it.  The second
formant of the /a/ after a letter tells its weight (``recitation.prosody.weight``), once enough light ones of the voice
are known.  Where neither can speak, nothing is said.
"""

import math
from collections import deque
from collections.abc import Sequence

from recitation.events import PhoneVerdict
from recitation.judge import FAINT
from recitation.letters import ISTILA
from recitation.prosody.formants import MAN
from recitation.prosody.release import LAG_SAMPLES
from recitation.prosody.weight import ONSET_SAMPLES, Lobanov, lightness, onset_formants, too_heavy, too_light
from recitation.tajweed.lengths import Audio, Heard
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.validators.answers import answer, is_sure, probability, unclear
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

FATHAH, ALIF = "َ", "اا"
LIGHT_TWINS = {"ص": "س", "ط": "ت", "ض": "د", "ظ": "ذ", "ق": "ك"}
CONFIDENT = 0.9
"""Probability of a letter of istiʿlāʾ from which the ear alone is believed: of 31 light letters of an unseen reciter
that were expected to be heavy none came so far, and 24 were named by their own name."""
SURELY_LIGHT = -0.06
"""Offset of F2 above which a ra or the lam of Allah is an error and no mere advice: 1.4 % of 208 right ones of four
training reciters lie above it and 1.1 % of 94 of an unseen one, of their light letters two thirds."""
_KEPT = 24
"""Letters whose vowel is remembered: a rule that waits for its word's form is found some phones later."""
_NO_REFERENCE = ISTILA + "رو"
"""Letters next to which an /a/ does not show what the voice's light one is; nor does a doubled ل, which may be that of
Allah."""
_PULLING = ISTILA + "و"
"""Letters that lower the second formant of the vowel before them."""

Offset = tuple[float, float, float]


class WeightValidator:
    """Judges the weight of letters in one session, and learns the voice's light /a/ on the way."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio
        self._voice = Lobanov()
        self._before: Heard | None = None
        self._offsets: deque[tuple[Heard, Offset]] = deque(maxlen=_KEPT)
        """Letters with the /a/ after them, from the voice's light one."""
        self._waiting: list[Found] = []
        """Letters of which the ear is not certain, until the /a/ after them is over."""

    def hear(self, heard: Heard, found: Sequence[Found]) -> list[RuleVerdict]:
        """See ``recitation.tajweed.validators.Validator``."""
        letter, self._before = self._before, heard
        if letter is not None and heard.phone.unit == FATHAH and letter.phone.end == heard.phone.start:
            self._measure(letter, heard)
        verdicts, self._waiting = [self._by_vowel(place) for place in self._waiting], []
        for place in found:
            if place.instance.rule.family is not Family.WEIGHT:
                continue
            verdict = _by_ear(place)
            if verdict is None and place.phones[-1] is heard and self._vowel_may_tell(heard):
                self._waiting.append(place)
            else:
                verdicts.append(verdict or self._by_vowel(place))
        return verdicts

    def _vowel_may_tell(self, letter: Heard) -> bool:
        """Whether what comes after a letter is a vowel that can be compared with the voice's others."""
        return letter.following == FATHAH and self._voice.knows(FATHAH)

    def _measure(self, letter: Heard, vowel: Heard) -> None:
        """Take the formants of the /a/ after a letter, where anything can come of them."""
        carrier, after = letter.phone.unit, vowel.following or " "
        tells = self._voice.knows(FATHAH) and after[0] not in _PULLING and _vowel_is_asked(letter.phone)
        teaches = carrier != "لل" and carrier[0] not in _NO_REFERENCE and after[0] not in _NO_REFERENCE
        if not vowel.sure or not (tells or teaches):
            return
        start, end = vowel.phone.start, vowel.phone.end
        if vowel.following == ALIF:
            end = start + LAG_SAMPLES + ONSET_SAMPLES
        begin = start - LAG_SAMPLES
        formants = onset_formants(self._audio(begin, end), start - begin, end - begin, MAN)
        if formants is None or not all(map(math.isfinite, formants.hz)):
            return
        if tells and (offset := self._voice.offset(FATHAH, formants)) is not None:
            self._offsets.append((letter, offset))
        if teaches:
            self._voice.note(FATHAH, formants)

    def _by_vowel(self, place: Found) -> RuleVerdict:
        """By the /a/ after the letter, if anything is known of it."""
        heavy, phone = place.instance.rule is Rule.TAFKHIM, place.phones[-1].phone
        offset = next((offset for letter, offset in self._offsets if letter is place.phones[-1]), None)
        light = None if offset is None else lightness(offset)
        if offset is None or light is None:
            return unclear(place)
        if heavy and too_light(offset, phone.unit[0]):
            surely = phone.unit[0] not in ISTILA and offset[1] > SURELY_LIGHT
            return answer(place, Severity.ERROR if surely else Severity.ADVICE, Slip.LIGHT, probability(light))
        if not heavy and too_heavy(offset):
            return answer(place, Severity.ADVICE, Slip.HEAVY, probability(-light))
        if phone.p < FAINT:
            return unclear(place)
        return answer(place, Severity.FINE, None, probability(-light if heavy else light))


def _by_ear(place: Found) -> RuleVerdict | None:
    """What is to be said of a letter whatever its vowel is like; None where that decides."""
    phone = place.phones[-1].phone
    if not is_sure(place):
        return unclear(place)
    if place.instance.rule is Rule.TAFKHIM and phone.p < FAINT and _twin_is_heard(phone):
        return answer(place, Severity.ERROR, Slip.LIGHT, 1 - phone.p, phone.heard)
    if phone.unit[0] in ISTILA and phone.p >= CONFIDENT:
        return answer(place, Severity.FINE, None, phone.p)
    return None


def _twin_is_heard(phone: PhoneVerdict) -> bool:
    return phone.heard is not None and phone.heard[:1] == LIGHT_TWINS.get(phone.unit[0])


def _vowel_is_asked(letter: PhoneVerdict) -> bool:
    """Whether the weight of a letter, if it has a rule for it, may hang on its vowel."""
    if letter.unit[0] in ISTILA:
        return letter.p < CONFIDENT
    return letter.unit[0] == "ر" or letter.unit == "لل"
