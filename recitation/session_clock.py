"""The clock of a session beside that of its line.

A line counts the samples that it was given.  A session goes on while nothing can be given to its line, because the
network or the process was gone: its clock counts those samples too.  ``SessionClock`` tells the one by the other.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import TypeVar

import msgspec

Event = TypeVar("Event", bound=msgspec.Struct)

TIMES = {"start", "end", "sample", "samples", "contour_start"}
"""Fields of events that count samples since a session began."""


def retimed(event: Event, told: Callable[[int], int]) -> Event:
    """An event with each of its times told by another clock, those of the structs in its fields and tuples included."""
    changed: dict[str, object] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name in TIMES and isinstance(value, int):
            changed[name] = told(value)
        elif isinstance(value, msgspec.Struct):
            changed[name] = retimed(value, told)
        elif isinstance(value, tuple) and any(isinstance(part, msgspec.Struct) for part in value):
            changed[name] = tuple(retimed(part, told) if isinstance(part, msgspec.Struct) else part for part in value)
    return msgspec.structs.replace(event, **changed)


def later(event: Event, samples: int) -> Event:
    """An event of a session that began so many samples after the clock it is to be told by."""
    return event if samples == 0 else retimed(event, lambda sample: sample + samples)


class SessionClock:
    """See the module's docstring."""

    def __init__(self, ahead: int = 0) -> None:
        """``ahead``: samples of the session before the line began."""
        self._from: list[int] = []
        """Samples of the line after which the session's clock was put on, in order."""
        self._ahead = [ahead]
        """By how much it is ahead before the first of them, and after each."""

    def skip(self, line_sample: int, samples: int) -> None:
        """So many samples passed unheard when the line had been given ``line_sample``, which never goes back."""
        self._from.append(line_sample)
        self._ahead.append(self._ahead[-1] + samples)

    def time(self, line_sample: int) -> int:
        """A sample of the line by the session's clock.  What ends where time was skipped ends before that."""
        return line_sample + self._ahead[bisect_left(self._from, line_sample)]

    def told(self, event: Event) -> Event:
        """An event of the line by the session's clock."""
        return event if self._ahead == [0] else retimed(event, self.time)
