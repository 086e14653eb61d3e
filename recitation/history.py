"""What was heard in the last seconds, by absolute frame: the encoder's answers and the voice flags.

The judge looks back at the frames of a phone some time after they were heard; a second opinion on a phone, a teacher
who joins late or a replay with another expected text look back further.  All of them ask for a window by frame
number (20 ms, from 0 at the start of the session), and nobody runs the encoder twice.

Log-mels are not kept: they cost 0.6 ms of processor for a second of audio to make again from
``Session.ring``, and four times the memory of the log-probabilities.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recitation.phones import UNITS

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


class ForgottenError(LookupError):
    """The frames asked for are no longer kept, or were not heard yet."""


@dataclass(frozen=True, slots=True)
class Window:
    """Frames ``first`` to ``last`` (exclusive), copied: what comes later cannot change them."""

    first: int
    last: int
    log_probs: Floats
    """float32[last - first, units]."""
    voiced: Flags
    """bool[last - first]: there is a voice, or a sound well above the room."""
    spoken: Flags
    """bool[last - first]: there is a voice by the network alone; new noise sounds, but is no voice."""

    def __len__(self) -> int:
        return self.last - self.first


class History:
    """The newest ``frames`` frames of a session; overflow drops the oldest.

    Memory is claimed once: 290 bytes a frame of 72 units, 0.12 MB for 8 s.  Storage is a ring, frame ``n`` in row
    ``n % frames``.
    """

    def __init__(self, frames: int, units: int = len(UNITS)) -> None:
        """Raises ValueError when there is no room for a frame."""
        if frames < 1:
            raise ValueError(f"a history keeps at least one frame, not {frames}")
        self._log_probs = np.zeros((frames, units), np.float32)
        self._voiced = np.zeros(frames, np.bool_)
        self._spoken = np.zeros(frames, np.bool_)
        self.end = 0
        """Frames heard since the session began: one past the newest."""

    def __len__(self) -> int:
        """Frames held."""
        return min(self.end, len(self._voiced))

    @property
    def start(self) -> int:
        """The oldest frame still held."""
        return self.end - len(self)

    def append(self, log_probs: Floats, voiced: Flags, spoken: Flags) -> None:
        """Add the newest frames, float32[n, units] and bool[n] twice.  Raises ValueError when their numbers differ."""
        if not len(log_probs) == len(voiced) == len(spoken):
            raise ValueError(
                f"{len(log_probs)} frames of log-probabilities, but {len(voiced)} and {len(spoken)} voice flags"
            )
        size = len(self._voiced)
        kept = min(len(voiced), size)
        self.end += len(voiced)
        first = (self.end - kept) % size
        head = min(kept, size - first)
        for ring, frames in ((self._log_probs, log_probs), (self._voiced, voiced), (self._spoken, spoken)):
            newest = frames[len(frames) - kept :]
            ring[first : first + head] = newest[:head]
            ring[: kept - head] = newest[head:]

    def holds(self, first: int, last: int) -> bool:
        """Whether frames ``first`` to ``last`` (exclusive) can be had."""
        return self.start <= first <= last <= self.end

    def window(self, first: int, last: int) -> Window:
        """Frames ``first`` to ``last`` (exclusive), possibly none.  Raises ForgottenError unless all are held."""
        if not self.holds(first, last):
            raise ForgottenError(f"frames {first} to {last} asked, {self.start} to {self.end} held")
        rows = np.arange(first, last) % len(self._voiced)
        return Window(first, last, self._log_probs[rows], self._voiced[rows], self._spoken[rows])

    def within(self, first: int, last: int) -> Window:
        """What is held of frames ``first`` to ``last``: both ends are moved into what there is."""
        first = min(max(first, self.start), self.end)
        return self.window(first, max(first, min(last, self.end)))
