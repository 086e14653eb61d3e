"""The messages of a session without data channels, at a URL of its own: `GET /whip/{id}/events`.

A WHIP client that only publishes, such as FFmpeg or GStreamer, is told the URL in a `Link` header of its 201 (RFC 9725
4.9), and any HTTP client with the same token reads there, as Server-Sent Events, what a data channel would carry. It is
TCP: no message is lost, so each verdict comes once, and feedback is skipped while too much waits.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator

from aiohttp import web

from server.channels import BUFFERED_BYTES, CONTROL_BUFFERED_BYTES, OnMessage
from server.messages import ServerMessage, encode

logger = logging.getLogger(__name__)

EVENT_TYPE = "text/event-stream"

KEEP_ALIVE_S = 15.0
"""After so long without a message a comment is sent, lest a proxy give up; so a reader that left is noticed, too."""

SEND_DEADLINE_S = 10.0


class EventStream:
    """Messages for one reader, in order. Who reads last displaces who read before: the same client, come back."""

    def __init__(self, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self._keep_alive_s = keep_alive_s
        self._on_open: Callable[[], None] = lambda: None
        self._on_message: OnMessage = lambda text: None
        self._outbox: deque[str] = deque()
        """Bounded by what `feedback_ready` and CONTROL_BUFFERED_BYTES let in."""
        self._outbox_bytes = 0
        self._posted = asyncio.Event()
        self._reader = 0
        """Number of the newest reader."""
        self.followed = False
        """Somebody reads."""
        self._closed = False

    def open(self, on_open: Callable[[], None], on_message: OnMessage) -> None:
        """Tell the session of readers that come and of messages that they send."""
        self._on_open, self._on_message = on_open, on_message

    def close(self) -> None:
        """The session is over. What waits is still read."""
        self._closed = True
        self._posted.set()

    def take(self, text: str) -> None:
        """A control message of the client."""
        self._on_message(text)

    async def read(self) -> AsyncGenerator[str, None]:
        """Messages from now on, an empty one after `keep_alive_s` without any, until the session is over or another
        reader comes."""
        self._reader += 1
        reader = self._reader
        self._outbox.clear()
        self._outbox_bytes = 0
        self._posted.set()  # Wakes who read before, and ends that.
        self.followed = True
        self._on_open()
        try:
            while reader == self._reader:
                if self._outbox:
                    text = self._outbox.popleft()
                    self._outbox_bytes -= len(text.encode())
                    yield text
                elif self._closed:
                    return
                elif not await self._wait():
                    yield ""
        finally:
            if reader == self._reader:
                self.followed = False

    async def _wait(self) -> bool:
        """Until something was posted; False when nothing was for long."""
        self._posted.clear()
        try:
            async with asyncio.timeout(self._keep_alive_s):
                await self._posted.wait()
        except TimeoutError:
            return False
        return True

    @property
    def feedback_ready(self) -> bool:
        """See Transport."""
        return self.followed and not self._closed and self._outbox_bytes <= BUFFERED_BYTES

    @property
    def waiting_bytes(self) -> int:
        """See Transport."""
        return self._outbox_bytes

    def send_feedback(self, text: str) -> bool:
        """See Transport. Taken whatever waits: the verdicts are in no other message."""
        return self._post(text)

    def send_control(self, message: ServerMessage) -> bool:
        """See Transport."""
        return self._outbox_bytes <= CONTROL_BUFFERED_BYTES and self._post(encode(message))

    def _post(self, text: str) -> bool:
        if not self.followed or self._closed:
            return False
        self._outbox.append(text)
        self._outbox_bytes += len(text.encode())
        self._posted.set()
        return True


Find = Callable[[web.Request], EventStream]
"""The stream that a request is about. Raises 401, 404, 409."""


class Events:
    """The endpoint."""

    def __init__(self, find: Find, message_bytes: int) -> None:
        self._find = find
        self._message_bytes = message_bytes

    def routes(self) -> Iterator[web.RouteDef]:
        """For the application."""
        yield web.get("/whip/{id}/events", self.get)
        yield web.post("/whip/{id}/events", self.post)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Messages of a session, until it is over."""
        stream = self._find(request)
        # nginx keeps an answer until it is complete, unless it is told not to.
        headers = {"Content-Type": EVENT_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        reading = stream.read()
        try:
            async for text in reading:
                async with asyncio.timeout(SEND_DEADLINE_S):
                    await response.write(f"data: {text}\n\n".encode() if text else b":\n\n")
        except (ConnectionError, TimeoutError):
            logger.info("a reader of events left")
        finally:
            await reading.aclose()
        return response

    async def post(self, request: web.Request) -> web.Response:
        """A control message: 204. What is wrong with it is told in the events."""
        stream = self._find(request)
        # One byte too many is enough for the session to refuse it.
        body = await request.content.read(self._message_bytes + 1)
        stream.take(body.decode(errors="replace"))
        return web.Response(status=204)


def event_link(session: str) -> str:
    """Value of the `Link` header that names a session's events: `monitor` of RFC 5989, "a resource that can be used to
    monitor changes"."""
    return f'</whip/{session}/events>; rel="monitor"; type="{EVENT_TYPE}"'
