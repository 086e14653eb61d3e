"""Bootstrap intervals of figures that are sums over clips (Efron 1979; by cluster: Field and Welsh 2007).

Clips of one voice are not independent.  Where a group has several voices with several clips each, whole voices are
drawn; where each clip has its own voice, or all have the same, clips are.  With one voice the interval speaks of
the text and says nothing about other voices.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Statistic = Callable[[Numbers], Numbers]
"""float64[draws, columns] of summed counts -> float64[draws]."""

DRAWS = 1000


def clusters(voices: Sequence[str]) -> tuple[str, NDArray[np.int64]]:
    """What is drawn, ``"voice"`` or ``"clip"``, and int[clips] saying which draw each clip belongs to."""
    names = sorted(set(voices))
    if 1 < len(names) < len(voices):
        return "voice", np.array([names.index(voice) for voice in voices])
    return "clip", np.arange(len(voices))


def interval(counts: Numbers, cluster: NDArray[np.int64], statistic: Statistic, draws: int = DRAWS) -> list[float]:
    """95 % interval of a statistic of float64[clips, columns] counts.  The same counts give the same interval."""
    sums = np.zeros((int(cluster.max()) + 1, counts.shape[1]))
    np.add.at(sums, cluster, counts)
    picks = np.random.default_rng(0).integers(0, len(sums), (draws, len(sums)))
    low, high = np.percentile(statistic(sums[picks].sum(axis=1)), [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]


def rate(sums: Numbers) -> Numbers:
    """First column over second."""
    ratio: Numbers = sums[:, 0] / np.maximum(1, sums[:, 1])
    return ratio


def f1(sums: Numbers) -> Numbers:
    """F1 of columns (found, swapped, false alarms, right), with as many right phones as swapped ones."""
    recall, false_alarms = rate(sums[:, :2]), rate(sums[:, 2:])
    precision = recall / np.maximum(1e-12, recall + false_alarms)
    score: Numbers = 2 * precision * recall / np.maximum(1e-12, precision + recall)
    return score
