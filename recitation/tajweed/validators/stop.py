"""Stops: sakt, the form of a word that is stopped at, and stops within a word.

What a pause was is known when the phone after it begins, and told then.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from recitation.audio import SAMPLE_HZ
from recitation.judge import FAINT
from recitation.lexicon import Word, default_lexicon
from recitation.mushaf import AYAT_PER_SURAH
from recitation.phones import SHORT_VOWELS
from recitation.prosody.energy import FLOOR_DB, ROOM_QUANTILE, levels
from recitation.prosody.pauses import breath_s
from recitation.prosody.release import LAG_SAMPLES
from recitation.tajweed.lengths import Audio, Heard
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Instance, Rule
from recitation.tajweed.silence import LISTENED_BACK_SAMPLES, hush_s, listened
from recitation.tajweed.tagger import instances
from recitation.tajweed.validators.answers import answer, is_sure, probability, unclear
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

SAKT_DB = 10.0
"""The voice is held in a sakt where the level lies so far below the vowels around it: reverberation fills a sakt, which
seldom reaches the level of the room."""
LEAST_SAKT_S, LONGEST_SAKT_S = 0.1, 1.0
"""A shorter hush is the letter itself; a longer one is a stop."""
LEAST_BREAK_S = 0.4
"""Silence within a word from which it is broken; the closure of a doubled letter, recited slowly, is shorter."""
SETTLED_SAMPLES, LISTENED_SAMPLES = SAMPLE_HZ // 10, SAMPLE_HZ // 4
"""After a stop: what is left to the echo, and how far there is sound when the stop is told."""
_STOP_IS_GOOD = "36:52:6"
"""A word with sakt where a stop is as good, besides those that end their ayah."""
_JOINED_SOUNDS = {"ه": "ت", "اا": "ن"}
"""What a word that ends with ة or tanwin of fatḥah would end with if it were joined."""


class StopValidator:
    """Judges the stops of a session."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio
        self._before: Heard | None = None
        self._sakt: Found | None = None
        """A sakt whose silence is still to come."""

    def hear(self, heard: Heard, found: Sequence[Found]) -> list[RuleVerdict]:
        """See ``recitation.tajweed.validators.Validator``."""
        before, self._before = self._before, heard
        verdicts = [] if before is None else list(self._between(before, heard))
        self._sakt = next((place for place in found if place.instance.rule is Rule.SAKT), None)
        verdicts += [_waqf(place) for place in found if place.instance.rule is Rule.WAQF]
        if heard.following is None:
            verdicts += self._judge_form(heard)
        return verdicts

    def _between(self, before: Heard, heard: Heard) -> Iterator[RuleVerdict]:
        """What the pause between two phones was, or the lack of one."""
        sakt = self._sakt or _sakt_at(before)
        if sakt is not None:
            after = _word_after(before.phone.at)
            if after is not None and (after.at, 0) == (heard.phone.at, heard.phone.index):
                yield from self._judge_sakt(sakt, heard)
            elif self._sakt is not None:
                yield unclear(self._sakt)  # gone back
        elif _breaks(before, heard):
            start, end = before.phone.end, heard.phone.start - LAG_SAMPLES
            if (end - start) / SAMPLE_HZ < LEAST_BREAK_S:  # of most phones nothing need be listened to
                return
            silence = hush_s(self._audio, start, end)
            if silence >= LEAST_BREAK_S:
                yield _broken(before, heard, probability(5 * (silence - LEAST_BREAK_S)))

    def _judge_sakt(self, place: Found, heard: Heard) -> Iterator[RuleVerdict]:
        before = place.phones[-1].phone
        if not is_sure(place) or not heard.sure:
            yield unclear(place)
            return
        onset = heard.phone.start - LAG_SAMPLES
        room_db = self._room_db(onset)
        breath = breath_s(self._audio(*listened(before.end, onset)), room_db)
        hush = hush_s(self._audio, before.start - LAG_SAMPLES, onset, SAKT_DB)
        if breath or hush > LONGEST_SAKT_S:
            if not _may_stop(place.at):
                longer = max(0.0, hush - LONGEST_SAKT_S)
                yield answer(place, Severity.ADVICE, Slip.BREATH, probability(10 * breath + 5 * longer))
        elif hush < LEAST_SAKT_S:
            yield answer(place, Severity.ADVICE, Slip.NO_PAUSE, 1 - hush / LEAST_SAKT_S / 2, "")
        else:
            yield answer(place, Severity.FINE, None, probability(10 * (hush - LEAST_SAKT_S)))

    def _judge_form(self, heard: Heard) -> list[RuleVerdict]:
        """A word stopped at with its last vowel, or its tanwin, as if it were joined."""
        phone = heard.phone
        if not heard.sure or phone.p < FAINT or not _is_last(heard, stopped=False) or _is_last(heard, stopped=True):
            return []
        begin, end = phone.end + SETTLED_SAMPLES, phone.end + LISTENED_SAMPLES
        changed = _waqf_of(phone.at)
        if changed is None or hush_s(self._audio, begin, end) < (end - begin) / SAMPLE_HZ - 0.02:
            return []
        if not self._audio(begin, end).any():  # the recording may have been cut off before the next word
            return []
        return [answer(Found(changed, (heard,), phone.at), Severity.ERROR, Slip.REPLACED, phone.p, phone.unit)]

    def _room_db(self, end: int) -> float:
        """Level of the room in the seconds before ``end``, dBFS."""
        known = levels(self._audio(end - LISTENED_BACK_SAMPLES, end))
        known = known[known > FLOOR_DB + 1]
        return float(np.quantile(known, ROOM_QUANTILE)) if len(known) else FLOOR_DB


def _waqf(place: Found) -> RuleVerdict:
    """A word left in its stopped form."""
    phone = place.phones[-1].phone
    if is_sure(place) and phone.p >= FAINT:
        return answer(place, Severity.FINE, None, phone.p)
    if is_sure(place) and phone.heard and phone.heard[0] == _JOINED_SOUNDS.get(phone.unit):
        return answer(place, Severity.ADVICE, Slip.REPLACED, 1 - phone.p, phone.heard)
    return unclear(place)


def _broken(before: Heard, heard: Heard, confidence: float) -> RuleVerdict:
    """A word stopped at before its end.

    The ear is late, so that a stop after the last vowel of the joined form can come to lie before it.
    """
    phone, last = before.phone, heard.phone
    changed = _waqf_of(last.at)
    if changed is not None and last.unit in SHORT_VOWELS and _is_last(heard, stopped=False):
        return answer(Found(changed, (heard,), last.at), Severity.ERROR, Slip.REPLACED, confidence, last.unit)
    place = Found(Instance(Rule.WAQF, phone.index, phone.index, phone.letters), (before,), phone.at)
    return answer(place, Severity.ERROR, Slip.BROKEN, confidence)


def _breaks(before: Heard, heard: Heard) -> bool:
    """Whether a word left before its end is gone on with, or begun again."""
    left, now = before.phone, heard.phone
    if left.at != now.at or not (before.sure and heard.sure) or now.index > left.index + 1:
        return False
    complete = _is_last(before, stopped=True) and now.index != left.index + 1
    return not complete and not _is_last(before, stopped=False)


def _is_last(heard: Heard, *, stopped: bool) -> bool:
    """Whether a phone ends its word in a form that is stopped at, or in one that is not."""
    word, phone = _word(heard.phone.at), heard.phone
    forms = (word.form(started=started, stopped=stopped) for started in (False, True))
    return any(len(form) == phone.index + 1 and form[-1].script == phone.unit for form in forms)


def _sakt_at(heard: Heard) -> Found | None:
    """The sakt after a phone that ends its word before a pause, for the tracker a stop."""
    if heard.following is not None:
        return None
    instance = _sakt_of(heard.phone.at)
    at_end = instance is not None and instance.last == heard.phone.index
    return Found(instance, (heard,), heard.phone.at) if instance is not None and at_end else None


@lru_cache(maxsize=256)
def _sakt_of(at: str) -> Instance | None:
    """The sakt with which Hafs joins a word to the next."""
    word, after = _word(at), _word_after(at)
    if after is None:
        return None
    rules = instances(word, word.joined, after=after.joined[0], moshaf=Moshaf())
    return next((rule for rule in rules if rule.rule is Rule.SAKT), None)


@lru_cache(maxsize=256)
def _waqf_of(at: str) -> Instance | None:
    """What a stop changes of a word."""
    word = _word(at)
    rules = instances(word, word.stopped, after=None, moshaf=Moshaf())
    return next((rule for rule in rules if rule.rule is Rule.WAQF), None)


@lru_cache(maxsize=256)
def _word(at: str) -> Word:
    surah, ayah, number = map(int, at.split(":"))
    return default_lexicon().word(surah, ayah, number)


def _word_after(at: str) -> Word | None:
    """The next word of the surah."""
    surah, ayah, number = map(int, at.split(":"))
    lexicon = default_lexicon()
    if number < lexicon.word_count(surah, ayah):
        return lexicon.word(surah, ayah, number + 1)
    return lexicon.word(surah, ayah + 1, 1) if ayah < AYAT_PER_SURAH[surah - 1] else None


def _may_stop(at: str) -> bool:
    """Whether a stop is as good as the sakt of a word."""
    surah, ayah, number = map(int, at.split(":"))
    return at == _STOP_IS_GOOD or number == default_lexicon().word_count(surah, ayah)
