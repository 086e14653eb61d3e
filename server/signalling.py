"""SDP over HTTP, as WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) share it: bodies read within limits, errors as
their status, candidates as they are found."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from server.answerer import Answerer, IceRestart, PeerClosed
from server.config import Config
from server.problems import problem
from server.sdp import BadSdp, Offer, Unacceptable, read_fragment

OFFER_TYPE = "application/sdp"
FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"
BODY_DEADLINE_S = 10.0


async def take_offer(request: web.Request, read: Callable[[str], Offer]) -> Offer:
    """The offer of a POST, by `read_offer` or one like it. Raises 400, 408, 413, 415, 422."""
    if request.content_type != OFFER_TYPE:
        raise problem(web.HTTPUnsupportedMediaType, f"an offer comes as {OFFER_TYPE}")
    try:
        return read(await _body(request))
    except BadSdp as error:
        raise problem(web.HTTPBadRequest, str(error)) from error
    except Unacceptable as error:
        raise problem(web.HTTPUnprocessableEntity, str(error)) from error


async def take_answer(made: Awaitable[str]) -> str:
    """The answer, once it is made. Raises 400, 422, 503."""
    try:
        return await made
    except BadSdp as error:
        raise problem(web.HTTPBadRequest, str(error)) from error
    except Unacceptable as error:
        raise problem(web.HTTPUnprocessableEntity, str(error)) from error
    except PeerClosed as error:
        raise problem(web.HTTPServiceUnavailable, str(error)) from error


def created(answer: str, location: str, etag: str, config: Config) -> web.Response:
    """201 with the answer."""
    response = web.Response(status=201, text=answer, content_type=OFFER_TYPE)
    response.headers["Location"] = location
    response.headers["ETag"] = etag
    link_ice_servers(response, config)
    return response


def link_ice_servers(response: web.Response, config: Config) -> None:
    """Tell a client of the STUN and TURN servers (RFC 9725 4.6)."""
    for server in config.ice_servers:
        response.headers.add("Link", server.link(time.time()))


async def trickle(request: web.Request, peer: Answerer) -> web.Response:
    """Candidates of the client, as they are found: 204. Raises 400, 408, 412, 413, 415, 422, 428."""
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
        raise problem(web.HTTPUnprocessableEntity, "ICE restart is not possible here; open a new session") from error
    return web.Response(status=204)


def options() -> web.Response:
    """What may be posted, for a preflight too (CORS)."""
    return web.Response(status=204, headers={"Accept-Post": OFFER_TYPE, "Accept-Patch": FRAGMENT_TYPE})


async def _body(request: web.Request) -> str:
    """The text of a request. Raises BadSdp when it is none, 408 when it takes too long, 413 when it is too long."""
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            return (await request.read()).decode()
    except TimeoutError as error:
        raise problem(web.HTTPRequestTimeout, "the body took too long") from error
    except UnicodeDecodeError as error:
        raise BadSdp("not SDP: the text is not UTF-8") from error
