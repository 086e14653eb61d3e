"""One encoder call for all sessions: fixed slots, so that sessions of any age share a batch."""

from collections.abc import Sequence

import numpy as np

from recitation.acoustics.engine import Engine, Floats
from recitation.acoustics.slots import slots_of


class Full(RuntimeError):
    """Every slot is taken: refuse the session, do not degrade the others."""


class Batcher:
    """Gives each session a slot for its encoder state.  Not thread-safe: one loop drives it."""

    def __init__(self, engine: Engine, capacity: int) -> None:
        """Raises ModelError when the engine has no memory for so many sessions."""
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self.engine = engine
        self.capacity = capacity
        self._slots = slots_of(engine, capacity)
        self._free = list(range(capacity - 1, -1, -1))
        self._taken: set[int] = set()

    @property
    def sessions(self) -> int:
        """Slots in use."""
        return len(self._taken)

    def join(self) -> int:
        """Take a slot with a fresh state.  Raises Full."""
        if not self._free:
            raise Full(f"all {self.capacity} sessions are taken")
        slot = self._free.pop()
        self._taken.add(slot)
        self._slots.clear(slot)
        return slot

    def leave(self, slot: int) -> None:
        """Give a slot back.  Raises KeyError when it is not taken."""
        self._taken.remove(slot)
        self._free.append(slot)

    def step(self, requests: Sequence[tuple[int, Floats]]) -> list[Floats]:
        """Advance the named slots by one hop each: (slot, float32[hop_frames, 80]) -> float32[hop_frames / 2, units].

        A slot may appear once.
        """
        if not requests:
            return []
        slots = np.array([slot for slot, _ in requests], np.intp)
        if len(np.unique(slots)) != len(slots) or not self._taken.issuperset(slots.tolist()):
            raise ValueError(f"slots must be distinct and taken: {slots.tolist()}")
        return list(self._slots.step(slots, np.stack([hop for _, hop in requests])))
