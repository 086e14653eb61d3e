"""What ends a session."""

from server.messages import Error


class Over(Exception):
    """The session ends; `reason` is a word for the metrics. With `error` the client is told first."""

    def __init__(self, reason: str, error: Error | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


def first_over(overs: BaseExceptionGroup[Over]) -> Over:
    """The one that came first of those that a TaskGroup raises."""
    first = overs.exceptions[0]
    return first_over(first) if isinstance(first, BaseExceptionGroup) else first
