"""The tables. Times of day are whole seconds of Unix time, times within a session milliseconds since it began.

Rows of a session are found by its number and counted within it, so that they lie beside each other on disk; they go
with the session, and a session with its student.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts in a column of the type INTEGER only."""


def _session() -> Column[int]:
    return Column("session", NUMBER, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)


def _counted() -> Column[int]:
    return Column("n", Integer, primary_key=True, autoincrement=False)


def _word() -> tuple[Column[int], ...]:
    return tuple(Column(name, SmallInteger, nullable=False) for name in ("surah", "ayah", "word"))


def _letters() -> tuple[Column[int], ...]:
    """Characters of the word's text, half open."""
    return Column("first", SmallInteger, nullable=False), Column("stop", SmallInteger, nullable=False)


def _span() -> tuple[Column[int], ...]:
    return Column("start_ms", Integer, nullable=False), Column("end_ms", Integer, nullable=False)


STUDENTS = Table(
    "students",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("subject", String(160), nullable=False),
    Column("name", String(80), nullable=False),
    Column("reading", Text, comment="settings of the reading; null: never chosen"),
    Column("seen", BigInteger, nullable=False),
    UniqueConstraint("subject"),
    sqlite_autoincrement=True,
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("name", String(64), nullable=False, comment="id of the session in the protocol"),
    Column("student", NUMBER, ForeignKey("students.id", ondelete="CASCADE"), nullable=False),
    Column("began", BigInteger, nullable=False),
    Column("verses", Text, nullable=False),
    Column("seconds", Float, nullable=False, comment="of sound"),
    Column("voice_s", Float, nullable=False, comment="of it with a voice"),
    Column("ended", String(32), comment="why; null while it lasts, and where the process died"),
    UniqueConstraint("name"),
    Index("ix_sessions_student_began", "student", "began"),
    sqlite_autoincrement=True,
)
"""Numbers are never used twice (`sqlite_autoincrement`): a writer that still holds that of a session since deleted must
not write into another."""

CLASSES = Table(
    "session_classes",
    METADATA,
    _session(),
    Column("class", String(64), primary_key=True, index=True),
    sqlite_with_rowid=False,
)
"""Whose teachers may see a session: the classes of the token that opened it."""

WORDS = Table(
    "words",
    METADATA,
    _session(),
    _counted(),
    *_word(),
    Column("status", String(12), nullable=False),
    Column("score", SmallInteger, nullable=False, comment="thousandths"),
    *_span(),
    sqlite_with_rowid=False,
)

LETTERS = Table(
    "letter_slips",
    METADATA,
    _session(),
    _counted(),
    *_word(),
    *_letters(),
    Column("expected", String(8), nullable=False),
    Column("heard", String(8), nullable=False, comment="empty: nothing"),
    Column("p", SmallInteger, nullable=False, comment="thousandths, of what was expected"),
    *_span(),
    sqlite_with_rowid=False,
)

RULES = Table(
    "rule_slips",
    METADATA,
    _session(),
    _counted(),
    *_word(),
    *_letters(),
    Column("rule", String(24), nullable=False),
    Column("slip", String(12), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("confidence", SmallInteger, nullable=False, comment="thousandths"),
    Column("low", Float, comment="least harakat"),
    Column("high", Float, comment="most harakat"),
    Column("measured", Float, comment="harakat"),
    Column("heard", String(8), comment="unit in the place of the rule's; empty: nothing"),
    *_span(),
    sqlite_with_rowid=False,
)

TALLIES = Table(
    "tallies",
    METADATA,
    _session(),
    Column("kind", String(4), primary_key=True, comment="unit or rule"),
    Column("of", String(24), primary_key=True),
    Column("times", Integer, nullable=False, comment="recited and judged"),
    Column("slips", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""How often each unit and each rule was judged, so that slips can be seen as a share."""

LABELS = Table(
    "labels",
    METADATA,
    _session(),
    _counted(),
    *_word(),
    Column("status", String(12), nullable=False, comment="the teacher's"),
    Column("was", String(12), nullable=False, comment="ours"),
    Column("by", String(160), nullable=False, comment="subject of the teacher's token; empty: not known"),
    Column("said", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Verdicts that teachers overruled; of one word the newest counts."""

REMARKS = Table(
    "remarks",
    METADATA,
    _session(),
    _counted(),
    Column("at", String(16), comment="repeat from this word on"),
    Column("text", Text, nullable=False),
    Column("by", String(160), nullable=False),
    Column("said", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
