"""Recitation over a WebSocket, `GET /ws`: audio and messages in one TCP connection, for networks that block UDP.

TCP loses nothing and lets nothing overtake. So verdicts are sent once, and all delay comes from what waits in front:
feedback is skipped while too much waits already, and a client that sends faster than it could recite is read slower.
"""

import asyncio
import logging
import socket as sockets
import time
from collections import deque
from collections.abc import Callable, Iterator

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from server.auth import Tokens
from server.channels import BUFFERED_BYTES, CONTROL_BUFFERED_BYTES
from server.config import Config
from server.frame_tap import FrameTap
from server.frames import read_frame
from server.handshake import authorization, of_an_allowed_site, subprotocols
from server.messages import BadMessage, Error, ServerMessage, encode
from server.metrics import Way
from server.problems import problem
from server.reception import Reception
from server.rtp_tap import Counts
from server.transport import Listener

logger = logging.getLogger(__name__)

SUBPROTOCOL = "talaqqi.v1"

SOCKET_BYTES = 65_536
"""A longer message ends the connection with 1009. One that only `control` would not take is answered with an error."""

UNSENT_BYTES = 16_384
"""What the system keeps unsent for us, where it can be told: what lies there is late and cannot be skipped any more.
Otherwise it takes up to megabytes, minutes of feedback."""

PACE, PACE_BURST_S = 2.0, 3.0
"""Seconds of audio read in a second, in the long run, and at once: after a stall a client catches up at double speed.
The burst stays below the backlog at which a session is overloaded."""
MESSAGE_S = 0.010
"""A frame counts for at least so much audio."""

NOT_KEPT = 4404
"""Close code: there is no session to resume."""

CLOSE_DEADLINE_S = 2.0

CLOSE_CODES = {
    "shutdown": WSCloseCode.GOING_AWAY,
    "bad_messages": WSCloseCode.POLICY_VIOLATION,
    "overloaded": WSCloseCode.TRY_AGAIN_LATER,
    "internal": WSCloseCode.INTERNAL_ERROR,
}
"""By the code of the fatal error that was sent; otherwise 1000."""


class Pace:
    """A leaky bucket: how long a reader must wait so that no more than `rate` a second is taken, `burst` at once."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst = rate, burst
        self._clock = clock
        self._level, self._since = 0.0, clock()

    def wait(self, cost: float) -> float:
        """Seconds to wait after taking `cost`."""
        now = self._clock()
        self._level = max(0.0, self._level - (now - self._since) * self._rate) + cost
        self._since = now
        return max(0.0, (self._level - self._burst) / self._rate)


class SocketTransport:
    """One client's WebSocket. A transport; `run` is what the request's handler does for as long as it is open."""

    way: Way = "websocket"
    loses = False
    takes_messages = True

    def __init__(self, socket: web.WebSocketResponse, clock: Callable[[], float] = time.monotonic) -> None:
        self._socket = socket
        self._clock = clock
        self._tcp: asyncio.Transport | None = None
        self._prepared = asyncio.Event()
        self._listener: asyncio.Future[Listener | None] = asyncio.get_running_loop().create_future()
        """None: the session was over before it began."""
        self._tap: FrameTap | None = None
        self._pace = Pace(PACE, PACE_BURST_S, clock)
        self._outbox: deque[str] = deque()
        """Bounded by what `feedback_ready` and CONTROL_BUFFERED_BYTES let in."""
        self._outbox_bytes = 0
        self._posted = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._open = False
        self._close_code = WSCloseCode.OK

    async def open(self, listener: Listener) -> None:
        """See Transport. Waits for the handshake."""
        await self._prepared.wait()
        self._open = True
        self._tap = FrameTap(listener.audio, listener.relay)
        listener.state("connected")
        listener.ready()
        self._listener.set_result(listener)

    async def run(self, tcp: asyncio.Transport | None) -> None:
        """Read and write until the socket is closed, whoever closed it. The handshake on `tcp` is done."""
        self._tcp = tcp
        keep_little_unsent(tcp)
        self._prepared.set()
        listener = await self._listener
        if listener is None:
            return
        state = "failed"
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send_all())
                last = await self._read(listener)
                # CLOSED without CLOSE: the connection ended in the middle. A page that is loaded again goes away.
                goodbye = last.type in (WSMsgType.CLOSE, WSMsgType.CLOSING) and last.data != WSCloseCode.GOING_AWAY
                state = "closed" if goodbye else "failed"
                sending.cancel()
        except* ConnectionError:
            logger.info("a WebSocket broke")
        finally:
            self._open = False
            self._all_sent.set()
            listener.state(state)

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
        """See Transport."""
        return Counts() if self._tap is None else self._tap.counts

    @property
    def feedback_ready(self) -> bool:
        """See Transport."""
        return self._open and self.waiting_bytes <= BUFFERED_BYTES

    @property
    def waiting_bytes(self) -> int:
        """See Transport."""
        return self._outbox_bytes + (0 if self._tcp is None else self._tcp.get_write_buffer_size())

    def send_feedback(self, text: str) -> bool:
        """See Transport. Taken whatever waits: the verdicts are in no other message, and `feedback_ready` was asked
        before those of the update were made."""
        return self._post(text)

    def send_control(self, message: ServerMessage) -> bool:
        """See Transport."""
        if isinstance(message, Error) and message.fatal:
            self._close_code = CLOSE_CODES.get(message.code, WSCloseCode.OK)
        return self.waiting_bytes <= CONTROL_BUFFERED_BYTES and self._post(encode(message))

    async def close(self) -> None:
        """See Transport. At once when the client takes no part in it."""
        if not self._listener.done():
            self._listener.set_result(None)
        if self._tcp is None:
            return
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._all_sent.wait()
                await self._socket.close(code=self._close_code)
        except (TimeoutError, ConnectionError):
            # An orderly close would wait for what is still in the buffer.
            self._tcp.abort()

    def _post(self, text: str) -> bool:
        if not self._open:
            return False
        self._outbox.append(text)
        self._outbox_bytes += len(text.encode())
        self._all_sent.clear()
        self._posted.set()
        return True

    async def _send_all(self) -> None:
        """Raises ConnectionError when the connection is gone."""
        while True:
            while self._outbox:
                text = self._outbox.popleft()
                self._outbox_bytes -= len(text.encode())
                await self._socket.send_str(text)
            self._all_sent.set()
            self._posted.clear()
            await self._posted.wait()

    async def _read(self, listener: Listener) -> WSMessage:
        """Hand on what comes, no faster than the pace; the message that was the last."""
        while True:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return message
            if (wait := self._pace.wait(max(MESSAGE_S, self._take(message, listener)))) > 0:
                await asyncio.sleep(wait)

    def _take(self, message: WSMessage, listener: Listener) -> float:
        """Hand a message on; the seconds of audio in it."""
        if message.type is WSMsgType.TEXT:
            listener.message(message.data)
            return 0.0
        assert self._tap is not None
        try:
            frame = read_frame(message.data)
            self._tap.receive(frame, self._clock())
        except BadMessage as error:
            listener.refused(error)
            return 0.0
        return frame.seconds


class WebSockets:
    """The endpoint."""

    def __init__(self, config: Config, tokens: Tokens, reception: Reception) -> None:
        self._config, self._tokens, self._reception = config, tokens, reception
        self._stopping = False

    def routes(self) -> Iterator[web.RouteDef]:
        """For the application."""
        yield web.get("/ws", self.recite)

    async def close(self, app: web.Application) -> None:
        """The server stops: every session over a WebSocket ends, as the server waits for their requests."""
        self._stopping = True
        for session in self._reception.sessions.values():
            if any(isinstance(link.transport, SocketTransport) for link in session.links):
                session.end("shutdown")

    async def recite(self, request: web.Request) -> web.WebSocketResponse:
        """A session, until either side ends it."""
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=SOCKET_BYTES, compress=False)
        self._reception.admit(request)
        self._check(request, socket)
        if (token := request.query.get("resume")) is not None:
            return await self._resume(request, socket, token)
        grant = self._reception.ask(self._tokens.grant, authorization(request))
        session = None
        try:
            self._reception.admit_holder(grant.holder)
            verses, line = await self._reception.line(request.query.get("verses"))
            if self._stopping:
                raise problem(web.HTTPServiceUnavailable, "the server is stopping", retry_after_s=1)
            transport = SocketTransport(socket)
            session = self._reception.begin(transport, verses, line, grant, request)
            await socket.prepare(request)
        except BaseException:
            grant.release()
            if session is not None:
                session.end("refused")
            raise
        self._reception.opened(session)
        await transport.run(request.transport)
        return socket

    async def _resume(self, request: web.Request, socket: web.WebSocketResponse, token: str) -> web.WebSocketResponse:
        """Another connection to a session."""
        try:
            kept = await self._reception.kept(token, authorization(request), self._tokens.owns)
        except web.HTTPNotFound as error:
            # A browser tells its page no status: this one it is told of.
            await socket.prepare(request)
            text = "this recitation is kept no longer, or never was; begin a new one"
            await socket.send_str(encode(Error("not_kept", text, fatal=True)))
            await socket.close(code=NOT_KEPT)
            logger.info("a WebSocket would resume what is not kept: %s", error.reason)
            return socket
        if self._stopping:
            raise problem(web.HTTPServiceUnavailable, "the server is stopping", retry_after_s=1)
        transport = SocketTransport(socket)
        session, link = await self._reception.resume(transport, kept, request)
        try:
            await socket.prepare(request)
        except BaseException:
            if link is None:
                session.end("unreachable")
            raise
        await transport.run(request.transport)
        return socket

    def _check(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        """Raises 400 for what opens no WebSocket of ours, 403 for a page that may not."""
        if not socket.can_prepare(request):
            raise problem(web.HTTPBadRequest, "a WebSocket is opened here (RFC 6455)")
        offered = subprotocols(request)
        if offered and SUBPROTOCOL not in offered:
            raise problem(web.HTTPBadRequest, f"the subprotocol spoken here is {SUBPROTOCOL}")
        if not of_an_allowed_site(request, self._config.origins):
            raise problem(web.HTTPForbidden, "pages of another site may not recite here")


def keep_little_unsent(tcp: asyncio.Transport | None) -> None:
    """Have the system take no more than UNSENT_BYTES that cannot be sent yet, where it can be told."""
    socket = None if tcp is None else tcp.get_extra_info("socket")
    if socket is None:
        return
    if socket.family == sockets.AF_UNIX:
        socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, UNSENT_BYTES)
    elif hasattr(sockets, "TCP_NOTSENT_LOWAT"):
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
