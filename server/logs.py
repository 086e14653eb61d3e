"""The log of a server, on standard error: as text for people, or one JSON object a line for machines.

Nothing personal is in it: no text, passage, name, address or token. Two libraries are kept quiet for that: they log
addresses of clients and request lines, which may hold a token.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Literal, TextIO

Format = Literal["text", "json"]

QUIET = {"aioice": logging.WARNING, "aiohttp.server": logging.CRITICAL, "aiohttp.access": logging.CRITICAL}
"""aioice tells every candidate pair. aiohttp tells each request that is no HTTP, with a traceback, the line and the
client's address; faults in our own handlers are caught and told by `server.problems`."""


class JsonFormatter(logging.Formatter):
    """`time` (RFC 3339, UTC), `level`, `logger`, `message`; of a fault `fault` and, for its place, `stack`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info is not None and record.exc_info[1] is not None:
            # The message of an exception may quote what a client sent; its kind and place do not.
            fault = record.exc_info[1]
            line["fault"] = type(fault).__name__
            line["stack"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in _frames(fault)]
        return json.dumps(line, ensure_ascii=False)


def _frames(fault: BaseException) -> list[traceback.FrameSummary]:
    """Of the fault, or of the first in a group."""
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return traceback.extract_tb(fault.__traceback__)


def set_up(kind: Format, *, verbose: bool, stream: TextIO | None = None) -> None:
    """Log warnings and faults, with `verbose` also the start and end of sessions, to `stream` (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if kind == "json" else text)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
