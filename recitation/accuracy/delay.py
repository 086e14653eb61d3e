"""How long after a phone begins the model says so.

The begin of a phone is where the alignment with full context first emits it.  *Emission delay* is where in the audio
the best path first emits the unit, less that begin: the model's own hesitation, negative where it is ahead of the
alignment.  *Availability* adds the wait for the rest of the hop, look-ahead included, since a hop is heard at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recitation.evaluate import alignment, emissions
from recitation.events import PhoneVerdict
from recitation.features import FRAME_SAMPLES as MEL_SAMPLES
from recitation.features import SAMPLE_RATE
from recitation.phones import INDEX
from recitation.tracker import FRAME_SAMPLES

Floats = NDArray[np.float32]


FAR_MS = 500.0
"""A unit emitted further than this from the phone is not that phone: there the alignment or the ear is lost."""


@dataclass(frozen=True, slots=True)
class Delays:
    """Milliseconds, of the units that the best path and the alignment have in common."""

    emission: tuple[float, ...]
    availability: tuple[float, ...]


def delays(log_probs: Floats, hop_frames: int, truth: Sequence[PhoneVerdict]) -> Delays:
    """Delays of a clip, float32[T, units] heard in hops of ``hop_frames`` log-mel frames."""
    units, frames = emissions(log_probs)
    expected = [INDEX[phone.unit] for phone in truth]
    hop_samples = hop_frames * MEL_SAMPLES
    emission, availability = [], []
    for place, found in alignment(expected, units):
        if place is None or found is None or expected[place] != units[found]:
            continue
        sample = frames[found] * FRAME_SAMPLES
        delay = 1000 * (sample - truth[place].start) / SAMPLE_RATE
        if abs(delay) <= FAR_MS:
            heard = (sample // hop_samples + 1) * hop_samples
            emission.append(delay)
            availability.append(1000 * (heard - truth[place].start) / SAMPLE_RATE)
    return Delays(tuple(emission), tuple(availability))


def insertions_before(log_probs: Floats, expected: Sequence[int], truth: Sequence[PhoneVerdict]) -> int:
    """Units inserted before the passage begins: isti'adha, basmala, or noise taken for phones."""
    if not truth:
        return 0
    units, frames = emissions(log_probs)
    inserted = [found for place, found in alignment(expected, units) if place is None and found is not None]
    return sum(frames[found] * FRAME_SAMPLES < truth[0].start for found in inserted)
