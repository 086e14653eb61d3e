"""The sessions of a student, as they are asked for."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from recitation.events import Status
from server.storage.answers import (
    Counts,
    History,
    OverruledLine,
    RemarkLine,
    SessionDetail,
    SessionLine,
    SlipLine,
    StudentLine,
    Students,
    VerseLine,
    Weak,
    WordLine,
)
from server.storage.record import Begun
from server.storage.tables import CLASSES, LABELS, LETTERS, REMARKS, RULES, SESSIONS, STUDENTS, TALLIES, WORDS

MOST_STUDENTS = 500
"""Of a class that are listed."""

WRONG = frozenset({Status.WRONG, Status.OMITTED})


def standing() -> ColumnElement[str]:
    """The verdict on a word that counts: the newest of a teacher, else ours."""
    label = (
        select(LABELS.c.status)
        .where(
            LABELS.c.session == WORDS.c.session, *(LABELS.c[key] == WORDS.c[key] for key in ("surah", "ayah", "word"))
        )
        .order_by(LABELS.c.n.desc())
        .limit(1)
        .correlate(WORDS)
        .scalar_subquery()
    )
    return func.coalesce(label, WORDS.c.status)


def in_classes(classes: Collection[str] | None) -> ColumnElement[bool]:
    """Sessions that were opened in one of the classes; all of them for None."""
    if classes is None:
        return and_(True)
    return SESSIONS.c.id.in_(select(CLASSES.c.session).where(CLASSES.c["class"].in_(classes)))


def counts_of(statuses: Iterable[tuple[str, int]]) -> Counts:
    """From verdicts and how often each was given. Words recited again without a new verdict are not counted."""
    told = dict.fromkeys(Status, 0)
    for status, count in statuses:
        told[Status(status)] += count
    judged = sum(count for status, count in told.items() if status is not Status.REPEATED)
    wrong = sum(told[status] for status in WRONG)
    return Counts(judged, told[Status.ACCEPTED], told[Status.QUESTIONED], wrong, told[Status.UNCLEAR])


async def student_number(connection: AsyncConnection, subject: str) -> int | None:
    """The number of a student; None for one of whom nothing is kept."""
    found = await connection.execute(select(STUDENTS.c.id).where(STUDENTS.c.subject == subject))
    return found.scalar_one_or_none()


async def reading_of(connection: AsyncConnection, subject: str) -> str | None:
    """The settings of the reading that a student chose last."""
    found = await connection.execute(select(STUDENTS.c.reading).where(STUDENTS.c.subject == subject))
    return found.scalar_one_or_none()


async def students_of(connection: AsyncConnection, class_name: str) -> Students:
    """Who recited in a class."""
    last = func.max(SESSIONS.c.began)
    found = await connection.execute(
        select(STUDENTS.c.id, STUDENTS.c.name, func.count(), func.sum(SESSIONS.c.voice_s), last)
        .join(SESSIONS, SESSIONS.c.student == STUDENTS.c.id)
        .where(in_classes({class_name}))
        .group_by(STUDENTS.c.id, STUDENTS.c.name)
        .order_by(last.desc())
        .limit(MOST_STUDENTS)
    )
    return Students(class_name, tuple(StudentLine(row[0], row[1], row[2], round(row[3], 1), row[4]) for row in found))


async def history_of(
    connection: AsyncConnection, student: int, classes: Collection[str] | None, *, before: int | None, limit: int
) -> History:
    """At most `limit` sessions, those before the number `before`."""
    asked = select(SESSIONS).where(SESSIONS.c.student == student, in_classes(classes))
    if before is not None:
        asked = asked.where(SESSIONS.c.id < before)
    rows = (await connection.execute(asked.order_by(SESSIONS.c.id.desc()).limit(limit + 1))).all()
    page = rows[:limit]
    return History(await _lines(connection, page), page[-1].id if len(rows) > limit else None)


async def session_of(connection: AsyncConnection, name: str) -> tuple[int, str, frozenset[str]] | None:
    """Number, student's subject and classes of a session."""
    found = await connection.execute(
        select(SESSIONS.c.id, STUDENTS.c.subject)
        .join(STUDENTS, STUDENTS.c.id == SESSIONS.c.student)
        .where(SESSIONS.c.name == name)
    )
    row = found.one_or_none()
    if row is None:
        return None
    classes = await connection.execute(select(CLASSES.c["class"]).where(CLASSES.c.session == row.id))
    return row.id, row.subject, frozenset(classes.scalars())


async def begun_of(connection: AsyncConnection, name: str, subject: str) -> Begun | None:
    """What is kept of a student's session; None where that is nothing."""
    asked = select(SESSIONS).join(STUDENTS, STUDENTS.c.id == SESSIONS.c.student)
    found = await connection.execute(asked.where(SESSIONS.c.name == name, STUDENTS.c.subject == subject))
    row = found.one_or_none()
    if row is None:
        return None
    newest = [
        (await connection.execute(select(func.max(table.c.n)).where(table.c.session == row.id))).scalar_one() or 0
        for table in (WORDS, LETTERS, RULES, LABELS, REMARKS)
    ]
    tallies = await connection.execute(select(TALLIES).where(TALLIES.c.session == row.id))
    counted = {(tally.kind, tally.of): (tally.times, tally.slips) for tally in tallies}
    return Begun(row.id, row.verses, row.began, row.seconds, row.voice_s, max(newest), counted)


async def detail_of(connection: AsyncConnection, number: int) -> SessionDetail:
    """A session by ayah, rule and letter."""
    rows = (await connection.execute(select(SESSIONS).where(SESSIONS.c.id == number))).all()
    (line,) = await _lines(connection, rows)
    tallies = (
        await connection.execute(
            select(TALLIES).where(TALLIES.c.session == number).order_by(TALLIES.c.slips.desc(), TALLIES.c.of)
        )
    ).all()
    remarks = await connection.execute(select(REMARKS).where(REMARKS.c.session == number).order_by(REMARKS.c.n))
    labels = await connection.execute(select(LABELS).where(LABELS.c.session == number).order_by(LABELS.c.n))
    return SessionDetail(
        line,
        await _verses(connection, number),
        tuple(Weak(row.of, row.times, row.slips) for row in tallies if row.kind == "rule"),
        tuple(Weak(row.of, row.times, row.slips) for row in tallies if row.kind == "unit"),
        tuple(RemarkLine(row.at, row.text, row.said) for row in remarks),
        tuple(OverruledLine(_at(row), row.status, row.was, row.said) for row in labels),
        await _words(connection, number),
    )


async def _lines(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> tuple[SessionLine, ...]:
    numbers = [row.id for row in rows]
    verdict = standing().label("standing")
    words = select(WORDS.c.session, verdict, func.count()).where(WORDS.c.session.in_(numbers))
    statuses: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for session, status, count in await connection.execute(words.group_by(WORDS.c.session, verdict)):
        statuses[session].append((status, count))
    letters = await _counted(connection, LETTERS.c.session, numbers)
    rules = await _counted(connection, RULES.c.session, numbers)
    return tuple(
        SessionLine(
            row.name, row.began, row.seconds, row.voice_s, row.verses, row.ended, counts_of(statuses[row.id]),
            letters.get(row.id, 0), rules.get(row.id, 0),
        )
        for row in rows
    )  # fmt: skip


async def _counted(connection: AsyncConnection, column: ColumnElement[int], numbers: Sequence[int]) -> dict[int, int]:
    asked = select(column, func.count()).where(column.in_(numbers)).group_by(column)
    return {number: count for number, count in await connection.execute(asked)}


async def _verses(connection: AsyncConnection, number: int) -> tuple[VerseLine, ...]:
    verdict = standing().label("standing")
    words = select(WORDS.c.surah, WORDS.c.ayah, verdict, func.count()).where(WORDS.c.session == number)
    statuses: defaultdict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)
    for surah, ayah, status, count in await connection.execute(words.group_by(WORDS.c.surah, WORDS.c.ayah, verdict)):
        statuses[surah, ayah].append((status, count))
    slips: defaultdict[tuple[int, int], list[SlipLine]] = defaultdict(list)
    for row in await connection.execute(select(LETTERS).where(LETTERS.c.session == number)):
        slip = SlipLine(_at(row), "letter", row.first, row.stop, row.start_ms, row.expected, row.heard)
        slips[row.surah, row.ayah].append(slip)
    for row in await connection.execute(select(RULES).where(RULES.c.session == number)):
        slip = SlipLine(
            _at(row), "tajweed", row.first, row.stop, row.start_ms, None, row.heard, row.rule, row.slip, row.severity,
            row.low, row.high, row.measured,
        )  # fmt: skip
        slips[row.surah, row.ayah].append(slip)
    return tuple(
        VerseLine(
            f"{surah}:{ayah}",
            counts_of(statuses[surah, ayah]),
            tuple(sorted(slips[surah, ayah], key=lambda slip: slip.start_ms)),
        )
        for surah, ayah in sorted(statuses.keys() | slips.keys())
    )


async def _words(connection: AsyncConnection, number: int) -> tuple[WordLine, ...]:
    verdict = standing().label("standing")
    asked = select(WORDS.c.surah, WORDS.c.ayah, WORDS.c.word, verdict).where(WORDS.c.session == number)
    newest: dict[tuple[int, int, int], str] = {}
    for surah, ayah, word, status in await connection.execute(asked.order_by(WORDS.c.n)):
        if status != Status.REPEATED:
            newest[surah, ayah, word] = status
    return tuple(WordLine(":".join(map(str, place)), status) for place, status in sorted(newest.items()))


def _at(row: Row[Any]) -> str:
    return f"{row.surah}:{row.ayah}:{row.word}"
