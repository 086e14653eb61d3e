"""Errors as the HTTP API reports them: the right status, and JSON `{"error": "..."}` saying what was wrong."""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from server.auth import Forbidden, Refused
from server.metrics import Metrics
from server.storage.record import Unavailable

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


def problem(
    kind: type[web.HTTPError], text: str, *, retry_after_s: int | None = None, challenge: str | None = None
) -> web.HTTPError:
    """An error response to raise."""
    headers = {}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    if challenge is not None:
        headers["WWW-Authenticate"] = challenge
    return kind(text=error_body(text), content_type="application/json", headers=headers)


def permitted(metrics: Metrics, check: Callable[[], T]) -> T:
    """What a check of a token answers. Raises 401, 403 for its Refused, Forbidden, and counts them."""
    try:
        return check()
    except Refused as error:
        metrics.refuse("token")
        raise problem(web.HTTPUnauthorized, str(error), challenge=error.challenge) from error
    except Forbidden as error:
        metrics.refuse("role")
        raise problem(web.HTTPForbidden, str(error)) from error


@web.middleware
async def report(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns aiohttp's own refusals (404, 405, 413) into JSON, and a fault of ours into a 500 that says nothing."""
    try:
        return await handler(request)
    except web.HTTPError as error:
        if error.content_type != "application/json":
            error.content_type = "application/json"
            error.text = error_body(error.reason)
        raise
    except Unavailable as error:
        raise problem(web.HTTPServiceUnavailable, str(error), retry_after_s=5) from error
    except Exception:
        logger.exception("%s %s: fault", request.method, request.rel_url.path)
        return web.Response(status=500, text=error_body("the server made a mistake"), content_type="application/json")


def error_body(text: str) -> str:
    """What every answer that reports an error says."""
    return json.dumps({"error": text}, ensure_ascii=False)
