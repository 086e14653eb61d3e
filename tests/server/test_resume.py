"""Sessions that outlive their connections, and their process: over real WebRTC and real WebSockets."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from toy_ear import Running, StartServer, ToyLine

from server.keeper import Keepable
from server.messages import Error, Feedback, Restored, SummaryMessage, Welcome, WordRow, decode_server
from server.reciter import Client, Heard, Network, NotKept, Reciter, Recording, encode_recording
from server.returning import Returning
from server.roles import Role, mint
from server.socket_reciter import SocketReciter
from server.websocket import NOT_KEPT

SECRET = "s" * 32
WAYS = pytest.mark.parametrize("kind", [Reciter, SocketReciter], ids=["webrtc", "websocket"])


@pytest.fixture(scope="session")
def long_tone() -> Recording:
    """Five seconds of a tone."""
    t = np.arange(5 * 16_000) / 16_000
    return encode_recording((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 0.4)


Make = Callable[[Client | None, Network], Client]


def maker(kind: type[Reciter] | type[SocketReciter], http: aiohttp.ClientSession, url: str, sound: Recording) -> Make:
    return lambda before, network: kind(http, url, "112", sound, network=network, before=before)


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


def welcomes(heard: Heard) -> list[Welcome]:
    return [message for _, message in heard.control if isinstance(message, Welcome)]


def words_told(heard: Heard) -> dict[str, WordRow]:
    """The first row of each word, whatever message brought it."""
    told: dict[str, WordRow] = {}
    for rows in [message.words for _, message in heard.feedback] + [message.words for _, message in heard.restored]:
        for row in rows:
            told.setdefault(row.at, row)
    return told


def at_once_after(s: float, gone_s: float) -> Callable[[Returning], "asyncio.Task[None]"]:
    async def cut(returning: Returning) -> None:
        await asyncio.sleep(s)
        await returning.cut(gone_s)

    return lambda returning: asyncio.create_task(cut(returning))


@WAYS
async def test_a_network_gone_for_two_seconds_costs_its_two_seconds(
    start_server: StartServer, http: aiohttp.ClientSession, long_tone: Recording, kind: type[Reciter]
) -> None:
    running = await start_server()
    gaps = len(ToyLine.gaps)
    returning = Returning(maker(kind, http, running.url, long_tone))
    heard = await returning.recite(at_once_after(1.5, 2.0))
    (recovery,) = returning.recoveries
    first, second = welcomes(heard)
    assert (first.session, first.resume) == (second.session, second.resume) and first.resume
    assert (first.resumed, second.resumed) == (False, True)
    rows = {row.id: row for _, message in heard.feedback for row in message.phones}
    assert sorted(rows) == list(range(1, len(rows) + 1)), "ids go on, no verdict is skipped"
    messages = sorted((message for _, message in heard.feedback), key=lambda message: message.seq)
    steps = [after.sample - before.sample for before, after in pairwise(messages)]
    assert min(steps) >= 0
    longest = steps.index(max(steps))
    end, begin = messages[longest].sample, messages[longest + 1].sample
    gone_s = recovery.back - recovery.down
    assert gone_s - 2.4 < (begin - end) / 16_000 < gone_s, "but for a second of silence nobody heard anything meanwhile"
    assert [row for row in rows.values() if end - 14_000 < row.end < begin] == [], "nothing in it was judged"
    assert recovery.back_s < 3.0  # perf/recovery has the figure of a machine that does nothing else
    assert [stop - start >= 16_000 for _, start, stop in ToyLine.gaps[gaps:]] == [True], "the line was told of it, once"
    said = {row.at for m in recovery.restored for row in m.words}
    assert said == {row.at for at, m in heard.feedback if at < recovery.opened for row in m.words}
    assert heard.summary is not None
    assert {word.at for word in heard.summary.words if word.start is not None} == words_told(heard).keys()
    assert heard.summary.seconds == pytest.approx(5.4, abs=0.4)
    await running.sessions(0)
    assert running.server.metrics.resumed["live"].value == 1
    assert running.server.metrics.ended["left"].value == 1 and running.encoder.taken == set()


async def test_the_old_connection_may_be_closed_once_the_new_one_stands(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    first = Reciter(http, running.url, "112", tone)
    await first.connect()
    first.begin()
    await until(lambda: len(first.heard.feedback) >= 5)
    second = Reciter(http, running.url, "112", tone, network=Network(), before=first)
    await first.hush()
    await second.connect()
    assert running.server.metrics.sessions["webrtc"].value == 1
    assert first.location is not None
    async with http.delete(first.location) as response:
        assert response.status == 200
    count = len(first.heard.feedback)
    await until(lambda: len(first.heard.feedback) >= count + 5)
    await second.close()
    await first.drop()
    await running.sessions(0)
    assert running.server.metrics.ended["left"].value == 1


async def test_who_closes_the_only_connection_for_good_is_not_waited_for(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.connect()
    await reciter.close()
    await running.sessions(0)
    assert running.server.metrics.adrift.value == 0
    with pytest.raises(NotKept, match="kept no longer"):
        await Reciter(http, running.url, "112", tone, network=Network(), before=reciter).connect()


async def test_a_token_that_is_not_known_is_told_and_one_begins_anew(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    async with http.post(f"{running.url}whip?resume=nothing", data="v=0") as response:
        assert response.status == 404
        assert "begin a new one" in (await response.json())["error"]
    async with http.ws_connect(f"{running.url}ws?resume=nothing") as ws:
        error = decode_server(await ws.receive_str())
        assert isinstance(error, Error) and (error.code, error.fatal) == ("not_kept", True)
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE and ws.close_code == NOT_KEPT
    assert running.server.metrics.resumed["unknown"].value == 2
    assert (await Reciter(http, running.url, "112", tone).recite()).summary is not None


async def test_nobody_takes_up_the_session_of_another(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(secret=SECRET)

    def student(sub: str) -> str:
        return mint(SECRET, Role.STUDENT, sub=sub, classes=("5b",), now=time.time(), life_s=600)

    mine = Reciter(http, running.url, "112", tone, token=student("amina"))
    await mine.connect()
    for token, status in ((student("zayd"), 401), (None, 401)):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        resume = {"resume": mine.heard.welcome.resume if mine.heard.welcome else ""}
        async with http.post(f"{running.url}whip", params=resume, headers=headers) as response:
            assert response.status == status
    again = Reciter(http, running.url, "112", tone, token=student("amina"), network=Network(), before=mine)
    await again.connect()
    await again.close()
    await mine.drop()
    await running.sessions(0)


async def test_who_is_away_loses_the_place_to_who_is_here_and_nothing_else(
    start_server: StartServer, http: aiohttp.ClientSession, long_tone: Recording, tone: Recording
) -> None:
    running = await start_server(capacity=1, ping_timeout_s=0.5)
    away = SocketReciter(http, running.url, "112", long_tone)
    await away.connect()
    away.begin()
    away.ping()
    await until(lambda: len(words_told(away.heard)) >= 2)
    await asyncio.sleep(0.7)  # A snapshot is due.
    await away.hush()
    away.network.down = True
    await until(lambda: running.server.metrics.adrift.value == 1)
    here = await SocketReciter(http, running.url, "112", tone).recite()
    assert here.summary is not None
    assert running.server.metrics.ended["gave_way"].value == 1
    await running.sessions(0)
    back = SocketReciter(http, running.url, "112", long_tone, network=Network(), before=away)
    await back.connect()
    await until(lambda: bool(back.heard.restored))
    assert running.server.metrics.resumed["snapshot"].value == 1
    await back.finish()
    summary = back.heard.summary
    assert isinstance(summary, SummaryMessage)
    kept = {word.at for word in summary.words if word.start is not None}
    assert kept and kept == {row.at for _, message in back.heard.restored for row in message.words}
    await back.close()
    await away.drop()


@WAYS
async def test_another_process_goes_on_from_the_snapshot(
    start_server: StartServer, http: aiohttp.ClientSession, long_tone: Recording, tmp_path: Path, kind: type[Reciter]
) -> None:
    first: Running = await start_server(snapshots=tmp_path)
    urls = [first.url]

    def make(before: Client | None, network: Network) -> Client:
        return kind(http, urls[-1], "112", long_tone, network=network, before=before)

    returning = Returning(make)

    async def move() -> None:
        await asyncio.sleep(2.0)
        await first.stop()
        urls.append((await start_server(snapshots=tmp_path)).url)

    heard = await returning.recite(lambda _: asyncio.create_task(move()))
    one, other = welcomes(heard)
    assert one.session == other.session and other.resumed
    (recovery,) = returning.recoveries
    told = {row.at: row.start for at, m in heard.feedback if at < recovery.opened for row in m.words}
    assert {row.at: row.start for m in recovery.restored for row in m.words} == told, "when, too, to the sample"
    ids = [row.id for _, m in heard.feedback for row in m.words]
    assert len(set(ids)) == len(words_told(heard)), "no number is used twice"
    samples = [m.sample for _, m in sorted(heard.feedback, key=lambda one: one[1].seq)]
    assert samples == sorted(samples)
    assert heard.summary is not None
    assert {word.at for word in heard.summary.words if word.start is not None} == words_told(heard).keys()
    assert isinstance(heard.feedback[-1][1], Feedback) and not isinstance(heard.feedback[-1][1], Restored)


@pytest.mark.parametrize("ends_first", ["the one before", "the one that goes on"])
async def test_a_client_may_be_back_before_its_session_has_wound_up(
    start_server: StartServer,
    http: aiohttp.ClientSession,
    tone: Recording,
    monkeypatch: pytest.MonkeyPatch,
    ends_first: str,
) -> None:
    running = await start_server()
    reception = running.server._reception
    first = SocketReciter(http, running.url, "112", tone)
    await first.connect()
    first.begin()
    await until(lambda: len(first.heard.feedback) >= 5)
    (session,) = reception.sessions.values()
    put, slow = reception.keeper.put, asyncio.Event()
    await put(session)

    async def put_slowly(keepable: Keepable) -> None:
        if keepable is session:
            await slow.wait()
        await put(keepable)

    monkeypatch.setattr(reception.keeper, "put", put_slowly)
    session.end("overloaded")
    second = SocketReciter(http, running.url, "112", tone, network=Network(), before=first)
    await second.connect()
    (other,) = reception.sessions.values()
    assert other is not session and other.id == session.id
    if ends_first == "the one before":
        slow.set()
        await until(lambda: sum(task.get_name() == f"session {session.id}" for task in asyncio.all_tasks()) == 1)
        assert list(reception.sessions.values()) == [other] and reception.find(other.resume_token) is other
        await second.close()
    else:
        await second.close()
        await running.sessions(0)
        slow.set()
    await until(lambda: not any(task.get_name() == f"session {session.id}" for task in asyncio.all_tasks()))
    assert not reception.sessions
    async with http.get(f"{running.url}healthz") as response:
        assert response.status == 200
