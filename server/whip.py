"""WHIP (RFC 9725): POST an offer, PATCH candidates, DELETE the session.

An audio-only WHIP client works as it is; the student page adds a data-channel section to its offer and gets feedback.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from aiohttp import web

from recitation.finding import AUTO
from recitation.mushaf import AddressError
from server.auth import Forbidden, Refused, Tokens, TooManyTokens
from server.config import Config
from server.finder import Finder
from server.limits import AddressLimit
from server.live import Busy, Live
from server.metrics import Metrics
from server.peer import IceRestart
from server.pitch import PitchLoop
from server.problems import problem
from server.register import Register
from server.roles import Holder
from server.sdp import BadSdp, Unacceptable, read_fragment, read_offer
from server.session import MakeLine, Over, Session

logger = logging.getLogger(__name__)

OFFER_TYPE = "application/sdp"
FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"
BODY_DEADLINE_S = 10.0
POLL_S = 0.050

T = TypeVar("T")


class Whip:
    """The endpoint and its sessions. `run` must be running: the sessions live in it."""

    def __init__(
        self,
        config: Config,
        tokens: Tokens,
        live: Live,
        finder: Finder,
        pitch: PitchLoop,
        metrics: Metrics,
        make_line: MakeLine,
        engine: str,
        register: Register,
    ) -> None:
        self._config, self._tokens, self._metrics = config, tokens, metrics
        self._register = register
        self._live, self._finder, self._pitch = live, finder, pitch
        self._make_line = make_line
        self._engine = engine
        self._limit = AddressLimit(config.posts_per_minute, config.posts_per_minute, time.monotonic)
        self._sessions: dict[str, Session] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def routes(self) -> Iterator[web.RouteDef]:
        """For the application."""
        yield web.post("/whip", self.post)
        yield web.options("/whip", self.options)
        yield web.patch("/whip/{id}", self.patch)
        yield web.delete("/whip/{id}", self.delete)
        yield web.options("/whip/{id}", self.options)
        yield web.post("/api/tokens", self.issue)

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
                for session in list(self._sessions.values()):
                    session.poll(time.monotonic())

    async def post(self, request: web.Request) -> web.Response:
        """A new session: 201 with its address and the SDP answer."""
        self._admit(request)
        grant = self._ask(self._tokens.grant, request)
        session = None
        try:
            session = await self._open(request, grant.holder)
            answer = await _answer(session)
        except BaseException:
            grant.release()
            if session is not None:
                session.end("refused")
            raise
        self._metrics.opened.add()
        logger.info("session %s: opened", session.id)
        response = web.Response(status=201, text=answer, content_type=OFFER_TYPE)
        response.headers["Location"] = f"/whip/{session.id}"
        response.headers["ETag"] = session.etag
        self._link(response)
        return response

    async def patch(self, request: web.Request) -> web.Response:
        """Candidates of the client, as they are found: 204."""
        session = self._session(request)
        if request.content_type != FRAGMENT_TYPE:
            raise problem(web.HTTPUnsupportedMediaType, f"candidates come as {FRAGMENT_TYPE}")
        tags = request.headers.get("If-Match")
        if tags is None:
            raise problem(web.HTTPPreconditionRequired, "If-Match with the session's ETag is needed (RFC 9725 4.3.1)")
        if tags.strip() != "*" and session.etag not in [tag.strip() for tag in tags.split(",")]:
            raise problem(web.HTTPPreconditionFailed, "If-Match names another ICE session")
        try:
            await session.trickle(read_fragment(await _body(request)))
        except BadSdp as error:
            raise problem(web.HTTPBadRequest, str(error)) from error
        except IceRestart as error:
            raise problem(
                web.HTTPUnprocessableEntity, "ICE restart is not possible here; open a new session"
            ) from error
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        """The end of a session: 200."""
        self._session(request).end("left")
        return web.Response(status=200)

    async def options(self, request: web.Request) -> web.Response:
        """What may be posted here, and leave for other sites' pages to do so (CORS). Who could open a session is told
        the ICE servers already now, in time for gathering candidates (RFC 9725 4.6)."""
        response = web.Response(status=204, headers={"Accept-Post": OFFER_TYPE, "Accept-Patch": FRAGMENT_TYPE})
        with contextlib.suppress(Refused, Forbidden):  # A preflight carries no token.
            self._tokens.check(request.headers.get("Authorization"))
            self._link(response)
        return response

    async def issue(self, request: web.Request) -> web.Response:
        """A session token for the holder of a long-lived one."""
        self._admit(request)
        self._ask(self._tokens.admin, request)
        try:
            token = self._tokens.issue()
        except TooManyTokens as error:
            raise problem(web.HTTPTooManyRequests, "too many session tokens are waiting to be used") from error
        return web.json_response({"token": token, "expires_s": self._config.token_life_s}, status=201)

    async def _open(self, request: web.Request, holder: Holder) -> Session:
        if request.content_type != OFFER_TYPE:
            raise problem(web.HTTPUnsupportedMediaType, f"an offer comes as {OFFER_TYPE}")
        if self._tasks is None:
            raise problem(web.HTTPServiceUnavailable, "the server is not ready", retry_after_s=1)
        try:
            offer = read_offer(await _body(request))
            self._live.admit()
            verses, line = await asyncio.to_thread(self._make_line, request.query.get("verses") or AUTO)
            session = Session(
                offer,
                verses,
                line,
                holder,
                live=self._live,
                finder=self._finder,
                pitch=self._pitch,
                config=self._config,
                metrics=self._metrics,
                make_line=self._make_line,
                engine=self._engine,
            )
        except (BadSdp, AddressError) as error:
            raise problem(web.HTTPBadRequest, str(error)) from error
        except Unacceptable as error:
            raise problem(web.HTTPUnprocessableEntity, str(error)) from error
        except Busy as error:
            self._metrics.refuse(error.reason)
            raise problem(web.HTTPServiceUnavailable, str(error), retry_after_s=error.retry_after_s) from error
        self._sessions[session.id] = session
        self._register.add(session.watched)
        self._tasks.create_task(self._live_through(session), name=f"session {session.id}")
        return session

    def _admit(self, request: web.Request) -> None:
        """Raises 429 for an address that asks too often."""
        address = request.remote
        if self._config.proxied and (forwarded := request.headers.get("X-Forwarded-For")):
            # The last is the one that our proxy saw; those before it are what the client says.
            address = forwarded.rpartition(",")[2].strip()
        if (wait := self._limit.ask(address)) > 0:
            self._metrics.refuse("rate")
            raise problem(
                web.HTTPTooManyRequests,
                f"{self._config.posts_per_minute} requests a minute are taken from one address",
                retry_after_s=math.ceil(wait),
            )

    def _link(self, response: web.Response) -> None:
        for server in self._config.ice_servers:
            response.headers.add("Link", server.link)

    async def _live_through(self, session: Session) -> None:
        try:
            await session.run()
        except Exception:
            # The last bulkhead: no session may take the others along.
            self._metrics.faults.add()
            logger.exception("session %s: fault while closing", session.id)
        finally:
            del self._sessions[session.id]
            self._register.remove(session.watched)

    def _session(self, request: web.Request) -> Session:
        session = self._sessions.get(request.match_info["id"])
        if session is None or session.ended:
            raise problem(web.HTTPNotFound, "there is no such session")
        self._ask(lambda authorization: self._tokens.owns(authorization, session.holder), request)
        return session

    def _ask(self, check: Callable[[str | None], T], request: web.Request) -> T:
        try:
            return check(request.headers.get("Authorization"))
        except Refused as error:
            self._metrics.refuse("token")
            raise problem(web.HTTPUnauthorized, str(error), challenge=error.challenge) from error
        except Forbidden as error:
            self._metrics.refuse("role")
            raise problem(web.HTTPForbidden, str(error)) from error


async def _answer(session: Session) -> str:
    try:
        return await session.answer()
    except BadSdp as error:
        raise problem(web.HTTPBadRequest, str(error)) from error
    except Unacceptable as error:
        raise problem(web.HTTPUnprocessableEntity, str(error)) from error
    except Over as error:
        raise problem(web.HTTPServiceUnavailable, f"the session ended at once: {error.reason}") from error


async def _body(request: web.Request) -> str:
    """The text of a request. Raises BadSdp when it is none, 408 when it takes too long, 413 when it is too long."""
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            return (await request.read()).decode()
    except TimeoutError as error:
        raise problem(web.HTTPRequestTimeout, "the body took too long") from error
    except UnicodeDecodeError as error:
        raise BadSdp("not SDP: the text is not UTF-8") from error
