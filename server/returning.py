"""A headless reciter that comes back: it notices that its connection is gone, opens another one to the same session and
recites on, in real time, as the student page does.

The sound goes on while nobody hears it: what is recited meanwhile is lost, as it is at a microphone.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from recitation.audio import signed32
from server.messages import Restored
from server.reciter import PING_S, Client, Heard, Network, NotKept, ReciterError

SILENCE_S = 0.6
"""Without any message: two pongs and several feedbacks have not come."""
LOOK_S = 0.05
AGAIN_S = 0.1
"""Between two tries to get back."""
GIVE_UP_S = 30.0

MakeClient = Callable[[Client | None, Network], Client]
"""A client over a network of its own, that takes up the session of the one before."""


@dataclass(slots=True)
class Recovery:
    """One connection lost and another one found. Times are monotonic seconds."""

    down: float
    """The network went, or the server died."""
    up: float = 0.0
    """It was there again."""
    noticed: float = 0.0
    opened: float = 0.0
    """Welcomed by the session."""
    back: float = float("inf")
    """The first feedback after that: on new sound."""
    network: Network = field(default_factory=Network)
    """Of the connection found."""
    restored: list[Restored] = field(default_factory=list)

    @property
    def detection_s(self) -> float:
        """From the loss to its being noticed."""
        return self.noticed - self.down

    @property
    def back_s(self) -> float:
        """From the network's being there again, and the loss noticed, to the first feedback."""
        return self.back - max(self.up, self.noticed)


class Returning:
    """Recites across lost connections. `cut` loses one; `recite` is its whole life."""

    def __init__(self, make: MakeClient) -> None:
        self._make = make
        self._client = make(None, Network())
        self.recoveries: list[Recovery] = []
        self.failed: list[str] = []
        """Tries that failed, and why."""

    @property
    def heard(self) -> Heard:
        """All that came, over all connections."""
        return self._client.heard

    @property
    def client(self) -> Client:
        """The newest."""
        return self._client

    @property
    def stretches(self) -> Iterator[tuple[Recovery, float]]:
        """Each recovery, and when the connection that it found was lost; infinite for the last."""
        lost = [recovery.down for recovery in self.recoveries[1:]]
        return zip(self.recoveries, [*lost, float("inf")], strict=False)

    async def recite(self, faults: Callable[["Returning"], "asyncio.Task[None]"] | None = None) -> Heard:
        """Connect, send the recording, come back whenever the connection is lost, take the summary and leave. `faults`
        starts what is to go wrong. Raises ReciterError, NotKept."""
        await self._client.connect()
        self._client.begin()
        going_wrong = None if faults is None else faults(self)
        pings = asyncio.create_task(self._ping())
        try:
            await self._watch()
            for recovery, until in self.stretches:
                recovery.restored = [m for at, m in self.heard.restored if recovery.noticed < at < until]
                recovery.back = self._first_feedback(recovery)
            await self._client.finish()
        finally:
            for task in (pings, going_wrong):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
            self.heard.lags = self.heard.lags or self._client.microphone.lags
            await self._client.close()
        return self.heard

    async def cut(self, gone_s: float = 0.0) -> None:
        """Lose the connection for good, and the network for `gone_s` seconds."""
        recovery = Recovery(time.monotonic())
        self._client.network.down = True
        self.recoveries.append(recovery)
        await asyncio.sleep(gone_s)
        recovery.up = time.monotonic()

    async def _watch(self) -> None:
        microphone, heard = self._client.microphone, self.heard
        heard.newest = time.monotonic()
        while not microphone.done.is_set():
            await asyncio.sleep(LOOK_S)
            client = self._client
            if client.gone or client.asked_to_move or time.monotonic() - heard.newest > SILENCE_S:
                await self._come_back()

    async def _come_back(self) -> None:
        noticed = time.monotonic()
        if not self.recoveries or self.recoveries[-1].noticed:
            self.recoveries.append(Recovery(self.heard.newest, self.heard.newest))
        recovery = self.recoveries[-1]
        recovery.noticed = noticed
        before = self._client
        await before.hush()
        while True:
            if recovery.up:
                try:
                    await self._try(before)
                    break
                except NotKept:
                    raise
                except ReciterError as error:
                    self.failed.append(str(error))
            if time.monotonic() - noticed > GIVE_UP_S:
                raise ReciterError(f"no way back in {GIVE_UP_S:.0f} s: {self.failed[-1:]}")
            await asyncio.sleep(AGAIN_S)
        recovery.network = self._client.network
        recovery.opened = self.heard.newest = time.monotonic()
        await before.drop()

    async def _try(self, before: Client) -> None:
        client = self._make(before, Network())
        client.microphone.catch_up()
        try:
            await client.connect()
        except ReciterError:
            await client.drop()
            raise
        self._client = client

    def _first_feedback(self, recovery: Recovery) -> float:
        """When the first feedback came that rests on sound sent over the new connection."""
        first = recovery.network.first_rtp
        if first is None:
            return float("inf")
        later = (item for item in self.heard.feedback if item[0] > recovery.opened)
        return next((at for at, message in later if signed32(message.rtp - first) > 0), float("inf"))

    async def _ping(self) -> None:
        while True:
            self._client.ping()
            await asyncio.sleep(PING_S)
