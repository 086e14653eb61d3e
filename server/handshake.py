"""What a browser can say when it opens a WebSocket: subprotocols, its page's origin, and no header of its own."""

from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web

from server.auth import PREFIX
from server.config import is_loopback

BEARER = "bearer."
"""An Authorization header cannot be sent, and an address ends up in logs: a page offers two subprotocols, ours and one
that carries its token."""


def subprotocols(request: web.Request) -> list[str]:
    """What a client offers to speak."""
    return [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]


def authorization(request: web.Request) -> str | None:
    """The Authorization header, or what stands for it in a browser's WebSocket."""
    header = request.headers.get("Authorization")
    if header is not None:
        return header
    bearer = next((offered for offered in subprotocols(request) if offered.startswith(BEARER)), None)
    return None if bearer is None else f"Bearer {bearer.removeprefix(BEARER)}"


def session_token(request: web.Request) -> str | None:
    """The session token that a request shows, if it shows one."""
    token = (authorization(request) or "").partition(" ")[2].strip()
    return token if token.startswith(PREFIX) else None


def of_an_allowed_site(request: web.Request, origins: Collection[str]) -> bool:
    """The request comes from no page, from one of ours, or from one of `origins`, `*` for all. Browsers let any page
    open a WebSocket to any server, so the server must ask."""
    origin = request.headers.get("Origin")
    return origin is None or "*" in origins or origin in origins or urlsplit(origin).netloc == request.host


def of_this_machine(request: web.Request) -> bool:
    """The request was addressed to this machine by a name that nobody else can give it, and came without a proxy."""
    return is_loopback(request.url.host or "") and not {"X-Forwarded-For", "Forwarded"} & request.headers.keys()
