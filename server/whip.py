"""WHIP (RFC 9725): POST an offer, PATCH candidates, DELETE the session.

An audio-only WHIP client works as it is; the student page adds a data-channel section to its offer and gets feedback.
"""

import contextlib
from collections.abc import Iterator

from aiohttp import web

from server.auth import Forbidden, Refused, Tokens, TooManyTokens
from server.config import Config
from server.event_stream import EventStream, event_link
from server.links import Link
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
        if (token := request.query.get("resume")) is not None:
            return await self._resume(request, token)
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
        return self._created(answer, session, session.id, peer)

    async def _resume(self, request: web.Request, token: str) -> web.Response:
        """Another connection to a session: 201 with its own address. 404 when there is no such session any more."""
        kept = await self._reception.kept(token, _authorization(request), self._tokens.owns)
        offer = await take_offer(request, read_offer)
        peer = Peer(offer, self._config)
        session, link = await self._reception.resume(peer, kept, request)
        try:
            answer = await take_answer(peer.answer())
        except BaseException:
            # A session that lives goes on without this connection.
            if link is None:
                session.end("unreachable")
            raise
        return self._created(answer, session, session.id if link is None else link.name, peer)

    def _created(self, answer: str, session: Session, name: str, peer: Peer) -> web.Response:
        response = created(answer, f"/whip/{name}", peer.answerer.etag, self._config)
        if peer.events is not None:
            response.headers.add("Link", event_link(name))
        if self._config.resume_s:
            response.headers["Talaqqi-Resume"] = session.resume_token
        return response

    async def patch(self, request: web.Request) -> web.Response:
        """Candidates of the client: 204."""
        return await trickle(request, self._peer(request).answerer)

    async def delete(self, request: web.Request) -> web.Response:
        """The end of a session: 200. An address that another connection has taken the place of ends nothing."""
        session, link = self._session(request)
        events = link.transport.events if link is not None and isinstance(link.transport, Peer) else None
        if events is not None and events.followed:
            session.finish()
        else:
            session.hang_up(link)
        return web.Response(status=200)

    def events(self, request: web.Request) -> EventStream:
        """The events of the session that a request is about. Raises 401, 404, 409."""
        peer = self._peer(request)
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

    def _peer(self, request: web.Request) -> Peer:
        """The connection that a request is about. Raises 401, 404."""
        _, link = self._session(request)
        if link is None or not isinstance(link.transport, Peer):
            raise problem(web.HTTPNotFound, "there is no such connection any more")
        return link.transport

    def _session(self, request: web.Request) -> tuple[Session, Link | None]:
        """The session and the connection that a request is about; None for one that is over. Raises 401, 404."""
        name = request.match_info["id"]
        session = self._reception.sessions.get(name.partition(".")[0])
        if session is None or session.ended or not session.had(name):
            raise problem(web.HTTPNotFound, "there is no such session")
        holder = session.holder
        self._reception.ask(lambda authorization: self._tokens.owns(authorization, holder), _authorization(request))
        return session, session.link(name)


def _authorization(request: web.Request) -> str | None:
    return request.headers.get("Authorization")
