"""A server's storage as its other parts see it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from server.metrics import Metrics
from server.storage import erasure, history, trends
from server.storage.answers import History, Progress, SessionDetail, Students
from server.storage.database import CONNECTIONS, Database
from server.storage.record import Record, Student, Unavailable
from server.storage.writer import FAILURES, Writer

logger = logging.getLogger(__name__)

PRUNE_EVERY_S = 86_400.0
READING_DEADLINE_S = 0.3
"""A session does not wait longer for the settings it was read by last."""

READERS = CONNECTIONS - 1
"""Who read at the same time; one connection is the writer's."""
ANSWER_DEADLINE_S = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionFound:
    """A session by its name."""

    number: int
    subject: str
    classes: frozenset[str]


class Storage:
    """`open` before anything else, `run` for as long as anything is to be kept, `close` at the end."""

    def __init__(
        self, url: str, metrics: Metrics, *, keep_days: int | None, words_in: Callable[[int, int], int]
    ) -> None:
        """`keep_days`: sessions are deleted when they are older; None: never. `words_in` has the number of words of an
        ayah. Raises ConfigError."""
        self.database = Database(url)
        self._writer = Writer(self.database, metrics)
        self._keep_days = keep_days
        self._words_in = words_in
        self._reading = asyncio.Semaphore(READERS)

    async def open(self) -> None:
        """Raises ConfigError."""
        await self.database.open()

    async def run(self) -> None:
        """Write, and delete what has become too old, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._writer.run())
            if self._keep_days is not None:
                tasks.create_task(self._prune(self._keep_days))

    async def close(self) -> None:
        """Give the connections back."""
        await self.database.close()

    def record(self, session: str, student: Student, verses: str) -> Record:
        """A record for a session that begins now."""
        return self._writer.begin(session, student, verses, time.time())

    async def record_again(self, session: str, student: Student, passage_from: int) -> Record | None:
        """A record that goes on with what another process has kept of a session; None where that cannot be found."""
        if self._writer.holds(session):
            await self._writer.write()
        try:
            async with asyncio.timeout(READING_DEADLINE_S):
                begun = await self._ask(partial(history.begun_of, name=session, subject=student.subject))
        except (TimeoutError, Unavailable):
            return None
        if begun is None or self._writer.holds(session):
            return None
        return self._writer.go_on(session, student, begun, passage_from)

    async def write(self) -> None:
        """Commit now what waits."""
        await self._writer.write()

    async def reading(self, subject: str) -> str | None:
        """Settings of the reading that a student chose last; None where there are none, or the database is slow."""
        try:
            async with asyncio.timeout(READING_DEADLINE_S):
                return await self._ask(partial(history.reading_of, subject=subject))
        except (TimeoutError, Unavailable):
            return None

    async def set_reading(self, student: Student, reading: str) -> None:
        """Keep settings outside a session. Raises Unavailable."""
        async with self._answering():
            await self._writer.settings(student, reading, time.time())

    async def number_of(self, subject: str) -> int | None:
        """The number of a student; None for one of whom nothing is kept. Raises Unavailable."""
        return await self._ask(partial(history.student_number, subject=subject))

    async def students(self, class_name: str) -> Students:
        """Who recited in a class. Raises Unavailable."""
        return await self._ask(partial(history.students_of, class_name=class_name))

    async def history(
        self, student: int, classes: Collection[str] | None, *, before: int | None, limit: int
    ) -> History:
        """Sessions, newest first. Raises Unavailable."""
        return await self._ask(
            partial(history.history_of, student=student, classes=classes, before=before, limit=limit)
        )

    async def session(self, name: str) -> SessionFound | None:
        """Raises Unavailable."""
        found = await self._ask(partial(history.session_of, name=name))
        return None if found is None else SessionFound(*found)

    async def detail(self, number: int) -> SessionDetail:
        """Raises Unavailable."""
        return await self._ask(partial(history.detail_of, number=number))

    async def progress(self, student: int, classes: Collection[str] | None, *, days: int, offset_s: int) -> Progress:
        """How it goes. Raises Unavailable."""
        asked = trends.Asked(student, classes, days, time.time(), offset_s)
        return await self._ask(partial(trends.progress_of, asked=asked, words_in=self._words_in))

    async def forget(self, subject: str) -> bool:
        """Delete all that is kept of a student; whether there was anything. Raises Unavailable."""
        async with self._answering():
            return await erasure.forget(self.database, subject, self._writer)

    async def _ask(self, question: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with (
            self._answering(),
            asyncio.timeout(ANSWER_DEADLINE_S),
            self._reading,
            self.database.engine.connect() as connection,
        ):
            return await question(connection)

    @contextlib.asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Raises Unavailable for what a database raises that cannot be asked."""
        try:
            yield
        except FAILURES as error:
            logger.warning("the database was asked in vain: %s", type(error).__name__)
            raise Unavailable("what is kept cannot be asked for at present") from error

    async def _prune(self, keep_days: int) -> None:
        while True:
            try:
                deleted = await erasure.prune(self.database, self._writer, keep_days, time.time())
            except FAILURES as error:
                logger.warning("old sessions could not be deleted, tried again tomorrow: %s", type(error).__name__)
            else:
                logger.info("%d sessions older than %d days deleted", deleted, keep_days)
            await asyncio.sleep(PRUNE_EVERY_S)
