"""How much of a phone heard counts for another that is expected, in following.

A beginner's ط sounds like a ت, and a poor microphone makes one letter of another.  A path that is followed through such
phones loses its place when each costs as much as if anything else had been said; so a part of what is heard counts for
what it is confused with.  Judging does not use this: there the very phone is weighed.
"""

import numpy as np
from numpy.typing import NDArray

from recitation.phones import CONFUSABLE, UNITS

Floats = NDArray[np.float32]

CONFUSED = 0.15
"""Share of a phone that counts for one it is confused with."""
NOTHING = 0.01
"""What counts for every unit at every moment: it bounds what one wrong phone can cost."""


def _likeness() -> Floats:
    like = np.eye(len(UNITS), dtype=np.float32)
    for expected, rivals in CONFUSABLE.items():
        like[list(rivals), expected] = CONFUSED
    return like


LIKENESS = _likeness()
"""float32[heard, expected]."""


def softened(log_probs: Floats) -> Floats:
    """Log-probabilities float32[n, units] in which a part of what is heard counts for what it is confused with."""
    soft: Floats = np.log(np.exp(log_probs) @ LIKENESS + np.float32(NOTHING))
    return soft
