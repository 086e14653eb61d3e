"""One node's connection to Redis: messages to other nodes, and values kept for a while.

Nothing waits for Redis. `post` puts a message into a bounded queue, and one task sends whatever has gathered, in one
round trip. When Redis goes, posts are dropped, values raise `LinkDown` at once, and `run` tries again, after 0.1 s at
first and every 2 s in the end. Pub/sub tells each message at most once, so whoever posts must be able to go on
without an answer.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.config import ConfigError

logger = logging.getLogger(__name__)

PREFIX = "talaqqi:"
"""Of every key and channel, so that a Redis may be shared."""

WAITING = 4096
"""Messages that wait to be sent; overflow drops the oldest."""

VALUE_DEADLINE_S = 0.5
CONNECT_DEADLINE_S = 2.0
SILENCE_S = 3.0
"""Every node hears its own beats, twice a second; silence for so long means that the connection is dead."""

FIRST_RETRY_S, LAST_RETRY_S = 0.1, 2.0

T = TypeVar("T")


class LinkDown(Exception):
    """Redis cannot be reached now."""


def check_url(url: str) -> str:
    """The URL, if nodes may trust what is behind it. Raises ConfigError.

    Whoever can write to the Redis of a fleet can speak to students as their teacher: it needs a password or TLS
    (with a certificate of its own that is checked, and of ours where the server asks), or a socket of this machine.
    """
    parts = urlsplit(url)
    try:
        known = parts.scheme in ("redis", "rediss", "unix") and (parts.scheme == "unix" or parts.hostname is not None)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"--redis: {error}") from error
    if not known:
        raise ConfigError("--redis wants redis://:PASSWORD@HOST:6379, rediss://… for TLS, or unix:///PATH")
    if parts.scheme == "redis" and not parts.password:
        raise ConfigError(
            "--redis: nodes trust a Redis with a password or with TLS only: redis://:PASSWORD@HOST, rediss://…"
        )
    return url


def shown(url: str) -> str:
    """A URL without its password, for logs."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or parts.path}" + (f":{parts.port}" if parts.port else "")


class Link:
    """`run` must be running for anything to happen. `heard` is called with each message to one of `channels`."""

    def __init__(
        self, url: str, channels: tuple[str, ...], heard: Callable[[bytes], None], connected: Callable[[], None]
    ) -> None:
        """`connected` is called each time the connection stands. Raises ConfigError."""
        self._redis = Redis.from_url(
            check_url(url),
            protocol=2,
            retry=Retry(NoBackoff(), 0),  # Retries are ours: in `run`.
            socket_connect_timeout=CONNECT_DEADLINE_S,
            socket_timeout=None,  # Deadlines stand beside each call.
        )
        self._where = shown(url)
        self._channels = tuple(PREFIX + channel for channel in channels)
        self._heard, self._connected = heard, connected
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=WAITING)
        self._posted = asyncio.Event()
        self.up = False
        """The connection stands."""

    def post(self, channel: str, message: bytes) -> bool:
        """Send a message to those who listen to a channel, soon; whether there was hope of it."""
        if self.up:
            self._waiting.append((PREFIX + channel, message))
            self._posted.set()
        return self.up

    async def put(self, key: str, value: bytes, life_s: float) -> None:
        """Keep a value for a while. Raises LinkDown."""
        await self._value(lambda: self._redis.set(PREFIX + key, value, px=max(1, round(1000 * life_s))))

    async def get(self, key: str) -> bytes | None:
        """The value under a key. Raises LinkDown."""
        return _bytes(await self._value(lambda: self._redis.get(PREFIX + key)))

    async def take(self, key: str) -> tuple[bytes, float] | None:
        """The value under a key, to one of those who ask for it only, and the seconds it would have lived. Raises
        LinkDown."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.pttl(PREFIX + key)
        pipe.getdel(PREFIX + key)
        left_ms, value = await self._value(pipe.execute)
        return None if value is None else (value, left_ms / 1000)

    async def delete(self, key: str) -> None:
        """Forget a value. Raises LinkDown."""
        await self._value(lambda: self._redis.delete(PREFIX + key))

    async def _value(self, call: Callable[[], Awaitable[T]]) -> T:
        if not self.up:
            raise LinkDown(f"{self._where} cannot be reached now")
        try:
            async with asyncio.timeout(VALUE_DEADLINE_S):
                return await call()
        except (RedisError, OSError, TimeoutError) as error:
            raise LinkDown(f"{self._where}: {error or 'no answer'}") from error

    async def run(self) -> None:
        """Stay connected until cancelled."""
        wait, told = FIRST_RETRY_S, False
        try:
            while True:
                begun = time.monotonic()
                try:
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._listen())
                        tasks.create_task(self._send())
                except* (RedisError, OSError, TimeoutError) as errors:
                    if self.up or not told:
                        logger.warning("%s: %s; this node goes on alone", self._where, errors.exceptions[0])
                        told = True
                if self.up and time.monotonic() - begun > LAST_RETRY_S:
                    wait = FIRST_RETRY_S
                self.up = False
                self._waiting.clear()
                await self._redis.connection_pool.disconnect()
                # Spread, so that a Redis that comes back is not met by all nodes at once.
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(2 * wait, LAST_RETRY_S)
        finally:
            self.up = False
            await self._redis.aclose()

    async def flush(self, within_s: float) -> None:
        """Wait until what was posted has been sent, or `within_s`."""
        end = time.monotonic() + within_s
        while self.up and self._waiting and time.monotonic() < end:
            await asyncio.sleep(0.005)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                await pubsub.subscribe(*self._channels)
            self.up = True
            logger.info("%s: connected", self._where)
            self._connected()
            last = time.monotonic()
            while True:
                message = await pubsub.get_message(timeout=SILENCE_S)
                now = time.monotonic()
                if message is not None:
                    last = now
                    self._heard(message["data"])
                elif now - last >= SILENCE_S:
                    raise TimeoutError("nothing comes any more")

    async def _send(self) -> None:
        while True:
            await self._posted.wait()
            self._posted.clear()
            while self._waiting:
                pipe = self._redis.pipeline(transaction=False)
                while self._waiting:
                    pipe.publish(*self._waiting.popleft())
                async with asyncio.timeout(SILENCE_S):
                    await pipe.execute()


def _bytes(value: object) -> bytes | None:
    assert value is None or isinstance(value, bytes)
    return value
