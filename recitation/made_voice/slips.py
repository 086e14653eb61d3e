"""Mistakes on request: the words of a recitation with a letter changed, a word dropped, a passage said twice.

An order is ``kind:surah:ayah:word[:index][=value]`` or ``random:count``; the place of a phone, ``index``, counts from
0 in the word's form, and is chosen when left out.

===========  =====================================================  ==============================
kind         what is done                                           value
===========  =====================================================  ==============================
``letter``   a consonant becomes one it is confused with            the unit to say
``vowel``    a short vowel becomes another                          the unit to say
``madd``     a madd is shortened: to 2 counts, or lost if it has 2  counts to hold it
``ghunnah``  a held nasal, ikhfa or idgham is said short
``drop``     the word is left out
``repeat``   the word is said, and after a pause again
``back``     after the word, a pause and back ``value`` words       words to go back, 1 to 8 (3)
``swap``     the word changes places with the next
===========  =====================================================  ==============================
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recitation.lexicon import Form, Word, default_lexicon
from recitation.made_voice.speech import HEAVY_LETTERS, Sound, counts_of
from recitation.phones import (
    CONFUSABLE,
    CONSONANTS,
    IKHFA,
    INDEX,
    IQLAB,
    QALQALAH,
    SHORT_VOWELS,
    UNITS,
    is_held,
    is_madd,
    is_vowel,
    letter_of,
)

PHONE_KINDS = ("letter", "vowel", "madd", "ghunnah")
WORD_KINDS = ("drop", "repeat", "back", "swap")
_RANDOM_SHARES = {
    "letter": 0.32, "vowel": 0.18, "madd": 0.12, "ghunnah": 0.08,
    "drop": 0.12, "repeat": 0.07, "back": 0.05, "swap": 0.06,
}  # fmt: skip
_ORDER = re.compile(r"(\w+):(\d+:\d+:\d+)(?::(\d+))?(?:=(.+))?")


class SlipError(ValueError):
    """The order cannot be read or does not fit the words; the message says what would."""


@dataclass(frozen=True, slots=True)
class Order:
    """A mistake asked for."""

    kind: str
    at: str
    index: int | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class RandomOrders:
    """So many mistakes, chosen at random."""

    count: int


def parse_order(text: str) -> Order | RandomOrders:
    """Read ``letter:1:3:2``, ``letter:1:3:2:4=س``, ``madd:1:7:9=2``, ``random:3``.  Raises SlipError."""
    if match := re.fullmatch(r"random:(\d+)", text):
        return RandomOrders(int(match[1]))
    match = _ORDER.fullmatch(text)
    kinds = (*PHONE_KINDS, *WORD_KINDS)
    if match is None or match[1] not in kinds:
        raise SlipError(
            f"{text!r} is no mistake: write kind:surah:ayah:word[:index][=value] with one of {', '.join(kinds)}"
        )
    return Order(match[1], match[2], int(match[3]) if match[3] else None, match[4])


@dataclass(slots=True)
class Said:
    """A word as it will be spoken."""

    word: Word
    form: Form
    pause: str
    """Pause after it: empty, ``ayah`` (or any stop of the reciter's choice) or ``slip``."""
    sounds: list[Sound] = field(default_factory=list)


@dataclass(slots=True)
class Slip:
    """A mistake made; what it was made of."""

    kind: str
    at: str
    index: int | None
    """The phone in the canonical form of the word, or None when whole words are concerned."""
    wanted: str
    """Script of the phone, or the addresses of words, that should have been said there."""
    spoken: str
    first: Said
    """Words whose audio holds the mistake; for a dropped word, the one before it, or after it at the beginning."""
    last: Said
    sound: Sound | None = None
    """The sound that differs; None for words and for sounds that are not there."""
    leads: bool = False
    """What was left out should have come before ``first``, not after it."""


def plan(words: Sequence[tuple[Word, Form]], stops: frozenset[str]) -> list[Said]:
    """Words with the pauses between them: at ayah ends and after the addresses in ``stops``."""
    said = []
    for n, (word, form) in enumerate(words):
        following = words[n + 1][0] if n + 1 < len(words) else None
        ends = following is None or (word.surah, word.ayah) != (following.surah, following.ayah)
        said.append(Said(word, form, "ayah" if ends or word.at in stops else ""))
    unknown = stops - {word.at for word, _ in words}
    if unknown:
        raise SlipError(f"no word {', '.join(sorted(unknown))} to stop at")
    return said


def settle(said: list[Said], *, changed: bool) -> None:
    """Give every word the form its neighbours ask for, where pauses or neighbours changed, and its sounds."""
    lexicon = default_lexicon()
    for n, place in enumerate(said):
        if changed:
            started = n == 0 or bool(said[n - 1].pause)
            place.form = place.word.form(started=started, stopped=bool(place.pause))
        place.sounds = [
            Sound(p.unit, index, counts_of(p.unit, p.count), lexicon.sifa(p)["tafkheem_or_taqeeq"] != "moraqaq")
            for index, p in enumerate(place.form)
        ]


def apply(said: list[Said], orders: Sequence[Order | RandomOrders], random: np.random.Generator) -> list[Slip]:
    """Make the mistakes in ``said`` and say what was done.  Raises SlipError when one does not fit.

    At most one mistake a word.  Random ones keep a word's distance from each other and fall short of their number
    when the words run out.
    """
    named = [order for order in orders if isinstance(order, Order)]
    if len({order.at for order in named}) < len(named):
        raise SlipError("one mistake a word: two of them name the same word")
    for order in orders:
        if isinstance(order, RandomOrders):
            named += choose(said, order.count, named, random)
    whole = [order for order in named if order.kind in WORD_KINDS]
    slips = [_WORD_SLIPS[order.kind](said, _find(said, order), order) for order in whole]
    if whole:
        settle(said, changed=True)
    for order in named:
        if order.kind in PHONE_KINDS:
            slips.append(_change_phone(said[_find(said, order)], order, random))
    return slips


def choose(said: Sequence[Said], count: int, taken: Sequence[Order], random: np.random.Generator) -> list[Order]:
    """Orders for ``count`` random mistakes, away from those already ``taken``."""
    free = set(range(len(said)))
    for n, place in enumerate(said):
        if any(order.at == place.word.at for order in taken):
            free -= {n - 1, n, n + 1}
    kinds, shares = list(_RANDOM_SHARES), list(_RANDOM_SHARES.values())
    orders: list[Order] = []
    for _ in range(count * 20):
        if len(orders) == count or not free:
            break
        kind = str(random.choice(kinds, p=np.array(shares) / sum(shares)))
        n = int(random.choice(sorted(free)))
        reach = {"swap": range(n, n + 2), "back": range(n - 3, n + 1)}.get(kind, range(n, n + 1))
        if not free.issuperset(reach) or not _fits(said, n, kind):
            continue
        orders.append(Order(kind, said[n].word.at))
        free -= set(range(reach.start - 1, reach.stop + 1))
    return orders


def _fits(said: Sequence[Said], n: int, kind: str) -> bool:
    if kind in PHONE_KINDS:
        return bool(_places(said[n].sounds, kind))
    if kind == "swap":
        return not said[n].pause and n + 1 < len(said) and said[n].word.text != said[n + 1].word.text
    return kind == "repeat" or len(said) > 3


def _find(said: Sequence[Said], order: Order) -> int:
    for n, place in enumerate(said):
        if place.word.at == order.at:
            return n
    raise SlipError(f"{order.kind} at {order.at}: the word is not recited")


def _drop(said: list[Said], n: int, order: Order) -> Slip:
    if len(said) == 1:
        raise SlipError(f"drop at {order.at}: nothing would be left")
    gone = said.pop(n)
    near = said[max(0, n - 1)]
    if n and not near.pause:
        near.pause = gone.pause
    return Slip("drop", order.at, None, order.at, "", near, near, leads=n == 0)


def _go_back(said: list[Said], n: int, order: Order) -> Slip:
    words = min(_number(order, 3, 1, 8), n + 1) if order.kind == "back" else 1
    again = [Said(place.word, place.form, place.pause) for place in said[n - words + 1 : n + 1]]
    said[n].pause = "slip"
    said[n + 1 : n + 1] = again
    spoken = " ".join(place.word.at for place in again)
    return Slip(order.kind, order.at, None, "", spoken, again[0], again[-1])


def _swap(said: list[Said], n: int, order: Order) -> Slip:
    if n + 1 == len(said):
        raise SlipError(f"swap at {order.at}: there is no next word")
    first, second = said[n], said[n + 1]
    first.pause, second.pause = second.pause, first.pause
    said[n : n + 2] = second, first
    wanted, spoken = (f"{a.word.at} {b.word.at}" for a, b in ((first, second), (second, first)))
    return Slip("swap", order.at, None, wanted, spoken, second, first)


_WORD_SLIPS: dict[str, Callable[[list[Said], int, Order], Slip]] = {
    "drop": _drop, "repeat": _go_back, "back": _go_back, "swap": _swap,
}  # fmt: skip


def _number(order: Order, default: int, low: int, high: int) -> int:
    if order.value is None:
        return default
    if not re.fullmatch(r"\d+", order.value) or not low <= int(order.value) <= high:
        raise SlipError(f"{order.kind} at {order.at}: {order.value!r} is not a number from {low} to {high}")
    return int(order.value)


def _places(sounds: Sequence[Sound], kind: str) -> list[int]:
    """Positions of the sounds that a kind of mistake can befall."""
    after = [sound.letter for sound in sounds[1:]] + [""]
    fits: dict[str, Callable[[Sound, str], bool]] = {
        # A qalqalah release belongs to its letter and would betray the substitute; a madd names its short vowel.
        "letter": lambda sound, after: (
            sound.letter in CONSONANTS and after != QALQALAH and len(UNITS[sound.unit]) <= 2 and bool(_rivals(sound))
        ),
        "vowel": lambda sound, after: sound.letter in SHORT_VOWELS and not is_madd(INDEX.get(after * 2, 0)),
        "madd": lambda sound, after: is_madd(sound.unit) and sound.counts >= 2,
        "ghunnah": lambda sound, after: is_held(sound.unit),
    }
    return [n for n, sound in enumerate(sounds) if fits[kind](sound, after[n])]


def _rivals(sound: Sound) -> list[int]:
    """Units a letter or short vowel may be mistaken for: another letter or vowel, never a mere change of length."""
    family = SHORT_VOWELS if is_vowel(sound.unit) else CONSONANTS
    if sound.letter not in family:
        return []
    return [unit for unit in CONFUSABLE[sound.unit] if letter_of(unit) != sound.letter and letter_of(unit) in family]


def _change_phone(place: Said, order: Order, random: np.random.Generator) -> Slip:
    """Change one sound of a word as a ``letter``, ``vowel``, ``madd`` or ``ghunnah`` order says."""
    positions = [n for n in _places(place.sounds, order.kind) if order.index in (None, place.sounds[n].index)]
    if not positions:
        where = order.at if order.index is None else f"{order.at}:{order.index}"
        script = " ".join(f"{n}={UNITS[sound.unit]}" for n, sound in enumerate(place.sounds))
        raise SlipError(f"no {order.kind} to change at {where}: the word is {script}")
    n = int(random.choice(positions))
    sound = place.sounds[n]
    wanted, spoken = UNITS[sound.unit], ""
    if order.kind == "madd":
        counts = _number(order, 2 if sound.counts > 2 else 0, 0, 12)
        wanted, spoken = sound.letter * round(sound.counts), sound.letter * counts
        sound.counts = counts
        if counts == 0:
            del place.sounds[n]
    else:
        _say_instead(place.sounds, n, _replacement(sound, order, random))
        spoken = UNITS[sound.unit]
    return Slip(order.kind, order.at, sound.index, wanted, spoken, place, place, sound if spoken else None)


def _replacement(sound: Sound, order: Order, random: np.random.Generator) -> int:
    if order.kind == "ghunnah":
        return INDEX[{IKHFA: "ن", IQLAB: "ن"}.get(sound.letter, sound.letter)]
    if order.value is None:
        return int(random.choice(_rivals(sound)[:4]))
    if order.value not in INDEX or order.value == UNITS[sound.unit]:
        raise SlipError(f"{order.kind} at {order.at}: {order.value!r} is not another unit of the script")
    return INDEX[order.value]


def _say_instead(sounds: Sequence[Sound], n: int, unit: int) -> None:
    """Replace the unit of a sound; the vowels after a consonant take its weight."""
    sound = sounds[n]
    sound.unit, sound.counts = unit, counts_of(unit, len(UNITS[unit]))
    if is_vowel(unit):
        return
    sound.heavy = sound.letter in HEAVY_LETTERS
    for vowel in sounds[n + 1 :]:
        if not is_vowel(vowel.unit):
            break
        vowel.heavy = sound.heavy
