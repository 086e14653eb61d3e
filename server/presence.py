"""Whether the client of a session is there, by what comes of it over the connection that serves and what it takes.

Knows no connection and no clock: `now` is seconds of a monotonic clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from server.channels import CONTROL_BUFFERED_BYTES
from server.config import Config
from server.messages import Audio, Error
from server.over import Over


@dataclass(frozen=True, slots=True)
class Away:
    """The client does not answer, and may come back."""

    reason: str
    """A word for the metrics."""


class Presence:
    """Told of every sign of life, and looked at a few times a second."""

    def __init__(self, config: Config, now: float) -> None:
        self._config = config
        self.away: str | None = None
        """Why the client is away; None while it is here."""
        self.here(now)

    def here(self, now: float) -> None:
        """A connection stands, the first or another: the client is at its end, and nothing is known of it yet."""
        self.away = None
        self._last_audio = self._last_ping = self._last_taken = now
        self._waiting_bytes = 0
        self._pings = False
        self._silent = False

    def audio(self, now: float) -> None:
        """Sound came."""
        self._last_audio = now

    def ping(self, now: float) -> None:
        """The client pings; one that never did is not expected to."""
        self._pings = True
        self._last_ping = now

    def excuse(self, seconds: float) -> None:
        """The server itself did not listen for so long: that is no sign that the client is away."""
        self._last_audio += seconds
        self._last_ping += seconds
        self._last_taken += seconds

    def silent_s(self, now: float) -> float:
        """Since sound came last."""
        return now - self._last_audio

    def look(self, now: float, waiting_bytes: int) -> Iterator[Audio | Away]:
        """What is to be told to the client, and that it is away from now on. `waiting_bytes`: messages that it has not
        taken. Raises Over when it is gone for good."""
        silent, unpinged = self.silent_s(now), now - self._last_ping
        quiet = min(silent, unpinged)
        if self.away is not None:
            if quiet > self._config.resume_s:
                raise Over(self.away)
            return
        if self._pings and quiet > self._config.ping_timeout_s:
            yield Away("gone")
            return
        if silent > self._config.audio_close_s:
            raise Over("no_audio", Error("no_audio", f"no audio for {silent:.0f} s", fatal=True))
        if (silent > self._config.audio_notice_s) is not self._silent:
            self._silent = not self._silent
            yield Audio("missing" if self._silent else "flowing", round(silent, 1))
        if self._takes_nothing(now, waiting_bytes):
            yield Away("stuck")

    def _takes_nothing(self, now: float, waiting_bytes: int) -> bool:
        """So much waits for the client that no more can be sent, and none of it has been taken for a while."""
        before, self._waiting_bytes = self._waiting_bytes, waiting_bytes
        if waiting_bytes <= CONTROL_BUFFERED_BYTES or waiting_bytes < before:
            self._last_taken = now
        return now - self._last_taken > self._config.stuck_s
