"""Sessions over real WebSockets: the same verdicts as over WebRTC, and what a client cannot do to the server."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
from toy_ear import Running, StartServer

from server.messages import (
    Error,
    PhoneRow,
    Pong,
    WordRow,
)
from server.reciter import Heard, Recording
from server.socket_reciter import SocketReciter

ROOT = Path(__file__).parent.parent.parent


def errors(heard: Heard) -> list[str]:
    return [message.code for _, message in heard.control if isinstance(message, Error)]


def rows_of(heard: Heard) -> list[PhoneRow | WordRow]:
    """Every verdict, as often as it came."""
    return [row for _, message in heard.feedback for row in (*message.phones, *message.words)]


def words(heard: Heard) -> list[tuple[str, str]]:
    """The words of the summary with what was said of them."""
    assert heard.summary is not None
    return [(word.at, word.status) for word in heard.summary.words]


def check_feedback(heard: Heard, phones: range) -> None:
    """All is in order: times, numbers, each verdict once and only once."""
    messages = [message for _, message in heard.feedback]
    assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
    first = heard.network.first_rtp
    assert first is not None
    lead = (messages[0].sample - (messages[0].rtp - first) // 3) % 2**30
    for message in messages:
        assert message.rtp == (first + (message.sample - lead) * 3) & 0xFFFFFFFF
        assert message.stamps.rx_ms <= message.stamps.encoded_ms <= message.stamps.sent_ms
    ids = [row.id for row in rows_of(heard) if isinstance(row, PhoneRow)]
    assert ids == list(range(1, len(ids) + 1)), "no verdict is skipped, none comes twice"
    assert len(ids) in phones


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_recitation_comes_back_as_feedback_and_summary(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciting = asyncio.create_task(SocketReciter(http, running.url, "112", tone).recite())
    await running.sessions(1)
    assert 'talaqqi_sessions{transport="websocket"} 1' in await metrics(http, running)
    heard = await reciting
    assert heard.welcome is not None and heard.welcome.verses == "112" and heard.welcome.engine == "toy"
    check_feedback(heard, range(24, 28))
    assert 28 <= len(heard.feedback) <= 32
    assert sum(isinstance(message, Pong) for _, message in heard.control) >= 8
    assert heard.summary is not None and heard.summary.accepted >= 4
    await running.sessions(0)
    text = await metrics(http, running)
    assert 'talaqqi_sessions_ended_total{reason="left"} 1' in text
    assert f"talaqqi_rtp_packets_total {len(tone.packets)}" in text
    assert 'talaqqi_sessions{transport="websocket"} 0' in text


async def metrics(http: aiohttp.ClientSession, running: Running) -> str:
    return await (await http.get(f"{running.url}metrics")).text()
