"""A headless reciter: sends a recording to a server in real time and keeps what comes back. `Reciter` does so over
WebRTC, `server.socket_reciter` over a WebSocket.

Open loop: packet n leaves 20 ms * n after the start, whatever the server does, as a microphone's would. The recording
is encoded beforehand. Loss and jitter are put on the packets between the sender and its socket, because nothing outside
the process can be counted on to do it; that, and reading the RTP timestamps sent, wraps one private method of aiortc.
"""

import asyncio
import contextlib
import fractions
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCDtlsTransport,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
)
from yarl import URL

from recitation.audio import RTP_HZ, SAMPLE_HZ, Pcm, signed32
from server.channels import CONTROL_ID, FEEDBACK_ID
from server.messages import (
    ClientMessage,
    Error,
    Feedback,
    Move,
    Ping,
    Restored,
    ServerMessage,
    Stop,
    SummaryMessage,
    Welcome,
    decode_server,
    encode,
)

PACKET_S = 0.020
PACKET_RTP = 960
TAIL_S = 2.0
"""Silence sent after the recording, in which its last verdicts come."""

PING_S = 0.25
CONNECT_DEADLINE_S = 10.0
SUMMARY_DEADLINE_S = 5.0
LEAVE_DEADLINE_S = 2.0


class ReciterError(Exception):
    """The server refused, or could not be reached. The message is one line."""


class NotKept(ReciterError):
    """There is no session to take up any more."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Opus packets of 20 ms, mono, and where they lie in the file."""

    packets: tuple[bytes, ...]
    delay_rtp: int
    """Packet 0 begins so many 48 kHz samples before the file does: Opus' look-ahead (RFC 7845 4.2, pre-skip)."""
    seconds: float
    """Length of the file, without the silence after it."""

    def sample_of(self, offset_rtp: int) -> int:
        """16 kHz sample of the file at `offset_rtp` after the first packet's timestamp; may lie before the file."""
        return (offset_rtp - self.delay_rtp) * SAMPLE_HZ // RTP_HZ


def encode_recording(pcm: Pcm, tail_s: float = TAIL_S) -> Recording:
    """Encode float32[n] at 16 kHz, followed by silence."""
    whole = np.concatenate([pcm, np.zeros(round(tail_s * SAMPLE_HZ), np.float32)])
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RTP_HZ, frame_size=PACKET_RTP)
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = RTP_HZ, "mono", "s16"
    codec.bit_rate = 32_000
    codec.options = {"application": "voip", "frame_duration": "20"}
    frame = av.AudioFrame.from_ndarray(
        np.clip(whole * 32767, -32768, 32767).astype(np.int16)[np.newaxis], format="s16", layout="mono"
    )
    frame.sample_rate = SAMPLE_HZ
    frame.pts = 0
    packets = []
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        packets += codec.encode(piece)
    packets += codec.encode(None)
    first = packets[0].pts
    assert first is not None and codec.time_base == fractions.Fraction(1, RTP_HZ)
    return Recording(tuple(bytes(p) for p in packets), -first, len(pcm) / SAMPLE_HZ)


class Microphone(MediaStreamTrack):
    """Packets of 20 ms, each when it is due; silence on the line before `begin` and after the last."""

    kind = "audio"

    def __init__(self, packets: Sequence[bytes]) -> None:
        super().__init__()
        self._packets = packets
        self._begun: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.done = asyncio.Event()
        self.taken = 0
        """Packets handed out or missed."""
        self.lags: list[float] = []
        """Seconds by which each packet was late at the sender."""

    def begin(self, at: float) -> None:
        """Packet 0 is due at monotonic time `at`."""
        self._begun.set_result(at)

    def catch_up(self) -> None:
        """What nobody took in time is gone, as at a real microphone: whoever comes back speaks of now."""
        if self._begun.done():
            self.taken = max(self.taken, int((time.monotonic() - self._begun.result()) / PACKET_S))

    async def recv(self) -> "av.Packet[av.stream.Stream]":
        begun = await asyncio.shield(self._begun)
        if self.taken >= len(self._packets):
            self.done.set()
            await asyncio.Event().wait()
        n, self.taken = self.taken, self.taken + 1
        due = begun + n * PACKET_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        self.lags.append(max(0.0, time.monotonic() - due))
        packet = av.Packet(self._packets[n])
        packet.pts = n * PACKET_RTP
        packet.time_base = fractions.Fraction(1, RTP_HZ)
        return packet


@dataclass(slots=True)
class Network:
    """What happens to packets between the sender and its socket."""

    loss: float = 0.0
    """Share of audio packets dropped."""
    jitter_s: float = 0.0
    """Each is held for 0 to so long, evenly drawn; late ones overtake none on purpose but may."""
    seed: int = 0
    dropped: int = 0
    first_rtp: int | None = None
    """Timestamp of packet 0."""
    down: bool = False
    """Nothing gets through, either way."""
    sent: dict[int, float] = field(default_factory=dict)
    """When the sender handed over packet n."""

    def wrap(self, transport: RTCDtlsTransport, later: Callable[[float, Callable[[], Awaitable[None]]], None]) -> None:
        """Stand between `transport` and its socket; `later` runs a call after so many seconds."""
        send = transport._send_rtp
        chance = random.Random(self.seed)

        async def wrapped(data: bytes) -> None:
            # Packet types 192 to 223 are RTCP (RFC 5761 4).
            if 192 <= data[1] <= 223:
                return await send(data)
            self.note(int.from_bytes(data[4:8], "big"))
            if chance.random() < self.loss:
                self.dropped += 1
            elif self.jitter_s:
                later(chance.uniform(0.0, self.jitter_s), lambda: send(data))
            else:
                await send(data)

        transport._send_rtp = wrapped  # type: ignore[method-assign]

    def cut(self, connection: RTCPeerConnection) -> None:
        """Stand between a connection's UDP sockets and the network, to be able to take it down."""
        assert connection.sctp is not None
        for protocol in connection.sctp.transport.transport._connection._protocols:
            _Wire(self, protocol)

    def note(self, rtp: int) -> None:
        """The sender hands over the packet with this timestamp."""
        if self.first_rtp is None:
            self.first_rtp = rtp
        self.sent[signed32(rtp - self.first_rtp) // PACKET_RTP] = time.monotonic()


class _Wire:
    """One UDP socket of aioice, both ways."""

    def __init__(self, network: Network, protocol: Any) -> None:
        self._network, self._protocol = network, protocol
        self._transport, self._received = protocol.transport, protocol.datagram_received
        protocol.transport, protocol.datagram_received = self, self._arrived

    def sendto(self, data: bytes, address: Any = None) -> None:
        """As of asyncio.DatagramTransport."""
        if not self._network.down:
            self._transport.sendto(data, address)

    def close(self) -> None:
        """As of asyncio.DatagramTransport."""
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _arrived(self, data: bytes, address: Any) -> None:
        if not self._network.down:
            self._received(data, address)


@dataclass(slots=True)
class Heard:
    """What a server sent back. Times are monotonic seconds."""

    started: float = 0.0
    """Packet 0 was due."""
    connect_s: float = float("inf")
    """Offer to welcome."""
    feedback: list[tuple[float, Feedback]] = field(default_factory=list)
    control: list[tuple[float, ServerMessage]] = field(default_factory=list)
    restored: list[tuple[float, Restored]] = field(default_factory=list)
    newest: float = 0.0
    """When the newest message came."""
    summary: SummaryMessage | None = None
    welcome: Welcome | None = None
    lags: list[float] = field(default_factory=list)
    network: Network = field(default_factory=Network)
    broken: bool = False
    """The server went away before the recitation was over."""


class Client(ABC):
    """One client. Use as `heard = await Reciter(...).recite()`."""

    def __init__(self, packets: Sequence[bytes], network: Network | None, before: "Client | None" = None) -> None:
        """`before`: the client whose session this one is to take up, with its microphone and what it heard."""
        if before is None:
            self.heard, self.microphone = Heard(network=network or Network()), Microphone(packets)
        else:
            self.heard, self.microphone = before.heard, before.microphone
        self.network = network or self.heard.network
        """This connection's own."""
        welcome = self.heard.welcome
        self.resume = None if before is None or welcome is None else welcome.resume
        self.asked_to_move: Move | None = None
        """The server is being emptied."""
        self._welcomed = asyncio.Event()
        self._not_kept: str | None = None
        self._summarised = asyncio.Event()
        self._gone = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None

    @abstractmethod
    async def connect(self) -> None:
        """Open the session and wait for the server's welcome. Raises ReciterError."""

    @abstractmethod
    def send(self, message: ClientMessage) -> None:
        """Send a control message, if it can be."""

    async def welcomed(self) -> None:
        """Wait for the server's welcome. Raises NotKept."""
        await self._welcomed.wait()
        if self._not_kept is not None:
            raise NotKept(self._not_kept)

    @abstractmethod
    async def hush(self) -> None:
        """Take nothing more from the microphone, which another client is to have."""

    @abstractmethod
    async def drop(self) -> None:
        """Let go of the connection without a word to the server."""

    @abstractmethod
    async def close(self) -> None:
        """End the session and the connection."""

    def query(self, verses: str) -> dict[str, str]:
        """Of the request that opens the session, or takes it up."""
        return {"verses": verses} if self.resume is None else {"resume": self.resume}

    async def recite(self, begin_after_s: float = 0.0) -> Heard:
        """Connect, send the recording, ask for the summary and leave; leave early when the server does.

        Raises ReciterError.
        """
        try:
            await self.connect()
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                pings = tasks.create_task(self._ping())
                self.begin(begin_after_s)
                waits = [tasks.create_task(event.wait()) for event in (self.microphone.done, self._gone)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                self.heard.broken = not self.microphone.done.is_set()
                if not self.heard.broken:
                    await self.finish()
                for task in (pings, *waits):
                    task.cancel()
        finally:
            self.heard.lags = self.microphone.lags
            await self.close()
        return self.heard

    def begin(self, after_s: float = 0.0) -> None:
        """Start to recite."""
        self.heard.started = time.monotonic() + after_s
        self.microphone.begin(self.heard.started)

    async def finish(self) -> None:
        """Ask for the summary and wait for it, a while."""
        self.send(Stop(1))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SUMMARY_DEADLINE_S):
                await self._summarised.wait()

    @property
    def gone(self) -> bool:
        """The server, or the way to it, has gone away."""
        return self._gone.is_set()

    def ping(self) -> None:
        """To be sent every PING_S."""
        self.send(Ping(1, time.monotonic() * 1000))

    async def _ping(self) -> None:
        while True:
            self.ping()
            await asyncio.sleep(PING_S)

    def _on_message(self, data: str | bytes) -> None:
        message = decode_server(data)
        now = self.heard.newest = time.monotonic()
        if isinstance(message, Feedback):
            self.heard.feedback.append((now, message))
            return
        self.heard.control.append((now, message))
        match message:
            case Welcome():
                self.heard.welcome = message
                self._welcomed.set()
            case Error(code="not_kept", text=text):
                self._not_kept = text
                self._welcomed.set()
            case Restored():
                self.heard.restored.append((now, message))
            case Move():
                self.asked_to_move = message
            case SummaryMessage():
                self.heard.summary = message
                self._summarised.set()
            case _:
                pass


class Reciter(Client):
    """A client over WebRTC."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        verses: str,
        recording: Recording,
        *,
        token: str | None = None,
        network: Network | None = None,
        ice_servers: Sequence[RTCIceServer] = (),
        ways: RTCIceTransportPolicy = RTCIceTransportPolicy.ALL,
        before: Client | None = None,
    ) -> None:
        """`ways` may leave out every candidate but relayed ones."""
        super().__init__(recording.packets, network, before)
        self.peer = RTCPeerConnection(
            RTCConfiguration(
                iceServers=list(ice_servers), iceTransportPolicy=ways, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE
            )
        )
        self._http = http
        self._endpoint = f"{url.rstrip('/')}/whip"
        self._verses = verses
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.location: str | None = None
        # Before the channels: aiortc 1.16 stops the transport when the first section of a bundle is not the first made.
        self._sender = self.peer.addTransceiver(self.microphone, direction="sendonly").sender
        self.feedback = self.peer.createDataChannel(
            "feedback", negotiated=True, id=FEEDBACK_ID, ordered=False, maxRetransmits=0
        )
        self.control: RTCDataChannel = self.peer.createDataChannel("control", negotiated=True, id=CONTROL_ID)
        self.peer.on("connectionstatechange", self._on_state)
        self.feedback.on("message", self._on_message)
        self.control.on("message", self._on_message)

    async def connect(self) -> None:
        """Open the session and wait for the server's welcome. Raises ReciterError."""
        begun = time.monotonic()
        self.network.wrap(self._sender.transport, self._later)
        try:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                await self.peer.setLocalDescription(await self.peer.createOffer())
                self.network.cut(self.peer)
                answer = await self._post(self.peer.localDescription.sdp)
                await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
                await self.welcomed()
        except TimeoutError:
            raise ReciterError(f"{self._endpoint}: no connection within {CONNECT_DEADLINE_S:.0f} s") from None
        except aiohttp.ClientError as error:
            raise ReciterError(f"{self._endpoint}: {error}") from error
        self.heard.connect_s = min(self.heard.connect_s, time.monotonic() - begun)

    def send(self, message: ClientMessage) -> None:
        """Send a control message, if the channel is open."""
        if self.control.readyState == "open":
            self.control.send(encode(message))

    async def close(self) -> None:
        """End the session and the connection."""
        if self.location is not None:
            # Should this fail, the server will notice by itself.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(LEAVE_DEADLINE_S):
                    await self._http.delete(self.location, headers=self._headers)
        self.microphone.stop()
        await self.peer.close()

    async def hush(self) -> None:
        """See Client."""
        self._sender.replaceTrack(None)

    async def drop(self) -> None:
        """See Client."""
        await self.peer.close()

    async def _post(self, sdp: str) -> str:
        if self.network.down:
            raise aiohttp.ClientConnectionError("the network is down")
        headers = {**self._headers, "Content-Type": "application/sdp"}
        async with self._http.post(
            self._endpoint, params=self.query(self._verses), data=sdp.encode(), headers=headers
        ) as response:
            text = await response.text()
            if response.status != 201:
                kind = NotKept if response.status == 404 and self.resume else ReciterError
                raise kind(f"{self._endpoint}: {response.status} {response.reason}: {text[:200]}")
            self.location = str(response.url.join(URL(response.headers["Location"])))
            return text

    def _later(self, seconds: float, call: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await asyncio.sleep(seconds)
            with contextlib.suppress(ConnectionError):  # The connection closed meanwhile.
                await call()

        if self._tasks is not None:
            self._tasks.create_task(run())

    def _on_state(self) -> None:
        if self.peer.connectionState in ("failed", "closed"):
            self._gone.set()
