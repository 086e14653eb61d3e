"""What carries a session's audio and messages: the interface that `server.peer` and `server.websocket` implement.

A session knows no more of its client than this. It opens the transport with a `Listener`, whose functions are called on
the event loop from then on, and closes it when the session is over, whoever ended it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from server.messages import BadMessage, ServerMessage
from server.metrics import Way
from server.relay import Relay
from server.rtp_tap import Counts, OnAudio


class NotOpened(Exception):
    """The transport came to nothing, and whoever asked for it has been told why."""


@dataclass(frozen=True, slots=True)
class Listener:
    """What a transport tells its session."""

    audio: OnAudio
    ready: Callable[[], None]
    """Messages can be sent now."""
    message: Callable[[str | bytes], None]
    """Text of a control message, not read yet."""
    refused: Callable[[BadMessage], None]
    """The client sent what cannot be taken."""
    state: Callable[[str], None]
    """`connected`, `failed` or `closed`."""
    relay: Relay
    """Passes the audio on as it came, to teachers who listen."""


class Transport(Protocol):
    """One client's connection. But for `open` nothing raises for what the client does."""

    @property
    def way(self) -> Way:
        """Which one it is."""

    @property
    def loses(self) -> bool:
        """A message sent may be lost, so that verdicts must be repeated."""

    async def open(self, listener: Listener) -> None:
        """Begin; `connected` may come later. Raises NotOpened."""

    def poll(self, now: float) -> None:
        """Give up packets waited for in vain; every 50 ms or so."""

    def gather(self, period: int, origin: int) -> None:
        """Hand on audio in pieces that end at or soon after sample `origin` + n * `period`, where that is cheaper."""

    @property
    def counts(self) -> Counts:
        """What happened to the audio so far."""

    @property
    def takes_messages(self) -> bool:
        """There is somebody to send feedback to; a plain WHIP client has no channel for it."""

    @property
    def feedback_ready(self) -> bool:
        """Feedback is taken now."""

    @property
    def waiting_bytes(self) -> int:
        """Of messages that the client has not taken. Above CONTROL_BUFFERED_BYTES no more are."""

    def send_feedback(self, text: str) -> bool:
        """Send a feedback message; False when it is not taken."""

    def send_control(self, message: ServerMessage) -> bool:
        """Send a control message; False when it is not taken."""

    async def close(self) -> None:
        """End the connection, after what was sent last."""
