"""A WHIP client's peer connection as a transport: aiortc behind a few calls, its pitfalls dealt with.

Audio goes through the tap of `server.rtp_tap`; where that cannot be installed the track is read, later and dearer.
"""

import asyncio
import logging

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.exceptions import InvalidStateError, OperationError
from aiortc.sdp import SessionDescription, candidate_from_sdp

from server.channels import Channels
from server.messages import ServerMessage
from server.metrics import Way
from server.rtp_tap import AudioTap, Counts, TapUnavailable, follow, install
from server.sdp import BadSdp, Fragment, Offer, Unacceptable, write_answer
from server.transport import Listener, NotOpened

logger = logging.getLogger(__name__)


class IceRestart(Exception):
    """The client wants an ICE restart, which aiortc cannot do: 422 (RFC 9725 4.3.3). It makes a new connection."""


class PeerClosed(Exception):
    """The connection was closed before there was an answer."""


class Peer:
    """One peer connection, from offer to close. A transport."""

    way: Way = "webrtc"
    loses = True

    def __init__(self, offer: Offer, *, public_ip: str | None, message_bytes: int) -> None:
        # Without an empty list aiortc asks a public STUN server, which takes up to 5 s where UDP is blocked.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._offer = offer
        self._public_ip, self._message_bytes = public_ip, message_bytes
        self._answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tap: AudioTap | None = None
        self._follow: asyncio.Task[None] | None = None
        transceiver = self._connection.addTransceiver("audio", direction="recvonly")
        codecs = RTCRtpReceiver.getCapabilities("audio")
        assert codecs is not None
        transceiver.setCodecPreferences([c for c in codecs.codecs if c.mimeType.lower() == "audio/opus"])
        self._receiver = transceiver.receiver
        self._channels: Channels | None = None

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
        """The SDP answer with all our candidates. Raises BadSdp or Unacceptable."""
        if self._offer.channels:
            self._channels = Channels(self._connection, listener.ready, listener.message)
        self._connection.on("connectionstatechange", lambda: self._state_changed(listener))
        try:
            SessionDescription.parse(self._offer.text)
        except (ValueError, AssertionError, LookupError, AttributeError, TypeError, StopIteration) as error:
            raise BadSdp(f"an attribute of the offer cannot be read ({type(error).__name__}: {error})") from error
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(self._offer.text, "offer"))
            self._listen(listener)
            await self._connection.setLocalDescription()
        except (ValueError, OperationError) as error:
            raise Unacceptable(f"the offer cannot be answered: {error}") from error
        sdp = self._connection.localDescription.sdp
        return write_answer(self._offer, sdp, public_ip=self._public_ip, message_bytes=self._message_bytes)

    async def trickle(self, fragment: Fragment) -> None:
        """Add the client's candidates. Raises IceRestart."""
        if fragment.ice is not None and fragment.ice != self._offer.ice:
            raise IceRestart
        for text in fragment.candidates:
            candidate = candidate_from_sdp(text)
            candidate.sdpMid = self._offer.audio_mid
            try:
                await self._connection.addIceCandidate(candidate)
            except (ValueError, InvalidStateError) as error:
                logger.info("candidate left out: %s", error)

    @property
    def etag(self) -> str:
        """Entity tag of the ICE session (RFC 9725 4.3)."""
        return f'"{self._offer.ice.ufrag}"'

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
    def takes_messages(self) -> bool:
        """See Transport."""
        return self._channels is not None

    @property
    def feedback_ready(self) -> bool:
        """See Transport."""
        return self._channels is not None and self._channels.feedback_ready

    @property
    def waiting_bytes(self) -> int:
        """See Transport."""
        return 0 if self._channels is None else self._channels.waiting_bytes

    def send_feedback(self, text: str) -> bool:
        """See Transport."""
        return self._channels is not None and self._channels.send_feedback(text)

    def send_control(self, message: ServerMessage) -> bool:
        """See Transport."""
        return self._channels is not None and self._channels.send_control(message)

    async def close(self) -> None:
        """See Transport."""
        self._fail(PeerClosed("the session ended at once"))
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
        if state in ("connected", "failed", "closed"):
            listener.state(state)
