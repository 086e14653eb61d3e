"""Who may see or hear students: teachers and operators, from this server's own pages or those it names."""

import ipaddress

from aiohttp import web

from server.auth import Forbidden, Tokens
from server.config import Config
from server.handshake import authorization, of_an_allowed_site
from server.roles import Holder


def watcher(request: web.Request, tokens: Tokens, config: Config) -> Holder:
    """Who asks; which classes they may watch is theirs to say. Raises Refused, Forbidden."""
    holder = tokens.holder(authorization(request))
    if not tokens.required and not (config.watched_when_open and _is_of_this_machine(request)):
        raise Forbidden("nobody is watched where no token is asked for, except on the machine itself")
    # That any page may call the API says nothing of watching: only pages named one by one may.
    if not of_an_allowed_site(request, config.origins - {"*"}):
        raise Forbidden("pages of another site may not watch")
    return holder


def _is_of_this_machine(request: web.Request) -> bool:
    """The request was addressed to this machine by a name that nobody else can give it, and came without a proxy."""
    host = request.url.host or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return loopback and not {"X-Forwarded-For", "Forwarded"} & request.headers.keys()
