"""What ends a session."""

from typing import TypeVar

from server.messages import Error

E = TypeVar("E", bound=BaseException)


class Over(Exception):
    """The session ends; `reason` is a word for the metrics. With `error` the client is told first."""

    def __init__(self, reason: str, error: Error | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


def first_of(errors: BaseExceptionGroup[E]) -> E:
    """The one that came first of those that a TaskGroup raises."""
    first = errors.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
