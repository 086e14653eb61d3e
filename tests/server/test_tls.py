"""A server that speaks https by itself."""

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.app import serve, tls_of
from server.config import Config, ConfigError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this machine's address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "talaqqi test")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(*pem))
    return paths


async def test_https(files: tuple[Path, Path], http: aiohttp.ClientSession) -> None:
    config = Config(port=0, capacity=1, tls_certificate=files[0], tls_key=files[1])
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(config, address.set_result, stop))
    url = await asyncio.wait_for(address, 60)
    assert url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=str(files[0]))
    async with http.get(f"{url}healthz", ssl=trusting) as response:
        assert response.status == 200
    with pytest.raises(aiohttp.ClientError):
        await http.get(f"{url.replace('https', 'http')}healthz")
    stop.set()
    await asyncio.wait_for(serving, 30)


def test_files_that_are_no_certificate_and_key(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="go together"):
        Config(tls_certificate=files[0])
    for pair in ((tmp_path / "none", files[1]), (files[1], files[0]), (files[0], Path(__file__))):
        with pytest.raises(ConfigError, match="PEM"):
            tls_of(Config(tls_certificate=pair[0], tls_key=pair[1]))
