"""A WHIP client's peer connection: aiortc behind four calls, its pitfalls dealt with.

Audio goes through the tap of `server.rtp_tap`; where that cannot be installed the track is read, later and dearer.
"""

import asyncio
import logging
from collections.abc import Callable

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.exceptions import InvalidStateError, OperationError
from aiortc.sdp import SessionDescription, candidate_from_sdp

from server.channels import Channels, OnMessage
from server.rtp_tap import AudioTap, OnAudio, TapUnavailable, follow, install
from server.sdp import BadSdp, Credentials, Fragment, Offer, Unacceptable, write_answer

logger = logging.getLogger(__name__)

OnState = Callable[[str], None]
"""Called with `connected`, `failed` or `closed`."""


class IceRestart(Exception):
    """The client wants an ICE restart, which aiortc cannot do: 422 (RFC 9725 4.3.3). It makes a new connection."""


class Peer:
    """One peer connection, from offer to close."""

    def __init__(
        self, offer: Offer, *, on_audio: OnAudio, on_open: Callable[[], None], on_message: OnMessage, on_state: OnState
    ) -> None:
        # Without an empty list aiortc asks a public STUN server, which takes up to 5 s where UDP is blocked.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._offer = offer
        self._on_audio = on_audio
        self._on_state = on_state
        self.tap: AudioTap | None = None
        self._follow: asyncio.Task[None] | None = None
        transceiver = self._connection.addTransceiver("audio", direction="recvonly")
        codecs = RTCRtpReceiver.getCapabilities("audio")
        assert codecs is not None
        transceiver.setCodecPreferences([c for c in codecs.codecs if c.mimeType.lower() == "audio/opus"])
        self._receiver = transceiver.receiver
        self.channels: Channels | None = None
        if offer.channels:
            self.channels = Channels(self._connection, on_open, on_message)
        self._connection.on("connectionstatechange", self._state_changed)

    async def answer(self, *, public_ip: str | None, message_bytes: int) -> str:
        """Take the offer; the SDP answer with all our candidates. Raises BadSdp or Unacceptable."""
        try:
            SessionDescription.parse(self._offer.text)
        except (ValueError, AssertionError, LookupError, AttributeError, TypeError, StopIteration) as error:
            raise BadSdp(f"an attribute of the offer cannot be read ({type(error).__name__}: {error})") from error
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(self._offer.text, "offer"))
            self._listen()
            await self._connection.setLocalDescription()
        except (ValueError, OperationError) as error:
            raise Unacceptable(f"the offer cannot be answered: {error}") from error
        return write_answer(
            self._offer, self._connection.localDescription.sdp, public_ip=public_ip, message_bytes=message_bytes
        )

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
    def ice(self) -> Credentials:
        """The client's ICE credentials."""
        return self._offer.ice

    def poll(self, now: float) -> None:
        """Let the tap give up lost packets; every 20 ms or so."""
        if self.tap is not None:
            self.tap.poll(now)

    async def close(self) -> None:
        """End the connection."""
        if self._follow is not None:
            self._follow.cancel()
        await self._connection.close()

    def _listen(self) -> None:
        try:
            self.tap = install(self._receiver, self._on_audio)
        except TapUnavailable:
            # Lives as long as the track, which `close` ends.
            self._follow = asyncio.ensure_future(follow(self._receiver.track, self._on_audio))

    def _state_changed(self) -> None:
        state = self._connection.connectionState
        if state in ("connected", "failed", "closed"):
            self._on_state(state)
