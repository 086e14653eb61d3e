"""History, progress and their deletion over real HTTP after real recitations: who sees what, and who does not."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from toy_ear import Running, StartServer, ToyLine

from server.config import Config
from server.keeping import BROWSER, COOKIE
from server.reciter import Client as Connected
from server.reciter import Network, Reciter, Recording, encode_recording
from server.returning import Returning
from server.roles import Role, mint
from server.socket_reciter import SocketReciter
from server.storage.record import Student

SECRET = "s" * 32
LONG_LIVED = "long-lived"


def token(role: Role, sub: str, *classes: str) -> str:
    return mint(SECRET, role, sub=sub, classes=classes, name=sub.title(), now=time.time(), life_s=60)


BILAL, HAMZA = (lambda: token(Role.STUDENT, "bilal", "boys")), (lambda: token(Role.STUDENT, "hamza", "girls"))


@dataclass
class Client:
    """Asks a server with a token, or a cookie."""

    http: aiohttp.ClientSession
    running: Running

    async def ask(
        self, path: str, bearer: str | None = None, *, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        url = f"{self.running.url}{path}"
        async with self.http.request(method, url, headers=headers, data=body) as response:
            return response.status, await response.json()

    async def get(self, path: str, bearer: str | None = None, **headers: str) -> Any:
        status, answer = await self.ask(path, bearer, **headers)
        assert status == 200, answer
        return answer

    async def recite(self, recording: Recording, bearer: str | None = None, cookie: str | None = None) -> None:
        headers = None if cookie is None else {"Cookie": f"{COOKIE}={cookie}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            reciter = Reciter(http, self.running.url, "112", recording, token=bearer)
            await reciter.recite()
        await self.running.sessions(0)
        await self.write()

    async def write(self) -> None:
        keeping = self.running.server.keeping
        assert keeping is not None
        await keeping.storage.write()


@pytest.fixture(scope="module")
def short() -> Recording:
    """Just over a second of a tone."""
    t = np.arange(20_000) / 16_000
    return encode_recording((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 0.1)


@pytest.fixture
async def school(start_server: StartServer, http: aiohttp.ClientSession, sqlite_url: str, short: Recording) -> Client:
    """A server with a secret, on which Bilal of the boys and Hamza of the girls have recited."""
    running = await start_server(database=sqlite_url, secret=SECRET, tokens=frozenset({LONG_LIVED}), posts_per_minute=0)
    client = Client(http, running)
    await asyncio.gather(client.recite(short, BILAL()), client.recite(short, HAMZA()))
    return client


async def test_a_student_sees_sessions_verses_and_progress_of_their_own(school: Client) -> None:
    history = await school.get("api/history", BILAL())
    (line,) = history["sessions"]
    assert history["next"] is None and line["verses"] == "112" and line["ended"] == "left"
    assert line["counts"]["words"] == line["counts"]["accepted"] >= 2 and 1 < line["seconds"] < 4
    detail = await school.get(f"api/history/{line['session']}", BILAL())
    assert detail["line"] == line and detail["verses"][0]["at"] == "112:1"
    assert sum(verse["counts"]["words"] for verse in detail["verses"]) == line["counts"]["words"]
    assert [word["at"] for word in detail["words"]][:2] == ["112:1:1", "112:1:2"]
    assert {word["status"] for word in detail["words"]} == {"accepted"}
    assert sum(letter["times"] for letter in detail["letters"]) >= 8, "how often each letter was said is known"
    progress = await school.get("api/progress?days=7&offset_min=180", BILAL())
    (day,) = progress["days"]
    assert day["words"] == line["counts"]["words"] and day["accepted"] == 1 and day["sessions"] == 1
    assert progress["rules"] == [] and progress["due"] == [], "all was well, and is due tomorrow"


async def test_a_list_is_told_in_pages(school: Client) -> None:
    keeping = school.running.server.keeping
    assert keeping is not None
    for n in range(5):
        record = keeping.storage.record(f"made-up-{n}", Student("bilal"), "1")
        record.remarked("أحسنت", None, "", 0)
        record.end("left")
        await school.write()
    told, path = [], "api/history?limit=2"
    while path:
        page = await school.get(path, BILAL())
        told += [line["session"] for line in page["sessions"]]
        path = f"api/history?limit=2&before={page['next']}" if page["next"] else ""
    assert told[:5] == [f"made-up-{n}" for n in (4, 3, 2, 1, 0)] and len(told) == 6


async def test_a_teacher_sees_the_students_of_the_class_and_no_others(school: Client) -> None:
    teacher = token(Role.TEACHER, "t", "boys")
    students = await school.get("api/class/students?class=boys", teacher)
    (bilal,) = students["students"]
    assert (bilal["name"], bilal["sessions"], students["class"]) == ("Bilal", 1, "boys")
    progress = await school.get(f"api/class/{bilal['student']}/progress?class=boys", teacher)
    assert progress["days"][0]["sessions"] == 1
    history = await school.get(f"api/class/{bilal['student']}/history?class=boys", teacher)
    session = history["sessions"][0]["session"]
    assert (await school.get(f"api/history/{session}", teacher))["line"]["session"] == session
    girls = await school.get("api/class/students?class=girls", token(Role.OPERATOR, "o"))
    hamza = girls["students"][0]["student"]
    for path in (f"api/class/{hamza}/progress?class=boys", f"api/class/{hamza}/history?class=boys"):
        assert (await school.ask(path, teacher))[0] == 404, "a student of another class, under one's own"


async def test_every_other_way_is_refused(school: Client) -> None:
    bilals = (await school.get("api/history", BILAL()))["sessions"][0]["session"]
    bilal = (await school.get("api/class/students?class=boys", LONG_LIVED))["students"][0]["student"]
    once = (await school.ask("api/tokens", LONG_LIVED, method="POST"))[1]["token"]
    own = ("api/history", "api/progress")
    of_class = [f"api/class/{path}?class=boys" for path in ("students", f"{bilal}/progress", f"{bilal}/history")]
    session = f"api/history/{bilals}"
    no_student = {
        "a teacher": token(Role.TEACHER, "t", "boys"),
        "a probe": token(Role.PROBE, "p"),
        "an operator": token(Role.OPERATOR, "o"),
        "a long-lived token": LONG_LIVED,
        "a session token": once,
    }
    for who, bearer in no_student.items():
        for path in own:
            assert (await school.ask(path, bearer))[0] == 403, f"{who} has no {path}"
        assert await school.get("api/settings", bearer) == {"kept": False, "reading": None}
        assert (await school.ask("api/settings", bearer, method="PUT", body='{"reading":""}'))[0] == 403, who
        assert (await school.ask("api/history", bearer, method="DELETE"))[0] == 403, f"{who} deletes nothing by it"
    no_teacher = {
        "the student": BILAL(),
        "another student": HAMZA(),
        "a teacher of others": token(Role.TEACHER, "t", "girls"),
        "a probe": token(Role.PROBE, "p"),
        "a session token": once,
    }
    for who, bearer in no_teacher.items():
        for path in of_class:
            assert (await school.ask(path, bearer))[0] == 403, f"{who} sees no {path}"
        assert (await school.ask("api/history?student=bilal", bearer, method="DELETE"))[0] == 403, who
        if who != "the student":
            status = (await school.ask(session, bearer))[0]
            assert status == (403 if who == "a session token" else 404), f"{who} sees no session of Bilal's"
    teacher = token(Role.TEACHER, "t", "boys")
    assert (await school.ask("api/history?student=bilal", teacher, method="DELETE"))[0] == 403
    assert (await school.ask("api/class/students", teacher))[0] == 403, "which class"
    for path in (*own, *of_class, session):
        assert (await school.ask(path))[0] == 401
        assert (await school.ask(path, "made-up"))[0] == 401
        assert (await school.ask(path, BILAL(), Origin="https://elsewhere.example"))[0] == 403, "a page of another site"
        assert (await school.ask(path, Cookie=f"{COOKIE}={'x' * 22}"))[0] == 401, "a cookie is no token"
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Origin": "https://elsewhere.example"}):
        assert await school.get("api/settings", **headers) == {"kept": False, "reading": None}
    assert len((await school.get("api/history", BILAL()))["sessions"]) == 1, "after all that nothing is gone"


async def test_sessions_of_nobody_are_not_kept(school: Client, short: Recording) -> None:
    once = (await school.ask("api/tokens", LONG_LIVED, method="POST"))[1]["token"]
    nobodies = (token(Role.PROBE, "p"), token(Role.OPERATOR, "o"), LONG_LIVED, once)
    await asyncio.gather(*(school.recite(short, bearer) for bearer in nobodies))
    for name in ("boys", "girls"):
        students = (await school.get(f"api/class/students?class={name}", LONG_LIVED))["students"]
        assert [student["sessions"] for student in students] == [1]
    assert (await school.ask("api/history?student=p", LONG_LIVED, method="DELETE"))[1] == {"deleted": False}


async def test_deletion_by_oneself_and_by_an_operator(school: Client) -> None:
    assert await school.ask("api/history", BILAL(), method="DELETE") == (200, {"deleted": True})
    assert (await school.get("api/history", BILAL()))["sessions"] == []
    assert await school.ask("api/history", BILAL(), method="DELETE") == (200, {"deleted": False})
    assert len((await school.get("api/history", HAMZA()))["sessions"]) == 1, "nobody else's"
    operator = token(Role.OPERATOR, "o")
    assert await school.ask("api/history?student=hamza", operator, method="DELETE") == (200, {"deleted": True})
    assert (await school.get("api/history", HAMZA()))["sessions"] == []


async def test_settings_are_kept_and_applied_to_the_next_session(school: Client, short: Recording) -> None:
    assert await school.get("api/settings", BILAL()) == {"kept": True, "reading": None}
    body = '{"reading": "munfasil=5,muttasil=5"}'
    assert (await school.ask("api/settings", BILAL(), method="PUT", body=body))[0] == 200
    assert await school.get("api/settings", BILAL()) == {"kept": True, "reading": "munfasil=5,muttasil=5"}
    before = len(ToyLine.read)
    await asyncio.gather(school.recite(short, BILAL()), school.recite(short, HAMZA()))
    assert [(moshaf.munfasil, moshaf.muttasil) for _, moshaf in ToyLine.read[before:]] == [(5, 5)], "Bilal's only"
    for bad in ("{", '{"reading": "munfasil=9"}', '{"reading": 5}'):
        assert (await school.ask("api/settings", BILAL(), method="PUT", body=bad))[0] == 400


@pytest.mark.parametrize(
    "query",
    ["history?limit=0", "history?limit=101", "history?before=x", "progress?days=367", "progress?offset_min=2000"],
)
async def test_numbers_out_of_range_are_refused(
    start_server: StartServer, http: aiohttp.ClientSession, sqlite_url: str, query: str
) -> None:
    client = Client(http, await start_server(database=sqlite_url, secret=SECRET))
    status, answer = await client.ask(f"api/{query}", BILAL())
    assert status == 400 and "whole number" in answer["error"]


async def test_on_ones_own_machine_the_browser_is_the_student(
    start_server: StartServer, sqlite_url: str, short: Recording
) -> None:
    running = await start_server(database=sqlite_url)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        client = Client(http, running)
        assert (await client.ask("api/history"))[0] == 403, "no page was loaded"
        async with http.get(running.url) as page:
            cookie = page.cookies[COOKIE]
        assert cookie["httponly"] and cookie["samesite"] == "Strict" and len(cookie.value) == 22
        await asyncio.gather(client.recite(short, cookie=cookie.value), client.recite(short))
        assert len((await client.get("api/history"))["sessions"]) == 1, "and without the cookie nobody"
        students = (await client.get("api/class/students?class=open"))["students"]
        assert [student["name"] for student in students] == [""]
        assert len((await client.get(f"api/class/{students[0]['student']}/progress?class=open"))["days"]) == 1
        for path in ("api/class/students?class=boys", "api/history?student=" + BROWSER + cookie.value):
            assert (await client.ask(path, method="DELETE" if "history" in path else "GET"))[0] == 403
        for header in ({"Host": "elsewhere.example"}, {"X-Forwarded-For": "203.0.113.7"}):
            assert (await client.ask("api/history", None, **header))[0] == 403, header
            assert (await client.ask("api/class/students?class=open", None, **header))[0] == 403, header
            async with http.get(running.url, headers=header) as page:
                assert COOKIE not in page.cookies
        assert (await client.ask("api/history", method="DELETE"))[1] == {"deleted": True}
        assert (await client.get("api/class/students?class=open"))["students"] == []


async def test_a_session_that_another_process_goes_on_with_is_one(
    start_server: StartServer, http: aiohttp.ClientSession, sqlite_url: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"database": sqlite_url, "secret": SECRET, "snapshots": tmp_path / "snapshots"}
    servers = [await start_server(**settings)]
    t = np.arange(4 * 16_000) / 16_000
    sound = encode_recording((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 0.1)

    def make(before: Connected | None, network: Network) -> Connected:
        return SocketReciter(http, servers[-1].url, "112", sound, token=BILAL(), network=network, before=before)

    async def move() -> None:
        await asyncio.sleep(2.0)
        await servers[0].stop()
        servers.append(await start_server(**settings))

    heard = await Returning(make).recite(lambda _: asyncio.create_task(move()))
    await servers[-1].sessions(0)
    client = Client(http, servers[-1])
    await client.write()
    assert servers[-1].server.metrics.resumed["snapshot"].value == 1
    (session,) = (await client.get("api/history", BILAL()))["sessions"]
    assert heard.summary is not None
    assert session["counts"]["words"] == sum(word.start is not None for word in heard.summary.words)
    assert session["ended"] == "left"


@pytest.mark.parametrize("settings", [{"host": "0.0.0.0", "open_to_all": True}, {"proxied": True}])
async def test_nothing_is_kept_where_strangers_are_nameless(
    start_server: StartServer, http: aiohttp.ClientSession, sqlite_url: str, settings: dict[str, object]
) -> None:
    running = await start_server(database=sqlite_url, **settings)
    async with http.get(running.url) as page:
        assert COOKIE not in page.cookies
    assert (await Client(http, running).ask("api/history", Cookie=f"{COOKIE}={'x' * 22}"))[0] == 403


async def test_a_server_that_keeps_nothing_says_so(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    assert Config().database is None and running.server.keeping is None
    client = Client(http, running)
    for path in ("api/history", "api/history/x", "api/progress", "api/class/students?class=open"):
        assert await client.ask(path) == (404, {"error": "this server keeps no history"})
    assert await client.get("api/settings") == {"kept": False, "reading": None}
    async with http.get(running.url) as page:
        assert COOKIE not in page.cookies
