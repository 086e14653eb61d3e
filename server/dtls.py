"""DTLS with clients whose certificate is RSA.

aiortc 1.16 takes ECDSA certificates only, which is what RFC 8827 6.5 asks for. GStreamer's `webrtcbin` (seen: 1.22) has
an RSA one, and as it offers `actpass` it becomes the server of the handshake, so that no cipher suite fits. This module
alone touches the private parts of aiortc that choose them; `tests/server/test_dtls.py` holds what it relies on.
"""

from aiortc import RTCCertificate, RTCPeerConnection
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from OpenSSL import SSL

CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
)
"""aiortc's four, and forward-secret AEAD suites with RSA. The first is the one that everybody must have."""


class _Certificate(RTCCertificate):
    """Ours, ECDSA on P-256 as ever; the handshake that it is used in takes RSA from the other side."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(CIPHERS)
        return context


def take_rsa(connection: RTCPeerConnection) -> None:
    """Have a connection that is still new accept RSA certificates too."""
    vars(connection)["_RTCPeerConnection__certificates"][:] = [_Certificate.generateCertificate()]
