"""Nodes that share a real Redis: teachers see the students of all, sessions go where there is room, and Redis may die.

The nodes are servers with a toy ear in this process, each with its own port, register and link.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import aiohttp
import pytest
from redis_process import RedisProcess, free_port
from test_monitor import SECRET, hear, made_up, token, watching
from test_whep import Listening, reciting
from toy_ear import Running, StartServer

from recitation.events import Status
from server.messages import Consent, Error, Overruled, Remark
from server.reciter import Reciter, ReciterError, Recording
from server.roles import Role
from server.socket_reciter import SocketReciter
from server.watch_messages import Open, Opened, Overrule, Rows, Snapshot, TeacherRemark, Told

StartNode = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start_node(start_server: StartServer, redis: RedisProcess) -> StartNode:
    """Start servers that are nodes of one fleet, and wait until all know each other."""
    nodes: list[Running] = []

    async def start(reached: bool = False, **settings: object) -> Running:
        if reached:  # Clients can be sent to it.
            settings["port"] = free_port()
            settings["node_url"] = f"http://127.0.0.1:{settings['port']}"
        nodes.append(await start_server(redis=redis.url, **settings))
        async with asyncio.timeout(5):
            while not all(node.server.node and len(node.server.node.members) == len(nodes) - 1 for node in nodes):
                await asyncio.sleep(0.01)
        return nodes[-1]

    return start


async def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_teacher_on_one_node_sees_and_reaches_a_student_on_another(
    start_node: StartNode, http: aiohttp.ClientSession, tone: Recording
) -> None:
    here, there = await start_node(), await start_node()
    async with watching(http, here) as teacher:
        assert await teacher.next() == Snapshot("open", ())
        reciter = Reciter(http, there.url, "112", tone)
        reciting = asyncio.create_task(reciter.recite())
        while not any(tile.at for tile in teacher.tiles.values()):
            await teacher.next()
        ((session, tile),) = teacher.tiles.items()
        assert tile.verses == "112"
        await teacher.send(Open(1, session))
        assert await teacher.until(Opened) == Opened(session, "112")
        words: dict[str, Status] = {}
        overruled = False
        while not overruled:
            message = await teacher.next()
            if isinstance(message, Rows):
                words |= {row.at: row.status for row in message.words}
                overruled = any(row.at == "112:1:1" for row in message.overruled)
                if "112:1:1" in words and not overruled:
                    await teacher.send(Overrule(1, session, "112:1:1", "unclear"))
                    assert await teacher.until(Told) == Told(session, "overrule", True)
        await teacher.send(TeacherRemark(1, session, "once more", "112:1:1"))
        assert await teacher.until(Told) == Told(session, "remark", True)
        await teacher.send(TeacherRemark(1, session, "", "2:1:1"))
        refused = await teacher.until(Error)
        assert isinstance(refused, Error) and refused.code == "bad_place", "its own node judges what may be done"
        heard = await reciting
        while session in teacher.tiles:
            await teacher.next()
    told = [message for _, message in heard.control]
    assert Overruled("112:1:1", Status.UNCLEAR, Status.ACCEPTED) in told and Remark("once more", "112:1:1") in told
    assert heard.summary is not None and heard.summary.overruled[0].at == "112:1:1"


async def test_a_teacher_who_opens_a_session_late_gets_all_of_it(
    start_node: StartNode, http: aiohttp.ClientSession
) -> None:
    here, there = await start_node(), await start_node()
    watched = made_up(there)
    for n in range(40):
        hear(watched, n)
    for _ in range(2):  # The second teacher comes to what the first has left.
        async with watching(http, here) as teacher:
            while "made-up" not in teacher.tiles:
                await teacher.next()
            await teacher.send(Open(1, "made-up"))
            rows: list[Rows] = []
            while sum(len(message.words) for message in rows) < 4:
                message = await teacher.next()
                rows += [message] if isinstance(message, Rows) else []
            assert {row.at for message in rows for row in message.words} == {f"112:1:{n}" for n in range(1, 5)}
            watched.begin("113")
            while await teacher.next() != Opened("made-up", "113"):
                pass
            watched.begin("112")
            for n in range(40):
                hear(watched, n)


async def test_only_those_who_may_see_a_class_of_other_nodes(
    start_node: StartNode, http: aiohttp.ClientSession
) -> None:
    here, there = await start_node(secret=SECRET), await start_node(secret=SECRET)
    made_up(there, "a-boy", "boys")
    made_up(there, "a-girl", "girls")
    async with watching(http, here, "boys", token(Role.TEACHER, "boys")) as teacher:
        while "a-boy" not in teacher.tiles:
            await teacher.next()
        await teacher.send(Open(1, "a-girl"))
        refused = await teacher.until(Error)
        assert isinstance(refused, Error) and refused.code == "no_session"
        assert set(teacher.tiles) == {"a-boy"}


async def test_added_delay_between_nodes(start_node: StartNode) -> None:
    """From a change on one node until another has it, without the 200 ms that a teacher's feed waits anyway."""
    here, there = await start_node(), await start_node()
    watched = made_up(there)
    assert here.server.node is not None
    sessions = here.server.node.watching
    await until(lambda: len(sessions.of_class("open")) == 1)
    (far,) = sessions.of_class("open")
    far.follow(time.monotonic())
    hear(watched, 0)
    await until(lambda: far.mark > 1)
    delays = []
    for n in range(1, 60):
        before = far.mark
        begun = time.monotonic()
        hear(watched, n)
        while far.mark == before:
            sessions.of_class("open")
            far.follow(time.monotonic())
            await asyncio.sleep(0.0005)
        delays.append(time.monotonic() - begun)
        await asyncio.sleep(0.003 * (n % 5))
    assert sorted(delays)[len(delays) // 2] < 0.020, "the median; perf/fleet measures the percentiles"


async def test_a_new_session_goes_to_the_emptier_node_and_takes_its_token_along(
    start_node: StartNode, http: aiohttp.ClientSession, tone: Recording
) -> None:
    tokens = frozenset({"admin"})
    full = await start_node(reached=True, secret=SECRET, tokens=tokens, capacity=2)
    empty = await start_node(reached=True, secret=SECRET, tokens=tokens, capacity=2)
    bearer = token(Role.STUDENT, "boys", name="Bilal")
    first = Reciter(http, full.url, "112", tone, token=bearer)
    await first.connect()
    full.server.node.say()  # type: ignore[union-attr]
    second = Reciter(http, full.url, "112", tone, token=bearer)
    await second.connect()
    assert urlsplit(str(first.location)).port == urlsplit(full.url).port
    assert urlsplit(str(second.location)).port == urlsplit(empty.url).port, "307, and the token went with it"
    assert (empty.server.live.taken, full.server.live.taken) == (1, 1)
    assert full.server.metrics.sent_elsewhere.value == 1
    async with http.post(f"{full.url}api/tokens", headers={"Authorization": "Bearer admin"}) as response:
        once = (await response.json())["token"]
    third = Reciter(http, empty.url, "112", tone, token=once)
    await third.connect()
    assert empty.server.live.taken + full.server.live.taken == 3, "a session token is good on any node"
    for running in (full, empty):
        with pytest.raises(ReciterError, match="401"):
            await Reciter(http, running.url, "112", tone, token=once).connect()
    for one in (first, second, third):
        await one.close()
    await full.sessions(0)
    await empty.sessions(0)


async def test_a_full_node_says_where_to_open_a_websocket(
    start_node: StartNode, http: aiohttp.ClientSession, tone: Recording
) -> None:
    full = await start_node(reached=True, capacity=1)
    other = await start_node(reached=True, capacity=3)
    async with http.post(f"{full.url}ws?verses=112") as response:
        assert (await response.json())["url"] == "/ws?verses=112", "here, while there is room"
    first = SocketReciter(http, full.url, "112", tone)
    await first.connect()
    await until(lambda: other.url.rstrip("/") in full.server.node.members.urls)  # type: ignore[union-attr]
    async with http.post(f"{full.url}ws?verses=112") as response:
        place = urlsplit((await response.json())["url"])
    async with http.get(full.url) as page:
        policy = page.headers["Content-Security-Policy"]
    addresses = sorted(node.url.rstrip("/") for node in (full, other))
    assert policy.endswith(f"connect-src 'self' {addresses[0]} {addresses[1]}"), "a page may follow a session there"
    assert place.scheme == "ws" and place.port == urlsplit(other.url).port and place.path == "/ws"
    second = SocketReciter(http, full.url, "112", tone)
    await second.connect()
    assert other.server.live.taken == 1, "a program's WebSocket follows the redirect"
    for one in (first, second):
        await one.close()


async def test_a_teacher_on_one_node_listens_to_a_student_on_another(
    start_node: StartNode, http: aiohttp.ClientSession, tone: Recording
) -> None:
    here = await start_node(reached=True, secret=SECRET)
    there = await start_node(reached=True, secret=SECRET)
    student = Reciter(http, there.url, "112", tone, token=token(Role.STUDENT, "boys"))
    teacher = Listening(http, here.url, token(Role.TEACHER, "boys"))
    async with reciting(student) as session:
        assert student.location is not None and urlsplit(str(student.location)).port == urlsplit(there.url).port
        refused = await teacher.post(session)
        assert refused.status == 403 and "being asked" in (await refused.json())["error"], "consent is asked there"
        student.send(Consent(1, True))
        async with asyncio.timeout(5):
            while (answer := await teacher.post(session)).status != 201:
                await asyncio.sleep(0.05)
        assert [sent.status for sent in answer.history] == [307]
        await teacher.accept(answer)
        assert teacher.location is not None and urlsplit(teacher.location).port == urlsplit(there.url).port
        student.begin()
        await until(lambda: len(teacher.got) > 20)
        async with http.delete(teacher.location, headers=teacher.headers) as response:
            assert response.status == 200
        await until(lambda: there.server.metrics.listeners.value == 0)
    await teacher.peer.close()


async def test_who_may_not_listen_may_not_by_way_of_another_node(
    start_node: StartNode, http: aiohttp.ClientSession, tone: Recording
) -> None:
    here = await start_node(reached=True, secret=SECRET)
    there = await start_node(reached=True, secret=SECRET)
    student = Reciter(http, there.url, "112", tone, token=token(Role.STUDENT, "girls"))
    async with reciting(student) as session:
        student.send(Consent(1, True))
        for name, bearer, status, sent_on in (
            (session, None, 401, 0),
            (session, token(Role.STUDENT, "girls"), 403, 1),
            (session, token(Role.TEACHER, "boys"), 403, 1),
            ("nobody", token(Role.TEACHER, "girls"), 404, 0),
        ):
            stranger = Listening(http, here.url, bearer)
            response = await stranger.post(name)
            assert (response.status, len(response.history)) == (status, sent_on)
            await stranger.peer.close()


async def test_a_session_whose_node_has_gone_cannot_be_asked(start_node: StartNode) -> None:
    here, there = await start_node(), await start_node()
    made_up(there)
    assert here.server.node is not None and there.server.node is not None
    sessions = here.server.node.watching
    await until(lambda: len(sessions.of_class("open")) == 1)
    (far,) = sessions.of_class("open")
    sessions.left(there.server.node.name)
    refused = await far.ask(TeacherRemark(1, far.id, "are you there?"), "7")  # type: ignore[attr-defined]
    assert isinstance(refused, Error) and refused.code == "no_session"


async def test_redis_dies_and_no_student_notices(
    start_node: StartNode, http: aiohttp.ClientSession, tone: Recording, redis: RedisProcess
) -> None:
    here, there = await start_node(), await start_node()
    made_up(there, "far")
    async with watching(http, here) as teacher:
        while "far" not in teacher.tiles:
            await teacher.next()
        reciter = Reciter(http, here.url, "112", tone)
        reciting = asyncio.create_task(reciter.recite())
        while len(teacher.tiles) < 2 or reciter.heard.welcome is None:
            await teacher.next()
        await redis.kill()
        await until(lambda: not here.server.node.link.up)  # type: ignore[union-attr]
        near = next(session for session in teacher.tiles if session != "far")
        await teacher.send(TeacherRemark(1, "far", "are you there?"))
        refused = await teacher.until(Error)
        assert isinstance(refused, Error) and refused.code == "unreachable"
        await teacher.send(TeacherRemark(1, near, "go on"))
        assert await teacher.until(Told) == Told(near, "remark", True)
        another = await Reciter(http, there.url, "112", tone).recite()
        heard = await reciting
        for told in (another, heard):
            assert told.summary is not None and not told.broken and told.summary.accepted > 0
            assert not [message for _, message in told.control if isinstance(message, Error)]
        while teacher.tiles:  # Whoever cannot be followed any more is not shown as if they could.
            await teacher.next(within_s=10)
        await redis.start()
        while "far" not in teacher.tiles:
            await teacher.next(within_s=10)
    assert here.server.metrics.faults.value == there.server.metrics.faults.value == 0
