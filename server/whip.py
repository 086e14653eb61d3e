"""WHIP (RFC 9725): POST an offer, PATCH candidates, DELETE the session.

An audio-only WHIP client works as it is; the student page adds a data-channel section to its offer and gets feedback.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from aiohttp import web

from server.auth import Forbidden, Refused, Tokens, TooManyTokens
from server.config import Config
from server.peer import IceRestart, Peer, PeerClosed
from server.problems import problem
from server.reception import Reception
from server.sdp import BadSdp, Offer, Unacceptable, read_fragment, read_offer
from server.session import Session

OFFER_TYPE = "application/sdp"
FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"
BODY_DEADLINE_S = 10.0


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

    async def post(self, request: web.Request) -> web.Response:
        """A new session: 201 with its address and the SDP answer."""
        self._reception.admit(request)
        grant = self._reception.ask(self._tokens.grant, _authorization(request))
        session = None
        try:
            offer = await _offer(request)
            verses, line = await self._reception.line(request.query.get("verses"))
            peer = Peer(offer, public_ip=self._config.public_ip, message_bytes=self._config.message_bytes)
            session = self._reception.begin(peer, verses, line, grant)
            answer = await _answer(peer)
        except BaseException:
            grant.release()
            if session is not None:
                session.end("refused")
            raise
        self._reception.opened(session)
        response = web.Response(status=201, text=answer, content_type=OFFER_TYPE)
        response.headers["Location"] = f"/whip/{session.id}"
        response.headers["ETag"] = peer.etag
        self._link(response)
        return response

    async def patch(self, request: web.Request) -> web.Response:
        """Candidates of the client, as they are found: 204."""
        _, peer = self._session(request)
        if request.content_type != FRAGMENT_TYPE:
            raise problem(web.HTTPUnsupportedMediaType, f"candidates come as {FRAGMENT_TYPE}")
        tags = request.headers.get("If-Match")
        if tags is None:
            raise problem(web.HTTPPreconditionRequired, "If-Match with the session's ETag is needed (RFC 9725 4.3.1)")
        if tags.strip() != "*" and peer.etag not in [tag.strip() for tag in tags.split(",")]:
            raise problem(web.HTTPPreconditionFailed, "If-Match names another ICE session")
        try:
            await peer.trickle(read_fragment(await _body(request)))
        except BadSdp as error:
            raise problem(web.HTTPBadRequest, str(error)) from error
        except IceRestart as error:
            raise problem(
                web.HTTPUnprocessableEntity, "ICE restart is not possible here; open a new session"
            ) from error
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        """The end of a session: 200."""
        session, _ = self._session(request)
        session.end("left")
        return web.Response(status=200)

    async def options(self, request: web.Request) -> web.Response:
        """What may be posted here, and leave for other sites' pages to do so (CORS). Who could open a session is told
        the ICE servers already now, in time for gathering candidates (RFC 9725 4.6)."""
        response = web.Response(status=204, headers={"Accept-Post": OFFER_TYPE, "Accept-Patch": FRAGMENT_TYPE})
        with contextlib.suppress(Refused, Forbidden):  # A preflight carries no token.
            self._tokens.check(_authorization(request))
            self._link(response)
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

    def _link(self, response: web.Response) -> None:
        for server in self._config.ice_servers:
            response.headers.add("Link", server.link)

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


async def _offer(request: web.Request) -> Offer:
    """Raises 400, 408, 413, 415, 422."""
    if request.content_type != OFFER_TYPE:
        raise problem(web.HTTPUnsupportedMediaType, f"an offer comes as {OFFER_TYPE}")
    try:
        return read_offer(await _body(request))
    except BadSdp as error:
        raise problem(web.HTTPBadRequest, str(error)) from error
    except Unacceptable as error:
        raise problem(web.HTTPUnprocessableEntity, str(error)) from error


async def _answer(peer: Peer) -> str:
    try:
        return await peer.answer()
    except BadSdp as error:
        raise problem(web.HTTPBadRequest, str(error)) from error
    except Unacceptable as error:
        raise problem(web.HTTPUnprocessableEntity, str(error)) from error
    except PeerClosed as error:
        raise problem(web.HTTPServiceUnavailable, str(error)) from error


async def _body(request: web.Request) -> str:
    """The text of a request. Raises BadSdp when it is none, 408 when it takes too long, 413 when it is too long."""
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            return (await request.read()).decode()
    except TimeoutError as error:
        raise problem(web.HTTPRequestTimeout, "the body took too long") from error
    except UnicodeDecodeError as error:
        raise BadSdp("not SDP: the text is not UTF-8") from error
