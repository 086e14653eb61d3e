"""What a model heard, and how far it is from what was said: best paths, edit distance, alignment."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recitation.acoustics.engine import OnnxEngine
from recitation.features import FRAMES_PER_HOP
from recitation.phones import BLANK

Floats = NDArray[np.float32]


def emissions(log_probs: Floats) -> tuple[list[int], list[int]]:
    """Best-path decoding of float32[T, units]: the units, and the frame that emits each first."""
    best = log_probs.argmax(axis=1)
    frames = np.flatnonzero(np.diff(best, prepend=-1))
    frames = frames[best[frames] != BLANK]
    return best[frames].tolist(), frames.tolist()


def greedy(log_probs: Floats) -> list[int]:
    """Best-path decoding of float32[T, units]: repeats and blanks removed."""
    return emissions(log_probs)[0]


def _distances(a: Sequence[int], b: Sequence[int]) -> list[NDArray[np.int64]]:
    """Row ``i``, column ``j``: Levenshtein distance of the first ``i`` of ``a`` from the first ``j`` of ``b``."""
    places, other = np.arange(len(b) + 1), np.array(b, np.int64)
    rows = [places]
    for n, unit in enumerate(a, 1):
        best = np.minimum(rows[-1][:-1] + (other != unit), rows[-1][1:] + 1)
        # Insertions chain along the row: best[j] = min over k <= j of best[k] + (j - k).
        chained = np.concatenate([[n], best]) - places
        rows.append(np.minimum.accumulate(chained) + places)
    return rows


def edit_distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Levenshtein distance."""
    return int(_distances(a, b)[-1][-1])


def alignment(expected: Sequence[int], heard: Sequence[int]) -> list[tuple[int | None, int | None]]:
    """Which of ``heard`` stands for which of ``expected``, with as few edits as can be; places, in order.

    None on the left is an insertion, on the right a deletion.  Where edits are equally few, pairs come late.
    """
    rows = _distances(expected, heard)
    i, j = len(expected), len(heard)
    pairs: list[tuple[int | None, int | None]] = []
    while i or j:
        here = rows[i][j]
        if i and j and here == rows[i - 1][j - 1] + (expected[i - 1] != heard[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and here == rows[i - 1][j] + 1:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def whole(engine: OnnxEngine, features: Floats) -> Floats:
    """Log-probabilities with the whole recording as one chunk, float32[T, 80] -> float32[T / 2, units]."""
    frames = len(features)
    padded = np.concatenate([features, np.repeat(features[-1:], -frames % FRAMES_PER_HOP, axis=0)])
    log_probs, _ = engine.step(padded[None], engine.initial_state(1))
    first: Floats = log_probs[0]
    return first[: -(-frames // 2)]
