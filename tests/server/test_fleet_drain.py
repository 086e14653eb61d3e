"""Sessions that leave a node that is emptied, and go on at another. Toy ears, real connections, a real Redis."""

import asyncio

import aiohttp
import numpy as np
import pytest
from redis_process import RedisProcess, free_port
from toy_ear import Running, StartServer

from server.messages import Move
from server.reciter import Client, Network, Reciter, encode_recording
from server.returning import Returning
from server.socket_reciter import SocketReciter


async def fleet(start_server: StartServer, redis: RedisProcess) -> list[Running]:
    """Two nodes that know each other."""
    nodes = []
    for _ in range(2):
        port = free_port()
        nodes.append(await start_server(redis=redis.url, port=port, node_url=f"http://127.0.0.1:{port}"))
    async with asyncio.timeout(10):
        while not all(running.server.node and running.server.node.others_accept for running in nodes):
            await asyncio.sleep(0.02)
    return nodes


@pytest.mark.parametrize("kind", [Reciter, SocketReciter], ids=["webrtc", "websocket"])
async def test_an_emptied_node_loses_no_session(
    start_server: StartServer, http: aiohttp.ClientSession, redis: RedisProcess, kind: type[Reciter]
) -> None:
    first, second = await fleet(start_server, redis)
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(6 * 16_000) / 16_000)).astype(np.float32)
    sound = encode_recording(tone, 0.4)

    def make(before: Client | None, network: Network) -> Client:
        move = None if before is None else before.asked_to_move
        url = first.url if move is None else move.url
        return kind(http, url, "112", sound, network=network, before=before)

    returning = Returning(make)

    async def drain() -> None:
        while sum(len(message.words) for _, message in returning.heard.feedback) < 3:
            await asyncio.sleep(0.02)
        await first.server.drain()

    draining: list[asyncio.Task[None]] = []

    def begin(_: Returning) -> "asyncio.Task[None]":
        draining.append(asyncio.create_task(drain()))
        return draining[0]

    heard = await returning.recite(begin)
    (recovery,) = returning.recoveries
    assert Move(second.url.rstrip("/")) in [message for _, message in heard.control]
    assert draining[0].done() and not draining[0].cancelled(), "it was over when the session had gone"
    assert first.server.metrics.ended["moved"].value == 1 and first.server.live.taken == 0
    before = {row.at for at, message in heard.feedback if at < recovery.noticed for row in message.words}
    restored = {row.at for message in recovery.restored for row in message.words}
    assert before and before <= restored, "nothing that was confirmed is lost"
    assert heard.summary is not None
    said = [word.at for word in heard.summary.words if word.start is not None]
    assert restored < set(said) and said == [word.at for word in heard.summary.words][: len(said)], "and it went on"
    print(f"asked to move until the first feedback: {1000 * (recovery.back - recovery.noticed):.0f} ms")
    assert recovery.back - recovery.noticed < 2.0


async def test_nobody_is_asked_to_move_where_there_is_nowhere_to_go(
    start_server: StartServer, http: aiohttp.ClientSession, redis: RedisProcess
) -> None:
    alone = await start_server(redis=redis.url)
    tone = np.full(16_000, 0.1, np.float32)
    reciter = Reciter(http, alone.url, "112", encode_recording(tone, 0.4))
    await reciter.connect()
    async with asyncio.timeout(5):
        await alone.server.drain()
    assert reciter.asked_to_move is None and alone.server.live.taken == 1
    async with http.get(f"{alone.url}readyz") as response:
        assert response.status == 503, "and nobody new comes"
    await reciter.close()


async def test_an_operator_may_have_a_node_emptied(
    start_server: StartServer, http: aiohttp.ClientSession, redis: RedisProcess
) -> None:
    asked = await start_server(redis=redis.url, tokens=frozenset({"operator"}))
    async with http.post(f"{asked.url}drain") as response:
        assert response.status == 401 and not asked.server.leaving.is_set()
    async with http.post(f"{asked.url}drain", headers={"Authorization": "Bearer operator"}) as response:
        assert response.status == 202 and asked.server.leaving.is_set()
    open_to_all = await start_server(redis=redis.url)
    async with http.post(f"{open_to_all.url}drain") as response:
        assert response.status == 403
