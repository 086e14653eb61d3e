"""How long one count is when a sound is held.

A count is a finger raised or closed, not a short vowel: no reciter heard here holds four counts for twice a natural
madd.  The vowel of a natural madd lasts 2.1 short ones at any tempo, but four counts last 7 to 11 of them, with each
count as long in six and, in slow recitation, in the two of a ghunnah:

================  ==========  =======  ========  =======  =====  =======
training reciter  harakah, s  natural  muttasil  munfaṣil  lāzim  ghunnah
================  ==========  =======  ========  =======  =====  =======
akhdar               0.176     2.10      10.9     11.3     18.8    5.5
lahdan               0.162     2.11       9.7      9.1     16.3    2.7
mansary              0.143     2.13       7.6      6.1     11.7    2.7
salama (hadr)        0.100     2.05      10.2      2.1             3.6
================  ==========  =======  ========  =======  =====  =======

(Medians in harakat over 25 minutes of each; a made voice holds four counts for 4.4 harakat.)  So the length of a held
count is learned from the long madds of the session, from a wide prior, and a length is told in counts by a scale that
goes through the natural madd and four held counts, and beyond them in proportion.  A reciter who holds five counts
where the moshaf says four is not to be told from one whose counts are longer: what can be judged is whether madds of
different kinds agree, and whether one of them is much shorter or longer than the others.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

NATURAL_HARAKAT = 2.1
"""What the vowel of a natural madd lasts, its short part included."""
USUAL, USUAL_SPREAD = 1.9, 0.4
"""Harakat of a held count before any was heard, and the standard deviation of its logarithm: from 1.1 (made voices)
over 1.9 to 2.8 (reciters)."""
LEAST, MOST = 1.0, 3.6
"""No count is shorter than a short vowel, and none longer was heard."""
ONE_SPREAD = 0.2
"""Standard deviation of the logarithm of one madd about the reciter's usual length: 0.11 to 0.27."""
FREE_COUNTS, FREE_SPREAD = 3.6, 0.3
"""Counts of a madd before a stop, which may have two, four or six: 2.4 to 4.7 by the reciter, who is steady in it, so
that all of them together are one witness with this standard deviation of its logarithm."""
HUBER = 1.345
KEPT = 24
"""Madds remembered."""
BEND = 4.0
"""Counts from which a madd is as long as its held counts."""


@dataclass(frozen=True, slots=True)
class Length:
    """A length in the reciter's own tempo."""

    harakat: float
    spread: float
    """Standard error of its logarithm."""


class Held:
    """The length of a held count in one session."""

    def __init__(self) -> None:
        self._logs: deque[float] = deque(maxlen=KEPT)
        self._free: deque[float] = deque(maxlen=KEPT)
        self._log = math.log(USUAL)
        self.spread = USUAL_SPREAD
        """Standard error of the logarithm of ``per_count``."""

    def retained(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """What is remembered: logarithms of madds, and of those before a stop."""
        return tuple(self._logs), tuple(self._free)

    def recall(self, madds: tuple[float, ...], free_madds: tuple[float, ...]) -> None:
        """Go on from what was retained."""
        self._logs.extend(madds)
        self._free.extend(free_madds)
        if self._logs or self._free:
            self._estimate()

    @property
    def per_count(self) -> float:
        """Harakat of one held count."""
        return min(max(math.exp(self._log), LEAST), MOST)

    def note(self, counts: float, harakat: float) -> None:
        """A madd that ought to be held for ``counts`` lasted so many harakat.  Raises ValueError unless both are
        positive."""
        if not (counts > 0 and harakat > 0):
            raise ValueError(f"{counts} counts cannot last {harakat} harakat: both must be positive")
        self._logs.append(math.log(harakat / counts))
        self._estimate()

    def note_free(self, harakat: float) -> None:
        """A madd before a stop, as long as the reciter likes, lasted so many harakat, more than none."""
        self._free.append(math.log(harakat / FREE_COUNTS))
        self._estimate()

    def length(self, counts: float) -> Length:
        """How long a madd of so many counts is in this voice."""
        if counts <= 2:
            return Length(counts * NATURAL_HARAKAT / 2, 0.0)
        if counts >= BEND:
            return Length(counts * self.per_count, self.spread)
        bend, share = BEND * self.per_count, (counts - 2) / (BEND - 2)
        harakat = NATURAL_HARAKAT + share * (bend - NATURAL_HARAKAT)
        return Length(harakat, share * bend / harakat * self.spread)

    def counts(self, length: Length) -> tuple[float, float]:
        """A length as counts, and their standard error."""
        harakat, bend = length.harakat, BEND * self.per_count
        if harakat <= NATURAL_HARAKAT:
            counts = 2 * harakat / NATURAL_HARAKAT
            return counts, counts * length.spread
        if harakat >= bend:
            counts = harakat / self.per_count
            return counts, counts * math.hypot(length.spread, self.spread)
        slope = (BEND - 2) / (bend - NATURAL_HARAKAT)
        counts = 2 + slope * (harakat - NATURAL_HARAKAT)
        return counts, slope * math.hypot(harakat * length.spread, (counts - 2) / (BEND - 2) * bend * self.spread)

    def _estimate(self) -> None:
        """Mean of what is known before and of what was heard, outliers weighed down (Huber, 1964)."""
        before = [(math.log(USUAL), USUAL_SPREAD)]
        if self._free:
            before.append((float(np.median(self._free)), FREE_SPREAD))
        known = sum(spread**-2 for _, spread in before)
        mean = sum(log / spread**2 for log, spread in before) / known
        logs = np.array(self._logs)
        centre, certainty = float(np.median(np.append(logs, mean))), known
        for _ in range(4):
            weights = np.minimum(1.0, HUBER * ONE_SPREAD / np.maximum(np.abs(logs - centre), 1e-9)) / ONE_SPREAD**2
            certainty = float(weights.sum()) + known
            centre = (float(weights @ logs) + mean * known) / certainty
        self._log, self.spread = centre, certainty**-0.5
