"""The side of a peer connection that answers: aiortc behind a few calls, its pitfalls dealt with."""

import logging
import time
from collections.abc import Callable

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.exceptions import InvalidStateError, OperationError
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
from aiortc.sdp import SessionDescription, candidate_from_sdp

from server.config import Config
from server.dtls import take_rsa
from server.sdp import BadSdp, Fragment, Offer, Unacceptable, write_answer

logger = logging.getLogger(__name__)


class IceRestart(Exception):
    """The client wants an ICE restart, which aiortc cannot do: 422 (RFC 9725 4.3.3). It makes a new connection."""


class PeerClosed(Exception):
    """The connection was closed before there was an answer."""


class Answerer:
    """One peer connection made for one offer."""

    def __init__(self, offer: Offer, config: Config) -> None:
        # Without a list aiortc asks a public STUN server, which takes up to 5 s where UDP is blocked.
        servers = [server.of_ours(time.time()) for server in config.own_ice_servers]
        self.connection = RTCPeerConnection(RTCConfiguration(servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        take_rsa(self.connection)
        self.offer = offer
        self._public_ip, self._message_bytes = config.public_ip, config.message_bytes

    async def answer(self, ready: Callable[[], None] = lambda: None) -> str:
        """The SDP answer with all our candidates; `ready` is called once the offer is taken, before anything flows.
        Raises BadSdp or Unacceptable."""
        try:
            SessionDescription.parse(self.offer.text)
        except (ValueError, AssertionError, LookupError, AttributeError, TypeError, StopIteration) as error:
            raise BadSdp(f"an attribute of the offer cannot be read ({type(error).__name__}: {error})") from error
        try:
            await self.connection.setRemoteDescription(RTCSessionDescription(self.offer.text, "offer"))
            ready()
            await self.connection.setLocalDescription()
        except (ValueError, OperationError) as error:
            raise Unacceptable(f"the offer cannot be answered: {error}") from error
        sdp = self.connection.localDescription.sdp
        return write_answer(self.offer, sdp, public_ip=self._public_ip, message_bytes=self._message_bytes)

    async def trickle(self, fragment: Fragment) -> None:
        """Add the client's candidates. Raises IceRestart."""
        if fragment.ice is not None and fragment.ice != self.offer.ice:
            raise IceRestart
        for text in fragment.candidates:
            candidate = candidate_from_sdp(text)
            candidate.sdpMid = self.offer.audio_mid
            try:
                await self.connection.addIceCandidate(candidate)
            except (ValueError, InvalidStateError) as error:
                logger.info("candidate left out: %s", error)

    @property
    def etag(self) -> str:
        """Entity tag of the ICE session (RFC 9725 4.3)."""
        return f'"{self.offer.ice.ufrag}"'


def only_opus(transceiver: RTCRtpTransceiver) -> None:
    """Agree on no other codec."""
    codecs = RTCRtpReceiver.getCapabilities("audio")
    assert codecs is not None
    transceiver.setCodecPreferences([c for c in codecs.codecs if c.mimeType.lower() == "audio/opus"])
