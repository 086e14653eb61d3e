"""The madds of a word: every long vowel has one name, and so has the glide of madd leen."""

import re
from collections.abc import Iterator

from recitation.phones import is_madd
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.place import FATHATAN, MADDAH, SMALL_MIM, Place, lexicon_rule
from recitation.tajweed.rules import Instance, Rule

_NAMED = {
    "Lazem Madd": Rule.MADD_LAZIM,
    "Aared Madd": Rule.MADD_ARID,
    "Leen Madd": Rule.MADD_LEEN,
}
"""quran-transcript's names of what needs no further distinction."""
_BEFORE_HAMZAH = ("Monfasel Madd", "Mottasel Madd")
"""Which of the two it is we see for ourselves: quran-transcript calls some يَـٰٓأَيُّهَا muttasil, and هَآؤُمُ munfasil."""
_CALL = re.compile("(?:[وفأ]َ)?[يه]َـٰٓ")
"""The yāʾ of calling and the hāʾ of drawing attention: words of their own, written together with the next."""
_IWAJA = "عِوَجَا"
"""18:1: Tanzil writes the alif of the stop, as the sakt has it recited even when joined."""


def madds(place: Place, moshaf: Moshaf) -> Iterator[Instance]:
    """Every madd of a word."""
    for index, phone in enumerate(place.form):
        name = lexicon_rule(phone)
        if not (is_madd(phone.unit) or _is_leen(place, index, name)):
            continue
        rule, letters = _rule(place, index, name), place.letters_of(index)
        counts = moshaf.counts(rule)
        if rule is Rule.MADD_IWAD:
            letters = (_iwad_from(place.text), len(place.text) - 1)
        elif rule is Rule.MADD_LEEN and place.text[letters[0]] == "ع":
            # ʿayn is one of the eight letters of madd lazim, only its vowel is a leen.
            rule, counts = Rule.MADD_LAZIM, moshaf.ain_counts
        elif rule is Rule.MADD_MUTTASIL and place.is_last(index + 1):
            counts = moshaf.muttasil_waqf_counts
        elif rule is Rule.MADD_LAZIM and place.text == "الٓمٓ" and place.scripts[index + 1 : -1] == ("م", "َ"):
            counts = moshaf.mim_al_imran_counts
        yield Instance(rule, index, index, letters, counts)


def _rule(place: Place, index: int, name: str) -> Rule:
    if name in _NAMED:
        return _NAMED[name]
    if name in _BEFORE_HAMZAH:
        return _before_hamzah(place, index)
    if index == len(place.form) - 1 and _iwad_from(place.text) >= 0 and (place.stopped or place.text == _IWAJA):
        return Rule.MADD_IWAD
    if _is_silah(place, index):
        return Rule.MADD_SILAH_SUGHRA
    if index >= 2 and place.scripts[index - 2] == "ء":
        return Rule.MADD_BADAL
    return Rule.MADD_TABII


def _before_hamzah(place: Place, index: int) -> Rule:
    if index == len(place.form) - 1:
        return Rule.MADD_SILAH_KUBRA if _is_silah(place, index) else Rule.MADD_MUNFASIL
    call = _CALL.match(place.text)
    apart = call is not None and call.end() == place.letters_of(index)[1] + 1
    return Rule.MADD_MUNFASIL if apart else Rule.MADD_MUTTASIL


def _is_leen(place: Place, index: int, name: str) -> bool:
    """A glide that a stop lengthens; أَوْ, which ends with it, is not lengthened whatever quran-transcript says."""
    return name == "Leen Madd" and place.scripts[index] in ("و", "ي") and index < len(place.form) - 1


def _iwad_from(text: str) -> int:
    """Where the tanwin of fatḥ begins that a stop turns into an alif; -1 when there is none."""
    if text == _IWAJA:
        return len(text) - 2
    end = text.rstrip("اى").rstrip(SMALL_MIM)
    return len(end) - 1 if end.endswith(FATHATAN) and "ة" not in end else -1


def _is_silah(place: Place, index: int) -> bool:
    """The small waw or ya that lengthens the vowel of a final ه."""
    first = place.form[index].letters[0]
    return (
        place.text[first] in "ۥۦ"
        and place.text[first + 1 :] in ("", MADDAH)
        and index >= 2
        and place.scripts[index - 2] == "ه"
    )
