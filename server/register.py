"""The live sessions by class. Feeds see `Sessions` only: a register may hold those of other processes as well."""

from collections.abc import Collection
from itertools import count
from typing import Protocol

from server.watched import Watched


class Sessions(Protocol):
    """Where the sessions of a class are found."""

    def of_class(self, name: str) -> Collection[Watched]:
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
        """A session is over."""
        for name in watched.classes:
            sessions = self._classes[name]
            del sessions[watched.id]
            if not sessions:
                del self._classes[name]

    def of_class(self, name: str) -> Collection[Watched]:
        """See Sessions."""
        return tuple(watched for watched in self._classes.get(name, {}).values() if not watched.over)
