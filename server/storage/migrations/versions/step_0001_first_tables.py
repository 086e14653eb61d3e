"""The first tables.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "students",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("reading", sa.Text(), nullable=True, comment="settings of the reading; null: never chosen"),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_students")),
        sa.UniqueConstraint("subject", name=op.f("uq_students_subject")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False, comment="id of the session in the protocol"),
        sa.Column("student", NUMBER, nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.Column("verses", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False, comment="of sound"),
        sa.Column("voice_s", sa.Float(), nullable=False, comment="of it with a voice"),
        sa.Column(
            "ended", sa.String(length=32), nullable=True, comment="why; null while it lasts, and where the process died"
        ),
        sa.ForeignKeyConstraint(["student"], ["students.id"], name=op.f("fk_sessions_student"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("name", name=op.f("uq_sessions_name")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sessions_student_began", "sessions", ["student", "began"], unique=False)
    op.create_table(
        "labels",
        sa.Column("session", NUMBER, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("surah", sa.SmallInteger(), nullable=False),
        sa.Column("ayah", sa.SmallInteger(), nullable=False),
        sa.Column("word", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False, comment="the teacher's"),
        sa.Column("was", sa.String(length=12), nullable=False, comment="ours"),
        sa.Column(
            "by", sa.String(length=160), nullable=False, comment="subject of the teacher's token; empty: not known"
        ),
        sa.Column("said", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name=op.f("fk_labels_session"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "n", name=op.f("pk_labels")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "letter_slips",
        sa.Column("session", NUMBER, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("surah", sa.SmallInteger(), nullable=False),
        sa.Column("ayah", sa.SmallInteger(), nullable=False),
        sa.Column("word", sa.SmallInteger(), nullable=False),
        sa.Column("first", sa.SmallInteger(), nullable=False),
        sa.Column("stop", sa.SmallInteger(), nullable=False),
        sa.Column("expected", sa.String(length=8), nullable=False),
        sa.Column("heard", sa.String(length=8), nullable=False, comment="empty: nothing"),
        sa.Column("p", sa.SmallInteger(), nullable=False, comment="thousandths, of what was expected"),
        sa.Column("start_ms", sa.Integer(), nullable=False),
        sa.Column("end_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name=op.f("fk_letter_slips_session"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "n", name=op.f("pk_letter_slips")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "remarks",
        sa.Column("session", NUMBER, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=16), nullable=True, comment="repeat from this word on"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=160), nullable=False),
        sa.Column("said", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name=op.f("fk_remarks_session"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "n", name=op.f("pk_remarks")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rule_slips",
        sa.Column("session", NUMBER, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("surah", sa.SmallInteger(), nullable=False),
        sa.Column("ayah", sa.SmallInteger(), nullable=False),
        sa.Column("word", sa.SmallInteger(), nullable=False),
        sa.Column("first", sa.SmallInteger(), nullable=False),
        sa.Column("stop", sa.SmallInteger(), nullable=False),
        sa.Column("rule", sa.String(length=24), nullable=False),
        sa.Column("slip", sa.String(length=12), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("confidence", sa.SmallInteger(), nullable=False, comment="thousandths"),
        sa.Column("low", sa.Float(), nullable=True, comment="least harakat"),
        sa.Column("high", sa.Float(), nullable=True, comment="most harakat"),
        sa.Column("measured", sa.Float(), nullable=True, comment="harakat"),
        sa.Column(
            "heard", sa.String(length=8), nullable=True, comment="unit in the place of the rule's; empty: nothing"
        ),
        sa.Column("start_ms", sa.Integer(), nullable=False),
        sa.Column("end_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name=op.f("fk_rule_slips_session"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "n", name=op.f("pk_rule_slips")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session_classes",
        sa.Column("session", NUMBER, nullable=False),
        sa.Column("class", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["session"], ["sessions.id"], name=op.f("fk_session_classes_session"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session", "class", name=op.f("pk_session_classes")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_session_classes_class"), "session_classes", ["class"], unique=False)
    op.create_table(
        "tallies",
        sa.Column("session", NUMBER, nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False, comment="unit or rule"),
        sa.Column("of", sa.String(length=24), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False, comment="recited and judged"),
        sa.Column("slips", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name=op.f("fk_tallies_session"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "kind", "of", name=op.f("pk_tallies")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "words",
        sa.Column("session", NUMBER, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("surah", sa.SmallInteger(), nullable=False),
        sa.Column("ayah", sa.SmallInteger(), nullable=False),
        sa.Column("word", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False, comment="thousandths"),
        sa.Column("start_ms", sa.Integer(), nullable=False),
        sa.Column("end_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name=op.f("fk_words_session"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "n", name=op.f("pk_words")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("words", "tallies", "session_classes", "rule_slips", "remarks", "letter_slips", "labels"):
        op.drop_table(table)
    op.drop_table("sessions")
    op.drop_table("students")
