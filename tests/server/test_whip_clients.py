"""WHIP clients that nobody here wrote recite, and their feedback is read from the URL in the `Link` header.

The clients do not show the header, so a small proxy stands between, as one would in front of a server: it hands
everything on and notes what it saw.
"""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from toy_ear import StartServer
from whip_clients import WHIP_CLIENT, ffmpeg, whip_client, whip_client_environment

from recitation.made_voice import MadeRecitation
from recitation.sound_files import write_audio
from server.app import load_ear
from server.config import Config

TOKEN = "publisher"
VERSES = "112:1"

KEPT = {"location", "etag", "link", "content-type"}
"""Headers of an answer that are handed on."""


@dataclass
class Proxy:
    """Between the client and the server."""

    upstream: str
    http: aiohttp.ClientSession
    seen: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""
    """Where the client publishes."""
    link: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def pass_on(self, request: web.Request) -> web.Response:
        headers = {k: v for k, v in request.headers.items() if k not in ("Host", "Content-Length", "Connection")}
        url = f"{self.upstream}{request.path_qs}"
        async with self.http.request(request.method, url, data=await request.read(), headers=headers) as answer:
            self.seen.append((request.method, answer.status))
            if "Link" in answer.headers and not self.link.done():
                self.link.set_result(str(answer.links["monitor"]["url"]))
            kept = {k: v for k, v in answer.headers.items() if k.lower() in KEPT}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


@pytest.fixture
async def proxy(start_server: StartServer, http: aiohttp.ClientSession) -> AsyncIterator[Proxy]:
    """A server with the real ear, and the proxy before it."""
    config = Config(capacity=1)
    running = await start_server(load_ear(config), capacity=1, tokens=frozenset({TOKEN}))
    between = Proxy(running.url.rstrip("/"), http)
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", between.pass_on)
    server = TestServer(app)
    await server.start_server()
    between.url = f"http://127.0.0.1:{server.port}/whip?verses={VERSES}"
    yield between
    await server.close()


@pytest.fixture
def wav(make: Callable[..., MadeRecitation], tmp_path: Path) -> Path:
    path = tmp_path / "112.wav"
    write_audio(path, make(VERSES, voice="man4", harakah_s=0.14).pcm)
    return path


async def messages(proxy: Proxy) -> AsyncIterator[dict[str, Any]]:
    url = await proxy.link
    async with proxy.http.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        async for line in response.content:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


def words(received: list[dict[str, Any]]) -> list[str]:
    rows = [row for message in received if message["type"] == "feedback" for row in message["words"]]
    assert len({row[0] for row in rows}) == len(rows), "each verdict comes once"
    return [row[1] for row in rows if row[5] == "accepted"]


@pytest.mark.skipif("whip" not in av.formats_available, reason="this FFmpeg has no WHIP muxer")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="its certificate needs openssl")
async def test_ffmpeg_recites(proxy: Proxy, wav: Path, tmp_path: Path) -> None:
    client = await asyncio.create_subprocess_exec(*ffmpeg(proxy.url, wav, tmp_path, TOKEN))
    async with asyncio.timeout(30):
        received = [message async for message in messages(proxy)]
        assert await client.wait() == 0
    assert received[0]["type"] == "welcome" and received[-1]["type"] == "summary"
    assert len(words(received)) >= 2
    assert received[-1]["accepted"] >= 3
    assert proxy.seen == [("POST", 201), ("DELETE", 200)]


@pytest.mark.skipif(WHIP_CLIENT is None or shutil.which("cc") is None, reason="Debian's simple-whip-client is missing")
async def test_gstreamer_recites(proxy: Proxy, wav: Path, tmp_path: Path) -> None:
    environment = whip_client_environment(tmp_path)
    command = whip_client(proxy.url, wav, TOKEN)
    client = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
    reading = messages(proxy)
    async with asyncio.timeout(40):
        received = [await anext(reading)]
        # It stays when its file is over, and is interrupted then.
        asyncio.get_running_loop().call_later(5.0, client.send_signal, signal.SIGINT)
        received += [message async for message in reading]
        await client.wait()
    assert received[0]["type"] == "welcome" and received[-1]["type"] == "summary"
    assert received[-1]["accepted"] >= 3
    assert proxy.seen[0] == ("POST", 201) and proxy.seen[-1] == ("DELETE", 200) and ("PATCH", 204) in proxy.seen
