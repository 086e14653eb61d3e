"""Deletion: on request, and of what is older than it may become."""

from sqlalchemy import delete, select

from server.storage.database import Database
from server.storage.tables import METADATA, SESSIONS, STUDENTS
from server.storage.writer import Writer

DAY_S = 86_400


async def forget(database: Database, subject: str, writer: Writer | None = None) -> bool:
    """Delete all that is kept of a student; whether there was anything. `writer`: the one of this process."""
    if writer is None:
        return await _forget(database, subject)
    async with writer.paused(subject):
        return await _forget(database, subject)


async def _forget(database: Database, subject: str) -> bool:
    async with database.engine.begin() as connection:
        deleted = await connection.execute(delete(STUDENTS).where(STUDENTS.c.subject == subject))
    if deleted.rowcount:
        await database.scrub(METADATA.sorted_tables)
    return bool(deleted.rowcount)


async def prune(database: Database, writer: Writer, keep_days: int, now: float) -> int:
    """Delete sessions that began more than `keep_days` days before `now` (Unix time), and students of whom nothing is
    left and who have not come since; how many sessions."""
    before = int(now) - keep_days * DAY_S
    async with writer.paused():
        async with database.engine.begin() as connection:
            sessions = await connection.execute(delete(SESSIONS).where(SESSIONS.c.began < before))
            with_sessions = select(SESSIONS.c.student)
            students = await connection.execute(
                delete(STUDENTS).where(STUDENTS.c.seen < before, STUDENTS.c.id.not_in(with_sessions))
            )
        if sessions.rowcount or students.rowcount:
            await database.scrub(METADATA.sorted_tables)
    return sessions.rowcount
