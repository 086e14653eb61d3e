"""Counterfactual text: the audio is right, the expected text is made wrong, and the line should notice.

One phone in eight is swapped for a confusable one and the whole line hears the clip again, tracker and judge; after
eight rounds every phone was swapped once.  Seven right phones to a wrong one is also what the judge's prior says
(``gop.EXPECTED_PRIOR``), so that its probabilities can be held against what was right.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recitation.accuracy.following import ACCUSATIONS, Told, follow
from recitation.audio import Pcm
from recitation.events import Status
from recitation.judge import DOUBTFUL
from recitation.lexicon import Form, Phone, Word, recited
from recitation.phones import CONFUSABLE, UNITS
from recitation.pipeline import Passage

Floats = NDArray[np.float32]

ROUNDS = 8
NEIGHBOURS = 2
"""Phones on either side among which a swap should raise no other doubt."""


@dataclass(frozen=True, slots=True)
class Swap:
    """A phone of the text that was not what was said."""

    said: int
    expected: int
    """What the altered text wanted."""
    p: float | None
    """Probability given to it; None when the line never came to judge it."""
    named: bool
    """What was really said was named."""
    alone: bool
    """No neighbour was doubted that is not doubted in the right text."""
    shown: bool
    """The student would have been told: its word was questioned."""
    called_wrong: bool
    """It was the letter for which its word was called wrong."""

    @property
    def found(self) -> bool:
        """The line doubted it."""
        return self.p is not None and self.p < DOUBTFUL


@dataclass(frozen=True, slots=True)
class Swapped:
    """What came of a clip's altered texts."""

    swaps: tuple[Swap, ...]
    right: Floats
    """float32[n]: probabilities of the phones left as they were."""
    called_wrong: int
    """Words called wrong, each for one letter, swapped or not."""


@dataclass(frozen=True, slots=True)
class Place:
    """A phone of the text: its word and what marks it there."""

    word: int
    unit: int
    letters: tuple[int, int]


Rivals = dict[Place, int]


def rounds(passage: Passage, count: int = ROUNDS) -> Iterator[Rivals]:
    """Which phones are swapped for what, round by round, in the text as recited ayah by ayah."""
    random = np.random.default_rng(crc32(" ".join(word.at for word in passage.words).encode()))
    text = [
        (Place(n, phone.unit, phone.letters), form)
        for n, (_, form) in enumerate(recited(passage.words))
        for phone in form
    ]
    units = [place.unit for place, _ in text]
    for first in range(count):
        chosen: Rivals = {}
        for k in range(first, len(text), ROUNDS):
            place, form = text[k]
            near = units[max(0, k - 1) : k + 2]
            # A rival equal to a neighbour would make a geminate of the two.
            rivals = [rival for rival in CONFUSABLE[place.unit] if rival not in near]
            if rivals and _single(place, form):
                chosen[place] = int(random.choice(rivals))
        if chosen:
            yield chosen


def _single(place: Place, form: Form) -> bool:
    return sum(_is(phone, place) for phone in form) == 1


def _is(phone: Phone, place: Place) -> bool:
    return (phone.unit, phone.letters) == (place.unit, place.letters)


def altered(passage: Passage, rivals: Rivals) -> Passage:
    """The passage with phones swapped in every form of their words."""
    words = list(passage.words)
    for place, rival in rivals.items():
        words[place.word] = _altered_word(words[place.word], place, rival)
    return Passage(passage.reference, tuple(words))


def _altered_word(word: Word, place: Place, rival: int) -> Word:
    def changed(form: Form) -> Form:
        return tuple(replace(phone, unit=rival) if _is(phone, place) else phone for phone in form)

    return replace(
        word,
        joined=changed(word.joined),
        stopped=changed(word.stopped),
        started=changed(word.started),
        alone=changed(word.alone),
    )


def swap_all(passage: Passage, pcm: Pcm, log_probs: Floats, hop_frames: int, live: Told, count: int) -> Swapped:
    """``count`` rounds of altered text; ``live`` is what the line said of the right one."""
    doubted = {(phone.at, phone.index) for phone in live.phones if phone.p < DOUBTFUL}
    swaps: list[Swap] = []
    right: list[float] = []
    called_wrong = 0
    for rivals in rounds(passage, count):
        told = follow(altered(passage, rivals), pcm, log_probs, hop_frames)
        swaps += _found(passage, rivals, told, doubted)
        wrong = {_key(passage, place, rival) for place, rival in rivals.items()}
        called_wrong += told.summary.count(Status.WRONG)
        right += [phone.p for phone in told.phones if (phone.at, phone.unit, phone.letters) not in wrong]
    return Swapped(tuple(swaps), np.array(right, np.float32), called_wrong)


def _key(passage: Passage, place: Place, rival: int) -> tuple[str, str, tuple[int, int]]:
    """How a verdict on a swapped phone is marked."""
    return passage.words[place.word].at, UNITS[rival], place.letters


def _found(passage: Passage, rivals: Rivals, told: Told, doubted: set[tuple[str, int]]) -> Iterator[Swap]:
    phones = told.phones
    where = {(phone.at, phone.unit, phone.letters): n for n, phone in enumerate(phones)}
    status: Mapping[str, Status] = {word.at: word.status for word in told.summary.words}
    for place, rival in rivals.items():
        n = where.get(_key(passage, place, rival))
        if n is None:
            yield Swap(place.unit, rival, None, False, False, False, False)
            continue
        near = phones[max(0, n - NEIGHBOURS) : n] + phones[n + 1 : n + 1 + NEIGHBOURS]
        yield Swap(
            place.unit,
            rival,
            phones[n].p,
            phones[n].heard == UNITS[place.unit],
            not any(phone.p < DOUBTFUL and (phone.at, phone.index) not in doubted for phone in near),
            status[phones[n].at] in ACCUSATIONS,
            status[phones[n].at] is Status.WRONG and phones[n].p < DOUBTFUL,
        )
