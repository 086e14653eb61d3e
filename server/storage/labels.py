"""Verdicts that teachers overruled, as labels: what was judged wrongly, for whoever trains or measures."""

from collections.abc import AsyncIterator

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.storage.answers import Label
from server.storage.tables import LABELS, LETTERS, SESSIONS, WORDS

SAME_WORD = ("session", "surah", "ayah", "word")


async def labels(connection: AsyncConnection) -> AsyncIterator[Label]:
    """All labels, oldest first, each with the last verdict of ours on the word. Nothing names the student."""
    found = await connection.execute(
        select(LABELS, SESSIONS.c.name)
        .join(SESSIONS, SESSIONS.c.id == LABELS.c.session)
        .order_by(LABELS.c.said, LABELS.c.n)
    )
    for row in found.all():
        place = [getattr(row, key) for key in SAME_WORD]
        words = select(WORDS).where(*(WORDS.c[key] == value for key, value in zip(SAME_WORD, place, strict=True)))
        word = (await connection.execute(words.order_by(WORDS.c.n.desc()).limit(1))).one_or_none()
        letters = select(LETTERS).where(*(LETTERS.c[key] == value for key, value in zip(SAME_WORD, place, strict=True)))
        slips = (await connection.execute(letters.order_by(LETTERS.c.n))).all()
        yield Label(
            row.name,
            f"{row.surah}:{row.ayah}:{row.word}",
            row.was,
            row.status,
            None if word is None else word.score / 1000,
            None if word is None else word.start_ms,
            None if word is None else word.end_ms,
            tuple((slip.expected, slip.heard) for slip in slips),
            row.by,
            row.said,
        )
