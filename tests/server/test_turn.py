"""STUN and TURN servers: what clients are told, and whole sessions through coturn, without a direct way."""

import asyncio
import base64
import hashlib
import hmac
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aioice.ice import Candidate, get_host_addresses
from aiortc import RTCConfiguration, RTCIceServer, RTCIceTransportPolicy
from toy_ear import StartServer

from server import answerer
from server.config import Config, ConfigError
from server.ice import LIFE_S, IceServer, read_turn_secret
from server.reciter import Reciter, Recording

SECRET = "shared-with-the-turn-server"


def test_a_password_is_made_for_who_asks_and_lasts_a_while() -> None:
    server = IceServer.parse("turn:turn.example:3478", SECRET)
    username, credential = server.login(1_000_000.7)
    assert username == f"{1_000_000 + LIFE_S}:talaqqi"
    assert base64.b64decode(credential) == hmac.new(SECRET.encode(), username.encode(), hashlib.sha1).digest()
    assert server.login(1_000_060)[0] != username
    assert SECRET not in server.link(0.0) and SECRET not in repr(server)
    assert server.link(1_000_000.7) == (
        f'<turn:turn.example:3478>; rel="ice-server"; username="{username}"; credential="{credential}"; '
        'credential-type="password"'
    )


def test_one_that_has_its_own_password_keeps_it() -> None:
    assert IceServer.parse("turn:turn.example me pass", SECRET).login(0.0) == ("me", "pass")
    assert IceServer.parse("stun:stun.example", SECRET).link(0.0) == '<stun:stun.example>; rel="ice-server"'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("turn:turn.example", "--turn-secret-file"),
        ("turn:turn.example me", "needs a username and a password"),
        ("stun:stun.example me pass", "neither"),
        ("https://turn.example", "is no ICE server"),
        ("", "is no ICE server"),
        ("turn:turn.example me päss", "ASCII"),
    ],
)
def test_what_is_no_ice_server(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        IceServer.parse(text)


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f" {SECRET}\n")
    assert read_turn_secret(file) == SECRET
    file.write_text("short")
    with pytest.raises(ConfigError, match="16 are needed"):
        read_turn_secret(file)
    with pytest.raises(ConfigError, match="cannot read the TURN secret file"):
        read_turn_secret(tmp_path / "none")


def test_a_server_is_relayed_by_a_turn_server_only() -> None:
    with pytest.raises(ConfigError, match="--relayed needs a TURN server"):
        Config(relayed=True, ice_servers=(IceServer.parse("stun:stun.example"),))


@dataclass(frozen=True)
class Coturn:
    """A TURN server that runs."""

    url: str


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("no coturn: apt-get install coturn")
    addresses = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        pytest.skip("coturn relays between addresses, and this machine has none but loopback")
    folder = tmp_path_factory.mktemp("coturn")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((addresses[0], 0))
        port = free.getsockname()[1]
    options = {
        "listening-ip": addresses[0],
        "relay-ip": addresses[0],
        "listening-port": port,
        "realm": "talaqqi.test",
        "static-auth-secret": SECRET,
        "pidfile": folder / "pid",
        "userdb": folder / "db",
        "log-file": folder / "log",
    }
    switches = ["-n", "--use-auth-secret", "--no-cli", "--no-tls", "--no-dtls", "--simple-log"]
    process = subprocess.Popen(
        [program, *switches, *(f"--{name}={value}" for name, value in options.items())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    for _ in range(100):
        with socket.socket() as tcp:
            if tcp.connect_ex((addresses[0], port)) == 0:
                break
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.05)
    yield Coturn(f"turn:{addresses[0]}:{port}")
    process.terminate()
    process.wait(10)


def ice_server_of(link: str) -> RTCIceServer:
    """As a client reads a Link header."""
    found = re.fullmatch(r'<(.*)>; rel="ice-server"; username="(.*)"; credential="(.*)"; credential-type=.*', link)
    assert found, link
    return RTCIceServer(*found.groups())


def ways(reciter: Reciter) -> tuple[str, str]:
    """Kinds of the candidates at both ends that were chosen."""
    [pair] = reciter._sender.transport.transport._connection._nominated.values()
    mine: Candidate = pair.local_candidate
    theirs: Candidate = pair.remote_candidate
    return mine.type, theirs.type


async def recited(reciter: Reciter) -> None:
    """The recording is heard and answered."""
    reciter.begin()
    await reciter.microphone.done.wait()
    async with asyncio.timeout(5):
        while len(reciter.heard.feedback) < 25:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("carrier", ["udp", "tcp"])
async def test_a_student_without_a_direct_way_recites_through_coturn(
    coturn: Coturn, start_server: StartServer, http: aiohttp.ClientSession, tone: Recording, carrier: str
) -> None:
    told = IceServer.parse(f"{coturn.url}?transport={carrier}", SECRET)
    running = await start_server(ice_servers=(told,))
    link = (await http.options(f"{running.url}whip")).headers["Link"]
    reciter = Reciter(
        http, running.url, "112", tone, ice_servers=[ice_server_of(link)], ways=RTCIceTransportPolicy.RELAY
    )
    await reciter.connect()
    kinds = {line.split()[7] for line in reciter.peer.localDescription.sdp.splitlines() if "candidate:" in line}
    assert kinds == {"relay"}, "nothing else was offered"
    assert ways(reciter) == ("relay", "host")
    await recited(reciter)
    await reciter.close()


async def test_a_server_without_a_direct_way_is_reached_through_coturn(
    coturn: Coturn,
    start_server: StartServer,
    http: aiohttp.ClientSession,
    tone: Recording,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On one machine the server's host candidates would reach the client's, whatever the answer says.
    monkeypatch.setattr(
        answerer, "RTCConfiguration", partial(RTCConfiguration, iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    )
    running = await start_server(ice_servers=(IceServer.parse(coturn.url, SECRET),), relayed=True)
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.connect()
    assert "typ host" not in reciter.peer.remoteDescription.sdp
    assert ways(reciter) == ("host", "relay")
    await recited(reciter)
    await reciter.close()


@pytest.mark.parametrize(("secret", "since"), [("another-secret-entirely", 0.0), (SECRET, -LIFE_S - 60.0)])
async def test_coturn_refuses_another_secret_and_an_old_password(
    coturn: Coturn, http: aiohttp.ClientSession, tone: Recording, secret: str, since: float
) -> None:
    username, credential = IceServer.parse(coturn.url, secret).login(time.time() + since)
    server = RTCIceServer(coturn.url, username, credential)
    reciter = Reciter(http, "", "112", tone, ice_servers=[server], ways=RTCIceTransportPolicy.RELAY)
    await reciter.peer.setLocalDescription(await reciter.peer.createOffer())
    assert "candidate:" not in reciter.peer.localDescription.sdp
    await reciter.peer.close()
