"""When a reciter may leave the straight path, to which words, and what it costs.

A reciter cannot repeat without pausing, so a pause opens jumps to the beginning of every word near by, and they stay
open for a moment after it, because the model says the first phone a little after it began.  Without a pause only
leaving words out in one breath is possible, at a higher price.  Costs grow with the distance in words.
"""

from enum import Enum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

PAUSE_FRAMES = 5
"""So many frames without a voice are a pause: 100 ms; the closure of a stop consonant is shorter."""
HELD_FRAMES = 15
"""Jumps stay open this long after the voice is back: 300 ms."""
REACH_WORDS = 1024
"""Words on either side that a table covers; a window of the tracker never holds more."""


class Gate(Enum):
    """What is possible now."""

    JOINED = "joined"
    """The voice goes on: words may be left out."""
    STOPPED = "stopped"
    """It paused inside an ayah: it is usual to take up an earlier word."""
    ENDED = "ended"
    """It paused where an ayah ends: the next one is what is expected."""
    LOST = "lost"
    """The passage has not begun or does not explain what is heard: any word may follow, near or far."""


def _table(back: tuple[float, float], forward: tuple[float, float]) -> Floats:
    """Log-costs by distance: base and cost a word, backward and forward; index 0 is REACH_WORDS words back."""
    distance = np.arange(-REACH_WORDS, REACH_WORDS + 1, dtype=np.float32)
    costs = np.where(
        distance <= 0, back[0] + back[1] * -distance, forward[0] + forward[1] * np.maximum(distance - 1, 0)
    )
    return costs.astype(np.float32)


COSTS: dict[Gate, Floats] = {
    Gate.JOINED: _table((-np.inf, 0.0), (-12.0, -0.5)),
    Gate.STOPPED: _table((-5.0, -0.1), (-8.0, -0.3)),
    Gate.ENDED: _table((-7.0, -0.1), (-8.0, -0.3)),
    Gate.LOST: _table((-7.0, 0.0), (-7.0, 0.0)),
}
"""Log-cost of a jump by the distance in words from the one the path is in (0: begin it again)."""


class PauseGate:
    """Follows the voice and says which jumps are open."""

    def __init__(self) -> None:
        self._silent = PAUSE_FRAMES
        self._held = HELD_FRAMES
        self._pause = Gate.ENDED

    def push(self, voiced: bool, ayah_over: bool) -> Gate:
        """Take the next frame: whether there is a voice, and whether the path stands between two ayat."""
        self._silent = 0 if voiced else self._silent + 1
        self._held -= 1
        if self._silent >= PAUSE_FRAMES:
            self._held = HELD_FRAMES
            self._pause = Gate.ENDED if ayah_over else Gate.STOPPED
        return self._pause if self._held > 0 else Gate.JOINED
