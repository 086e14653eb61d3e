"""What is kept of a session for its teachers, and what a feed makes of it: no socket, no clock."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.events import Cursor, Following, Status, Update
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import Severity, Slip
from server import watched as watched_module
from server.feed import DEEDS, MOST_OPEN, Feed
from server.messages import BadMessage, Overruled, PhoneRow, Ping, Pong, Remark, RuleRow, WordRow
from server.register import Register
from server.watch_messages import (
    Close,
    Doubt,
    Open,
    Opened,
    Overrule,
    Rows,
    TeacherRemark,
    Tiles,
    Told,
    decode_teacher,
    decode_watch,
    encode_watch,
    schema_text,
)
from server.watched import NoVerdict, Watched

DOCS = Path(__file__).parent.parent.parent / "docs"
Row = PhoneRow | WordRow | RuleRow


@dataclass
class Recital:
    """A session that says what it is told to."""

    watched: Watched
    told: list[Remark | Overruled]
    ids: int = 0

    def hear(self, *rows: Row, at: str = "112:1:1", state: Following = Following.FOLLOWING) -> None:
        update = Update(1280, Cursor(at, 0, 1000), (), (), True, -20.0, state)
        self.watched.heard(update, rows, received=10.0)

    def word(self, at: str, status: Status) -> WordRow:
        self.ids += 1
        return WordRow(self.ids, at, 0, 1000, 0.9, status)

    def phone(self, at: str, index: int, heard: str | None = None) -> PhoneRow:
        self.ids += 1
        return PhoneRow(self.ids, at, index, "ص", 0, 1000, 0.1 if heard else 0.9, heard, 1, 2)


def recital(session: str = "a", *classes: str, reached: bool = True) -> Recital:
    told: list[Remark | Overruled] = []

    def tell(message: Remark | Overruled) -> bool:
        told.append(message)
        return reached

    watched = Watched(
        session, name="Bilal", classes=frozenset(classes or ("boys",)), verses="112", since=1.7e9, tell=tell
    )
    return Recital(watched, told)


def enrolled(*recitals: Recital) -> Register:
    register = Register()
    for each in recitals:
        register.add(each.watched)
    return register


def test_the_published_schema_is_the_one_in_force() -> None:
    published = (DOCS / "watching.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "run: python -m server.watch_messages docs/watching.schema.json"


def test_a_tile_counts_words_by_their_newest_verdict() -> None:
    student = recital()
    statuses = [Status.ACCEPTED, Status.QUESTIONED, Status.UNCLEAR, Status.OMITTED]
    for n, status in enumerate(statuses, 1):
        student.hear(student.word(f"112:1:{n}", status), at=f"112:1:{n}")
    tile = student.watched.tile()
    assert (tile.accepted, tile.questioned, tile.unclear, tile.wrong) == (1, 1, 1, 1)
    assert tile.at == "112:1:4" and tile.state is Following.FOLLOWING and tile.name == "Bilal"
    student.hear(student.word("112:1:2", Status.ACCEPTED), student.word("112:1:1", Status.REPEATED))
    tile = student.watched.tile()
    assert (tile.accepted, tile.questioned) == (2, 0), "mended; a repetition that adds nothing counts for nothing"


def test_a_tile_names_the_newest_slips() -> None:
    student = recital()
    student.hear(student.phone("112:2:2", 1, "س"), student.phone("112:2:2", 2, "ث"))
    assert student.watched.tile().slips == (), "a word is judged as a whole"
    student.hear(student.word("112:2:2", Status.QUESTIONED))
    student.hear(student.phone("112:3:1", 1, "س"), student.word("112:3:1", Status.UNCLEAR))
    student.hear(student.word("112:3:2", Status.OMITTED))
    student.hear(
        RuleRow(1, "112:1:4", Rule.QALQALAH_KUBRA, 4, 5, 0, 9, Severity.ERROR, Slip.MISSING, 0.9, None, None, None),
        RuleRow(2, "112:1:3", Rule.MADD_TABII, 3, 4, 0, 9, Severity.FINE, None, 0.9, (2, 2), 2.0, None),
    )
    rule, omitted, letter = student.watched.tile().slips
    assert (rule.rule, rule.slip, rule.severity) == (Rule.QALQALAH_KUBRA, Slip.MISSING, Severity.ERROR)
    assert omitted == Doubt("112:3:2", Status.OMITTED)
    assert letter == Doubt("112:2:2", Status.QUESTIONED, 1, 2, "ص", "س")
    for n in range(1, 9):
        student.hear(student.word(f"112:4:{n}", Status.QUESTIONED))
    assert [doubt.at for doubt in student.watched.tile().slips] == [f"112:4:{n}" for n in (8, 7, 6, 5, 4)]


def test_loss_is_that_of_the_last_seconds() -> None:
    student = recital()
    for n in range(1, 40):
        student.watched.connection(10 * n, 0, 0.1)
    assert student.watched.tile().loss == 0
    student.watched.connection(395, 5, 0.1)
    assert student.watched.tile().loss == pytest.approx(0.02)
    for n in range(1, 30):
        student.watched.connection(395 + 10 * n, 5, 0.1 + n)
    assert student.watched.tile().loss == 0 and student.watched.tile().silent_s == 29


def test_rows_come_once_and_only_the_newest_of_a_place() -> None:
    student = recital()
    student.hear(student.phone("112:1:1", 0), student.word("112:1:1", Status.QUESTIONED))
    first = student.watched.rows(0, 10.5)
    assert (len(first.phones), len(first.words), first.late_ms) == (1, 1, 500.0)
    assert first.cursor is not None and first.cursor.at == "112:1:1"
    student.hear(student.word("112:1:2", Status.ACCEPTED))
    student.hear(student.word("112:1:1", Status.ACCEPTED))
    second = student.watched.rows(first.seq, 10.5)
    assert second.phones == () and [row.at for row in second.words] == ["112:1:2", "112:1:1"]
    student.watched.overrule("112:1:2", Status.WRONG)
    assert student.watched.rows(second.seq, 99.0).late_ms is None, "no sound has come since"
    both = student.watched.rows(0, 10.5)
    assert [(row.at, row.status) for row in both.words] == [("112:1:2", "accepted"), ("112:1:1", "accepted")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from(list(Status))), max_size=40),
    st.sets(st.integers(0, 40)),
)
def test_however_seldom_a_reader_asks_it_ends_up_with_the_same(said: list[tuple[int, Status]], asks: set[int]) -> None:
    student = recital()
    seen: dict[str, WordRow] = {}
    mark = 0
    for n, (word, status) in enumerate(said):
        student.hear(student.word(f"112:1:{word}", status))
        if n in asks:
            rows = student.watched.rows(mark, 10.0)
            mark = rows.seq
            seen |= {row.at: row for row in rows.words}
    seen |= {row.at: row for row in student.watched.rows(mark, 10.0).words}
    assert sorted(seen.values(), key=lambda row: row.id) == sorted(
        student.watched.rows(0, 10.0).words, key=lambda row: row.id
    )
    tile = student.watched.tile()
    assert tile.accepted == sum(row.status is Status.ACCEPTED for row in seen.values())


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_module, "MOST_WORDS", 3)
    student = recital()
    for n in range(1, 6):
        student.hear(student.word(f"112:1:{n}", Status.ACCEPTED))
    assert [row.at for row in student.watched.rows(0, 10.0).words] == ["112:1:3", "112:1:4", "112:1:5"]


def test_an_overruled_verdict_counts_and_is_kept() -> None:
    student = recital()
    with pytest.raises(NoVerdict):
        student.watched.overrule("112:1:1", Status.ACCEPTED)
    student.hear(student.phone("112:1:1", 0, "س"), student.word("112:1:1", Status.QUESTIONED))
    assert student.watched.overrule("112:1:1", Status.ACCEPTED)
    assert student.told == [Overruled("112:1:1", Status.ACCEPTED, Status.QUESTIONED)]
    tile = student.watched.tile()
    assert (tile.accepted, tile.questioned, tile.slips) == (1, 0, ())
    student.hear(student.word("112:1:1", Status.WRONG))
    assert student.watched.tile().accepted == 1, "the teacher's word stands when it is recited again"
    assert [tuple(row) for row in map(_fields, student.watched.overruled)] == [("112:1:1", "accepted", "questioned")]
    student.watched.begin("113")
    assert student.watched.overruled == () and student.watched.tile().accepted == 0


def _fields(row: object) -> list[object]:
    return [getattr(row, name) for name in ("at", "status", "was")]


def test_a_feed_tells_what_changed_and_who_left() -> None:
    one, two, stranger = recital("1"), recital("2"), recital("3", "girls")
    register = enrolled(one, two, stranger)
    feed = Feed("boys", register)
    assert [tile.session for tile in feed.snapshot().sessions] == ["1", "2"]
    assert list(feed.news(0)) == []
    two.hear(at="112:1:2")
    stranger.hear(at="112:1:2")
    for _ in range(20):
        two.hear(at="112:1:3")
    (news,) = feed.news(0)
    assert isinstance(news, Tiles) and [(tile.session, tile.at) for tile in news.sessions] == [("2", "112:1:3")]
    register.remove(one.watched)
    late = recital("4", "boys", "girls")
    register.add(late.watched)
    (news,) = feed.news(0)
    assert isinstance(news, Tiles) and news.gone == ("1",) and [tile.session for tile in news.sessions] == ["4"]
    register.remove(two.watched)
    register.remove(stranger.watched)
    register.remove(late.watched)
    assert register.of_class("boys") == register.of_class("girls") == ()


def test_an_opened_session_is_told_from_the_beginning_and_then_what_is_new() -> None:
    student = recital("1")
    feed = Feed("boys", enrolled(student))
    student.hear(student.word("112:1:1", Status.ACCEPTED))
    feed.snapshot()
    feed.take(Open(1, "1"), 0)
    opened, rows = feed.news(0)
    assert opened == Opened("1", "112") and isinstance(rows, Rows) and [row.at for row in rows.words] == ["112:1:1"]
    student.hear(student.word("112:1:2", Status.ACCEPTED))
    _, rows = feed.news(0)
    assert isinstance(rows, Rows) and [row.at for row in rows.words] == ["112:1:2"]
    student.watched.begin("113")
    _, opened, rows = feed.news(0)
    assert opened == Opened("1", "113") and isinstance(rows, Rows) and rows.words == () and rows.cursor is None
    feed.take(Close(1, "1"), 0)
    student.hear(student.word("113:1:1", Status.ACCEPTED), at="113:1:1")
    assert [type(message) for message in feed.news(0)] == [Tiles]


def test_a_place_that_becomes_known_opens_the_session_anew_and_keeps_its_verdicts() -> None:
    student = recital("1")
    student.watched.begin("auto")
    feed = Feed("boys", enrolled(student))
    feed.snapshot()
    feed.take(Open(1, "1"), 0)
    assert next(iter(feed.news(0))) == Opened("1", "auto")
    # Feedback may come before the news of the place.
    student.hear(student.word("112:1:1", Status.ACCEPTED))
    list(feed.news(0))
    assert not student.watched.holds("112:1:1")
    student.watched.found("112")
    _, opened, rows = feed.news(0)
    assert opened == Opened("1", "112") and isinstance(rows, Rows) and [row.at for row in rows.words] == ["112:1:1"]
    assert student.watched.tile().accepted == 1 and student.watched.holds("112:1:1")


def test_few_sessions_are_open_at_once() -> None:
    students = [recital(str(n)) for n in range(MOST_OPEN + 1)]
    feed = Feed("boys", enrolled(*students))
    feed.snapshot()
    for student in students:
        feed.take(Open(1, student.watched.id), 0)
    opened = [message.session for message in feed.news(0) if isinstance(message, Opened)]
    assert opened == [str(n) for n in range(1, MOST_OPEN + 1)]


def test_a_remark_reaches_the_student() -> None:
    student, deaf = recital("1"), recital("2", reached=False)
    feed = Feed("boys", enrolled(student, deaf))
    assert feed.take(TeacherRemark(1, "1", " Slower, please. "), 0) == Told("1", "remark", True)
    assert feed.take(TeacherRemark(1, "1", at="112:2:1"), 0) == Told("1", "remark", True)
    assert student.told == [Remark("Slower, please."), Remark("", "112:2:1")]
    assert feed.take(TeacherRemark(1, "2", "x"), 0) == Told("2", "remark", False)
    assert feed.take(Ping(1, 7), 0) == Pong(7, 0)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Open(1, "3"), "no_session"),
        (Open(1, "girl"), "no_session"),
        (TeacherRemark(1, "girl", "x"), "no_session"),
        (TeacherRemark(1, "1", "  "), "bad_message"),
        (TeacherRemark(1, "1", at="113:1:1"), "bad_place"),
        (TeacherRemark(1, "1", at="112:5:1"), "bad_place"),
        (Overrule(1, "1", "112:1:1", "accepted"), "no_verdict"),
        (Overrule(1, "girl", "112:1:1", "accepted"), "no_session"),
    ],
)
def test_what_a_teacher_cannot_do(message: Open | TeacherRemark | Overrule, code: str) -> None:
    student, girl = recital("1"), recital("girl", "girls")
    with pytest.raises(BadMessage) as caught:
        Feed("boys", enrolled(student, girl)).take(message, 0)
    assert caught.value.code == code and student.told == girl.told == []


def test_remarks_are_few_enough_to_be_read() -> None:
    student = recital("1")
    feed = Feed("boys", enrolled(student))
    for n in range(DEEDS):
        feed.take(TeacherRemark(1, "1", "again"), n / 10)
    with pytest.raises(BadMessage) as caught:
        feed.take(TeacherRemark(1, "1", "again"), 59)
    assert caught.value.code == "busy" and len(student.told) == DEEDS
    feed.take(TeacherRemark(1, "1", "again"), 61)


@pytest.mark.parametrize(
    "text",
    ['{"v":1,"type":"remark","session":"1","text":"' + "x" * 301 + '"}', '{"v":1,"type":"open"}', "[]", "{",
     '{"v":2,"type":"open","session":"1"}', '{"v":1,"type":"overrule","session":"1","at":"112:1:1","status":"fine"}',
     '{"v":1,"type":"overrule","session":"1","at":"112:1","status":"wrong"}', '{"v":1,"type":"snapshot"}'],
)  # fmt: skip
def test_messages_that_are_none(text: str) -> None:
    with pytest.raises(BadMessage):
        decode_teacher(text)


def test_messages_survive_the_wire() -> None:
    student = recital("1")
    student.hear(student.phone("112:1:1", 0, "س"), student.word("112:1:1", Status.QUESTIONED))
    student.watched.overrule("112:1:1", Status.WRONG)
    feed = Feed("boys", enrolled(student))
    for message in (feed.snapshot(), student.watched.rows(0, 10.0), Opened("1", "112"), Told("1", "remark", True)):
        assert decode_watch(encode_watch(message)) == message
    assert '"class":"boys"' in encode_watch(feed.snapshot())
