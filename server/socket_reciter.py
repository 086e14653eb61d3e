"""The headless reciter over a WebSocket: frames each when it is due, messages between them, all in one order."""

import asyncio
import contextlib
import http as http_status
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from recitation.audio import Pcm
from server.frames import opus_frame, pcm_frame
from server.messages import ClientMessage, encode
from server.reciter import (
    CONNECT_DEADLINE_S,
    LEAVE_DEADLINE_S,
    PACKET_RTP,
    Client,
    Network,
    ReciterError,
    Recording,
)
from server.rtp_tap import RTP_PER_SAMPLE
from server.websocket import SUBPROTOCOL

PACKET_SAMPLES = PACKET_RTP // RTP_PER_SAMPLE


@dataclass(frozen=True, slots=True)
class Framed:
    """A recording in binary frames of 20 ms."""

    frames: tuple[bytes, ...]
    first_rtp: int
    """Timestamp of frame 0."""


def opus_frames(packets: Sequence[bytes], first_rtp: int, first_sequence: int = 0) -> Framed:
    """Opus packets of 20 ms."""
    frames = [opus_frame(first_rtp + n * PACKET_RTP, first_sequence + n, packet) for n, packet in enumerate(packets)]
    return Framed(tuple(frames), first_rtp & 0xFFFFFFFF)


def pcm_frames(pcm: Pcm, first_sample: int = 0) -> Framed:
    """float32[n] at 16 kHz; the last frame may be shorter."""
    frames = [pcm_frame(first_sample + n, pcm[n : n + PACKET_SAMPLES]) for n in range(0, len(pcm), PACKET_SAMPLES)]
    return Framed(tuple(frames), first_sample * RTP_PER_SAMPLE & 0xFFFFFFFF)


class SocketReciter(Client):
    """A client over a WebSocket. Of the network's ills only loss can be had: a frame is left out at the sender, as by a
    page whose socket takes no more."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        verses: str,
        recording: Recording | Framed,
        *,
        token: str | None = None,
        network: Network | None = None,
        before: Client | None = None,
    ) -> None:
        network = network or Network()
        self._chance = random.Random(network.seed)
        if isinstance(recording, Recording):
            # Times and numbers begin anywhere, as RTP's do (RFC 3550 5.1).
            recording = opus_frames(recording.packets, self._chance.getrandbits(32), self._chance.getrandbits(16))
        super().__init__(recording.frames, network, before)
        self._first_rtp = recording.first_rtp
        self._http = http
        self._endpoint = f"{url.rstrip('/')}/ws"
        self._verses = verses
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self._outbox: asyncio.Queue[str | bytes] = asyncio.Queue()
        """As long as the recording at most."""
        self._running: list[asyncio.Task[None]] = []

    async def connect(self) -> None:
        """See Client."""
        begun = time.monotonic()
        try:
            if self.network.down:
                raise aiohttp.ClientConnectionError("the network is down")
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                self.socket = await self._http.ws_connect(
                    self._endpoint,
                    params=self.query(self._verses),
                    protocols=(SUBPROTOCOL,),
                    headers=self._headers,
                    max_msg_size=0,
                )
                self._running = [asyncio.create_task(run) for run in (self._read(), self._write(), self._speak())]
                await self.welcomed()
        except TimeoutError:
            raise ReciterError(f"{self._endpoint}: no connection within {CONNECT_DEADLINE_S:.0f} s") from None
        except aiohttp.WSServerHandshakeError as error:
            phrase = http_status.HTTPStatus(error.status).phrase
            raise ReciterError(f"{self._endpoint}: {error.status} {phrase}") from error
        except aiohttp.ClientError as error:
            raise ReciterError(f"{self._endpoint}: {error}") from error
        self.heard.connect_s = min(self.heard.connect_s, time.monotonic() - begun)

    def send(self, message: ClientMessage) -> None:
        """See Client."""
        self.send_raw(encode(message))

    def send_raw(self, data: str | bytes) -> None:
        """Send text or a frame, after what waits already."""
        if not self.network.down:
            self._outbox.put_nowait(data)

    async def hush(self) -> None:
        """See Client."""
        for task in self._running[2:]:
            task.cancel()

    async def drop(self) -> None:
        """See Client."""
        if self.socket is not None and (response := self.socket._response).connection is not None:
            response.connection.close()
        await self._stop()

    async def close(self) -> None:
        """See Client."""
        self.microphone.stop()
        if self.socket is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_DEADLINE_S):
                    await self.socket.close()
        await self._stop()

    async def _stop(self) -> None:
        for task in self._running:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _read(self) -> None:
        assert self.socket is not None
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT and not self.network.down:
                self._on_message(message.data)
        self._gone.set()

    async def _write(self) -> None:
        assert self.socket is not None
        with contextlib.suppress(ConnectionError):  # `_read` sees the end.
            while True:
                match await self._outbox.get():
                    case bytes() as frame:
                        await self.socket.send_bytes(frame)
                    case text:
                        await self.socket.send_str(text)

    async def _speak(self) -> None:
        network = self.network
        while True:
            packet = await self.microphone.recv()
            assert packet.pts is not None
            frame = bytes(packet)
            network.note((self._first_rtp + packet.pts) & 0xFFFFFFFF)
            if self._chance.random() < network.loss:
                network.dropped += 1
            else:
                self.send_raw(frame)
