"""The live sessions by class. Feeds see `Sessions` only: a register may hold those of other processes as well."""

from collections.abc import Collection
from itertools import count
from typing import Protocol

from server.watch_messages import Rows, Tile
from server.watched import Watched


class Seen(Protocol):
    """What a feed reads of a session. Marks and passages only grow."""

    @property
    def id(self) -> str:
        """Of the session."""

    @property
    def verses(self) -> str:
        """The passage that its rows are about."""

    @property
    def passage(self) -> int:
        """Counts passages; rows of the one before are over. 0: none can be told yet."""

    @property
    def mark(self) -> int:
        """Counts changes of anything but the tile."""

    @property
    def tile_mark(self) -> int:
        """Counts changes of the tile."""

    def tile(self) -> Tile:
        """The session at a glance."""

    def rows(self, since: int, now: float) -> Rows:
        """What came after a mark, 0 for all; `now` is monotonic."""

    def follow(self, now: float) -> None:
        """Its rows are read, and will be for the next second."""


class Sessions(Protocol):
    """Where the sessions of a class are found."""

    def of_class(self, name: str) -> Collection[Seen]:
        """Those that are live, oldest first."""


class Register:
    """The sessions of this process. One without a class is not seen by anybody."""

    def __init__(self) -> None:
        self._classes: dict[str, dict[str, Watched]] = {}
        self._numbers = count(1)

    def add(self, watched: Watched) -> None:
        """A session begins."""
        watched.number = next(self._numbers)
        for name in watched.classes:
            self._classes.setdefault(name, {})[watched.id] = watched

    def remove(self, watched: Watched) -> None:
        """A session is over; another may go on under its id already."""
        for name in watched.classes:
            sessions = self._classes.get(name, {})
            if sessions.get(watched.id) is watched:
                del sessions[watched.id]
                if not sessions:
                    del self._classes[name]

    def __contains__(self, session: str) -> bool:
        """Whether a session is live here that somebody may watch."""
        return any(session in sessions for sessions in self._classes.values())

    def of_class(self, name: str) -> Collection[Watched]:
        """See Sessions."""
        return tuple(watched for watched in self._classes.get(name, {}).values() if not watched.over)
