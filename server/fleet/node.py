"""This process as a node of a fleet: its beats, its part in the talk of the nodes, and what it knows of the others."""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable

from server.config import Config
from server.fleet.classes import Telling, Watching
from server.fleet.link import Link, LinkDown
from server.fleet.messages import (
    EVERYBODY,
    Answer,
    Ask,
    BadNodeMessage,
    Beat,
    Bye,
    Claim,
    Here,
    News,
    NodeMessage,
    Want,
    Where,
    Yielded,
    decode_node,
    encode_node,
)
from server.fleet.placement import BEAT_S, LIFE_S, Members
from server.fleet.snapshots import RedisSnapshots
from server.fleet.whereabouts import Whereabouts
from server.live import Live
from server.metrics import Metrics
from server.register import Register

logger = logging.getLogger(__name__)

FAREWELL_S = 0.5


class Node:
    """`run` must be running. Without Redis it stands alone: no other nodes, and its own sessions only."""

    def __init__(
        self,
        config: Config,
        live: Live,
        here: Register,
        metrics: Metrics,
        ready: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError."""
        assert config.redis is not None
        self.name = secrets.token_hex(6)
        self.url = config.node_url.rstrip("/")
        self._live, self._metrics, self._ready, self._clock = live, metrics, ready, clock
        self.link = Link(config.redis, (EVERYBODY, self.name), self._heard, self._connected)
        self.members = Members(self.url, random.Random())
        self.watching = Watching(here, self.name, self.post, clock)
        self.telling = Telling(here, self.name, self.post, clock)
        self.whereabouts = Whereabouts(self.name, here.__contains__, self.post)
        self.snapshots = RedisSnapshots(self.link, self.name, self.members, self.post)

    def post(self, channel: str, message: NodeMessage) -> bool:
        """Send a message; False when it cannot be."""
        return self.link.post(channel, encode_node(message))

    @property
    def beat(self) -> Beat:
        """How this node is now."""
        accepts = self._ready() and self._live.refusal() is None
        live, busy = self._live, round(self._live.load, 3)
        return Beat(self.name, self.url, live.taken, live.capacity, busy, accepts, live.draining)

    def elsewhere(self) -> str | None:
        """The URL of the node that should have a session asked for here; None: this one, or there is no better."""
        return self.members.elsewhere(self.beat, self._clock()) if self.link.up else None

    async def home_of(self, session: str) -> str | None:
        """The URL of the other node that a session is on, where it has one of its own; None: there is no such node."""
        node = await self.whereabouts.of(session)
        return None if node is None else self.members.url_of(node)

    @property
    def urls(self) -> list[str]:
        """Where clients reach the nodes known, this one included."""
        return sorted(self.members.urls | {self.url})

    @property
    def others_accept(self) -> bool:
        """A session that left this node would find another."""
        return self.link.up and self.members.anybody(self._clock())

    async def run(self) -> None:
        """Take part until cancelled, then say goodbye."""
        async with asyncio.TaskGroup() as tasks:
            link = tasks.create_task(self.link.run())
            loops = [tasks.create_task(run) for run in (self._live_on(), self.watching.run(), self.telling.run())]
            try:
                await asyncio.Event().wait()
            finally:
                for loop in loops:
                    loop.cancel()
                self.post(EVERYBODY, Bye(self.name))
                await self.link.flush(FAREWELL_S)
                link.cancel()

    async def _live_on(self) -> None:
        while True:
            self.say()
            try:
                # For people who look (redis-cli keys 'talaqqi:node:*'); nodes go by the beats.
                await self.link.put(f"node:{self.name}", encode_node(self.beat), LIFE_S)
            except LinkDown as error:
                logger.debug("not registered: %s", error)
            await asyncio.sleep(BEAT_S)
            for node in self.members.expire(self._clock()):
                self._left(node)

    def say(self) -> None:
        """Tell the others how this node is, now rather than with the next beat."""
        self.post(EVERYBODY, self.beat)
        self._metrics.nodes.set(1 + len(self.members))
        self._metrics.redis_up.set(self.link.up)

    def _connected(self) -> None:
        self.say()
        self.watching.reconnected()

    def _left(self, node: str) -> None:
        self.members.left(node)
        self.watching.left(node)
        self.telling.left(node)

    def _heard(self, data: bytes) -> None:
        try:
            message = decode_node(data)
        except BadNodeMessage as error:
            self._metrics.bad_node_messages.add()
            logger.info("%s", error)
            return
        if message.node != self.name:
            self._take(message)

    def _take(self, message: NodeMessage) -> None:
        match message:
            case Beat():
                self.members.heard(message, self._clock())
            case Bye(node=node):
                self._left(node)
            case Want():
                self.telling.want(message)
            case News():
                self.watching.heard(message)
            case Ask():
                self.telling.ask(message)
            case Answer():
                self.watching.answered(message)
            case Claim():
                self.snapshots.claimed(message)
            case Yielded():
                self.snapshots.yielded(message)
            case Where():
                self.whereabouts.asked(message)
            case Here():
                self.whereabouts.told(message)
