"""What a slip of a letter was, and how to mend it: the sentence a student reads, in Arabic and English."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from recitation.letters import NAMES, PLACES, Said, Trait, differing_traits
from recitation.phones import CONSONANTS, MADD_VOWELS, QALQALAH, SHORT_VOWELS


class SlipClass(StrEnum):
    """Kinds of slips of a letter."""

    OMISSION = "omission"
    SUBSTITUTION = "substitution"
    VOWEL = "vowel"
    SHORTENED = "vowel_shortened"
    LENGTHENED = "vowel_lengthened"
    SHADDAH_LOST = "shaddah_lost"
    SHADDAH_ADDED = "shaddah_added"
    GHUNNAH = "ghunnah"
    QALQALAH = "qalqalah"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A slip in words."""

    kind: SlipClass
    traits: tuple[str, ...]
    """Traits of the expected letter that the one heard has not, by key (``recitation.letters``)."""
    what: Said
    fix: Said


def explain(expected: str, heard: str) -> Explanation:
    """Say how ``heard`` differs from ``expected``, both in the script of ``recitation.phones.UNITS``.

    An empty ``heard`` means that nothing was heard in the place.  Raises ValueError when the two are the same or the
    expected unit is empty.
    """
    if not expected or expected == heard:
        raise ValueError(f"no slip: expected {expected!r}, heard {heard!r}")
    if not heard:
        return _omission(expected)
    letter, other = expected[0], heard[0]
    if letter == QALQALAH:
        return _plain(SlipClass.QALQALAH, expected, heard, _QALQALAH_FIX)
    if letter in SHORT_VOWELS + MADD_VOWELS or other in SHORT_VOWELS + MADD_VOWELS:
        return _vowel(expected, heard)
    if other == QALQALAH:
        return _plain(SlipClass.QALQALAH, expected, heard, _REST)
    if letter == other:
        return _length(expected, heard)
    if letter in CONSONANTS and other in CONSONANTS:
        return _substitution(letter, other)
    name = name_of(expected)
    clear = Said(f"أظهر {name.ar} من غير إخفاء", f"say {name.en} clearly, without hiding it")
    return _plain(SlipClass.GHUNNAH, expected, heard, clear if letter in CONSONANTS else _GHUNNAH_FIX)


_QALQALAH_FIX = Said("حرّك المخرج بنبرة قوية بلا حركة", "release the letter with a firm bounce, without a vowel")
_REST = Said("سكّن الحرف بلا نبرة", "let the letter rest without a bounce")
_GHUNNAH_FIX = Said("أخفِ النون أو الميم بغنّة مقدار حركتين", "hide the nūn or mīm and hold the nasal sound two counts")


def name_of(unit: str) -> Said:
    """A unit in words: the letter, doubled or held where it is."""
    name = NAMES[unit[0]]
    if unit[0] not in CONSONANTS or len(unit) == 1:
        return name
    if len(unit) == 2:
        return Said(f"{name.ar} المشدّدة", f"doubled {name.en}")
    return Said(f"{name.ar} بغنّة", f"{name.en} held with ghunnah")


def _contrast(expected: str, heard: str) -> Said:
    ours, theirs = name_of(expected), name_of(heard)
    return Said(f"المطلوب {ours.ar}، والمسموع {theirs.ar}", f"{ours.en} was expected, {theirs.en} heard")


def _plain(kind: SlipClass, expected: str, heard: str, fix: Said) -> Explanation:
    return Explanation(kind, (), _contrast(expected, heard), fix)


def _omission(expected: str) -> Explanation:
    name = name_of(expected)
    what = Said(f"لم تُسمع {name.ar}", f"{name.en} was not heard")
    place = PLACES.get(expected[0])
    if place is None:
        return Explanation(SlipClass.OMISSION, (), what, Said(f"بيّن {name.ar}", f"let {name.en} be heard"))
    fix = Said(f"أخرج {name.ar} من {place.ar}", f"say {name.en} from {place.en}")
    return Explanation(SlipClass.OMISSION, (), what, fix)


_LONG_OF = dict(zip("َُِ", "اۥۦ", strict=True))


def _vowel(expected: str, heard: str) -> Explanation:
    letter, other = expected[0], heard[0]
    if _LONG_OF.get(other) == letter:
        fix = Said("مُدّ الحرف حركتين على الأقل", "hold the vowel for two counts at least")
        return _plain(SlipClass.SHORTENED, expected, heard, fix)
    if _LONG_OF.get(letter) == other:
        fix = Said("لا تُشبع الحركة حتى تصير مدًّا", "keep the vowel short: one count")
        return _plain(SlipClass.LENGTHENED, expected, heard, fix)
    if other not in SHORT_VOWELS + MADD_VOWELS or letter not in SHORT_VOWELS + MADD_VOWELS:
        kind = SlipClass.SUBSTITUTION
        return _plain(
            kind, expected, heard, Said(f"بيّن {name_of(expected).ar}", f"let {name_of(expected).en} be heard")
        )
    return _plain(SlipClass.VOWEL, expected, heard, _VOWEL_FIXES[_SHAPES[letter]])


_SHAPES = {"َ": "a", "ا": "a", "ُ": "u", "ۥ": "u", "ِ": "i", "ۦ": "i", "ـ": "e"}
_VOWEL_FIXES = {
    "a": Said("افتح الفم بالفتح", "open the mouth"),
    "u": Said("ضُمّ الشفتين", "round the lips"),
    "i": Said("اخفض الفك بالكسر", "lower the jaw and spread the lips"),
    "e": Said("أمِل الألف نحو الياء", "lean the vowel towards ī"),
}


def _length(expected: str, heard: str) -> Explanation:
    if len(expected) > 2 or len(heard) > 2:
        fix = Said("أعطِ الغنّة حركتين", "hold the nasal sound two counts")
        if len(heard) > len(expected):
            fix = Said("لا تُطل الغنّة هنا", "do not hold the nasal sound here")
        return _plain(SlipClass.GHUNNAH, expected, heard, fix)
    if len(expected) > len(heard):
        fix = Said("أعطِ الحرف زمن حرفين: ساكن ثم متحرك", "give the letter the time of two: held, then released")
        return _plain(SlipClass.SHADDAH_LOST, expected, heard, fix)
    return _plain(
        SlipClass.SHADDAH_ADDED, expected, heard, Said("خفّف الحرف بلا شدّة", "say the letter once, without holding it")
    )


def _substitution(letter: str, other: str) -> Explanation:
    ours, theirs = differing_traits(letter, other)
    what = _contrast(letter, other)
    place, wrong = PLACES[letter], PLACES[other]
    name, name_other = NAMES[letter], NAMES[other]
    fixes = [trait.fix for trait in ours[:1]]
    if place != wrong:
        what = Said(f"{what.ar}. {name.ar} من {place.ar}", f"{what.en}; {name.en} comes from {place.en}")
        heavier = [trait.fix for trait in ours[:1] if trait.key in ("itbaq", "istila")]
        fixes = [Said(f"أخرجها من {place.ar}", f"say it from {place.en}"), *heavier]
    elif ours:
        differ = Said(
            f"في {name.ar} {_listed(ours).ar}، وفي {name_other.ar} {_listed(theirs).ar}",
            f"{name.en} has {_listed(ours).en}, {name_other.en} {_listed(theirs).en}",
        )
        what = Said(f"{what.ar}. {differ.ar}", f"{what.en}; {differ.en}")
    fix = Said("، و".join(f.ar for f in fixes), "; ".join(f.en for f in fixes))
    return Explanation(SlipClass.SUBSTITUTION, tuple(t.key for t in ours), what, fix)


def _listed(traits: Sequence[Trait]) -> Said:
    return Said(" و".join(t.name.ar for t in traits), " and ".join(t.name.en for t in traits))
