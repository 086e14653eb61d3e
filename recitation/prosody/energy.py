"""Loudness of a stream: RMS in dBFS every 20 ms, and the level of the room under it."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from recitation.audio import EMPTY, SAMPLE_HZ, Pcm

Floats = NDArray[np.float32]

FRAME_SAMPLES = 320
FLOOR_DB = -100.0
KEPT_FRAMES = 3000
"""A minute."""
ROOM_QUANTILE = 0.03
"""The room is what is heard in the quietest of the last minute: pauses are more than this share of recitation."""


def levels(pcm: Pcm, frame_samples: int = FRAME_SAMPLES) -> Floats:
    """RMS of whole frames in dBFS, float32[n] -> float32[n // frame_samples]."""
    blocks = pcm[: len(pcm) // frame_samples * frame_samples].reshape(-1, frame_samples)
    power = np.einsum("fn,fn->f", blocks, blocks, dtype=np.float64) / frame_samples
    return np.asarray(10 * np.log10(power + 10 ** (FLOOR_DB / 10)), np.float32)


class Levels:
    """The last minute of a stream's levels; any chunking gives the same."""

    def __init__(self, behind_s: float = 0.0) -> None:
        """``behind_s`` seconds more are kept."""
        self.frames = 0
        """Frames so far, those forgotten included; frame ``k`` is samples ``320 k`` to ``320 (k + 1)``."""
        self._kept: deque[float] = deque(maxlen=KEPT_FRAMES + round(behind_s * SAMPLE_HZ / FRAME_SAMPLES))
        self._pending = EMPTY

    def push(self, pcm: Pcm) -> None:
        """Add float32[n] at 16 kHz, any n."""
        sound = np.concatenate([self._pending, pcm])
        found = levels(sound)
        self._pending = sound[len(found) * FRAME_SAMPLES :]
        self._kept.extend(found.tolist())
        self.frames += len(found)

    def read(self, start: int, end: int) -> Floats:
        """Levels of the frames that lie in samples ``start`` to ``end`` and are still known, float32[m]."""
        oldest = self.frames - len(self._kept)
        first, last = max(oldest, -(-start // FRAME_SAMPLES)), min(self.frames, end // FRAME_SAMPLES)
        return np.array([self._kept[n - oldest] for n in range(first, last)], np.float32)

    @property
    def room_db(self) -> float:
        """Level of the room, dBFS; ``FLOOR_DB`` before anything was heard."""
        return float(np.quantile(self._kept, ROOM_QUANTILE)) if self._kept else FLOOR_DB
