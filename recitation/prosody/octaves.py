"""Octave slips in a pitch contour, found by what a voice cannot do.

A pitch detector now and then takes the second harmonic, or half the pitch, for the pitch.  A voice needs a tenth of a
second and more for an octave (Xu and Sun 2002), so a leap between neighbouring frames is a slip, and of its two sides
the shorter one has slipped: the cheapest way through the contour, by dynamic programming over the folds of each frame.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FOLDS = np.array([-1.0, 0.0, 1.0])
"""Octaves by which a frame may be moved."""
FOLD_COST = 0.02
"""Of moving one frame; so a stretch of less than some hundred frames (1.6 s) between two leaps is folded."""
LEAP = 0.4
"""Octaves between neighbouring frames beyond which they cost their distance."""
GAP_FRAMES = 12
"""After a longer unvoiced gap (0.2 s) the voice may be anywhere."""


def settle_octaves(hz: Floats, voiced: NDArray[np.bool_]) -> Floats:
    """A contour with its octave slips folded back, float32[n] and bool[n] -> float32[n]."""
    places = np.flatnonzero(voiced)
    if len(places) < 3:
        return hz
    pitch = np.log2(hz[places].astype(np.float64))
    near = np.diff(places) <= GAP_FRAMES
    if not (near & (np.abs(np.diff(pitch)) > LEAP)).any():
        return hz
    folds = FOLDS[_cheapest(pitch, near)]
    settled = hz.copy()
    settled[places] *= np.exp2(folds).astype(np.float32)
    return settled


def _cheapest(pitch: NDArray[np.float64], near: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the fold of each frame on the cheapest way through."""
    still = np.abs(FOLDS) * FOLD_COST
    between = FOLDS[:, None] - FOLDS[None, :]  # [from, to]
    costs, back = still.copy(), np.zeros((len(pitch), len(FOLDS)), np.int64)
    for n in range(1, len(pitch)):
        moved = np.abs(between + pitch[n - 1] - pitch[n])
        ways = costs[:, None] + np.where(moved > LEAP, moved, 0.0) * near[n - 1]
        back[n] = ways.argmin(axis=0)
        costs = ways.min(axis=0) + still
    fold = int(costs.argmin())
    folds = np.empty(len(pitch), np.int64)
    for n in range(len(pitch) - 1, -1, -1):
        folds[n] = fold
        fold = int(back[n, fold])
    return folds
