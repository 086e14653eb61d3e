"""A student's progress, from the tables."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, String, Subquery, distinct, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from recitation.events import Status
from server.storage.answers import Day, Progress, Weak
from server.storage.history import counts_of, in_classes, standing
from server.storage.progress import VerseDay, due_again, weakest
from server.storage.tables import LETTERS, RULES, SESSIONS, TALLIES, WORDS

DAY_S = 86_400
EPOCH = date(1970, 1, 1)

WEAKEST, MOST_DUE = 8, 50
"""Told at most."""
DUE_DAYS = 400
"""How far back ayat are looked for that are due again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose progress, of what, and as whose days."""

    student: int
    classes: Collection[str] | None
    """Only sessions of these classes; None: all."""
    days: int
    now: float
    """Unix time."""
    offset_s: int
    """Seconds that the student's clock is ahead of UTC."""

    @property
    def today(self) -> int:
        """Days since 1970 where the student is."""
        return int(self.now + self.offset_s) // DAY_S

    def sessions(self, days: int) -> Subquery:
        """Sessions of the last `days` days, today included, with their `day`."""
        day = (SESSIONS.c.began + self.offset_s) // DAY_S
        since = (self.today - days + 1) * DAY_S - self.offset_s
        return (
            select(SESSIONS.c.id, SESSIONS.c.seconds, SESSIONS.c.voice_s, day.label("day"))
            .where(SESSIONS.c.student == self.student, SESSIONS.c.began >= since, in_classes(self.classes))
            .subquery()
        )


async def progress_of(connection: AsyncConnection, asked: Asked, words_in: Callable[[int, int], int]) -> Progress:
    """How it goes. `words_in` has the number of words of an ayah."""
    tallies = await _tallies(connection, asked)
    today = EPOCH + timedelta(days=asked.today)
    due = due_again(await _verses(connection, asked), today, words_in, MOST_DUE)
    return Progress(
        await _days(connection, asked),
        weakest(tallies["rule"], WEAKEST),
        weakest(tallies["unit"], WEAKEST),
        due,
    )


async def _days(connection: AsyncConnection, asked: Asked) -> tuple[Day, ...]:
    sessions = asked.sessions(asked.days)
    verdict = standing().label("standing")
    statuses: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    words = select(sessions.c.day, verdict, func.count()).join(WORDS, WORDS.c.session == sessions.c.id)
    for day, status, count in await connection.execute(words.group_by(sessions.c.day, verdict)):
        statuses[day].append((status, count))
    letters = select(sessions.c.day, func.count()).join(LETTERS, LETTERS.c.session == sessions.c.id)
    misread = {day: count for day, count in await connection.execute(letters.group_by(sessions.c.day))}
    rules: defaultdict[int, dict[str, int]] = defaultdict(dict)
    broken = select(sessions.c.day, RULES.c.rule, func.count()).join(RULES, RULES.c.session == sessions.c.id)
    for day, rule, count in await connection.execute(broken.group_by(sessions.c.day, RULES.c.rule)):
        rules[day][rule] = count
    totals = select(sessions.c.day, func.count(), func.sum(sessions.c.seconds), func.sum(sessions.c.voice_s)).group_by(
        sessions.c.day
    )
    told = []
    for day, count, seconds, voice_s in await connection.execute(totals.order_by(sessions.c.day)):
        counts = counts_of(statuses[day])
        accepted = round(counts.accepted / counts.words, 3) if counts.words else None
        name = str(EPOCH + timedelta(days=day))
        length = round(seconds, 1), round(voice_s, 1)
        told.append(Day(name, count, *length, counts.words, accepted, misread.get(day, 0), rules[day]))
    return tuple(told)


async def _tallies(connection: AsyncConnection, asked: Asked) -> dict[str, list[Weak]]:
    sessions = asked.sessions(asked.days)
    found: dict[str, list[Weak]] = {"rule": [], "unit": []}
    totals = (
        select(TALLIES.c.kind, TALLIES.c.of, func.sum(TALLIES.c.times), func.sum(TALLIES.c.slips))
        .join(sessions, sessions.c.id == TALLIES.c.session)
        .group_by(TALLIES.c.kind, TALLIES.c.of)
    )
    for kind, of, times, slips in await connection.execute(totals):
        found[kind].append(Weak(of, int(times), int(slips)))
    return found


async def _verses(connection: AsyncConnection, asked: Asked) -> list[VerseDay]:
    """Each ayah on each day, of all words that have a verdict."""
    sessions = asked.sessions(DUE_DAYS)
    verdict = standing()
    accepted: ColumnElement[int] = func.sum((verdict == literal(Status.ACCEPTED, String)).cast(WORDS.c.n.type))
    found = await connection.execute(
        select(WORDS.c.surah, WORDS.c.ayah, sessions.c.day, func.count(distinct(WORDS.c.word)), func.count(), accepted)
        .join(sessions, sessions.c.id == WORDS.c.session)
        .where(WORDS.c.status != Status.REPEATED)
        .group_by(WORDS.c.surah, WORDS.c.ayah, sessions.c.day)
    )
    return [
        VerseDay(surah, ayah, EPOCH + timedelta(days=day), *map(int, counts)) for surah, ayah, day, *counts in found
    ]
