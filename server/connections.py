"""The connections of one session, of which the newest that stands serves: opened, counted, closed.

What a single one is, `server.links` says.
"""

import asyncio
import logging
import time

from server.config import Config
from server.links import Link, Owner
from server.metrics import Metrics
from server.over import Over
from server.rtp_tap import Counts
from server.transport import NotOpened, Transport

logger = logging.getLogger(__name__)

PACKET_SAMPLES = 320

LAST_WORD_S = 0.05
"""A last message needs a turn of the loop to leave before the transport goes."""


class Connections:
    """See the module's docstring. Nothing is opened or closed before `begin`, nor after the session's tasks are over
    but by `close`."""

    def __init__(self, first: Transport, session: str, owner: Owner, *, config: Config, metrics: Metrics) -> None:
        self.serving = Link(first, session)
        self.serving.serves = True
        self.received = self.lost = 0
        """Packets of all connections."""
        self._session, self._owner = session, owner
        self._config, self._metrics = config, metrics
        self._open = {self.serving.name: self.serving}
        """All that are not over yet, by name."""
        self._made = 1
        self._names = {session} if first.way == "webrtc" else set()
        """Of all connections by WHIP."""
        self._counted = Counts()
        self._tasks: asyncio.TaskGroup | None = None

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Open the first. `tasks` are the session's."""
        self._tasks = tasks
        tasks.create_task(self._connect(self.serving))

    def named(self, name: str) -> Link | None:
        """One that is not over."""
        return self._open.get(name)

    @property
    def all(self) -> tuple[Link, ...]:
        """Those that are not over."""
        return tuple(self._open.values())

    def had(self, name: str) -> bool:
        """A WHIP connection is or was called so."""
        return name in self._names

    @property
    def any_stood(self) -> bool:
        """One stood at some time."""
        return self._made > 1 or self.serving.stood.is_set()

    def attach(self, transport: Transport) -> Link:
        """Open another one, which is to serve once it stands."""
        assert self._tasks is not None, "a session that can be resumed has begun"
        self._made += 1
        link = Link(transport, f"{self._session}.{self._made}")
        self._open[link.name] = link
        if transport.way == "webrtc":
            self._names.add(link.name)
        self._tasks.create_task(self._connect(link))
        return link

    def hand_over(self, link: Link) -> Link:
        """Let `link` serve; the one that did so far."""
        self.count()
        before, self.serving = self.serving, link
        before.serves, link.serves = False, True
        self._counted = Counts()
        return before

    def retire(self, link: Link) -> None:
        """Close one, the session goes on."""
        if self._tasks is not None:
            self._tasks.create_task(self._retire(link))

    async def close(self) -> None:
        """Close all, one after the other: the session is over."""
        for link in self.all:
            await self._close(link)

    def count(self) -> None:
        """Add to the figures what came by the one that serves since it was counted last."""
        before, now = self._counted, self.serving.transport.counts
        self._counted = now
        self.received += now.received - before.received
        self.lost += now.lost - before.lost
        self._metrics.packets.add(now.received - before.received)
        self._metrics.lost_packets.add(now.lost - before.lost)
        self._metrics.concealed_packets.add((now.concealed_samples - before.concealed_samples) / PACKET_SAMPLES)

    async def _connect(self, link: Link) -> None:
        """Open one. The session stands and falls with its first; without a later one it goes on as it was."""
        opened = time.monotonic()
        reason = "no_connection"
        try:
            async with asyncio.timeout(self._config.connect_deadline_s):
                await link.transport.open(link.listener(self._owner))
                await link.stood.wait()
        except NotOpened:
            reason = "bad_offer"
        except TimeoutError:
            pass
        else:
            self._metrics.connect[link.transport.way].observe(time.monotonic() - opened)
            return
        if link is self.serving:
            raise Over(reason)
        await self._retire(link)

    async def _retire(self, link: Link) -> None:
        if self._open.pop(link.name, None) is not None:
            await self._close(link)

    async def _close(self, link: Link) -> None:
        await asyncio.sleep(LAST_WORD_S)
        try:
            async with asyncio.timeout(self._config.close_deadline_s):
                await link.transport.close()
        except TimeoutError:
            logger.warning("session %s: the connection did not close in time", self._session)
