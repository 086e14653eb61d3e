"""One encoder call for all sessions: fixed slots, so that sessions of any age share a batch."""

from collections.abc import Sequence

import numpy as np

from recitation.acoustics.engine import Engine, Floats

BUCKETS = (1, 2, 4, 8, 16, 32, 64)


class Full(RuntimeError):
    """Every slot is taken: refuse the session, do not degrade the others."""


class Batcher:
    """Keeps each session's encoder state in a slot.  Not thread-safe: one loop drives it."""

    def __init__(self, engine: Engine, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self.engine = engine
        self.capacity = capacity
        self._fresh = engine.initial_state(1)
        self._states = tuple(np.zeros((capacity, *part.shape[1:]), part.dtype) for part in self._fresh)
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
        for states, fresh in zip(self._states, self._fresh, strict=True):
            states[slot] = fresh[0]
        return slot

    def leave(self, slot: int) -> None:
        """Give a slot back.  Raises KeyError when it is not taken."""
        self._taken.remove(slot)
        self._free.append(slot)

    def step(self, requests: Sequence[tuple[int, Floats]]) -> list[Floats]:
        """Advance the named slots by one hop each: (slot, float32[hop_frames, 80]) -> float32[hop_frames / 2, units].

        A slot may appear once.  Requests beyond the largest bucket run in several calls.
        """
        results: list[Floats] = []
        for begin in range(0, len(requests), BUCKETS[-1]):
            results += self._step_some(requests[begin : begin + BUCKETS[-1]])
        return results

    def _step_some(self, requests: Sequence[tuple[int, Floats]]) -> list[Floats]:
        slots = np.array([slot for slot, _ in requests])
        if len(np.unique(slots)) != len(slots) or not self._taken.issuperset(slots.tolist()):
            raise ValueError(f"slots must be distinct and taken: {slots.tolist()}")
        features = np.stack([hop for _, hop in requests])
        log_probs, after = self.engine.step(features, tuple(states[slots] for states in self._states))
        for states, new in zip(self._states, after, strict=True):
            states[slots] = new
        return list(log_probs)
