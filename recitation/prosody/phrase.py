"""A phrase, from one pause to the next, in numbers; and the pitch range of a voice."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from recitation.prosody.pitch import Contour

LOW, HIGH = 5.0, 95.0
"""Percentiles taken for the range: the extremes are mostly slips of the detector."""
LEAST_FRAMES = 10
"""Voiced frames below which no range is given: 160 ms."""
LOWEST_HZ, STEPS_PER_OCTAVE, STEPS = 50.0, 240, 1100
"""Steps of a twentieth of a semitone from 50 to 1,200 Hz."""


class PitchRange(msgspec.Struct, frozen=True):
    """Range of a voice."""

    median_hz: float
    low_hz: float
    """5th percentile of the voiced frames."""
    high_hz: float
    """95th percentile."""


class Phrase(msgspec.Struct, frozen=True, array_like=True):
    """What was recited between two pauses; samples of 16 kHz since the session began."""

    start: int
    end: int
    pitch: PitchRange | None
    """None when next to nothing in it was voiced."""
    contour_start: int
    """Sample on which the first value of ``contour_hz`` is centred."""
    contour_hz: tuple[float, ...]
    """Every 16 ms; 0 where unvoiced."""
    level_db: float
    """Mean level, dBFS RMS."""
    level_range_db: float
    """Between the 10th and the 90th percentile of its 20 ms frames."""
    phones: int
    phones_per_s: float | None
    npvi: float | None
    """Unevenness of its vowels, each divided by its counts (``recitation.prosody.rhythm``)."""
    pause_s: float | None
    """The pause after it; None at the end of the recording."""
    breath_s: float
    """Inhalation in that pause, 0 for none."""


class ProsodyReport(msgspec.Struct, frozen=True):
    """The prosody of a whole session."""

    pitch: PitchRange | None
    phrases: int
    """From pause to pause."""
    breaths: int
    """Pauses in which a breath was heard."""
    phones_per_s: float | None
    """Rate of articulation, pauses left out."""
    npvi: float | None
    """Mean unevenness of its phrases, weighted by their length."""


class PitchHistogram:
    """Voiced frames of a whole session by pitch, in fixed memory; percentiles to a twentieth of a semitone."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(STEPS, np.int64)

    def add(self, contours: "Iterable[Contour]") -> None:
        """Count the voiced frames of contours."""
        for contour in contours:
            steps = np.log2(contour.hz[contour.voiced] / LOWEST_HZ) * STEPS_PER_OCTAVE
            np.add.at(self._counts, np.clip(steps, 0, STEPS - 1).astype(np.int64), 1)

    def retained(self) -> tuple[tuple[int, int], ...]:
        """Steps at which there were frames, and how many."""
        return tuple((int(step), int(self._counts[step])) for step in np.flatnonzero(self._counts))

    def recall(self, pitches: Iterable[tuple[int, int]]) -> None:
        """Count what was retained."""
        for step, frames in pitches:
            self._counts[step] += frames

    @property
    def range(self) -> PitchRange | None:
        """None before there are ``LEAST_FRAMES``."""
        total = int(self._counts.sum())
        if total < LEAST_FRAMES:
            return None
        below = np.cumsum(self._counts)
        places = np.searchsorted(below, np.array([50.0, LOW, HIGH]) / 100 * total)
        median, low, high = (LOWEST_HZ * np.exp2((places + 0.5) / STEPS_PER_OCTAVE)).tolist()
        return PitchRange(round(median, 1), round(low, 1), round(high, 1))


def range_of(contours: "Iterable[Contour]") -> PitchRange | None:
    """Range of some contours."""
    histogram = PitchHistogram()
    histogram.add(contours)
    return histogram.range
