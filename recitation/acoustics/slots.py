"""Where the encoder states of many sessions lie: in numbered slots, beside whatever computes on them."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recitation.acoustics.engine import Engine, Floats

LARGEST_BATCH = 64
"""Sessions in one call on the CPU: beyond it a larger batch is no cheaper per session, and its answers come later."""

Indices = NDArray[np.intp]


class Slots(Protocol):
    """The states of a fixed number of sessions.  A slot is never cleared while it is in a step."""

    def clear(self, slot: int) -> None:
        """The session in this slot has heard nothing."""
        ...

    def step(self, slots: Indices, features: Floats) -> Floats:
        """Advance B distinct slots, at least one: float32[B, hop_frames, 80] -> float32[B, hop_frames / 2, units]."""
        ...


@runtime_checkable
class SlotEngine(Engine, Protocol):
    """An engine that keeps states itself, on its device, so that they do not travel with every step."""

    def make_slots(self, capacity: int) -> Slots:
        """Slots 0 to ``capacity - 1``.  Raises ModelError when there is no memory for them."""
        ...


def in_turns(step: Callable[[Indices, Floats], Floats], slots: Indices, features: Floats, largest: int) -> Floats:
    """``Slots.step`` by a ``step`` that takes at most ``largest`` slots."""
    batches = [slice(begin, begin + largest) for begin in range(0, len(slots), largest)]
    return np.concatenate([step(slots[batch], features[batch]) for batch in batches])


def slots_of(engine: Engine, capacity: int) -> Slots:
    """The engine's own slots, or else slots in this process's memory.  Raises ModelError."""
    return engine.make_slots(capacity) if isinstance(engine, SlotEngine) else HostSlots(engine, capacity)


class HostSlots:
    """Slots for an engine that takes states and gives them back."""

    def __init__(self, engine: Engine, capacity: int) -> None:
        self._engine = engine
        self._fresh = engine.initial_state(1)
        self._states = tuple(np.repeat(part, capacity, axis=0) for part in self._fresh)

    def clear(self, slot: int) -> None:
        for states, fresh in zip(self._states, self._fresh, strict=True):
            states[slot] = fresh[0]

    def step(self, slots: Indices, features: Floats) -> Floats:
        return in_turns(self._step, slots, features, LARGEST_BATCH)

    def _step(self, slots: Indices, features: Floats) -> Floats:
        log_probs, after = self._engine.step(features, tuple(states[slots] for states in self._states))
        for states, new in zip(self._states, after, strict=True):
            states[slots] = new
        return log_probs
