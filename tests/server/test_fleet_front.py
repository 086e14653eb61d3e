"""The front by itself, before workers that only say what reached them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from server.fleet.front import Front
from server.fleet.messages import Beat


async def worker(socket: Path, sessions: int) -> web.AppRunner:
    """Answers with its name, and with what it was told of the client."""

    async def beat(request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(Beat(socket.stem, "", sessions, 4, 0.0, sessions < 4)))

    async def answer(request: web.Request) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            inside = web.WebSocketResponse(protocols=("talaqqi.v1",))
            await inside.prepare(request)
            async for message in inside:
                await inside.send_str(f"{socket.stem} {message.data}")
                await inside.close(code=4404, message=b"no more")
            return inside
        told = {"worker": socket.stem, "from": request.headers.getall("X-Forwarded-For"), "path": request.raw_path}
        return web.json_response(told, status=201, headers={"Location": f"/whip/of-{socket.stem}"})

    app = web.Application()
    app.add_routes([web.get("/fleet/beat", beat), web.route("*", "/{path:.*}", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, socket).start()
    return runner


@pytest.fixture
async def front(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Of two workers, the second emptier."""
    sockets = [tmp_path / "a.sock", tmp_path / "b.sock"]
    runners = [await worker(socket, sessions) for socket, sessions in zip(sockets, (3, 1), strict=True)]
    front = Front(sockets, **getattr(request, "param", {"proxied": False}))
    running = asyncio.create_task(front.run())
    server = TestServer(front.application(), access_log=None)
    await server.start_server()
    async with asyncio.timeout(5):
        while not all(worker.beat for worker in front.workers):
            await asyncio.sleep(0.01)
    yield str(server.make_url("/"))
    running.cancel()
    await server.close()
    for runner in runners:
        await runner.cleanup()


async def post(http: aiohttp.ClientSession, url: str, **headers: str) -> dict[str, object]:
    async with http.post(url, headers=headers) as response:
        told: dict[str, object] = await response.json()
        return told


async def test_sessions_go_to_the_emptier_worker_until_it_is_no_more(front: str, http: aiohttp.ClientSession) -> None:
    went = [(await post(http, f"{front}whip?verses=1:1-7"))["worker"] for _ in range(3)]
    assert went == ["b", "b", "a"], "3 and 1 of 4 places were taken"
    told = await post(http, f"{front}whip/of-b")
    assert (told["worker"], told["path"]) == ("b", "/whip/of-b"), "what belongs to a session goes where it is"


async def test_a_websocket_is_passed_on_whole(front: str, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(f"{front}ws?verses=1", protocols=("talaqqi.v1", "bearer.x")) as socket:
        assert socket.protocol == "talaqqi.v1"
        await socket.send_str("hear me")
        assert await socket.receive_str(timeout=5) == "b hear me"
        last = await socket.receive(timeout=5)
        assert (last.type, last.data, last.extra) == (WSMsgType.CLOSE, 4404, "no more")


async def test_clients_cannot_say_who_they_are(front: str, http: aiohttp.ClientSession) -> None:
    told = await post(http, f"{front}whip", **{"X-Forwarded-For": "203.0.113.9"})
    assert told["from"] == ["127.0.0.1"]


@pytest.mark.parametrize("front", [{"proxied": True, "trusted": ["127.0.0.0/8"]}], indirect=True)
async def test_proxies_that_are_trusted_can(front: str, http: aiohttp.ClientSession) -> None:
    told = await post(http, f"{front}whip", **{"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
    assert told["from"] == ["203.0.113.9"]
