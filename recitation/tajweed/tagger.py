"""The rule tagger: every rule of tajweed that a word holds in the form and place in which it is recited."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from recitation.lexicon import Form, Phone, Word, recited
from recitation.phones import CONSONANTS, QALQALAH
from recitation.tajweed.madds import madds
from recitation.tajweed.moshaf import GENERAL_SAKT, IDRAJ, TAHQIQ, Moshaf
from recitation.tajweed.nasals import nasals
from recitation.tajweed.place import Place
from recitation.tajweed.rules import Instance, Rule
from recitation.tajweed.weights import weights

_SAKT = {(18, 1, 11), (36, 52, 6), (75, 27, 2), (83, 14, 2), (69, 28, 4)}
"""Words after which Hafs makes a sakt when joined to the next; 69:28 has idgham as a second way, which is not there."""
_MARQADINA = (36, 52, 6)
_CACHED = 16_384
"""Words in their places that are kept, about a kilobyte each; the whole Quran, ayah by ayah, has some 21,000."""

_CHANGED_BY_STOP = re.compile("ه[ُِ][ۥۦ]ٓ?$|ة[ًٌٍَُِ][ۭۢ]?$|[ًٌٍ][ۭۢ]?(?:ا۟?|ى)?$|[َُِ](?:[اى]۟)?$|ا۠$")
"""What a stop takes from the end of a word, or turns into something else: a vowel, tanwin, ة, the madd of silah, and
the alifs that are read in one of the two places only."""
_ARTICLE_OR_SHAY = re.compile("ٱلْ|شَ[ىي]ْ")


def instances(word: Word, form: Form, *, after: Phone | None, moshaf: Moshaf) -> tuple[Instance, ...]:
    """The rules of a word recited in ``form``, in the order of its phones.

    ``after`` is the first phone of the following word when joined to it; None when the word is stopped at.  An idgham
    with the following word is named here, where its letter is written: see ``Instance.first``.
    """
    at = (word.surah, word.ayah, word.number)
    sakt = at in _SAKT and after is not None and not (at == _MARQADINA and moshaf.sakt_marqadina == IDRAJ)
    return _instances(word.text, form, None if after is None else after.script, sakt, moshaf)


def recited_instances(words: Sequence[Word], moshaf: Moshaf) -> Iterator[tuple[Word, Form, tuple[Instance, ...]]]:
    """Words recited ayah by ayah, stopping at the end of each, with the form and the rules of each."""
    spoken = recited(tuple(words))
    for n, (word, form) in enumerate(spoken):
        goes_on = n + 1 < len(spoken) and spoken[n + 1][0].ayah == word.ayah
        yield word, form, instances(word, form, after=spoken[n + 1][1][0] if goes_on else None, moshaf=moshaf)


@lru_cache(maxsize=_CACHED)
def _instances(text: str, form: Form, after: str | None, sakt: bool, moshaf: Moshaf) -> tuple[Instance, ...]:
    place = Place(text, form, after or "", after is None)
    found = [
        *madds(place, moshaf),
        *nasals(place, moshaf),
        *weights(place, moshaf),
        *_qalqalah(place),
        *_hamzat_wasl(place),
        *_stops(place),
        *_sakts_before_hamzah(place, moshaf),
    ]
    if sakt:
        last = len(form) - 1
        found.append(Instance(Rule.SAKT, last, last, place.letters_of(last)))
    return tuple(sorted(found, key=lambda one: (one.first, one.last, one.letters)))


def _qalqalah(place: Place) -> Iterator[Instance]:
    """The letter and its release; greater when the word is stopped at it."""
    for index, script in enumerate(place.scripts):
        if script == QALQALAH:
            rule = Rule.QALQALAH_KUBRA if place.is_last(index) else Rule.QALQALAH_SUGHRA
            yield Instance(rule, index - 1, index, place.letters_of(index - 1))


def _hamzat_wasl(place: Place) -> Iterator[Instance]:
    """Its hamzah and vowel where it is said; the phone after it where it is dropped."""
    for at, letter in enumerate(place.text):
        if letter != "ٱ":
            continue
        said = [index for index, phone in enumerate(place.form) if phone.letters[0] == at]
        if not said:
            said = [index for index, phone in enumerate(place.form) if phone.letters[0] > at][:1]
        yield Instance(Rule.HAMZAT_WASL, said[0], said[-1], (at, at))


def _stops(place: Place) -> Iterator[Instance]:
    """What the stop changes, at the phone the word is left with."""
    changed = _CHANGED_BY_STOP.search(place.text) if place.stopped else None
    if changed:
        last = len(place.form) - 1
        first = changed.start() + (changed[0][0] == "ه")  # the ه of silah stays, its vowel goes
        yield Instance(Rule.WAQF, last, last, (first, len(place.text) - 1))


def _sakts_before_hamzah(place: Place, moshaf: Moshaf) -> Iterator[Instance]:
    """A consonant without a vowel before a hamzah, in a moshaf that has sakt there."""
    if moshaf.sakin_before_hamzah == TAHQIQ:
        return
    special = _ARTICLE_OR_SHAY.search(place.text)
    for index, script in enumerate(place.scripts[:-1]):
        if place.scripts[index + 1] != "ء" or not (script[0] in CONSONANTS or script == QALQALAH):
            continue
        first = place.form[index].letters[0]
        at_end = index == len(place.form) - 1
        near = special is not None and special.start() < first < special.end()
        if at_end or near or moshaf.sakin_before_hamzah == GENERAL_SAKT:
            yield Instance(Rule.SAKT, index, index, place.letters_of(index))
