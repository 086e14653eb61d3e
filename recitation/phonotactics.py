"""Which phones follow which in the Quran, and the phones that a recording likely holds, given that.

The ear hears each moment nearly by itself; a phone it half heard may be one that cannot stand there.  A trigram of
phones (Witten and Bell 1991, interpolated) counted over the lexicon knows that much, and no word: it spans less than a
syllable and a half.  ``decode`` is the Viterbi search for the likeliest sequence of phones under both, with a beam.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recitation.lexicon import default_lexicon
from recitation.phones import BLANK, UNITS

Floats = NDArray[np.float32]

EDGE = BLANK
"""Stands for the silence before the first phone."""
WEIGHT = 0.35
"""Of a nat of the trigram beside a nat of the ear (development voices)."""
BONUS = 0.6
"""Nats granted to each phone: a trigram makes every phone cost something, and would rather have fewer."""
STRANGEST = -7.0
"""No phone counts as less likely than this where it stands, natural logarithm: what is clearly heard is believed, since
students say what the Quran does not."""
BEAM = 12.0
"""Hypotheses so many nats behind the best are dropped."""
LEAST = -9.0
"""A phone less likely than this in a frame does not begin there, natural logarithm."""


@lru_cache(maxsize=1)
def trigram() -> Floats:
    """Log-probability of a phone after two others, float32[units, units, units], ``EDGE`` for a place before the first.

    The text is the Quran recited ayah by ayah.
    """
    size = len(UNITS)
    units, _ = default_lexicon().recited_units()
    line = np.concatenate([[EDGE, EDGE], units.astype(np.int64)])
    places = (line[:-2] * size + line[1:-1]) * size + line[2:]
    counts = np.bincount(places, minlength=size**3).reshape(size, size, size).astype(np.float64)
    chance: NDArray[np.float64] = np.full(size, 1.0 / size)
    for table in (counts.sum((0, 1)), counts.sum(0), counts):
        kinds = (table > 0).sum(-1, keepdims=True)
        total = table.sum(-1, keepdims=True)
        chance = (table + kinds * chance) / np.maximum(total + kinds, 1e-9) + (total == 0) * chance
    return np.log(np.maximum(chance, 1e-12)).astype(np.float32)


@dataclass(slots=True)
class _Search:
    """Hypotheses at a frame.  Each ends in two phones (``pair``), with or without a blank after them."""

    pair: NDArray[np.int64]
    rests: NDArray[np.bool_]
    score: Floats
    node: NDArray[np.int64]
    """The newest phone of each in the lists below, 0 for none."""
    units: list[int]
    frames: list[int]
    parents: list[int]
    """Phones begun by hypotheses: what each is, the frame that emitted it first, and the one before it."""

    def step(self, frame: int, heard: Floats, follows: Floats) -> None:
        """Go on by float32[units]: stay in a phone, rest after it, or begin another."""
        size = len(heard)
        last = self.pair % size
        staying = np.flatnonzero(~self.rests & (last != EDGE))
        begun = np.flatnonzero(heard > LEAST)
        begun = begun[begun != BLANK]
        onward = self.score[:, None] + follows[self.pair // size, last][:, begun] + heard[begun]
        onward[~self.rests[:, None] & (last[:, None] == begun)] = -np.inf  # a phone twice needs a blank between
        ends = max(float(onward.max(initial=-np.inf)), float(self.score.max() + heard[BLANK]))
        source, phone = np.nonzero(onward > ends - BEAM)
        pair = np.concatenate([self.pair[staying], self.pair, last[source] * size + begun[phone]])
        rests = np.zeros(len(pair), np.bool_)
        rests[len(staying) : len(staying) + len(self.pair)] = True
        score = np.concatenate(
            [self.score[staying] + heard[last[staying]], self.score + heard[BLANK], onward[source, phone]]
        )
        came_from = np.concatenate([staying, np.arange(len(self.pair)), source])
        kept = _best_of_each(pair * 2 + rests, score)
        kept = kept[score[kept] > score.max() - BEAM]
        node = self.node[came_from[kept]]
        new = np.flatnonzero(kept >= len(staying) + len(self.pair))
        self.parents += node[new].tolist()
        node[new] = np.arange(len(self.units), len(self.units) + len(new))
        self.units += (pair[kept[new]] % size).tolist()
        self.frames += [frame] * len(new)
        self.pair, self.rests, self.score, self.node = pair[kept], rests[kept], score[kept], node

    def best(self) -> tuple[list[int], list[int]]:
        """Phones of the best hypothesis, and the frame of each."""
        units, frames, node = [], [], int(self.node[self.score.argmax()])
        while node:
            units.append(self.units[node])
            frames.append(self.frames[node])
            node = self.parents[node]
        return units[::-1], frames[::-1]


def _best_of_each(state: NDArray[np.int64], score: Floats) -> NDArray[np.int64]:
    """Indices of the best-scoring entry of each state."""
    order = np.lexsort((-score, state))
    first = np.diff(state[order], prepend=-1) != 0
    best: NDArray[np.int64] = order[first]
    return best


def decode(log_probs: Floats, *, weight: float = WEIGHT, bonus: float = BONUS) -> tuple[list[int], list[int]]:
    """The likeliest phones of float32[T, units]: the units, and the frame that emits each first."""
    follows = (weight * np.maximum(trigram(), STRANGEST) + bonus).astype(np.float32)
    nothing = np.array([EDGE * len(UNITS) + EDGE])
    search = _Search(nothing, np.array([True]), np.zeros(1, np.float32), np.zeros(1, np.int64), [EDGE], [-1], [0])
    for frame, heard in enumerate(log_probs):
        search.step(frame, heard, follows)
    return search.best()
