"""The units the acoustic model hears: run-collapsed phones of the Quran Phonetic Script.

The Quran Phonetic Script (quran-transcript 0.6.4) spells length by repetition: a madd of four counts is four
copies of its vowel, a geminate two copies, a held nasal three or four.  CTC needs a blank between equal labels,
which fast recitation has no time for, so a run becomes one unit with a length class and its length is measured:

=========================  ==============================================
run in the script          unit
=========================  ==============================================
one consonant              the consonant (``ب``)
two                        geminate (``بب``)
three or more of ن or م    held with ghunnah (``نننن``)
three or more of و or ي    before a vowel: idgham with ghunnah (``ووو``);
                           otherwise madd leen, which is the plain glide
any run of ا ۥ ۦ ـ         one madd vowel, whatever its count
ں and ۾                    ikhfa and iqlab, one unit each
=========================  ==============================================

The sakt mark ``ۜ`` is a silence, not a phone, and is dropped.
"""

from dataclasses import dataclass
from itertools import groupby

BLANK = 0
"""Index of the CTC blank; real units start at 1."""

CONSONANTS = "ءبتثجحخدذرزسشصضطظعغفقكلمنهوي"
SHORT_VOWELS = "َُِ"
MADD_VOWELS = "اۥۦـ"
QALQALAH, IKHFA, IQLAB, SAKT = "ڇ", "ں", "۾", "ۜ"
TASHEEL, IMALA = "ٲ", "۪"
VOWEL_MARKS = SHORT_VOWELS + IMALA

_SCRIPT_RUNS = {IKHFA: 3, IQLAB: 3}
_HELD_RUNS = {"ن": 4, "م": 4, "و": 3, "ي": 3}

UNITS: tuple[str, ...] = (
    "",
    *CONSONANTS,
    *(c * 2 for c in CONSONANTS if c != "ء"),
    *(c * n for c, n in _HELD_RUNS.items()),
    *SHORT_VOWELS,
    *(v * 2 for v in MADD_VOWELS),
    QALQALAH,
    IKHFA * 3,
    IQLAB * 3,
    TASHEEL,
    IMALA,
)
"""Every unit in its script spelling, by index; index 0 is the blank."""

INDEX: dict[str, int] = {unit: index for index, unit in enumerate(UNITS)}

SIFA_FIELDS = (
    "hams_or_jahr", "shidda_or_rakhawa", "tafkheem_or_taqeeq", "itbaq", "safeer",
    "qalqla", "tikraar", "tafashie", "istitala", "ghonna",
)  # fmt: skip
"""The articulatory traits of a letter, in the order of quran-transcript's ``SifaOutput``."""


class ScriptError(ValueError):
    """The string is not Quran Phonetic Script."""


@dataclass(frozen=True, slots=True)
class Run:
    """One unit found in a script string."""

    unit: int
    count: int
    """Repetitions in the script: the canonical length, in counts, of a madd vowel."""
    start: int
    """First character of the run in the script string."""
    end: int


def parse_script(script: str) -> list[Run]:
    """Split a Quran Phonetic Script string (without spaces) into unit runs.

    Raises ScriptError on a character outside the inventory.
    """
    runs: list[Run] = []
    position = 0
    for symbol, copies in groupby(script):
        count = len(list(copies))
        end = position + count
        if symbol != SAKT:
            following = script[end] if end < len(script) else ""
            runs.append(Run(_unit_of(symbol, count, following), count, position, end))
        position = end
    return runs


def _unit_of(symbol: str, count: int, following: str) -> int:
    if symbol in MADD_VOWELS:
        return INDEX[symbol * 2]
    if symbol in _SCRIPT_RUNS:
        return INDEX[symbol * _SCRIPT_RUNS[symbol]]
    if symbol in _HELD_RUNS and count >= 3:
        leen = symbol in "وي" and (not following or following not in VOWEL_MARKS)
        return INDEX[symbol if leen else symbol * _HELD_RUNS[symbol]]
    unit = INDEX.get(symbol * min(count, 2))
    if unit is None:
        raise ScriptError(f"{symbol!r} (U+{ord(symbol):04X}) is not a phone of the Quran Phonetic Script")
    return unit


def to_script(units: list[int]) -> str:
    """Spell unit indices in the script, each length class by its fixed number of copies."""
    return "".join(UNITS[unit] for unit in units)


def letter_of(unit: int) -> str:
    """The bare letter of a unit, without its length."""
    return UNITS[unit][:1]


def is_vowel(unit: int) -> bool:
    """True for short and madd vowels."""
    return letter_of(unit) in VOWEL_MARKS + MADD_VOWELS


def is_madd(unit: int) -> bool:
    """True for the madd vowels, whose length is measured."""
    return letter_of(unit) in MADD_VOWELS


def is_held(unit: int) -> bool:
    """True for nasals and glides held with ghunnah, ikhfa and iqlab included."""
    return len(UNITS[unit]) >= 3


def _confusable_pairs() -> dict[int, tuple[int, ...]]:
    """Units one trait apart (place, emphasis, voice) or neighbours a learner mixes up."""
    groups = (
        "صسثز", "طتد", "ضدظ", "ظذزض", "قكغخ", "حهخع", "عءح", "ثسذ", "ذظزثد", "غخق", "رلن", "لرن", "منو",
        "جشي", "شسج", "فثب", "بمف", "كقت", "هحء", "ويم", "تطد", "دضت", "سصش", "ءعه", "خحغ", "يوج", "نلم", "زذس",
    )  # fmt: skip
    near: dict[str, list[str]] = {}
    for group in groups:
        known = near.setdefault(group[0], [])
        known.extend(other for other in group[1:] if other not in known)
    table: dict[int, tuple[int, ...]] = {}
    for unit in range(1, len(UNITS)):
        letter, copies = letter_of(unit), len(UNITS[unit])
        if letter in SHORT_VOWELS:
            rivals = [v for v in SHORT_VOWELS if v != letter]
            rivals.append({"َ": "اا", "ُ": "ۥۥ", "ِ": "ۦۦ"}[letter])
        elif letter in MADD_VOWELS:
            rivals = [v * 2 for v in "اۥۦ" if v != letter]
            rivals += [{"ا": "َ", "ۥ": "ُ", "ۦ": "ِ"}[letter]] if letter in "اۥۦ" else []
        elif letter in near:
            size = 1 if copies == 1 else 2
            rivals = [o * size for o in near[letter]] + [letter if copies > 1 else letter * 2]
            rivals += [letter * 2] if copies > 2 else []
            rivals += [IKHFA * 3] if letter == "ن" else []
            rivals += [IQLAB * 3] if letter == "م" else []
        elif letter == IKHFA:
            rivals = ["ن", "نن", "مم"]
        elif letter == IQLAB:
            rivals = ["م", "ن", "ںںں"]
        else:
            rivals = []
        table[unit] = tuple(INDEX[r] for r in rivals if r in INDEX and r != UNITS[unit])
    return table


CONFUSABLE: dict[int, tuple[int, ...]] = _confusable_pairs()
"""For each unit the substitutes a learner is likely to produce, nearest first."""
