"""The way in for every session, whatever carries it: who may come, how often, and the task that each lives in."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from recitation.finding import AUTO
from recitation.mushaf import AddressError
from server.auth import PREFIX, Grant
from server.config import Config
from server.finder import Finder
from server.keeping import Keeping
from server.limits import AddressLimit, client_address
from server.live import Busy, Line, Live
from server.metrics import Metrics
from server.pitch import PitchLoop
from server.problems import permitted, problem
from server.register import Register
from server.roles import Holder
from server.session import MakeLine, Session
from server.storage.record import Student
from server.transport import Transport

logger = logging.getLogger(__name__)

POLL_S = 0.050

T = TypeVar("T")


class Reception:
    """All sessions of a server. `run` must be running: they live in it."""

    def __init__(
        self,
        config: Config,
        live: Live,
        finder: Finder,
        pitch: PitchLoop,
        metrics: Metrics,
        make_line: MakeLine,
        engine: str,
        register: Register,
        keeping: Keeping | None = None,
    ) -> None:
        """`keeping`: what keeps sessions of known students; None: nothing is kept."""
        self.sessions: dict[str, Session] = {}
        """By id."""
        self._config, self._metrics = config, metrics
        self._live, self._finder, self._pitch = live, finder, pitch
        self._make_line = make_line
        self._engine = engine
        self._register = register
        self._keeping = keeping
        self._limit = AddressLimit(config.posts_per_minute, config.posts_per_minute, time.monotonic)
        self._token_limit = AddressLimit(config.posts_per_minute, config.posts_per_minute, time.monotonic)
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Hold the sessions until cancelled, which ends them all."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            due = loop.time()
            while True:
                due += POLL_S
                await asyncio.sleep(max(0.0, due - loop.time()))
                lag = loop.time() - due
                self._metrics.loop_lag.observe(max(0.0, lag))
                if lag > 1.0:
                    due = loop.time()
                for session in list(self.sessions.values()):
                    session.poll(time.monotonic())

    def admit(self, request: web.Request) -> None:
        """Raises 429 for an address that asks too often."""
        address = request.remote
        if self._config.proxied:
            forwarded = request.headers.get("X-Forwarded-For")
            address = client_address(address, forwarded, self._config.trusted_proxies)
        self._take(self._limit, address, "address")

    def admit_holder(self, holder: Holder) -> None:
        """Raises 429 for a person whose token opens sessions too often, from whatever addresses. Who runs the server
        and holds a long-lived token, and session tokens, good once, are not limited."""
        if holder.sub and not holder.sub.startswith(PREFIX):
            self._take(self._token_limit, f"token of {holder.role} {holder.sub}", "token")

    def _take(self, limit: AddressLimit, asker: str | None, kind: str) -> None:
        if (wait := limit.ask(asker)) > 0:
            self._metrics.refuse("rate")
            raise problem(
                web.HTTPTooManyRequests,
                f"{self._config.posts_per_minute} requests a minute are taken from one {kind}",
                retry_after_s=math.ceil(wait),
            )

    def ask(self, check: Callable[[str | None], T], authorization: str | None) -> T:
        """What `check` makes of an Authorization header. Raises 401, 403 for its Refused, Forbidden."""
        return permitted(self._metrics, lambda: check(authorization))

    async def line(self, verses: str | None) -> tuple[str, Line]:
        """The address as we write it and a line for it; `verses` as the client wrote it. Raises 400 for a bad address,
        503 when no session can be taken."""
        try:
            self._live.admit()
            return await asyncio.to_thread(self._make_line, verses or AUTO)
        except AddressError as error:
            raise problem(web.HTTPBadRequest, str(error)) from error
        except Busy as error:
            raise self._busy(error) from error

    def begin(self, transport: Transport, verses: str, line: Line, grant: Grant, request: web.Request) -> Session:
        """A new session; its task opens the transport. Raises 503 when no session can be taken any more."""
        if self._tasks is None:
            raise problem(web.HTTPServiceUnavailable, "the server is not ready", retry_after_s=1)
        try:
            session = Session(
                transport,
                verses,
                line,
                grant.holder,
                live=self._live,
                finder=self._finder,
                pitch=self._pitch,
                config=self._config,
                metrics=self._metrics,
                make_line=self._make_line,
                engine=self._engine,
                release=grant.release,
            )
        except Busy as error:
            raise self._busy(error) from error
        self.sessions[session.id] = session
        self._register.add(session.watched)
        student = None if self._keeping is None else self._keeping.student(request, grant.holder)
        self._tasks.create_task(self._live_through(session, student), name=f"session {session.id}")
        return session

    def opened(self, session: Session) -> None:
        """The client has its answer."""
        self._metrics.opened.add()
        logger.info("session %s: opened, %s", session.id, session.transport.way)

    def _busy(self, error: Busy) -> web.HTTPError:
        self._metrics.refuse(error.reason)
        return problem(web.HTTPServiceUnavailable, str(error), retry_after_s=error.retry_after_s)

    async def _live_through(self, session: Session, student: Student | None) -> None:
        try:
            if self._keeping is not None and student is not None:
                await self._keeping.begin(session, student)
            await session.run()
        except Exception:
            # The last bulkhead: no session may take the others along.
            self._metrics.faults.add()
            logger.exception("session %s: fault while closing", session.id)
        finally:
            del self.sessions[session.id]
            self._register.remove(session.watched)
