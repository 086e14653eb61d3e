"""The writer, the tables and their erasure on real databases: SQLite, and PostgreSQL where it is installed."""

import asyncio
import logging
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.engine import make_url

from recitation.events import Following, PhoneVerdict, Status, Update, WordVerdict
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from server.config import ConfigError
from server.metrics import Metrics
from server.storage.database import Database, read_url
from server.storage.erasure import DAY_S, forget, prune
from server.storage.history import begun_of
from server.storage.labels import labels
from server.storage.record import Record, Student
from server.storage.tables import LABELS, LETTERS, METADATA, SESSIONS, STUDENTS, TALLIES, WORDS
from server.storage.writer import Writer

BILAL = Student("bilal", "Bilal", frozenset({"boys", "mornings"}))


class Kept:
    """A database with a writer that writes when it is told."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.metrics = Metrics()
        self.writer = Writer(self.database, self.metrics)

    async def count(self, table: Table) -> int:
        async with self.database.engine.connect() as connection:
            number: int = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            return number

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        async with self.database.engine.connect() as connection:
            return [dict(row._mapping) for row in await connection.execute(select(table))]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Kept]:
    kept = Kept(url)
    await kept.database.open()
    try:
        yield kept
    finally:
        await kept.database.close()


def recite(record: Record, *, words: int, first: int = 1) -> None:
    """Words, each with a letter that was wrong and a rule that was broken."""
    for n in range(first, first + words):
        at = f"2:255:{n}"
        end = n * 8000
        phone = PhoneVerdict(at, 0, "ل", end - 8000, end, 0.2, "ن", (0, 0))
        rule = RuleVerdict(at, Rule.GHUNNAH, (0, 1), end - 8000, end, Severity.ADVICE, Slip.SHORT, 0.8, (2, 2), 1.0)
        word = WordVerdict(at, end - 8000, end, 0.5, Status.QUESTIONED)
        record.heard(Update(end, None, (phone,), (word,), True, -20.0, Following.FOLLOWING, (rule,)))


async def test_a_session_is_written_as_it_goes(database_url: str) -> None:
    async with opened(database_url) as kept:
        record = kept.writer.begin("s1", BILAL, "2:255", 1_000_000.5)
        await kept.writer.write()
        assert await kept.count(STUDENTS) == 0, "nobody is known who said nothing"
        recite(record, words=3)
        await kept.writer.write()
        (session,) = await kept.rows(SESSIONS)
        assert session | {"id": 0, "student": 0} == {
            "id": 0, "student": 0, "name": "s1", "began": 1_000_000, "verses": "2:255", "seconds": 1.5, "voice_s": 1.5,
            "ended": None,
        }  # fmt: skip
        recite(record, words=2, first=4)
        record.overruled("2:255:1", Status.ACCEPTED, Status.QUESTIONED, "teacher", 2.0)
        record.remarked("أحسنت", None, "teacher", 3.0)
        record.read_by("munfasil=5")
        record.end("left")
        await kept.writer.write()
        await kept.writer.write()
        assert (await kept.rows(SESSIONS))[0]["ended"] == "left" and (await kept.rows(SESSIONS))[0]["seconds"] == 2.5
        assert (
            [row["n"] for row in await kept.rows(WORDS)]
            == [1, 2, 3, 4, 5]
            == [row["n"] for row in await kept.rows(LETTERS)]
        )
        tallies = {(row["kind"], row["of"]): (row["times"], row["slips"]) for row in await kept.rows(TALLIES)}
        assert tallies == {("unit", "ل"): (5, 5), ("rule", "ghunnah"): (5, 5)}
        assert [row["reading"] for row in await kept.rows(STUDENTS)] == ["munfasil=5"]
        assert kept.metrics.storage_rows.value == 17 and kept.metrics.storage_dropped.value == 0
        again = kept.writer.begin("s2", Student("bilal", "Bilal ibn Rabah"), "1", 2_000_000)
        recite(again, words=1)
        await kept.writer.write()
        (student,) = await kept.rows(STUDENTS)
        assert (student["name"], student["seen"]) == ("Bilal ibn Rabah", 2_000_000)
        assert student["reading"] == "munfasil=5", "what another session did not choose stays"


async def test_a_session_goes_on_in_another_process_as_one(database_url: str) -> None:
    async with opened(database_url) as kept:
        first = kept.writer.begin("s1", BILAL, "1", 1_000_000)
        recite(first, words=2)
        first.turn("2:255")
        recite(first, words=3)
        await kept.writer.write()
        other = Writer(kept.database, kept.metrics)
        async with kept.database.engine.connect() as connection:
            assert await begun_of(connection, "s1", "somebody else") is None
            begun = await begun_of(connection, "s1", "bilal")
        assert begun is not None
        second = other.go_on("s1", BILAL, begun, first.passage_from)
        recite(second, words=2, first=4)
        recite(first, words=1, first=50)  # What was on its way when the other one began.
        second.end("left")
        await kept.writer.write()
        await other.write()
        (session,) = await kept.rows(SESSIONS)
        assert (session["verses"], session["began"], session["ended"]) == ("1, 2:255", 1_000_000, "left")
        assert (session["seconds"], session["voice_s"]) == (1.0 + 2.5, 1.0 + 1.5 + 2.5)
        words = sorted(await kept.rows(WORDS), key=lambda row: int(row["n"]))
        assert [row["word"] for row in words] == [1, 2, 1, 2, 3, 50, 4, 5]
        assert [row["start_ms"] for row in words[-2:]] == [1000 + 1500, 1000 + 2000]
        tallies = {(row["of"], row["times"], row["slips"]) for row in await kept.rows(TALLIES)}
        assert tallies == {("ل", 7, 7), ("ghunnah", 7, 7)}, "without those of the word that came too late"
        assert await kept.count(STUDENTS) == 1


async def test_the_tables_are_those_that_the_program_knows(database_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection), METADATA)

    async with opened(database_url) as kept, kept.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    async with opened(database_url) as kept:
        assert await kept.count(SESSIONS) == 0, "opened again, nothing is to be done"


async def test_servers_that_start_together_make_the_tables_once(database_url: str) -> None:
    opening = f"asyncio.run(Database({database_url!r}).open())"
    code = f"import asyncio; from server.storage.database import Database; {opening}"
    starting = [await asyncio.create_subprocess_exec(sys.executable, "-c", code) for _ in range(2)]
    async with asyncio.timeout(60):
        assert [await process.wait() for process in starting] == [0, 0]
    async with opened(database_url) as kept:
        assert await kept.count(SESSIONS) == 0


async def test_a_database_from_the_future_is_refused(database_url: str) -> None:
    async with opened(database_url) as kept, kept.database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer Talaqqi"):
        await Database(database_url).open()


async def test_a_failed_commit_is_made_up_for(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(database_url) as kept:
        record = kept.writer.begin("s1", BILAL, "2:255", 0)
        recite(record, words=2)
        async with kept.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE words RENAME TO away"))
        with caplog.at_level(logging.WARNING, "server.storage"):
            await kept.writer.write()
        recite(record, words=1, first=3)
        async with kept.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE away RENAME TO words"))
        await kept.writer.write()
        assert [row["n"] for row in await kept.rows(WORDS)] == [1, 2, 3] and await kept.count(SESSIONS) == 1
        assert kept.metrics.storage_failures.value == 1 and kept.metrics.faults.value == 0
        assert len(caplog.records) == 1 and "Bilal" not in caplog.text


async def test_rows_that_cannot_be_kept_do_not_stand_in_the_way(database_url: str) -> None:
    async with opened(database_url) as kept:
        record = kept.writer.begin("s1", BILAL, "2:255", 0)
        recite(record, words=1)
        await kept.writer.write()
        async with kept.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE words RENAME TO away"))
        for _ in range(2):
            recite(record, words=1, first=2)
            await kept.writer.write()
            if kept.metrics.faults.value:
                break
        async with kept.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE away RENAME TO words"))
        recite(record, words=1, first=3)
        await kept.writer.write()
        assert [row["word"] for row in await kept.rows(WORDS)][-1] == 3
        assert kept.metrics.storage_failures.value == 2


async def test_forgetting_leaves_nothing_and_stops_a_live_session(database_url: str) -> None:
    async with opened(database_url) as kept:
        mine = kept.writer.begin("s1", BILAL, "2:255", 0)
        other = kept.writer.begin("s2", Student("hamza"), "2:255", 0)
        for record in (mine, other):
            recite(record, words=2)
            record.overruled("2:255:1", Status.ACCEPTED, Status.QUESTIONED, "t", 0)
        await kept.writer.write()
        recite(mine, words=1, first=3)
        assert await forget(kept.database, "bilal", kept.writer) is True
        recite(mine, words=1, first=4)
        recite(other, words=1, first=3)
        mine.end("left")
        await kept.writer.write()
        assert [row["subject"] for row in await kept.rows(STUDENTS)] == ["hamza"]
        for table in METADATA.sorted_tables:
            if table is not STUDENTS:
                numbers = {row.get("session", row.get("id")) for row in await kept.rows(table)}
                assert len(numbers) <= 1, table.name
        assert await kept.count(WORDS) == 3 and await kept.count(LABELS) == 1
        assert await forget(kept.database, "bilal", kept.writer) is False


async def test_a_session_forgotten_by_another_process_is_kept_no_longer(database_url: str) -> None:
    async with opened(database_url) as kept, opened(database_url) as elsewhere:
        mine = kept.writer.begin("s1", BILAL, "2:255", 0)
        other = kept.writer.begin("s2", Student("hamza"), "2:255", 0)
        recite(mine, words=1)
        recite(other, words=1)
        await kept.writer.write()
        assert await forget(elsewhere.database, "bilal")
        recite(mine, words=1, first=2)
        recite(other, words=1, first=2)
        await kept.writer.write()
        await kept.writer.write()
        assert [row["subject"] for row in await kept.rows(STUDENTS)] == ["hamza"]
        assert [row["n"] for row in await kept.rows(WORDS)] == [1, 2], "of the other student, all of them"
        assert kept.metrics.faults.value == 0 and mine.forgotten


async def test_old_sessions_are_pruned_and_students_with_them(database_url: str) -> None:
    async with opened(database_url) as kept:
        now = 100 * DAY_S
        for name, subject, began in (("old", "bilal", 9), ("new", "hamza", 11), ("older", "hamza", 1)):
            record = kept.writer.begin(name, Student(subject), "2:255", began * DAY_S)
            recite(record, words=1)
            record.end("left")
            await kept.writer.write()
        assert await prune(kept.database, kept.writer, 90, now) == 1 + 1
        assert [row["name"] for row in await kept.rows(SESSIONS)] == ["new"]
        assert [row["subject"] for row in await kept.rows(STUDENTS)] == ["hamza"] or await kept.count(STUDENTS) == 1


async def test_labels_say_what_was_judged_and_not_by_whom_it_was_recited(database_url: str) -> None:
    async with opened(database_url) as kept:
        record = kept.writer.begin("s1", BILAL, "2:255", 0)
        recite(record, words=2)
        record.overruled("2:255:2", Status.ACCEPTED, Status.QUESTIONED, "teacher", 7)
        await kept.writer.write()
        async with kept.database.engine.connect() as connection:
            (label,) = [label async for label in labels(connection)]
    assert (label.at, label.was, label.status, label.score) == ("2:255:2", "questioned", "accepted", 0.5)
    assert (label.start_ms, label.end_ms, label.misheard, label.by) == (500, 1000, (("ل", "ن"),), "teacher")
    assert "bilal" not in repr(label).lower()


async def test_the_last_words_are_written_when_the_server_stops(database_url: str) -> None:
    async with opened(database_url) as kept:
        running = asyncio.create_task(kept.writer.run())
        await asyncio.sleep(0)
        recite(kept.writer.begin("s1", BILAL, "2:255", 0), words=1)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled() and await kept.count(WORDS) == 1


async def test_what_is_forgotten_is_in_no_file(sqlite_url: str) -> None:
    folder = Path(make_url(sqlite_url).database or "").parent
    secret = "a-subject-to-be-found-nowhere"

    def found() -> bool:
        return any(secret.encode() in path.read_bytes() for path in folder.iterdir())

    async with opened(sqlite_url) as kept:
        record = kept.writer.begin("s1", Student(secret), "2:255", 0)
        record.remarked("x" * 3000 + secret, None, "", 0)
        recite(record, words=1500)
        await kept.writer.write()
        assert found()
        size = sum(path.stat().st_size for path in folder.iterdir())
        assert await forget(kept.database, secret, kept.writer)
        assert not found(), "neither the table nor the write-ahead log has it"
        assert sum(path.stat().st_size for path in folder.iterdir()) < size / 2, "and the file is smaller"


async def test_the_file_is_its_owners_only(sqlite_url: str) -> None:
    path = Path(make_url(sqlite_url).database or "")
    async with opened(sqlite_url) as kept:
        recite(kept.writer.begin("s1", BILAL, "2:255", 0), words=1)
        await kept.writer.write()
        modes = {file.name: stat.S_IMODE(os.stat(file).st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600} and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://h/d", "sqlite and postgresql can be used"),
        ("what", "is no URL"),
        ("sqlite://", "names no file"),
        ("sqlite:////proc/talaqqi/x", "name a folder with --data"),
        ("postgresql://talaqqi:secret@127.0.0.1:1/x", "cannot be opened"),
    ],
)
async def test_a_database_that_cannot_be_had_is_refused_in_one_line(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        await Database(url).open()
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_urls_of_both_spellings_are_read() -> None:
    assert read_url("postgres://h/d").drivername == read_url("postgresql://h/d").drivername == "postgresql+asyncpg"
