"""Teachers at `/watch`: who may, and one task each that tells them what changes.

A student's session never waits for a teacher. Every `EVERY_S` a teacher's own task asks its feed for the news and sends
them; while the socket takes no more it asks nothing, and what happened meanwhile comes as one. A socket that takes
nothing for `SEND_DEADLINE_S` is closed.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from server.auth import Forbidden, Tokens
from server.config import Config
from server.feed import Feed
from server.handshake import authorization, subprotocols
from server.messages import BadMessage, Error
from server.metrics import Metrics
from server.problems import permitted, problem
from server.register import Sessions
from server.roles import Holder
from server.watch_messages import WatchMessage, decode_teacher, encode_watch
from server.watchers import watcher

logger = logging.getLogger(__name__)

SUBPROTOCOL = "talaqqi.watch.v1"

EVERY_S = 0.2
SEND_DEADLINE_S = 10.0
HEARTBEAT_S = 15.0
CLOSE_DEADLINE_S = 2.0

EXPIRED = 4401
"""Close code: the token is over. 4000 to 4999 are free for private use (RFC 6455 7.4.2)."""


class Me(msgspec.Struct, frozen=True):
    """What a token makes its holder."""

    role: str
    name: str
    classes: tuple[str, ...]
    expires: float | None
    """Unix time; null where the token has no end."""


class Monitor:
    """The endpoint and its teachers."""

    def __init__(self, config: Config, tokens: Tokens, sessions: Sessions, metrics: Metrics) -> None:
        self._config, self._tokens, self._metrics = config, tokens, metrics
        self._sessions = sessions
        self._teachers: set[_Teacher] = set()

    def routes(self) -> Iterator[web.RouteDef]:
        """For the application."""
        yield web.get("/watch", self.watch)
        yield web.get("/api/me", self.me)

    async def close(self, app: web.Application) -> None:
        """The server stops: every teacher is told."""
        async with asyncio.TaskGroup() as tasks:
            for teacher in self._teachers:
                tasks.create_task(teacher.close(WSCloseCode.GOING_AWAY, b"the server is stopping"))

    async def me(self, request: web.Request) -> web.Response:
        """Role and classes of the token's holder."""
        holder = permitted(self._metrics, lambda: self._tokens.holder(authorization(request)))
        expires = holder.expires if holder.expires < math.inf else None
        body = msgspec.json.encode(Me(holder.role, holder.name, tuple(sorted(holder.classes)), expires))
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def watch(self, request: web.Request) -> web.WebSocketResponse:
        """A teacher watches a class, until either side ends it."""
        class_name = request.query.get("class", "")
        offered = subprotocols(request)
        if offered and SUBPROTOCOL not in offered:
            raise problem(web.HTTPBadRequest, f"the subprotocol spoken here is {SUBPROTOCOL}")
        holder = permitted(self._metrics, lambda: self._admit(request, class_name))
        if len(self._teachers) >= self._config.teachers:
            raise problem(web.HTTPServiceUnavailable, "too many teachers are watching", retry_after_s=5)
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=self._config.message_bytes, heartbeat=HEARTBEAT_S
        )
        await socket.prepare(request)
        feed = Feed(class_name, self._sessions, holder.sub)
        teacher = _Teacher(socket, request.transport, feed, holder, self._bad_message)
        self._teachers.add(teacher)
        self._metrics.teachers.set(len(self._teachers))
        try:
            await teacher.run(self._config.bad_messages)
        finally:
            self._teachers.discard(teacher)
            self._metrics.teachers.set(len(self._teachers))
        return socket

    def _admit(self, request: web.Request, class_name: str) -> Holder:
        """Raises Refused, Forbidden."""
        holder = watcher(request, self._tokens, self._config)
        if not class_name:
            raise Forbidden("which class: /watch?class=NAME")
        if not holder.may_watch(class_name):
            raise Forbidden(f"the token of this {holder.role} is not for watching this class")
        return holder

    def _bad_message(self) -> None:
        self._metrics.bad_messages.add()


class _Teacher:
    """One teacher's socket, and the two tasks that serve it."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        feed: Feed,
        holder: Holder,
        bad_message: Callable[[], None],
    ) -> None:
        self._socket, self._transport = socket, transport
        self._feed, self._holder = feed, holder
        self._bad_message = bad_message

    async def run(self, bad_messages: int) -> None:
        """Tell and listen until the socket is closed, whoever closed it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._tell())
                await self._listen(bad_messages)
                telling.cancel()
        except* ConnectionError:
            logger.info("a teacher's connection broke")

    async def close(self, code: int, why: bytes) -> None:
        """Close in order, or at once when the other side takes no part in it."""
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._socket.close(code=code, message=why, drain=False)
        except (TimeoutError, ConnectionError):
            self._abort()

    async def _tell(self) -> None:
        """Send news until the socket or the token is over."""
        await self._send(self._feed.snapshot())
        while time.time() < self._holder.expires:
            await asyncio.sleep(EVERY_S)
            for message in self._feed.news(time.monotonic()):
                await self._send(message)
        await self.close(EXPIRED, b"the token has expired")

    async def _listen(self, bad_messages: int) -> None:
        bad = 0
        async for message in self._socket:
            if message.type is WSMsgType.ERROR:  # A frame that RFC 6455 has not; aiohttp has closed the connection.
                return
            try:
                answer = await self._feed.answer(decode_teacher(message.data), time.monotonic())
            except BadMessage as error:
                bad += 1
                self._bad_message()
                answer = Error(error.code, str(error))
            if answer is not None:
                await self._send(answer)
            if bad >= bad_messages:
                await self.close(WSCloseCode.POLICY_VIOLATION, b"too many bad messages")

    async def _send(self, message: WatchMessage) -> None:
        """Raises ConnectionError when the socket is closed, or is now for taking nothing."""
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                await self._socket.send_str(encode_watch(message))
        except TimeoutError as error:
            self._abort()
            raise ConnectionAbortedError("a teacher's page takes nothing any more") from error

    def _abort(self) -> None:
        # An orderly close would wait for what is still in the buffer.
        if self._transport is not None:
            self._transport.abort()
