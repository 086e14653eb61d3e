"""A server and its reciters in one process on made time, so that figures do not depend on how busy the machine is.

`run` runs a coroutine on an event loop whose clock stands still while anything is being done and leaps to the next
timer when nothing is: real sockets, real packets, real threads for the encoder, but no waiting and no lateness. Delays
measured on it are those of an infinitely fast machine (hops, look-ahead, evidence), and processor time is what the
machine needed, whoever else was using it.

What belongs to whom is told by a context variable: `Ledger.side` names the side on whose behalf a callback runs, and
tasks, timers and sockets inherit it from what made them. Processor time is thread time (`time.thread_time`), so waiting
for the lock of the interpreter or for a core does not count; the kernel's work for a callback's system calls does.
"""

import asyncio
import contextlib
import cProfile
import selectors
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_700_000_000.0
"""Where made time begins, by `time.time`; `time.monotonic` begins at 1000."""
MONOTONIC = 1000.0
PATIENCE_S = 0.02
"""Real time for which threads are waited for before the sockets are looked at again."""

_thread_time = time.thread_time

side: ContextVar[str] = ContextVar("side", default="loop")
"""On whose behalf code runs: "server", "client", or "loop" for what nobody claimed."""


@contextlib.contextmanager
def on_behalf_of(name: str) -> Iterator[None]:
    """What is begun within, and whatever that begins, is counted as `name`'s."""
    token = side.set(name)
    try:
        yield
    finally:
        side.reset(token)


class Ledger:
    """Processor seconds and callbacks by side; while `open` only."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.callbacks: Counter[str] = Counter()
        self.counting = False
        self.profile: cProfile.Profile | None = None
        """When given, the server's callbacks on the loop are profiled."""

    def charge(self, name: str, work: Callable[[], T]) -> T:
        """Do `work` and count it."""
        if not self.counting:
            return work()
        profile = self.profile if name == "server" else None
        if profile is not None:
            profile.enable()
        begun = _thread_time()
        try:
            return work()
        finally:
            self.seconds[name] += _thread_time() - begun
            self.callbacks[name] += 1
            if profile is not None:
                profile.disable()


class _Selector(selectors.DefaultSelector):
    """Looks at the sockets without waiting; when they are quiet and no thread works, time leaps instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.working = 0
        """Calls in threads."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or timeout == 0:
            return found
        if self.working or timeout is None:
            return super().select(PATIENCE_S)
        self.now += timeout
        return found


class Loop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self, ledger: Ledger) -> None:
        self._time = _Selector()
        super().__init__(self._time)
        self.ledger = ledger

    def time(self) -> float:
        """Made seconds, as `time.monotonic` gives while the loop runs."""
        return MONOTONIC + self._time.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """As the base class; time stands still meanwhile."""
        owner = side.get()
        name = f"{owner}, {getattr(executor, '_thread_name_prefix', None) or 'other threads'}"
        self._time.working += 1
        future = super().run_in_executor(executor, lambda: self.ledger.charge(name, lambda: func(*args)))
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _: "asyncio.Future[Any] | Future[Any]") -> None:
        self._time.working -= 1


def run(main: Callable[[Ledger], Coroutine[Any, Any, T]]) -> T:
    """Run `main(ledger)` on made time. `time.monotonic` and `time.time` are the loop's meanwhile, so modules that bind
    them when imported have to be imported by `main`."""
    early = [name for name in ("server.app", "server.reciter", "aiortc") if name in sys.modules]
    if early:
        raise RuntimeError(f"imported before time was made: {', '.join(early)}")
    ledger = Ledger()
    loop = Loop(ledger)
    plain = asyncio.Handle._run

    def counted(handle: asyncio.Handle) -> None:
        ledger.charge(handle._context.get(side, "loop"), lambda: plain(handle))

    kept = time.monotonic, time.time
    time.monotonic, time.time = loop.time, lambda: EPOCH + loop._time.now
    asyncio.Handle._run = counted  # type: ignore[method-assign]
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(main(ledger))
    finally:
        asyncio.Handle._run = plain  # type: ignore[method-assign]
        time.monotonic, time.time = kept
