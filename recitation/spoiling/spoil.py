"""Seeded clips in which rules are broken: of a take, and of a made voice that recites wrong what it can recite right.

A rule is broken where the take keeps it, so the truth is known by construction, and the take itself is the untouched
twin.  The same seed gives the same clips.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.lexicon import recited
from recitation.made_voice import MadeRecitation, Order, make_recitation
from recitation.phones import IKHFA, INDEX, IQLAB, QALQALAH, is_held, is_madd
from recitation.pipeline import passage
from recitation.spoiling.kinds import (
    GHUNNAH_RULES,
    HALF,
    KINDS,
    PAUSES,
    STRETCHED,
    Change,
    Random,
    neighbours,
    sure,
)
from recitation.spoiling.sound import apply, moved
from recitation.spoiling.takes import Key, Take, key_of, of_made
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.verdict import Slip

APART_S = 1.5
"""Between two slips of a clip: neither is to disturb how the other is heard."""
PER_SECOND = 0.25
"""At most so many slips a second: who errs more often has no tempo left to be judged by."""
PLAIN = {"ص": "س", "ط": "ت", "ض": "د", "ظ": "ذ", "ق": "ك"}
"""Heavy letters and what is said for them by who says them light."""
SETTLING_S = 4.0
"""No slip before so much of the take was recited: neither tempo nor voice is known yet."""


SPOKEN_KINDS = ("madd spoken short", "madd spoken long", "ghunnah left out", "heavy letter spoken light")
"""Kinds of slips of made voices that say something else."""


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A slip that was made."""

    kind: str
    """One of ``KINDS``, ``PAUSES`` or ``SPOKEN_KINDS``."""
    rule: Rule
    at: str
    """``surah:ayah:word`` of the word whose letters the rule names."""
    letters: tuple[int, int]
    slip: Slip
    start: int
    """Where the sound that differs lies in the spoiled clip, 16 kHz samples."""
    end: int
    amount: float
    """How much was changed: see ``Change.amount``; of a spoken length, new counts over old."""
    neighbours: tuple[tuple[str, int], ...] = ()
    """Word and index of the phones to either side, which are as they were."""

    @property
    def key(self) -> Key:
        """By which the verdict on it is known."""
        return self.at, self.rule, self.letters


@dataclass(frozen=True, slots=True)
class Clip:
    """A recitation with slips, and its twin without."""

    take: Take
    """The untouched twin, with the verses."""
    pcm: Pcm
    """float32[n] at 16 kHz."""
    spoiled: tuple[Spoiled, ...]


def spoil(take: Take, seed: int, kinds: Sequence[str] = (*KINDS, *PAUSES)) -> Clip:
    """A take with slips of every kind that finds a place in it, in random places, well apart from each other.

    Kinds take turns, so that rare ones are not crowded out.
    """
    random = np.random.default_rng(seed)
    chosen: list[tuple[str, Change, Key]] = []
    most = max(1, int(PER_SECOND * take.seconds))
    waiting = {kind: _targets(take, kind, random) for kind in random.permutation(list(kinds)).tolist()}
    while waiting and len(chosen) < most:
        for kind in list(waiting):
            target = next((found for found in waiting[kind] if _apart(found[0], chosen)), None)
            if target is None:
                del waiting[kind]
            elif len(chosen) < most:
                chosen.append((kind, *target))
    chosen.sort(key=lambda one: one[1].edit.start)
    edits = [change.edit for _, change, _ in chosen]
    spoiled = []
    for kind, change, (at, rule, letters) in chosen:
        start = moved(change.edit.start, edits)
        spoiled.append(
            Spoiled(
                kind, rule, at, letters, change.slip, start, start + len(change.edit.piece), change.amount,
                tuple(neighbours(take, change)),
            )
        )  # fmt: skip
    return Clip(take, apply(take.pcm, edits), tuple(spoiled))


def _targets(take: Take, kind: str, random: Random) -> Iterator[tuple[Change, Key]]:
    """Changes of a kind that the take has places for, in random order, and the rule that each breaks."""
    changes = _paused(take, kind, random) if kind in PAUSES else _changed(take, kind, random)
    for change, key in changes:
        if change is not None and change.edit.start >= SETTLING_S * SAMPLE_HZ and sure(take, change):
            yield change, key


def _changed(take: Take, kind: str, random: Random) -> Iterator[tuple[Change | None, Key]]:
    for n in random.permutation(len(take.found)).tolist():
        yield KINDS[kind](take, take.found[n], random), key_of(take.found[n])


def _paused(take: Take, kind: str, random: Random) -> Iterator[tuple[Change | None, Key]]:
    for place in random.permutation(len(take.phones)).tolist():
        phone = take.phones[place].phone
        yield PAUSES[kind](take, place, random), (phone.at, Rule.WAQF, phone.letters)


def _apart(change: Change, chosen: Sequence[tuple[str, Change, Key]]) -> bool:
    gap = APART_S * SAMPLE_HZ
    return all(
        change.edit.start > other.edit.end + gap or change.edit.end < other.edit.start - gap for _, other, _ in chosen
    )


@dataclass(frozen=True, slots=True)
class _Order:
    """A slip asked of a made voice."""

    kind: str
    order: Order
    slip: Slip
    amount: float
    found: Found


def spoken_wrong(verses: str, voice: str, harakah_s: float, seed: int, moshaf: Moshaf) -> Clip:
    """A made voice recites with slips in every third word at most; its twin is the same delivery without.

    Raises EspeakError where espeak-ng is missing, AddressError for a bad address.
    """
    place = passage(verses)
    words = recited(place.words)
    take = of_made(make_recitation(words, voice, harakah_s, random=seed), place, moshaf)
    orders = _orders(take, np.random.default_rng(seed))
    wrong = make_recitation(words, voice, harakah_s, [order.order for order in orders], random=seed)
    return Clip(take, wrong.pcm, tuple(_spoken(take, wrong, order) for order in orders))


def _orders(take: Take, random: Random) -> list[_Order]:
    """Slips in words well apart, kinds taking turns."""
    number = {word.at: n for n, word in enumerate(take.passage.words)}
    possible = [order for found in take.found for order in _possible(take, found)]
    chosen: list[_Order] = []
    free = [number[order.order.at] for order in possible]
    for kind in random.permutation([*SPOKEN_KINDS] * len(possible)).tolist():
        options = [n for n, order in enumerate(possible) if order.kind == kind and free[n] >= 0]
        if options:
            picked = possible[options[int(random.integers(len(options)))]]
            chosen.append(picked)
            place = number[picked.order.at]
            free = [-1 if abs(word - place) < 3 else word for word in free]
    return sorted(chosen, key=lambda one: number[one.order.at])


def _possible(take: Take, found: Found) -> Iterator[_Order]:
    """What a made voice can say wrong of a rule."""
    heard = found.phones[-1]
    phone, rule, counts = heard.phone, found.instance.rule, found.instance.counts
    if heard.start is None or heard.start < SETTLING_S * SAMPLE_HZ:
        return
    if rule.family is Family.MADD and counts is not None and counts[0] == counts[1] and is_madd(INDEX[phone.unit]):
        wanted = int(counts[1])
        short = Order("madd", phone.at, phone.index, str(wanted // 2))
        yield _Order("madd spoken short", short, Slip.SHORT, HALF, found)
        if wanted in STRETCHED:
            longer = Order("madd", phone.at, phone.index, str(round(wanted * STRETCHED[wanted])))
            yield _Order("madd spoken long", longer, Slip.LONG, STRETCHED[wanted], found)
    elif rule in GHUNNAH_RULES and is_held(INDEX[phone.unit]):
        slip = Slip.REPLACED if phone.unit[0] in IKHFA + IQLAB else Slip.MISSING
        yield _Order("ghunnah left out", Order("ghunnah", phone.at, phone.index), slip, HALF, found)
    elif rule is Rule.TAFKHIM and phone.unit[0] in PLAIN and heard.following != QALQALAH:
        plain = Order("letter", phone.at, phone.index, PLAIN[phone.unit[0]] * len(phone.unit))
        yield _Order("heavy letter spoken light", plain, Slip.LIGHT, 1.0, found)


def _spoken(take: Take, wrong: MadeRecitation, order: _Order) -> Spoiled:
    made = next(e for e in wrong.errors if (e.at, e.index) == (order.order.at, order.order.index))
    place = take.place(order.found.phones[-1])
    beside = [take.phones[n].phone for n in (place - 1, place + 1) if n < len(take.phones)]
    if order.found.instance.rule.family is Family.MADD:  # Its short vowel is a part of it.
        beside = beside[1:]
    at, rule, letters = key_of(order.found)
    return Spoiled(
        order.kind, rule, at, letters, order.slip, made.start, made.end, order.amount,
        tuple((phone.at, phone.index) for phone in beside),
    )  # fmt: skip
