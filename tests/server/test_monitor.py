"""Teachers over real WebSockets: what they see of real sessions, what they may do, and what they cannot do."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
import pytest
from toy_ear import Running, StartServer

from recitation.events import Cursor, Following, Status, Update
from server import monitor
from server.handshake import BEARER
from server.messages import Error, Overruled, PhoneRow, Ping, Pong, Remark, WordRow
from server.monitor import EXPIRED, SUBPROTOCOL
from server.reciter import Reciter, Recording
from server.roles import Role, mint
from server.watch_messages import (
    Open,
    Opened,
    Overrule,
    Rows,
    Snapshot,
    TeacherMessage,
    TeacherRemark,
    Tile,
    Tiles,
    Told,
    WatchMessage,
    decode_watch,
    encode_watch,
)
from server.watched import Watched

SECRET = "s" * 32


def token(role: Role, *classes: str, life_s: float = 60, name: str = "", sub: str = "7") -> str:
    return mint(SECRET, role, sub=sub, classes=classes, name=name, now=time.time(), life_s=life_s)


@dataclass
class Teacher:
    """A teacher's page without the page."""

    socket: aiohttp.ClientWebSocketResponse
    seen: list[WatchMessage] = field(default_factory=list)
    tiles: dict[str, Tile] = field(default_factory=dict)

    async def next(self, within_s: float = 5.0) -> WatchMessage:
        message = decode_watch(await self.socket.receive_str(timeout=within_s))
        self.seen.append(message)
        if isinstance(message, Snapshot | Tiles):
            self.tiles |= {tile.session: tile for tile in message.sessions}
        if isinstance(message, Tiles):
            for session in message.gone:
                del self.tiles[session]
        return message

    async def until(self, kind: type[WatchMessage], within_s: float = 5.0) -> WatchMessage:  # type: ignore[valid-type]
        async with asyncio.timeout(within_s):
            while not isinstance(message := await self.next(), kind):
                pass
        return message

    async def send(self, message: TeacherMessage) -> None:
        await self.socket.send_str(encode_watch(message))


@asynccontextmanager
async def watching(
    http: aiohttp.ClientSession, running: Running, class_name: str = "open", bearer: str | None = None
) -> AsyncIterator[Teacher]:
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    async with http.ws_connect(f"{running.url}watch?class={class_name}", headers=headers) as ws:
        yield Teacher(ws)


def made_up(running: Running, session: str = "made-up", class_name: str = "open") -> Watched:
    """A session of which only what a teacher sees is there."""
    watched = Watched(
        session, name="", classes=frozenset({class_name}), verses="112", since=time.time(), tell=lambda message: True
    )
    running.server.register.add(watched)
    return watched


def hear(watched: Watched, n: int) -> None:
    at = f"112:1:{n % 4 + 1}"
    rows = [PhoneRow(n, at, 0, "ق", n, n + 1, 0.9, None, 0, 1), WordRow(n, at, n, n + 1, 0.9, Status.ACCEPTED)]
    update = Update(n * 1280, Cursor(at, 0, n), (), (), True, -20.0, Following.FOLLOWING)
    watched.heard(update, rows, time.monotonic())


async def refused(http: aiohttp.ClientSession, running: Running, path: str, **headers: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await http.ws_connect(f"{running.url}{path}", headers=headers)
    return caught.value.status


async def test_a_recitation_is_seen_as_it_goes(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    async with watching(http, running) as teacher:
        assert await teacher.next() == Snapshot("open", ())
        reciting = asyncio.create_task(Reciter(http, running.url, "112", tone).recite())
        while not any(tile.at for tile in teacher.tiles.values()):
            await teacher.next()
        ((session, tile),) = teacher.tiles.items()
        assert tile.verses == "112" and tile.name == "" and tile.number == 1 and abs(tile.since - time.time()) < 30
        await teacher.send(Open(1, session))
        assert await teacher.until(Opened) == Opened(session, "112")
        heard = await reciting
        while session in teacher.tiles:
            last = teacher.tiles[session]
            await teacher.next()
    rows = {row.id: row for message in teacher.seen if isinstance(message, Rows) for row in message.phones}
    told = {row.id: row for _, message in heard.feedback for row in message.phones}
    assert rows == told, "the teacher sees every row that the student does"
    late = [message.late_ms for message in teacher.seen if isinstance(message, Rows) and message.speech]
    assert all(ms is not None and 0 <= ms < 600 for ms in late)
    assert heard.summary is not None and last.accepted == heard.summary.accepted >= 4 and last.loss == 0


async def test_remark_and_overruling_reach_the_student_and_the_summary(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.connect()
    reciter.begin()
    async with watching(http, running) as teacher:
        await teacher.next()
        (session,) = teacher.tiles
        while teacher.tiles[session].accepted == 0:
            await teacher.next()
        await teacher.send(TeacherRemark(1, session, "أعد", "112:1:1"))
        await teacher.send(Overrule(1, session, "112:1:1", "questioned"))
        assert await teacher.until(Told) == Told(session, "remark", True)
        assert await teacher.until(Told) == Told(session, "overrule", True)
        while teacher.tiles[session].questioned == 0:
            await teacher.next()
        await reciter.microphone.done.wait()
        await reciter.finish()
        await reciter.close()
    control = [message for _, message in reciter.heard.control]
    assert Remark("أعد", "112:1:1") in control
    assert Overruled("112:1:1", Status.QUESTIONED, Status.ACCEPTED) in control
    assert reciter.heard.summary is not None
    (kept,) = reciter.heard.summary.overruled
    assert (kept.at, kept.status, kept.was) == ("112:1:1", Status.QUESTIONED, Status.ACCEPTED)


async def test_a_passage_turned_to_is_opened_anew(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.connect()
    async with watching(http, running) as teacher:
        await teacher.next()
        (session,) = teacher.tiles
        await teacher.send(Open(1, session))
        await teacher.until(Opened)
        reciter.control.send('{"v":1,"type":"passage","verses":"113"}')
        assert await teacher.until(Opened) == Opened(session, "113")
        assert teacher.tiles[session].verses == "113"
        await reciter.close()


async def test_changes_are_told_five_times_a_second_at_most(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    running = await start_server()
    watched = made_up(running)
    async with watching(http, running) as teacher:
        await teacher.next()
        await teacher.send(Open(1, watched.id))
        await teacher.until(Opened)
        begun, before = time.monotonic(), len(teacher.seen)
        for n in range(100):
            hear(watched, n)
            await asyncio.sleep(0.01)
        took = time.monotonic() - begun
        rows = None
        while not isinstance(rows, Rows) or rows.seq != watched.mark:
            rows = await teacher.until(Rows)
        assert teacher.tiles[watched.id].at == "112:1:4", "the last of all"
    news = teacher.seen[before:]
    for kind in (Tiles, Rows):
        assert 2 <= sum(isinstance(message, kind) for message in news) <= took / monitor.EVERY_S + 2


@pytest.mark.parametrize(
    ("path", "bearer", "status"),
    [
        ("watch?class=boys", None, 401),
        ("watch?class=boys", lambda: "nonsense", 401),
        ("watch?class=boys", lambda: token(Role.TEACHER, "boys", life_s=-60), 401),
        ("watch?class=girls", lambda: token(Role.TEACHER, "boys"), 403),
        ("watch", lambda: token(Role.TEACHER, "boys"), 403),
        ("watch?class=boys", lambda: token(Role.STUDENT, "boys"), 403),
        ("watch?class=boys", lambda: token(Role.PROBE), 403),
    ],
)
async def test_who_may_not_watch(
    start_server: StartServer, http: aiohttp.ClientSession, path: str, bearer: Callable[[], str] | None, status: int
) -> None:
    running = await start_server(secret=SECRET)
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer()}"}  # tokens live for minutes
    assert await refused(http, running, path, **headers) == status
    reasons = running.server.metrics.refused
    assert {name: counter.value for name, counter in reasons.items()} == {"token" if status == 401 else "role": 1}


async def test_a_teacher_sees_their_class_only_and_a_student_nobody(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(secret=SECRET)
    bilal = token(Role.STUDENT, "boys", name="Bilal", sub="b")
    boy = Reciter(http, running.url, "112", tone, token=bilal)
    girl = Reciter(http, running.url, "112", tone, token=token(Role.STUDENT, "girls", name="Maryam", sub="g"))
    probe = Reciter(http, running.url, "112", tone, token=token(Role.PROBE))
    for reciter in (boy, girl, probe):
        await reciter.connect()
    async with watching(http, running, "girls", token(Role.TEACHER, "girls")) as teacher:
        await teacher.next()
        assert [tile.name for tile in teacher.tiles.values()] == ["Maryam"]
        boys = running.server.register.of_class("boys")
        assert [watched.tile().name for watched in boys] == ["Bilal"]
        for watched in boys:
            await teacher.send(TeacherRemark(1, watched.id, "hello"))
        refusal = await teacher.until(Error)
        assert isinstance(refusal, Error) and refusal.code == "no_session"
    assert girl.location is not None
    async with http.delete(girl.location, headers={"Authorization": f"Bearer {bilal}"}) as answer:
        assert answer.status == 401, "a student ends no other's session"
    teacher_token = {"Authorization": f"Bearer {token(Role.TEACHER, 'boys')}"}
    assert (await http.post(f"{running.url}whip?verses=112", headers=teacher_token)).status == 403
    for reciter in (boy, girl, probe):
        await reciter.close()
    await running.sessions(0)
    assert running.server.register.of_class("boys") == ()


async def test_a_browser_sends_its_token_as_a_subprotocol(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    running = await start_server(secret=SECRET)
    bearer = BEARER + token(Role.TEACHER, "boys")
    async with http.ws_connect(f"{running.url}watch?class=boys", protocols=(SUBPROTOCOL, bearer)) as ws:
        assert ws.protocol == SUBPROTOCOL, "the token is not sent back"
        assert isinstance(decode_watch(await ws.receive_str(timeout=5)), Snapshot)
    with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
        await http.ws_connect(f"{running.url}watch?class=boys", protocols=(bearer,))


async def test_a_page_of_another_site_may_not_watch(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server(origins=frozenset({"*", "https://school.example"}))
    assert await refused(http, running, "watch?class=open", Origin="https://evil.example") == 403
    assert await refused(http, running, "watch?class=open", Origin="null") == 403
    for origin in (running.url.rstrip("/"), "https://school.example"):
        async with http.ws_connect(f"{running.url}watch?class=open", headers={"Origin": origin}) as ws:
            await ws.receive_str(timeout=5)


async def test_without_tokens_only_this_machine_watches(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    assert await refused(http, running, "watch?class=open", Host="rebound.example") == 403
    assert await refused(http, running, "watch?class=open", **{"X-Forwarded-For": "203.0.113.7"}) == 403
    for settings in ({"proxied": True}, {"host": "0.0.0.0", "open_to_all": True}):
        assert await refused(http, await start_server(**settings), "watch?class=open") == 403


async def test_whoever_asks_is_told_what_their_token_is_good_for(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    running = await start_server(secret=SECRET)
    headers = {"Authorization": f"Bearer {token(Role.TEACHER, 'girls', 'boys', name='Maryam')}"}
    me = await (await http.get(f"{running.url}api/me", headers=headers)).json()
    assert me | {"expires": 0} == {"role": "teacher", "name": "Maryam", "classes": ["boys", "girls"], "expires": 0}
    assert 50 < me["expires"] - time.time() < 61
    assert (await http.get(f"{running.url}api/me")).status == 401
    open_to_all = await start_server()
    me = await (await http.get(f"{open_to_all.url}api/me")).json()
    assert me == {"role": "operator", "name": "", "classes": ["open"], "expires": None}


async def test_watching_ends_with_the_token(
    start_server: StartServer, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start_server(secret=SECRET)
    async with watching(http, running, "boys", token(Role.TEACHER, "boys", life_s=0.5)) as teacher:
        await teacher.next()
        assert (await teacher.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert teacher.socket.close_code == EXPIRED


async def test_garbage_is_answered_and_a_flood_of_it_ends_the_watch(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    running = await start_server(bad_messages=5)
    made_up(running)
    async with watching(http, running) as teacher, watching(http, running) as other:
        await teacher.next()
        await other.next()
        for text in ("", "{", "[]", '{"v":1,"type":"open","session":7}'):
            await teacher.socket.send_str(text)
        await teacher.send(Ping(1, 7))
        answers = [await teacher.next() for _ in range(5)]
        assert [type(answer) for answer in answers] == [Error, Error, Error, Error, Pong]
        await teacher.socket.send_bytes(b"\xff")
        assert isinstance(await teacher.next(), Error)
        assert (await teacher.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert teacher.socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
        await other.send(Ping(1, 8))
        assert await other.next() == Pong(8, 0)
    assert running.server.metrics.bad_messages.value == 5


async def test_a_message_too_long_closes_the_socket(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    async with watching(http, running) as teacher:
        await teacher.next()
        await teacher.socket.send_str("x" * 20_000)
        assert (await teacher.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert teacher.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_so_many_teachers_and_no_more(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server(teachers=1)
    async with watching(http, running) as teacher:
        await teacher.next()
        assert running.server.metrics.teachers.value == 1
        assert await refused(http, running, "watch?class=open") == 503
    async with asyncio.timeout(5):
        while running.server.metrics.teachers.value:
            await asyncio.sleep(0.02)
    async with watching(http, running) as teacher:
        await teacher.next()


HANDSHAKE = (
    "GET /watch?class=open HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_a_teacher_who_never_reads_is_dropped_and_hurts_nobody(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "SEND_DEADLINE_S", 0.5)
    monkeypatch.setattr(monitor, "EVERY_S", 0.02)
    running = await start_server()
    crowd = [made_up(running, f"s{n}") for n in range(300)]
    address = urlsplit(running.url)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    await asyncio.get_running_loop().sock_connect(deaf, (address.hostname, address.port))
    await asyncio.get_running_loop().sock_sendall(deaf, HANDSHAKE.format(host=address.netloc).encode())
    async with watching(http, running) as teacher:
        await teacher.next()
        async with asyncio.timeout(5):
            while running.server.metrics.teachers.value < 2:
                await asyncio.sleep(0.01)
        reciting = asyncio.create_task(Reciter(http, running.url, "112", tone).recite())
        async with asyncio.timeout(20):
            n = 0
            while running.server.metrics.teachers.value == 2:
                n += 1
                for watched in crowd:
                    hear(watched, n)
                await teacher.next()
        heard = await reciting
        await teacher.send(Ping(1, 7))
        assert await teacher.until(Pong) == Pong(7, 0)
    deaf.close()
    assert len(heard.feedback) >= 28, "a student's feedback does not wait for a teacher"
    assert heard.summary is not None


async def test_a_server_that_stops_tells_its_teachers(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    async with watching(http, running) as teacher:
        await teacher.next()
        begun = time.monotonic()
        stopping = asyncio.create_task(running.stop())
        assert (await teacher.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert teacher.socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
        await stopping
    assert time.monotonic() - begun < 3


async def test_the_page_for_teachers_is_served(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    async with http.get(f"{running.url}teacher") as page:
        assert page.status == 200 and page.content_type == "text/html"
