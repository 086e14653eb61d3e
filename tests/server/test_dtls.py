"""What `server.dtls` relies on in aiortc, and a handshake with an RSA certificate, ours being the client's side."""

import asyncio
import datetime

from aiortc import RTCCertificate, RTCConfiguration, RTCPeerConnection
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from server.dtls import take_rsa


def rsa_certificate() -> RTCCertificate:
    """As GStreamer makes one."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    made = RTCCertificate(key=key, cert=certificate)  # type: ignore[arg-type]
    context = made._create_ssl_context

    def with_rsa(srtp_profiles):  # type: ignore[no-untyped-def]
        made_context = context(srtp_profiles)
        made_context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")
        return made_context

    made._create_ssl_context = with_rsa  # type: ignore[method-assign]
    return made


async def connected(takes_rsa: bool) -> str:
    """State after a handshake with a peer that offers `actpass` and has an RSA certificate."""
    theirs, ours = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    vars(theirs)["_RTCPeerConnection__certificates"][:] = [rsa_certificate()]
    if takes_rsa:
        take_rsa(ours)
    settled = asyncio.Event()
    ours.on("connectionstatechange", lambda: ours.connectionState in ("connected", "failed") and settled.set())
    theirs.createDataChannel("x")
    await theirs.setLocalDescription(await theirs.createOffer())
    await ours.setRemoteDescription(theirs.localDescription)
    await ours.setLocalDescription(await ours.createAnswer())
    await theirs.setRemoteDescription(ours.localDescription)
    async with asyncio.timeout(10):
        await settled.wait()
    state = ours.connectionState
    await asyncio.gather(theirs.close(), ours.close())
    return state


async def test_rsa_certificates_are_taken() -> None:
    assert await connected(takes_rsa=True) == "connected"


async def test_aiortc_alone_does_not_take_them() -> None:
    """When this fails `server.dtls` is needed no more."""
    assert await connected(takes_rsa=False) == "failed"
