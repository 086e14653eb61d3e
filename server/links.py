"""The connections of one session: one serves, and a newer one takes its place once it stands.

ICE cannot be restarted (aiortc), so a client whose network changed opens another connection to the session that it has.
The newest that stands wins; what an older one still brings is passed over, so that nothing is heard twice.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from recitation.audio import Pcm
from server.messages import BadMessage
from server.relay import Relay
from server.rtp_tap import AudioPacket
from server.transport import Listener, Transport


class Owner(Protocol):
    """What a link tells its session."""

    @property
    def relay(self) -> Relay:
        """Passes the audio on, as it came."""

    def link_stands(self, link: "Link") -> None:
        """The connection is there: from now on it may serve."""

    def link_ready(self) -> None:
        """Messages can be sent over the serving link."""

    def link_lost(self, link: "Link", state: str) -> None:
        """It is over: `closed` when the client said goodbye, `failed` otherwise."""

    def link_audio(self, pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
        """Audio of the serving link."""

    def link_message(self, data: str | bytes) -> None:
        """A control message of the serving link."""

    def link_refused(self, error: BadMessage) -> None:
        """The client sent what cannot be taken."""


class _Gate(Relay):
    """Lets a link's packets through to the session's relay while it serves."""

    def __init__(self, relay: Relay, serves: Callable[[], bool]) -> None:
        super().__init__()
        self._relay, self._serves = relay, serves

    def packet(self, packet: AudioPacket) -> None:
        """See Relay."""
        if self._serves():
            self._relay.packet(packet)

    def samples(self, pcm: Pcm, start: int, arrival: float) -> None:
        """See Relay."""
        if self._serves():
            self._relay.samples(pcm, start, arrival)


class Link:
    """One connection of a session."""

    def __init__(self, transport: Transport, name: str) -> None:
        """`name` stands in the address by which WHIP knows the connection."""
        self.transport = transport
        self.name = name
        self.serves = False
        self.stood = asyncio.Event()

    def listener(self, owner: Owner) -> Listener:
        """What the transport is opened with."""

        def audio(pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
            if self.serves:
                owner.link_audio(pcm, start, concealed, rtp, arrival)

        def ready() -> None:
            if self.serves:
                owner.link_ready()

        def message(data: str | bytes) -> None:
            if self.serves:
                owner.link_message(data)

        def refused(error: BadMessage) -> None:
            if self.serves:
                owner.link_refused(error)

        def state(now: str) -> None:
            if now == "connected":
                self.stood.set()
                owner.link_stands(self)
            else:
                owner.link_lost(self, now)

        return Listener(audio, ready, message, refused, state, _Gate(owner.relay, lambda: self.serves))
