"""The one task that writes: all records' news, at most every `EVERY_S`, as one transaction.

A session never waits for the database. What is killed (`kill -9`) loses what happened since the last commit; a database
that cannot be reached is tried again for as long as records have room (`server.storage.record`). Rows that the database
will not have, which is a mistake of ours, are tried twice and then dropped, so that they do not stand in the way of
everybody's.
"""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from server.metrics import Metrics
from server.storage.database import Database
from server.storage.record import Begun, Changes, LabelRow, LetterRow, Record, RemarkRow, Row, RuleRow, Student, WordRow
from server.storage.tables import CLASSES, LABELS, LETTERS, REMARKS, RULES, SESSIONS, STUDENTS, TALLIES, WORDS

logger = logging.getLogger(__name__)

EVERY_S = 0.5
AGAIN_S = 2.0
"""After a failure."""
LAST_DEADLINE_S = 5.0
"""For what is left when the server stops."""

TABLES: dict[type[Row], Table] = {
    WordRow: WORDS,
    LetterRow: LETTERS,
    RuleRow: RULES,
    LabelRow: LABELS,
    RemarkRow: REMARKS,
}

OUR_MISTAKE = (IntegrityError, DataError, ProgrammingError)
FAILURES = (SQLAlchemyError, OSError, TimeoutError)
"""What a database raises that is away, or does not want what it is given."""

_Taken = Sequence[tuple[Record, Changes]]

_ADVANCE = (
    update(SESSIONS)
    .where(SESSIONS.c.id == bindparam("session"))
    .values({name: bindparam(f"new_{name}") for name in ("verses", "seconds", "voice_s", "ended")})
)


class Writer:
    """See the module's docstring. `run` must be running."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database, self._metrics = database, metrics
        self._records: dict[str, Record] = {}
        self._numbers: dict[str, int] = {}
        """Of the sessions that have a row, by their names."""
        self._writing = asyncio.Lock()
        self._failed = False
        """The last attempt did not succeed."""

    def begin(self, session: str, student: Student, verses: str, began: float) -> Record:
        """A record for a session."""
        record = self._records[session] = Record(session, student, verses, began)
        return record

    def go_on(self, session: str, student: Student, begun: Begun, passage_from: int) -> Record:
        """A record for a session that another process began (`Record.go_on`)."""
        record = self.begin(session, student, begun.verses, begun.began)
        record.go_on(begun, passage_from)
        self._numbers[session] = begun.number
        return record

    def holds(self, session: str) -> bool:
        """There is a record of it, of which not all is written."""
        return session in self._records

    async def run(self) -> None:
        """Write until cancelled; then what is left."""
        try:
            while True:
                await asyncio.sleep(AGAIN_S if self._failed else EVERY_S)
                await self.write()
        finally:
            # Cancelled: the sessions have ended, and their last words wait.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_DEADLINE_S):
                    await self.write()

    async def write(self) -> None:
        """Commit what is new in all records, now."""
        async with self._writing:
            if self._failed and not await self._look_again():
                return
            taken = [(record, changes) for record in self._records.values() if (changes := record.take())]
            if taken:
                await self._commit(taken)
            self._forget_ended()

    async def settings(self, student: Student, reading: str, now: float) -> None:
        """Keep the settings of the reading that a student chose outside a session, now."""
        async with self._writing, self._database.engine.begin() as connection:
            await self._student(connection, student, now, reading)

    @contextlib.asynccontextmanager
    async def paused(self, subject: str | None = None) -> AsyncIterator[None]:
        """Write nothing meanwhile; the records of `subject`, whose history is being deleted, are kept no longer."""
        async with self._writing:
            for record in list(self._records.values()):
                if record.student.subject == subject:
                    record.forget()
                    self._drop(record)
            yield

    async def _commit(self, taken: _Taken) -> None:
        began = time.monotonic()
        try:
            async with self._database.engine.begin() as connection:
                born = await self._sessions(connection, taken)
                await self._rows(connection, taken, self._numbers | born)
        except FAILURES as error:
            self._could_not(taken, error)
            return
        except BaseException:
            self._put_back(taken)
            raise
        self._numbers |= born
        self._failed = False
        self._metrics.storage_commits.observe(time.monotonic() - began)
        self._metrics.storage_rows.add(sum(len(changes.rows) for _, changes in taken))

    def _could_not(self, taken: _Taken, error: Exception) -> None:
        self._metrics.storage_failures.add()
        if self._failed and isinstance(error, OUR_MISTAKE):
            self._metrics.faults.add()
            self._metrics.storage_dropped.add(sum(len(changes.rows) for _, changes in taken))
            logger.exception("rows dropped that the database does not take", exc_info=error)
            self._failed = False
            return
        if not self._failed:
            reason = error.orig if isinstance(error, DBAPIError) else error
            logger.warning("nothing can be kept at present, tried again: %s", reason or type(error).__name__)
        self._failed = True
        self._put_back(taken)

    def _put_back(self, taken: _Taken) -> None:
        for record, changes in taken:
            record.put_back(changes)

    async def _look_again(self) -> bool:
        """A session may have been deleted by another process while it goes on: nothing more is kept of it. Whether the
        database answers."""
        try:
            async with self._database.engine.connect() as connection:
                found = await connection.execute(select(SESSIONS.c.id).where(SESSIONS.c.id.in_(self._numbers.values())))
                there = set(found.scalars())
        except FAILURES:
            self._metrics.storage_failures.add()
            return False
        for session, number in list(self._numbers.items()):
            if number not in there:
                self._records[session].forget()
                self._drop(self._records[session])
        return True

    async def _sessions(self, connection: AsyncConnection, taken: _Taken) -> dict[str, int]:
        """Rows for the students and sessions that have none yet; the numbers of the sessions."""
        born = {}
        for record, changes in taken:
            begins = record.session not in self._numbers and bool(changes.rows or changes.advanced)
            if not begins and changes.reading is None:
                continue
            student = await self._student(connection, record.student, record.began, changes.reading)
            if begins:
                born[record.session] = await self._session(connection, record, student)
        return born

    async def _student(self, connection: AsyncConnection, student: Student, seen: float, reading: str | None) -> int:
        said: dict[str, Any] = {"name": student.name, "seen": int(seen)}
        if reading is not None:
            said["reading"] = reading
        insert = self._database.insert(STUDENTS).values(subject=student.subject, **said)
        upsert = insert.on_conflict_do_update(index_elements=[STUDENTS.c.subject], set_=said)
        number: int = (await connection.execute(upsert.returning(STUDENTS.c.id))).scalar_one()
        return number

    async def _session(self, connection: AsyncConnection, record: Record, student: int) -> int:
        insert = self._database.insert(SESSIONS).values(
            name=record.session, student=student, began=int(record.began), **_state(record)
        )
        number: int = (await connection.execute(insert.returning(SESSIONS.c.id))).scalar_one()
        if record.student.classes:
            await connection.execute(
                CLASSES.insert(), [{"session": number, "class": name} for name in sorted(record.student.classes)]
            )
        return number

    async def _rows(self, connection: AsyncConnection, taken: _Taken, numbers: dict[str, int]) -> None:
        rows: defaultdict[Table, list[dict[str, Any]]] = defaultdict(list)
        tallies, advanced = [], []
        for record, changes in taken:
            number = numbers.get(record.session)
            if number is None:  # Only a setting was changed.
                continue
            for row in changes.rows:
                rows[TABLES[type(row)]].append({"session": number, **msgspec.structs.asdict(row)})
            for (kind, of), (times, slips) in changes.tallies.items():
                tallies.append({"session": number, "kind": kind, "of": of, "times": times, "slips": slips})
            if changes.advanced:
                advanced.append({"session": number, **{f"new_{key}": value for key, value in _state(record).items()}})
        for table, new in rows.items():
            await connection.execute(table.insert(), new)
        if tallies:
            await connection.execute(self._tally_statement(), tallies)
        if advanced:
            await connection.execute(_ADVANCE, advanced)

    def _tally_statement(self) -> Any:
        insert = self._database.insert(TALLIES)
        return insert.on_conflict_do_update(
            index_elements=["session", "kind", "of"],
            set_={"times": insert.excluded.times, "slips": insert.excluded.slips},
        )

    def _forget_ended(self) -> None:
        for record in list(self._records.values()):
            if record.ended is not None and not record.waits:
                self._drop(record)

    def _drop(self, record: Record) -> None:
        self._metrics.storage_dropped.add(record.dropped)
        self._records.pop(record.session, None)
        self._numbers.pop(record.session, None)


def _state(record: Record) -> dict[str, Any]:
    return {
        "verses": record.verses,
        "seconds": round(record.seconds, 2),
        "voice_s": round(record.voice_s, 2),
        "ended": record.ended,
    }
