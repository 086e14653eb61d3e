"""A WHIP client's peer connection as a transport: aiortc behind a few calls, its pitfalls dealt with.

Audio goes through the tap of `server.rtp_tap`; where that cannot be installed the track is read, later and dearer.
"""

import asyncio

from server.answerer import Answerer, PeerClosed, only_opus
from server.channels import Channels
from server.config import Config
from server.event_stream import EventStream
from server.messages import ServerMessage
from server.metrics import Way
from server.rtp_tap import AudioTap, Counts, TapUnavailable, follow, install
from server.sdp import Offer
from server.transport import Listener, NotOpened


class Peer:
    """One peer connection, from offer to close. A transport."""

    way: Way = "webrtc"

    def __init__(self, offer: Offer, config: Config) -> None:
        self.answerer = Answerer(offer, config)
        self._connection = self.answerer.connection
        self._answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tap: AudioTap | None = None
        self._follow: asyncio.Task[None] | None = None
        transceiver = self._connection.addTransceiver("audio", direction="recvonly")
        only_opus(transceiver)
        self._receiver = transceiver.receiver
        self.events = None if offer.channels else EventStream()
        """Where the messages go of a client that has no data channels."""
        self._messages: Channels | EventStream | None = self.events

    async def answer(self) -> str:
        """The SDP answer, once the connection is opened. Raises BadSdp, Unacceptable, or PeerClosed."""
        return await self._answered

    async def open(self, listener: Listener) -> None:
        """Take the offer and make the answer. Raises NotOpened; `answer` raises why."""
        try:
            answer = await self._take_offer(listener)
        except Exception as error:
            self._fail(error)
            raise NotOpened from error
        if not self._answered.done():
            self._answered.set_result(answer)

    async def _take_offer(self, listener: Listener) -> str:
        """The SDP answer. Raises BadSdp or Unacceptable."""
        if self.answerer.offer.channels:
            self._messages = Channels(self._connection, listener.ready, listener.message)
        if self.events is not None:
            self.events.open(listener.ready, listener.message)
        self._connection.on("connectionstatechange", lambda: self._state_changed(listener))
        return await self.answerer.answer(lambda: self._listen(listener))

    def poll(self, now: float) -> None:
        """See Transport."""
        if self._tap is not None:
            self._tap.poll(now)

    def gather(self, period: int, origin: int) -> None:
        """See Transport."""
        if self._tap is not None:
            self._tap.gather(period, origin)

    @property
    def counts(self) -> Counts:
        """See Transport. Nothing is known of a track that is read."""
        return Counts() if self._tap is None else self._tap.counts

    @property
    def loses(self) -> bool:
        """See Transport."""
        return self.events is None

    @property
    def takes_messages(self) -> bool:
        """See Transport."""
        return self._messages is not None and (self.events is None or self.events.followed)

    @property
    def feedback_ready(self) -> bool:
        """See Transport."""
        return self._messages is not None and self._messages.feedback_ready

    @property
    def waiting_bytes(self) -> int:
        """See Transport."""
        return 0 if self._messages is None else self._messages.waiting_bytes

    def send_feedback(self, text: str) -> bool:
        """See Transport."""
        return self._messages is not None and self._messages.send_feedback(text)

    def send_control(self, message: ServerMessage) -> bool:
        """See Transport."""
        return self._messages is not None and self._messages.send_control(message)

    async def close(self) -> None:
        """See Transport."""
        self._fail(PeerClosed("the session ended at once"))
        if self.events is not None:
            self.events.close()
        if self._follow is not None:
            self._follow.cancel()
        await self._connection.close()

    def _fail(self, error: Exception) -> None:
        """There is no answer."""
        if not self._answered.done():
            self._answered.set_exception(error)
            self._answered.exception()  # Noted as seen: nobody may be waiting.

    def _listen(self, listener: Listener) -> None:
        try:
            self._tap = install(self._receiver, listener.audio, on_packet=listener.relay.packet)
        except TapUnavailable:
            # Lives as long as the track, which `close` ends.
            self._follow = asyncio.ensure_future(follow(self._receiver.track, listener.audio))

    def _state_changed(self, listener: Listener) -> None:
        state = self._connection.connectionState
        if state == "connected":
            listener.state(state)
        elif state in ("failed", "closed"):
            # A client says goodbye by DELETE: one that only closes its connection may be a page that is loaded again.
            listener.state("failed")
