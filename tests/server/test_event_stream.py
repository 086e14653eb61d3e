"""A session without data channels: its messages are read at a URL."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from toy_ear import StartServer

from server.event_stream import EventStream
from server.messages import Pong
from server.reciter import Microphone, Reciter, Recording
from server.roles import Role, mint

SECRET = "s" * 32
SDP = {"Content-Type": "application/sdp"}


@dataclass
class Publisher:
    """A WHIP client that does nothing but publish."""

    http: aiohttp.ClientSession
    peer: RTCPeerConnection
    microphone: Microphone
    session: str
    events: str

    @classmethod
    async def connect(cls, http: aiohttp.ClientSession, url: str, recording: Recording, token: str = "") -> "Publisher":
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        microphone = Microphone(recording.packets)
        peer.addTransceiver(microphone, direction="sendonly")
        await peer.setLocalDescription(await peer.createOffer())
        headers = {**SDP, "Authorization": f"Bearer {token}"}
        offer = peer.localDescription.sdp
        async with http.post(f"{url}whip?verses=112", data=offer.encode(), headers=headers) as response:
            assert response.status == 201
            events = str(response.links["monitor"]["url"])
            await peer.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))
            return cls(http, peer, microphone, f"{url}{response.headers['Location'][1:]}", events)

    async def leave(self, token: str = "") -> None:
        async with self.http.delete(self.session, headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == 200
        self.microphone.stop()
        await self.peer.close()


async def read(http: aiohttp.ClientSession, url: str, token: str = "") -> AsyncIterator[dict[str, Any]]:
    async with http.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
        assert response.status == 200 and response.content_type == "text/event-stream"
        async for line in response.content:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


async def test_feedback_and_summary_are_read_at_the_link(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    publisher = await Publisher.connect(http, running.url, tone)

    async def recite() -> None:
        await http.post(publisher.events, data='{"v": 1, "type": "ping", "t": 5}')
        publisher.microphone.begin(time.monotonic())
        await publisher.microphone.done.wait()
        # DELETE and the end of the connection come at once, and yet the last words are judged and told.
        await publisher.leave()

    reading = read(http, publisher.events)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        received = [await anext(reading)]
        tasks.create_task(recite())
        received += [message async for message in reading]
    kinds = [message["type"] for message in received]
    assert kinds[0] == "welcome" and kinds[-1] == "summary" and kinds.count("pong") == 1
    rows = [row for message in received if message["type"] == "feedback" for row in message["phones"]]
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1)) and len(rows) > 15, "each verdict comes once"
    await running.sessions(0)
    assert running.server.metrics.ended["left"].value == 1


async def test_who_reads_later_gets_what_came_before(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    publisher = await Publisher.connect(http, running.url, tone)
    publisher.microphone.begin(time.monotonic())
    await asyncio.wait_for(publisher.microphone.done.wait(), 10)
    assert running.server.metrics.feedback_skipped.value == 0, "nobody was there to skip it for"
    async with asyncio.timeout(5):
        await http.post(publisher.events, data='{"v": 1, "type": "stop"}')
        reading = read(http, publisher.events)
        received = [await anext(reading)]
        await publisher.leave()
        received += [message async for message in reading]
    assert received[0]["type"] == "welcome" and received[-1]["type"] == "summary"
    assert received[-1]["accepted"] >= 1


async def test_events_are_for_who_opened_the_session(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(secret=SECRET)
    mine, other = (
        mint(SECRET, Role.STUDENT, sub=sub, classes=["a"], now=time.time(), life_s=60) for sub in ("one", "two")
    )
    publisher = await Publisher.connect(http, running.url, tone, mine)
    for headers in ({}, {"Authorization": f"Bearer {other}"}):
        async with http.get(publisher.events, headers=headers) as response:
            assert response.status == 401
        async with http.post(publisher.events, data="{}", headers=headers) as response:
            assert response.status == 401
    async for message in read(http, publisher.events, mine):
        assert message["type"] == "welcome"
        break
    await publisher.leave(mine)


async def test_a_session_with_channels_has_no_events(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.connect()
    async with http.get(f"{reciter.location}/events") as response:
        assert response.status == 409
    async with http.get(f"{running.url}whip/nobody/events") as response:
        assert response.status == 404
    await reciter.close()


async def test_messages_are_limited_and_bad_ones_told(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    publisher = await Publisher.connect(http, running.url, tone)
    async with asyncio.timeout(5):
        reading = read(http, publisher.events)
        assert (await anext(reading))["type"] == "welcome"
        for body, code in ((b"x" * 20_000, "too_large"), (b"\xff{", "bad_message")):
            assert (await http.post(publisher.events, data=body)).status == 204
            while (message := await anext(reading))["type"] != "error":  # Silence is told, too.
                pass
            assert message["code"] == code
        await reading.aclose()  # type: ignore[attr-defined]
    await publisher.leave()


async def test_the_server_stops_while_events_are_read(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    publisher = await Publisher.connect(http, running.url, tone)
    reading = read(http, publisher.events)
    async with asyncio.timeout(5):
        assert (await anext(reading))["type"] == "welcome"
        stopping = asyncio.ensure_future(running.stop())
        assert [m["code"] async for m in reading if m["type"] == "error"] == ["shutdown"]
        await stopping
    publisher.microphone.stop()
    await publisher.peer.close()


async def test_a_second_reader_displaces_the_first() -> None:
    stream = EventStream(keep_alive_s=0.01)
    opened = []
    stream.open(lambda: opened.append(stream.send_control(Pong(1.0, 0))), lambda text: None)
    assert not stream.send_control(Pong(0.0, 0)), "nobody reads"
    first = stream.read()
    assert "pong" in await anext(first) and await anext(first) == ""
    second = stream.read()
    assert "pong" in await anext(second) and opened == [True, True]
    with pytest.raises(StopAsyncIteration):
        await anext(first)
    assert stream.followed and stream.send_feedback("{}") and stream.waiting_bytes == 2
    stream.close()
    assert [text async for text in second] == ["{}"]
    assert not (stream.followed or stream.feedback_ready or stream.send_feedback("{}"))
