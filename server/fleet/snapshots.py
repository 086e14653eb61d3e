"""Snapshots of sessions in Redis, from which any node can go on with them.

A snapshot is up to half a second old. So when its node still lives, because a client was asked to move or a load
balancer sent it elsewhere, whoever asks for the snapshot first claims the session: its node ends it, puts what it knows
now, and says so. A node that is dead, or does not answer at once, does not hold a student up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container

from server.fleet.link import Link, LinkDown
from server.fleet.messages import EVERYBODY, Claim, NodeMessage, Yielded
from server.snapshots import SnapshotsUnavailable

logger = logging.getLogger(__name__)

CLAIM_DEADLINE_S = 0.25

NAME_BYTES = 12
"""A node's name stands before the snapshot, ASCII: whose session it was."""

Yield = Callable[[str], Awaitable[bool]]
"""End the session that a key is of, after a last snapshot of it; whether there was one here."""


class RedisSnapshots:
    """A SnapshotStore (`server.snapshots`)."""

    def __init__(
        self, link: Link, node: str, members: Container[str], post: Callable[[str, NodeMessage], bool]
    ) -> None:
        """`members`: names of the other nodes that live."""
        self._link, self._node, self._members, self._post = link, node, members, post
        self._claims: dict[str, asyncio.Event] = {}
        self._yielding: set[asyncio.Task[None]] = set()
        self.give_up: Yield | None = None
        """How this node ends a session that is claimed."""

    async def put(self, key: str, snapshot: bytes, life_s: float) -> None:
        """See SnapshotStore."""
        try:
            await self._link.put(_name(key), self._node.encode() + snapshot, life_s)
        except LinkDown as error:
            raise SnapshotsUnavailable(str(error)) from error

    async def get(self, key: str) -> bytes | None:
        """See SnapshotStore. Claims the session where another node may have it still."""
        try:
            kept = await self._link.get(_name(key))
            if kept is not None and (node := kept[:NAME_BYTES].decode()) != self._node and node in self._members:
                await self._claim(key)
                kept = await self._link.get(_name(key))
        except LinkDown as error:
            raise SnapshotsUnavailable(str(error)) from error
        return None if kept is None else kept[NAME_BYTES:]

    async def delete(self, key: str) -> None:
        """See SnapshotStore. A session that went on elsewhere ends here without its snapshot, which is not ours."""
        try:
            kept = await self._link.get(_name(key))
            if kept is not None and kept[:NAME_BYTES].decode() == self._node:
                await self._link.delete(_name(key))
        except LinkDown as error:
            raise SnapshotsUnavailable(str(error)) from error

    async def _claim(self, key: str) -> None:
        done = self._claims.setdefault(key, asyncio.Event())
        self._post(EVERYBODY, Claim(self._node, key))
        try:
            async with asyncio.timeout(CLAIM_DEADLINE_S):
                await done.wait()
        except TimeoutError:
            logger.info("a session that was claimed was not given up in time")
        finally:
            self._claims.pop(key, None)

    def claimed(self, claim: Claim) -> None:
        """Another node goes on with a session that may be ours."""
        if self.give_up is not None:
            task = asyncio.ensure_future(self._answer(claim, self.give_up))
            self._yielding.add(task)
            task.add_done_callback(self._yielding.discard)

    async def _answer(self, claim: Claim, give_up: Yield) -> None:
        if await give_up(claim.key):
            self._post(claim.node, Yielded(self._node, claim.key))

    def yielded(self, message: Yielded) -> None:
        """A session that was claimed has been given up."""
        if (done := self._claims.get(message.key)) is not None:
            done.set()


def _name(key: str) -> str:
    return f"snapshot:{key}"
