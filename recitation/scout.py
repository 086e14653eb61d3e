"""Where in a long passage a reciter is who was lost: the last seconds against all of it.

The tracker looks at some hundred words around the reciter.  Who turns many pages is beyond them; the scout finds the
place and the tracker takes its window there.
"""

import numpy as np
from numpy.typing import NDArray

from recitation.lexicon import Word, recited
from recitation.phone_search import NATS, fitting_costs, phones_heard

Floats = NDArray[np.float32]

LISTENED_FRAMES = 150
"""Frames of 20 ms that are looked at: 3 s."""
FEWEST_PHONES = 10
"""With fewer phones in them nothing is certain."""
MEAN_COST = 1.2
"""Nats a phone at most: on `dev` the right text costs the reciter 0.3 and people on phones 0.9 (medians), the best
place of another surah 1.4."""
MARGIN = 6.0
"""Nats by which the place must be better than any other."""
SAME_PLACE_UNITS = 30
"""Ends nearer than this are one place."""


class Scout:
    """Looks for a place in the whole passage."""

    def __init__(self, words: tuple[Word, ...]) -> None:
        forms = [form for _, form in recited(words)]
        units = np.array([phone.unit for form in forms for phone in form], np.uint8)
        self._backward = np.ascontiguousarray(units[::-1])
        self._words = np.repeat(np.arange(len(words)), [len(form) for form in forms])

    def find(self, log_probs: Floats) -> int | None:
        """The word that is being recited at the end of float32[T, units]; None where that is not certain."""
        heard = phones_heard(log_probs)
        if len(heard) < FEWEST_PHONES:
            return None
        costs = fitting_costs(self._backward, heard[::-1])[::-1].astype(np.float32) / NATS
        end = int(costs.argmin())
        least = float(costs[end])
        costs[max(0, end - SAME_PLACE_UNITS) : end + SAME_PLACE_UNITS] = np.inf
        if least > MEAN_COST * len(heard) or costs.min() < least + MARGIN:
            return None
        return int(self._words[end])
