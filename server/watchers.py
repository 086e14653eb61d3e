"""Who may see or hear students: teachers and operators, from this server's own pages or those it names."""

from aiohttp import web

from server.auth import Forbidden, Tokens
from server.config import Config
from server.handshake import authorization, of_an_allowed_site, of_this_machine
from server.roles import Holder


def watcher(request: web.Request, tokens: Tokens, config: Config) -> Holder:
    """Who asks; which classes they may watch is theirs to say. Raises Refused, Forbidden."""
    holder = tokens.holder(authorization(request))
    if not tokens.required and not (config.watched_when_open and of_this_machine(request)):
        raise Forbidden("nobody is watched where no token is asked for, except on the machine itself")
    # That any page may call the API says nothing of watching: only pages named one by one may.
    if not of_an_allowed_site(request, config.origins - {"*"}):
        raise Forbidden("pages of another site may not watch")
    return holder
