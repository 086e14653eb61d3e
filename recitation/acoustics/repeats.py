"""Runs of a repeated symbol, from the frames of a CTC model that spells length by repetition.

Such a model says a geminate ``ل`` as ل, blank, ل, and a madd of six counts as six ا with blanks between them.  The
units of `recitation.phones` are whole runs.  CTC takes frames for independent given the sound, so what the model
says of runs follows from what it says of frames, without approximation: a frame lies in a run of v

* when its symbol is v, or
* when its symbol is blank, the last symbol before it that is no blank is v, and so is the next one after it.

How often v is said in the run is counted in the same pass: once, twice, three times or more.  Frames with v next to
each other say it once.  With p(t, v) the probability of v at frame t and b(t) that of the blank, the left side keeps

    at(t, v, k)     probability, given v at t, that t is in the k-th saying of its run
    after(t, v, k)  probability, given a blank at t, that v was last, said k times so far

and the right side the same looking back from the end.  Their products, summed over the counts that add up to k, are
the probabilities of a run of k.  The right side ends where the frames end: a blank at the edge of what has been heard
is outside of any run, so look-ahead also shows here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

COUNTS = 3
"""Said once, twice, three times or more."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the frames: what has been said up to a place, probabilities of joint events there."""

    said: Floats
    """float32[B, V, 3]: the frame at the place says v, for the k-th time in its run."""
    pending: Floats
    """float32[B, V, 3]: the frame is blank, the last symbol was v, said k times."""


def silence(sessions: int, symbols: int) -> Side:
    """Nothing has been said."""
    empty = np.zeros((sessions, symbols, COUNTS), np.float32)
    return Side(empty, empty.copy())


def runs(symbols: Floats, blank: Floats, before: Side, emitted: int) -> tuple[Floats, Floats, Side]:
    """What the first ``emitted`` of T frames say of whole runs, the others being look-ahead.

    ``symbols``, float32[B, T, V], and ``blank``, float32[B, T], are probabilities; what they lack to 1 belongs to
    symbols that are not counted but end a run.  ``before`` is the left side just before the first frame.  Gives the
    probability that a frame lies in a run of v said k times, float32[B, emitted, V, 3], that it is blank outside of
    any run, float32[B, emitted], and the left side after the emitted frames.
    """
    frames = symbols.shape[1]
    lefts, after = _sweep(symbols, blank, before, range(emitted))
    nothing = silence(len(symbols), symbols.shape[2])
    rights, _ = _sweep(symbols, blank, nothing, range(frames - 1, -1, -1))
    inside = np.empty((*symbols[:, :emitted].shape, COUNTS), np.float32)
    outside = np.empty((len(symbols), emitted), np.float32)
    for t, left in enumerate(lefts):
        right = rights[frames - 1 - t]
        inside[:, t] = symbols[:, t, :, None] * _added(left.said, right.said, 0)
        bridged = blank[:, t, None, None] * _added(left.pending, right.pending, 1)
        inside[:, t] += bridged
        outside[:, t] = np.maximum(blank[:, t] - bridged.sum(axis=(1, 2)), 0)
    return inside, outside, after


def _sweep(symbols: Floats, blank: Floats, side: Side, order: range) -> tuple[list[Side], Side]:
    """Walk the frames in ``order``: for each, the sides given its symbol, and the joint side after the last."""
    given: list[Side] = []
    for t in order:
        said = side.said.copy()
        said[..., 1:] += side.pending[..., :-1]
        said[..., -1] += side.pending[..., -1]
        said[..., 0] += 1 - (side.said + side.pending).sum(axis=-1)
        here = Side(said, side.said + side.pending)
        given.append(here)
        side = Side(here.said * symbols[:, t, :, None], here.pending * blank[:, t, None, None])
    return given, side


def _added(left: Floats, right: Floats, more: int) -> Floats:
    """Distribution over the count of a run whose sides have been said i + 1 and j + 1 times: i + j + 1 + ``more``."""
    total = np.zeros_like(left)
    for i in range(COUNTS):
        for j in range(COUNTS):
            total[..., min(i + j + more, COUNTS - 1)] += left[..., i] * right[..., j]
    return total
