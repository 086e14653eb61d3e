"""How evenly and how fast it is recited."""

from collections.abc import Sequence

import numpy as np

from recitation.audio import SAMPLE_HZ


def npvi(durations: Sequence[float]) -> float | None:
    """Normalised pairwise variability index (Grabe and Low 2002): 0 for even durations, some 30 to 60 for vowels of
    speech; None for fewer than two.

    For recitation give durations divided by their counts, so that a madd is no unevenness.  ValueError unless positive.
    """
    if len(durations) < 2:
        return None
    lengths = np.asarray(durations, np.float64)
    if (lengths <= 0).any():
        raise ValueError("durations must be positive")
    differences, means = np.abs(np.diff(lengths)), (lengths[1:] + lengths[:-1]) / 2
    return float(100 * np.mean(differences / means))


def phones_per_second(phones: int, samples: int) -> float | None:
    """Rate of articulation: phones by seconds of speech, pauses left out; None without speech."""
    return phones * SAMPLE_HZ / samples if samples > 0 else None
