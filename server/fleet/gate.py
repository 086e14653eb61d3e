"""What a fleet changes at the door: a new session may be sent to a less loaded node, and an operator may empty a node.

`POST /whip` is answered with 307 (RFC 9725 4.7) where another node should have the session. Clients drop their
Authorization header on the way to another host (Fetch, HTTP-redirect fetch; aiohttp and curl alike), so the address
carries a ticket that is good for ten seconds and once, for which the other node finds the token in Redis. A browser's
WebSocket follows no redirect: `POST /ws` answers where to open it.

`POST /whep/{session}` is answered in the same way where another node has the session.

A session token (`once.…`) lies in Redis and nowhere else until it is used, so that it is good on any node, once.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta
from yarl import URL

from server.auth import Tokens
from server.fleet.link import LinkDown
from server.fleet.messages import Beat
from server.fleet.node import Node
from server.handshake import authorization, session_token
from server.metrics import Metrics
from server.problems import Handler, permitted, problem

PLACED = "placed"
"""Query parameter: another node chose this one, which sends the client no further."""

LISTEN = "/whep/"

RESUME = "resume"
"""Query parameter: a session is taken up."""

TICKET_S = 10.0


class Place(msgspec.Struct, frozen=True):
    """Answer to `POST /ws`."""

    url: Annotated[str, Meta(description="where to open the WebSocket, absolute when it is another node's")]


class _Issued(msgspec.Struct):
    token: str
    expires_s: float


class Gate:
    """Middleware and routes of a node."""

    def __init__(self, tokens: Tokens, node: Node, metrics: Metrics, leave: Callable[[], None]) -> None:
        """`leave` has the process emptied and ended."""
        self._tokens, self._node, self._metrics, self._leave = tokens, node, metrics, leave

    def routes(self) -> Iterator[web.RouteDef]:
        """For the application."""
        yield web.post("/ws", self.where)
        yield web.post("/drain", self.drain)
        yield web.get("/fleet/beat", self.beat)

    async def beat(self, request: web.Request) -> web.Response:
        """How this node is, for its front. Figures that `/metrics` has as well."""
        return web.Response(body=msgspec.json.encode(self._node.beat), content_type="application/json")

    async def drain(self, request: web.Request) -> web.Response:
        """Have this process emptied and ended, by an operator who showed a token: 202 at once."""
        permitted(self._metrics, lambda: self._tokens.admin(authorization(request)))
        if not self._tokens.required:
            raise problem(web.HTTPForbidden, "without tokens nobody is known as an operator: send SIGTERM")
        self._leave()
        return web.Response(status=202)

    async def where(self, request: web.Request) -> web.Response:
        """Where a browser should open its WebSocket."""
        url = await self._elsewhere(request)
        body = msgspec.json.encode(Place(str(request.rel_url if url is None else url.with_scheme(_ws(url.scheme)))))
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    @web.middleware
    async def place(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every request."""
        match request.method, request.path:
            case "POST", "/api/tokens":
                return await self._issue(request, handler)
            case ("POST", "/whip") | ("GET", "/ws"):
                return await self._open(request, handler)
            case "POST", path if path.startswith(LISTEN):
                return await self._listen(request, handler)
            case ("OPTIONS", "/whip") | ("GET", "/api/me") if (token := session_token(request)) is not None:
                await self._adopt(token)
                response = await handler(request)
                await self._share(token)
                return response
            case _:
                return await handler(request)

    async def _open(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        beat = self._node.beat
        if placed := request.query.get(PLACED):
            request = await self._redeem(request, placed)
        elif self._may_go(request, beat) and (url := await self._elsewhere(request)):
            self._metrics.sent_elsewhere.add()
            return web.Response(status=307, headers={"Location": str(url)})
        if beat.draining and RESUME in request.query:
            # Taken up here it would have to move again.
            raise problem(web.HTTPServiceUnavailable, "this server is being emptied", retry_after_s=1)
        token = session_token(request)
        if token is not None:
            await self._adopt(token)
        try:
            response = await handler(request)
        except web.HTTPException:
            if token is not None:
                await self._share(token)
            raise
        return self._located(response)

    async def _listen(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A teacher whose token is good and whose student is not here is sent to where the student is."""
        placed = request.query.get(PLACED)
        if placed:
            request = await self._redeem(request, placed)
        try:
            return self._located(await handler(request))
        except web.HTTPNotFound:
            home = None if placed else await self._node.home_of(request.path.removeprefix(LISTEN))
            if home is None or (url := await self._at(home, request)) is None:
                raise
            return web.Response(status=307, headers={"Location": str(url)})

    def _located(self, response: web.StreamResponse) -> web.StreamResponse:
        """With an absolute Location: what follows must reach this node, also where a load balancer stands in front."""
        if self._node.url and "Location" in response.headers:
            response.headers["Location"] = self._node.url + response.headers["Location"]
        return response

    def _may_go(self, request: web.Request, beat: Beat) -> bool:
        """Another node may have the session. One that is taken up is best taken up where it is; a program's WebSocket
        follows a redirect and a browser's does not, so that it is sent away only where we would refuse it."""
        if RESUME in request.query:
            return beat.draining
        return request.method == "POST" or not beat.accepts

    async def _elsewhere(self, request: web.Request) -> URL | None:
        """The same address at the node that should have the session; None: here."""
        if PLACED in request.query or (base := self._node.elsewhere()) is None:
            return None
        return await self._at(base, request)

    async def _at(self, base: str, request: web.Request) -> URL | None:
        """The same address at another node, with a ticket for the token; None when Redis keeps none."""
        ticket = "anyone"
        if (bearer := authorization(request)) is not None:
            ticket = secrets.token_urlsafe(18)
            try:
                await self._node.link.put(_ticket(ticket), bearer.encode(), TICKET_S)
            except LinkDown:
                return None
        return (URL(base) / request.path.lstrip("/")).with_query({**request.query, PLACED: ticket})

    async def _redeem(self, request: web.Request, ticket: str) -> web.Request:
        """The request with the token for which the ticket stands."""
        try:
            taken = await self._node.link.take(_ticket(ticket))
        except LinkDown:
            return request
        if taken is None or "Authorization" in request.headers:
            return request
        headers = request.headers.copy()
        headers["Authorization"] = taken[0].decode()
        return request.clone(headers=headers)

    async def _issue(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        assert isinstance(response, web.Response) and isinstance(response.body, bytes)
        await self._share(msgspec.json.decode(response.body, type=_Issued).token)
        return response

    async def _share(self, token: str) -> None:
        """Leave a session token to whichever node it is used at; kept here when Redis is down."""
        life_s = self._tokens.hand_over(token)
        if life_s is None or life_s <= 0:
            return
        try:
            await self._node.link.put(_once(token), b"", life_s)
        except LinkDown:
            self._tokens.adopt(token, life_s)

    async def _adopt(self, token: str) -> None:
        """Take a session token over, if no other node has."""
        try:
            taken = await self._node.link.take(_once(token))
        except LinkDown:
            return
        if taken is not None:
            self._tokens.adopt(token, taken[1])


def _ticket(name: str) -> str:
    return f"ticket:{_digest(name)}"


def _once(token: str) -> str:
    return f"once:{_digest(token)}"


def _digest(secret: str) -> str:
    """Who reads the names of keys learns no secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _ws(scheme: str) -> str:
    return {"http": "ws", "https": "wss"}[scheme]
