"""How well the ear understands a voice, and how much benefit of the doubt its phones deserve.

A phone of a reciter whom the model hears well is suspicious at odds that are ordinary for a beginner on a bad
microphone.  The *median* of a voice's log-odds tells the two apart and does not move with a few mistakes, so the judge
favours what was expected by more, the lower that median is.
"""

import math
from collections import deque
from statistics import median

TYPICAL, USUAL = 4.3, 2.0
"""A voice whose median log-odds are TYPICAL is given USUAL.  Medians of the development voices: an unseen reciter 5.5,
ordinary people's phones 3.9, learners 2.7; what is given makes the judge's probabilities those of real letters."""
WEIGHT = 1.2
"""Log-odds given for each by which a voice lies below TYPICAL: at one threshold this keeps false alarms near 1 % of a
reciter's phones and 3 % of ordinary people's (docs/decisions.md)."""
MOST = 4.0
"""Log-odds given or taken at most besides."""
MEMORY, PRESUMED = 60, 4
"""Phones remembered, and phones of a typical voice presumed before the first: a session begins as nobody's."""
CERTAIN = 1e-7


class Clarity:
    """The clarity of one voice, phone by phone."""

    def __init__(self) -> None:
        self._odds: deque[float] = deque(maxlen=MEMORY)

    @property
    def allowance(self) -> float:
        """Log-odds by which to favour what is expected."""
        middle = median([*self._odds, *[TYPICAL] * PRESUMED])
        return USUAL + max(-MOST, min(MOST, WEIGHT * (TYPICAL - middle)))

    def retained(self) -> tuple[float, ...]:
        """What is remembered of the voice."""
        return tuple(self._odds)

    def recall(self, odds: tuple[float, ...]) -> None:
        """Go on from what was retained."""
        self._odds.extend(odds)

    def note(self, p: float, allowance: float) -> float:
        """A phone was given probability ``p`` with this allowance; what a typical voice would have been given."""
        p = min(max(p, CERTAIN), 1 - CERTAIN)
        odds = math.log(p / (1 - p)) - allowance
        self._odds.append(odds)
        return 1 / (1 + math.exp(-odds - USUAL))
