"""The way in for every session, whatever carries it: who may come, how often, and the task that each lives in."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from typing import TypeVar

from aiohttp import web

from recitation.finding import AUTO
from recitation.mushaf import AddressError
from recitation.retained import LineState
from recitation.session_clock import later
from server.auth import PREFIX, Grant
from server.config import Config
from server.finder import Finder
from server.keeper import Keeper
from server.keeping import Keeping
from server.limits import AddressLimit, client_address
from server.links import Link
from server.live import Busy, Line, Live
from server.metrics import Metrics
from server.passages import MakeLine
from server.pitch import PitchLoop
from server.problems import permitted, problem
from server.register import Register
from server.retained import Retained
from server.roles import Holder
from server.session import Session
from server.snapshots import SnapshotStore, key_of
from server.storage.record import Student
from server.transport import Transport

logger = logging.getLogger(__name__)

POLL_S = 0.050

FOR_GOOD = frozenset({"left", "refused", "bad_offer", "no_connection", "bad_messages", "no_audio"})
"""Reasons for which a session is over and is not taken up again."""

Owns = Callable[[str | None, Holder], None]
"""Check that an Authorization header may act on what a holder opened: `server.auth.Tokens.owns`."""

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
        store: SnapshotStore,
        keeping: Keeping | None = None,
    ) -> None:
        """`keeping`: what keeps sessions of known students; None: nothing is kept."""
        self.sessions: dict[str, Session] = {}
        """By id."""
        self._by_token: dict[str, Session] = {}
        self.keeper = Keeper(store, self.sessions.values, metrics, life_s=config.resume_s)
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
        return await self._line(verses or AUTO, None, web.HTTPBadRequest)

    def find(self, token: str) -> Session | None:
        """The session of a resume token, if it lives in this process."""
        session = self._by_token.get(token)
        return None if session is None or session.ended else session

    async def kept(self, token: str, authorization: str | None, owns: Owns) -> Session | Retained:
        """What there is of a session that a client wants to take up. Raises 401, 403, and 404 when there is nothing."""
        kept = self.find(token) or await self.keeper.get(token)
        if kept is None:
            self._metrics.resume("unknown")
            raise problem(web.HTTPNotFound, "this recitation is kept no longer, or never was; begin a new one")
        holder = kept.holder
        self.ask(lambda text: owns(text, holder), authorization)
        return kept

    async def resume(
        self, transport: Transport, kept: Session | Retained, request: web.Request
    ) -> tuple[Session, Link | None]:
        """Take a session up over another connection: the connection, None for one that goes on from a snapshot. Raises
        503 when no session can be taken."""
        if isinstance(kept, Retained):
            kept = kept.aged(time.time())
            verses, line = await self._line_of(kept)
            # Another request may have been quicker.
            live = self.find(kept.token)
            if live is None:
                session = self.begin(transport, verses, line, Grant(kept.holder), request, kept)
                self._metrics.resume("snapshot")
                return session, None
            kept = live
        link = kept.attach(transport)
        self._metrics.resume("live")
        return kept, link

    async def _line_of(self, kept: Retained) -> tuple[str, Line]:
        """A line that goes on with a snapshot. Raises 404 when the passage is none any more, 503."""
        state = kept.line
        if state is not None:
            state = later(state, -kept.samples)
        return await self._line(kept.verses, state, web.HTTPNotFound)

    async def _line(self, verses: str, state: LineState | None, no_passage: type[web.HTTPError]) -> tuple[str, Line]:
        """Raises `no_passage` for a bad address, 503."""
        try:
            self._live.admit()
            return await asyncio.to_thread(self._make_line, verses, state)
        except AddressError as error:
            raise problem(no_passage, str(error)) from error
        except Busy as error:
            raise self._busy(error) from error

    async def give_up(self, key: str) -> bool:
        """End the session under a snapshot's key, after a last snapshot, because another process goes on with it;
        whether there is one here."""
        session = next((one for token, one in self._by_token.items() if key_of(token) == key), None)
        if session is None or session.ended:
            return False
        await self.keeper.put(session)
        session.end("moved")
        return True

    def begin(
        self,
        transport: Transport,
        verses: str,
        line: Line,
        grant: Grant,
        request: web.Request,
        kept: Retained | None = None,
    ) -> Session:
        """A new session, or one that goes on from a snapshot; its task opens the transport. Raises 503 when no session
        can be taken any more."""
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
                kept=kept,
            )
        except Busy as error:
            raise self._busy(error) from error
        self.sessions[session.id] = session
        self._by_token[session.resume_token] = session
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
            await _whole(self._farewell(session))
            # Its client may have gone on from the snapshot meanwhile: then these are the names of another session.
            if self.sessions.get(session.id) is session:
                del self.sessions[session.id]
                del self._by_token[session.resume_token]
            self._register.remove(session.watched)

    async def _farewell(self, session: Session) -> None:
        """What is left of a session that is over: nothing when its client left or never was; else its snapshot, a last
        one too where the client was there to the end."""
        if session.reason in FOR_GOOD:
            await self.keeper.forget(session.resume_token)
        elif session.reason != "moved" and not session.away:
            await self.keeper.put(session)


async def _whole(doing: Coroutine[None, None, None]) -> None:
    """Do it to the end, also when this task is cancelled meanwhile."""
    task = asyncio.ensure_future(doing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
