"""WHIP (RFC 9725): POST an offer, PATCH candidates, DELETE the session.

An audio-only WHIP client works as it is; the student page adds a data-channel section to its offer and gets feedback.
"""

import contextlib
from collections.abc import Iterator

from aiohttp import web

from server.auth import Forbidden, Refused, Tokens, TooManyTokens
from server.config import Config
from server.event_stream import EventStream, event_link
from server.peer import Peer
from server.problems import problem
from server.reception import Reception
from server.sdp import read_offer
from server.session import Session
from server.signalling import created, link_ice_servers, options, take_answer, take_offer, trickle


class Whip:
    """The endpoint."""

    def __init__(self, config: Config, tokens: Tokens, reception: Reception) -> None:
        self._config, self._tokens, self._reception = config, tokens, reception

    def routes(self) -> Iterator[web.RouteDef]:
        """For the application."""
        yield web.post("/whip", self.post)
        yield web.options("/whip", self.options)
        yield web.patch("/whip/{id}", self.patch)
        yield web.delete("/whip/{id}", self.delete)
        yield web.options("/whip/{id}", self.options)
        yield web.post("/api/tokens", self.issue)

    async def close(self, app: web.Application) -> None:
        """The server stops: every session whose events are read ends, as the server waits for their requests."""
        for session in self._reception.sessions.values():
            if isinstance(session.transport, Peer) and session.transport.events is not None:
                session.end("shutdown")

    async def post(self, request: web.Request) -> web.Response:
        """A new session: 201 with its address and the SDP answer."""
        self._reception.admit(request)
        grant = self._reception.ask(self._tokens.grant, _authorization(request))
        session = None
        try:
            self._reception.admit_holder(grant.holder)
            offer = await take_offer(request, read_offer)
            verses, line = await self._reception.line(request.query.get("verses"))
            peer = Peer(offer, self._config)
            session = self._reception.begin(peer, verses, line, grant, request)
            answer = await take_answer(peer.answer())
        except BaseException:
            grant.release()
            if session is not None:
                session.end("refused")
            raise
        self._reception.opened(session)
        response = created(answer, f"/whip/{session.id}", peer.answerer.etag, self._config)
        if peer.events is not None:
            response.headers.add("Link", event_link(session.id))
        return response

    async def patch(self, request: web.Request) -> web.Response:
        """Candidates of the client: 204."""
        _, peer = self._session(request)
        return await trickle(request, peer.answerer)

    async def delete(self, request: web.Request) -> web.Response:
        """The end of a session: 200."""
        session, peer = self._session(request)
        if peer.events is not None and peer.events.followed:
            session.finish()
        else:
            session.end("left")
        return web.Response(status=200)

    def events(self, request: web.Request) -> EventStream:
        """The events of the session that a request is about. Raises 401, 404, 409."""
        _, peer = self._session(request)
        if peer.events is None:
            raise problem(web.HTTPConflict, "this session has data channels, and its messages go there")
        return peer.events

    async def options(self, request: web.Request) -> web.Response:
        """What may be posted here, and leave for other sites' pages to do so (CORS). Who could open a session is told
        the ICE servers already now, in time for gathering candidates (RFC 9725 4.6)."""
        response = options()
        with contextlib.suppress(Refused, Forbidden):  # A preflight carries no token.
            self._tokens.check(_authorization(request))
            link_ice_servers(response, self._config)
        return response

    async def issue(self, request: web.Request) -> web.Response:
        """A session token for the holder of a long-lived one."""
        self._reception.admit(request)
        self._reception.ask(self._tokens.admin, _authorization(request))
        try:
            token = self._tokens.issue()
        except TooManyTokens as error:
            raise problem(web.HTTPTooManyRequests, "too many session tokens are waiting to be used") from error
        return web.json_response({"token": token, "expires_s": self._config.token_life_s}, status=201)

    def _session(self, request: web.Request) -> tuple[Session, Peer]:
        """The session that a request is about. Raises 401, 404."""
        session = self._reception.sessions.get(request.match_info["id"])
        if session is None or session.ended or not isinstance(session.transport, Peer):
            raise problem(web.HTTPNotFound, "there is no such session")
        holder = session.holder
        self._reception.ask(lambda authorization: self._tokens.owns(authorization, holder), _authorization(request))
        return session, session.transport


def _authorization(request: web.Request) -> str | None:
    return request.headers.get("Authorization")
