"""What the client of a session says over `control`: read, counted and answered."""

import asyncio
import time
from collections.abc import Callable

from server.audience import Audience
from server.config import Config
from server.messages import (
    VERSION,
    BadMessage,
    Choose,
    ClientMessage,
    Consent,
    Error,
    Frames,
    Passage,
    Ping,
    Pong,
    Reading,
    Stop,
    decode_client,
)
from server.metrics import Metrics
from server.over import Over
from server.passages import Passages
from server.presence import Presence
from server.telling import Telling

WAITING = 8
"""Requests that may wait for an answer. Overflow refuses the request (`busy`)."""


class Requests:
    """See the module's docstring. What takes time is answered in `serve`, one after the other, all else at once."""

    def __init__(
        self,
        passages: Passages,
        telling: Telling,
        presence: Presence,
        audience: Audience,
        *,
        config: Config,
        metrics: Metrics,
        welcome: Callable[[], None],
    ) -> None:
        """`welcome` tells the client that another passage is followed."""
        self.finishing = False
        """The session is over once what waits is answered."""
        self._passages, self._telling, self._presence, self._audience = passages, telling, presence, audience
        self._config, self._metrics = config, metrics
        self._welcome = welcome
        self._waiting: asyncio.Queue[Passage | Stop] = asyncio.Queue(WAITING)
        self._bad_messages = 0

    def take(self, data: str | bytes) -> None:
        """Text of a message, not read yet. Raises Over when too many cannot be read."""
        try:
            message = decode_client(data, self._config.message_bytes)
        except BadMessage as error:
            self.refuse(error)
        else:
            self._answer(message)

    def refuse(self, error: BadMessage) -> None:
        """The client sent what cannot be taken. Raises Over when that is too much."""
        self._metrics.bad_messages.add()
        self._bad_messages += 1
        self._telling.refuse(error.code, str(error))
        if self._bad_messages >= self._config.bad_messages:
            raise Over("bad_messages", Error("bad_messages", "too many bad messages", fatal=True))

    def finish(self) -> bool:
        """Answer what waits, as a `stop` after it, and end the session; False when too much waits for that."""
        self.finishing = True
        return self._put(Stop(VERSION))

    async def serve(self) -> None:
        """Answer what takes time, until cancelled. Raises Over after `finish`."""
        while True:
            match await self._waiting.get():
                case Stop():
                    await self._passages.finish()
                    if self.finishing:
                        raise Over("left")
                case Passage(verses=verses):
                    if await self._passages.follow(verses):
                        self._welcome()

    def _answer(self, message: ClientMessage) -> None:
        match message:
            case Ping(t=t):
                self._presence.ping(time.monotonic())
                self._telling.send(Pong(t, self._telling.tail.seq))
            case Frames(p95_ms=p95_ms):
                self._metrics.page_frames.observe(p95_ms / 1000)
            case Choose(verses=verses):
                self._passages.choose(verses)
            case Reading(moshaf=settings):
                self._passages.read_as(settings)
            case Consent(may=may):
                self._audience.decide(may)
            case Passage() | Stop():
                if not self._put(message):
                    self._telling.refuse("busy", "earlier requests are still being answered")

    def _put(self, message: Passage | Stop) -> bool:
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True
