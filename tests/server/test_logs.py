"""The log: machine readable on request, and nobody is in it."""

import io
import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from toy_ear import StartServer

from server.logs import set_up
from server.reciter import Reciter, Recording
from server.roles import Role, mint
from server.socket_reciter import SocketReciter

SECRET = "s" * 32
NAME, SUB, CLASS = "Bilal Muadhdhin", "pupil-4711", "fajr-class"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a server logs with --verbose --log-format json, in place of what pytest collects."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    stream = io.StringIO()
    set_up("json", verbose=True, stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("aioice", "aiohttp.server", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.NOTSET)


async def test_nobody_is_in_the_log(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording, log: io.StringIO
) -> None:
    running = await start_server(secret=SECRET)
    token = mint(SECRET, Role.STUDENT, sub=SUB, classes=[CLASS], name=NAME, now=time.time(), life_s=60)
    heard = await Reciter(http, running.url, "112", tone, token=token).recite()
    assert heard.summary is not None
    assert (await SocketReciter(http, running.url, "112", tone, token=token).recite()).summary is not None
    await running.sessions(0)
    # A student whose session breaks by a fault of ours, requests that are refused, and one that is no HTTP.
    running.encoder.fault = RuntimeError(f"{NAME} recited 112:1 قُلۡ from 203.0.113.77")
    broken = await Reciter(http, running.url, "112", tone, token=token).recite()
    assert broken.broken
    await http.get(f"{running.url}api/me?token={token}", headers={"Authorization": f"Bearer {token}x"})
    await http.get(f"{running.url}api/verses?ref=112:99")
    where = urlsplit(running.url)
    with socket.create_connection((where.hostname, where.port)) as line:
        line.sendall(f"GET \x01/?token={token} HTTP/1.1\r\n\r\n".encode())
        await http.get(f"{running.url}healthz")
    text = log.getvalue()
    entries = [json.loads(line) for line in text.splitlines()]
    messages = [entry["message"] for entry in entries if entry["logger"].startswith("server.")]
    assert sum("opened" in message for message in messages) == 3, "the log was on"
    faults = [entry for entry in entries if entry.get("fault")]
    assert faults and all(entry["stack"] for entry in faults)
    personal = (NAME, "Bilal", SUB, CLASS, token, token.split(".")[1], "112", "127.0.0.1", "203.0.113.77", "::1")
    for entry in entries:
        told = f"{entry['message']} {entry.get('fault', '')}"
        assert not [secret for secret in personal if secret in told], entry
        assert not re.search(r"\d+\.\d+\.\d+\.\d+|[\u0600-\u06ff]", told), entry


def test_text_is_the_default(log: io.StringIO) -> None:
    stream = io.StringIO()
    logging.getLogger().handlers[:] = []
    set_up("text", verbose=False, stream=stream)
    logging.getLogger("server.x").info("a session began")
    logging.getLogger("server.x").warning("slow")
    assert stream.getvalue().endswith("WARNING server.x: slow\n") and "began" not in stream.getvalue()
