"""Snapshots of all sessions, written when something was confirmed and no more often than a store should be asked."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol
from weakref import WeakValueDictionary

from server.metrics import Metrics
from server.retained import Retained, pack, unpack
from server.snapshots import SnapshotStore, SnapshotsUnavailable, key_of

logger = logging.getLogger(__name__)

EVERY_S = 0.1
LEAST_S = 0.5
"""Between two snapshots of one session."""
BYTES_PER_S = 131_072
"""A long recitation's snapshot grows to some 100 KiB and is written less often then."""
REFRESH_S = 20.0
"""One that has not changed is put again, so that it does not expire before its session."""
MARGIN_S = 30.0
"""A snapshot lives so much longer than a session is kept: more than lies between two of them."""
AGAIN_S = 5.0
"""A store that could not be used is left alone for so long."""
AT_ONCE = 8
"""Snapshots on their way to the store."""


class Keepable(Protocol):
    """A session, as far as its snapshots go."""

    resume_token: str

    @property
    def changes(self) -> int:
        """Grows whenever a snapshot would say something new."""

    @property
    def worth_keeping(self) -> bool:
        """It has a client that is here; one that is away has had its last snapshot."""

    def retained(self) -> Retained:
        """As it stands."""


class _Put:
    """When a session was put last."""

    __slots__ = ("at", "changes", "size")

    def __init__(self) -> None:
        self.at, self.changes, self.size = -REFRESH_S, -1, 0


class Keeper:
    """Writes snapshots of the sessions that `sessions` names; `run` must be running for it to happen unasked."""

    def __init__(
        self,
        store: SnapshotStore,
        sessions: Callable[[], Iterable[Keepable]],
        metrics: Metrics,
        *,
        life_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`life_s`: how long a session is kept without its client; 0: nothing is ever written."""
        self._store, self._sessions, self._metrics = store, sessions, metrics
        self._life_s = life_s
        self._clock = clock
        self._puts: dict[str, _Put] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._not_before = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while self._life_s > 0:
            await asyncio.sleep(EVERY_S)
            due = self._due(self._clock())
            for first in range(0, len(due), AT_ONCE):
                await asyncio.gather(*(self.put(session) for session in due[first : first + AT_ONCE]))

    def _due(self, now: float) -> list[Keepable]:
        live = {session.resume_token: session for session in self._sessions() if session.worth_keeping}
        self._puts = {token: put for token, put in self._puts.items() if token in live}
        if now < self._not_before:
            return []
        return [session for token, session in live.items() if self._is_due(session, self._puts.get(token), now)]

    def _is_due(self, session: Keepable, put: _Put | None, now: float) -> bool:
        if put is None:
            return True
        if put.changes == session.changes:
            return now - put.at >= REFRESH_S
        return now - put.at >= max(LEAST_S, put.size / BYTES_PER_S)

    async def put(self, session: Keepable) -> None:
        """Write a session's snapshot now. A store that cannot be used costs no session anything."""
        if self._life_s <= 0:
            return
        async with self._turn(session.resume_token):
            put = self._puts.setdefault(session.resume_token, _Put())
            put.at, put.changes = self._clock(), session.changes
            snapshot = pack(session.retained())
            put.size = len(snapshot)
            try:
                await self._store.put(key_of(session.resume_token), snapshot, self._life_s + MARGIN_S)
                self._metrics.snapshots.add()
            except SnapshotsUnavailable as error:
                self._failed(error)

    def _turn(self, token: str) -> asyncio.Lock:
        """A store may be slower with one snapshot than with the next: each waits for the one before."""
        return self._turns.setdefault(token, asyncio.Lock())

    async def get(self, token: str) -> Retained | None:
        """What is kept under a resume token, if it can be read."""
        try:
            snapshot = await self._store.get(key_of(token))
        except SnapshotsUnavailable as error:
            self._failed(error)
            return None
        return None if snapshot is None else unpack(snapshot)

    async def forget(self, token: str) -> None:
        """The session is over for good."""
        self._puts.pop(token, None)
        if self._life_s <= 0:
            return
        async with self._turn(token):
            try:
                await self._store.delete(key_of(token))
            except SnapshotsUnavailable as error:
                self._failed(error)

    def _failed(self, error: SnapshotsUnavailable) -> None:
        self._metrics.snapshot_faults.add()
        self._not_before = self._clock() + AGAIN_S
        logger.warning("snapshots cannot be kept now: %s", error)
