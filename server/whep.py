"""WHEP (draft-ietf-wish-whep): a teacher listens to a live session. POST an offer, PATCH candidates, DELETE to stop.

The student's Opus packets go on as they came (`server.relay`). A teacher who is slow, or gone, costs the student
nothing; one who vanished is noticed by ICE after half a minute.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Iterator

from aiohttp import web

from server.answerer import Answerer, only_opus
from server.audience import Crowded, Ear, NotAllowed
from server.auth import Forbidden, Refused, Tokens
from server.config import Config
from server.handshake import authorization
from server.metrics import Metrics
from server.problems import permitted, problem
from server.reception import Reception
from server.relay import Passed
from server.roles import Holder
from server.sdp import Offer, read_listening_offer
from server.session import Session
from server.signalling import created, link_ice_servers, options, take_answer, take_offer, trickle
from server.watchers import watcher

logger = logging.getLogger(__name__)

MOST_S = 24 * 3600.0
"""Nobody listens longer at once."""


class Whep:
    """The endpoint. `run` must be running: those who listen live in it."""

    def __init__(self, config: Config, tokens: Tokens, reception: Reception, metrics: Metrics) -> None:
        self._config, self._tokens, self._reception, self._metrics = config, tokens, reception, metrics
        self._listenings: dict[str, _Listening] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def routes(self) -> Iterator[web.RouteDef]:
        """For the application."""
        yield web.post("/whep/{session}", self.post)
        yield web.options("/whep/{session}", self.options)
        yield web.patch("/whep/{session}/{id}", self.patch)
        yield web.delete("/whep/{session}/{id}", self.delete)
        yield web.options("/whep/{session}/{id}", self.options)

    async def run(self) -> None:
        """Hold the listening until cancelled, which ends it."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            await asyncio.Event().wait()

    async def post(self, request: web.Request) -> web.Response:
        """Listen: 201 with the SDP answer. 403 where the student has not agreed, who is asked then."""
        self._reception.admit(request)
        holder = permitted(self._metrics, lambda: watcher(request, self._tokens, self._config))
        session = self._session(request, holder)
        if self._tasks is None or len(self._listenings) >= self._config.teachers:
            raise problem(web.HTTPServiceUnavailable, "too many teachers are listening", retry_after_s=5)
        with _as_problems():
            session.audience.ask()
        offer = await take_offer(request, read_listening_offer)
        listening = _Listening(session, holder, offer, self._config)
        try:
            with _as_problems():
                listening.enter()
            answer = await take_answer(listening.answerer.answer())
        except BaseException:
            await listening.close()
            raise
        self._listenings[listening.id] = listening
        self._metrics.listeners.set(len(self._listenings))
        self._tasks.create_task(self._live_through(listening), name=f"listening {listening.id}")
        location = f"/whep/{session.id}/{listening.id}"
        return created(answer, location, listening.answerer.etag, self._config)

    async def patch(self, request: web.Request) -> web.Response:
        """Candidates of the teacher: 204."""
        return await trickle(request, self._listening(request).answerer)

    async def delete(self, request: web.Request) -> web.Response:
        """Listen no longer: 200."""
        self._listening(request).end()
        return web.Response(status=200)

    async def options(self, request: web.Request) -> web.Response:
        """What may be posted, and for who may listen the ICE servers (see WHIP)."""
        response = options()
        with contextlib.suppress(Refused, Forbidden):  # A preflight carries no token.
            watcher(request, self._tokens, self._config)
            link_ice_servers(response, self._config)
        return response

    def _session(self, request: web.Request, holder: Holder) -> Session:
        """Raises 404, 403."""
        session = self._reception.sessions.get(request.match_info["session"])
        if session is None or session.ended:
            raise problem(web.HTTPNotFound, "there is no such session")
        if not any(holder.may_watch(name) for name in session.watched.classes):
            self._metrics.refuse("role")
            raise problem(web.HTTPForbidden, f"the token of this {holder.role} is not for watching this student")
        return session

    def _listening(self, request: web.Request) -> "_Listening":
        """Raises 401, 404."""
        listening = self._listenings.get(request.match_info["id"])
        if listening is None or listening.session.id != request.match_info["session"]:
            raise problem(web.HTTPNotFound, "nobody listens here")
        permitted(self._metrics, lambda: self._tokens.owns(authorization(request), listening.holder))
        return listening

    async def _live_through(self, listening: "_Listening") -> None:
        try:
            await listening.live()
        except Exception:
            # A bulkhead: no listener may take the others along.
            self._metrics.faults.add()
            logger.exception("listening %s: fault", listening.id)
        finally:
            del self._listenings[listening.id]
            self._metrics.listeners.set(len(self._listenings))


class _Listening:
    """One teacher's peer connection, from its offer to its end."""

    def __init__(self, session: Session, holder: Holder, offer: Offer, config: Config) -> None:
        self.id = secrets.token_urlsafe(16)
        self.session, self.holder = session, holder
        self.answerer = Answerer(offer, config)
        self._config = config
        self._track = Passed()
        only_opus(self.answerer.connection.addTransceiver(self._track, direction="sendonly"))
        self.answerer.connection.on("connectionstatechange", self._state_changed)
        self._connected, self._over = asyncio.Event(), asyncio.Event()
        self._ear: Ear | None = None

    def enter(self) -> None:
        """Be among those who listen. Raises NotAllowed, Crowded."""
        self._ear = self.session.audience.enter(self.holder.name, self.end)

    def end(self) -> None:
        """Listen no longer."""
        self._over.set()

    async def live(self) -> None:
        """Listen until somebody ends it, or the teacher's token does."""
        try:
            async with asyncio.TaskGroup() as tasks:
                deadline = tasks.create_task(self._give_up())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(self.holder.expires - time.time(), MOST_S)):
                        await self._over.wait()
                deadline.cancel()
        finally:
            await self.close()

    async def close(self) -> None:
        """Give everything back."""
        self.session.relay.leave(self._track)
        if self._ear is not None:
            self.session.audience.leave(self._ear)
        try:
            async with asyncio.timeout(self._config.close_deadline_s):
                await self.answerer.connection.close()
        except TimeoutError:
            logger.warning("listening %s: the connection did not close in time", self.id)

    async def _give_up(self) -> None:
        """End what never connects."""
        try:
            async with asyncio.timeout(self._config.connect_deadline_s):
                await self._connected.wait()
        except TimeoutError:
            self.end()

    def _state_changed(self) -> None:
        match self.answerer.connection.connectionState:
            case "connected":
                # No earlier: what waits for a connection is late when it stands.
                self.session.relay.join(self._track)
                self._connected.set()
            case "failed" | "closed":
                self.end()


@contextlib.contextmanager
def _as_problems() -> Iterator[None]:
    """Raises 403, 503 for NotAllowed, Crowded."""
    try:
        yield
    except NotAllowed as error:
        raise problem(web.HTTPForbidden, str(error)) from error
    except Crowded as error:
        raise problem(web.HTTPServiceUnavailable, str(error), retry_after_s=5) from error
