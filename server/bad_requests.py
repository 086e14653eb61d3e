"""What is answered to bytes that are no HTTP request: JSON, as for every other error.

They reach no middleware: aiohttp answers them itself, quotes them and names its version. `install` takes the place of
that answer; `tests/server/test_whip.py` holds what it relies on.
"""

from http import HTTPStatus

from aiohttp import web

from server.problems import error_body

SERVER = "talaqqi"
"""`Server` of what is answered here and by a node: no names and versions of libraries."""

_aiohttps_own = web.RequestHandler.handle_error


def install() -> None:
    """For all servers of this process."""
    web.RequestHandler.handle_error = _handle_error  # type: ignore[method-assign]


def _handle_error(
    self: web.RequestHandler,
    request: web.BaseRequest,
    status: int = 500,
    exc: BaseException | None = None,
    message: str | None = None,
) -> web.StreamResponse:
    """Raises ConnectionError when an answer has begun."""
    status = _aiohttps_own(self, request, status, exc, message).status
    bad = status < HTTPStatus.INTERNAL_SERVER_ERROR
    text = "this is no HTTP request that can be read" if bad else "the server made a mistake"
    headers = {"Server": SERVER, "X-Content-Type-Options": "nosniff"}
    answer = web.Response(status=status, text=error_body(text), content_type="application/json", headers=headers)
    answer.force_close()
    return answer
