"""What a teacher may see of a session: kept up to date by the session, read by any number of feeds.

Nothing is queued for a teacher. Of each word, phone and rule the newest verdict is kept under a mark that only grows,
and a reader asks for what came after the mark it knows. So one who reads seldom gets fewer and larger answers, bounded
by the passage, and costs the session nothing.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from recitation.events import Following, Status, Update
from recitation.mushaf import AddressError, parse_reference
from recitation.tajweed.verdict import Severity
from server.messages import CursorRow, Overruled, PhoneRow, Remark, RuleRow, SummaryOverruled, WordRow
from server.watch_messages import Doubt, Rows, Tile

MOST_PHONES, MOST_WORDS, MOST_RULES = 8192, 8192, 4096
"""Verdicts kept of a session, more than of two juz; overflow drops the oldest."""

RECENT = 5
"""Slips on a tile; overflow drops the oldest."""

LOSS_READINGS = 25
"""Loss is that of the last 5 s: the session counts its packets every 200 ms."""

NO_VERDICT = frozenset({Status.REPEATED, Status.NOT_REACHED})
DOUBTED = frozenset({Status.QUESTIONED, Status.WRONG, Status.OMITTED})

Tell = Callable[[Remark | Overruled], bool]
"""Send a message to the student; False when it cannot be."""

Note = Callable[[Remark | Overruled, str], None]
"""What a teacher did, and the subject of the teacher's token; empty where it is not known."""

Row = TypeVar("Row")


class NoVerdict(Exception):
    """There is no verdict on this word that could be overruled."""


class Latest(Generic[Row]):
    """The newest row of each place, most recently changed last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: OrderedDict[Hashable, tuple[int, Row]] = OrderedDict()

    def put(self, place: Hashable, mark: int, row: Row) -> None:
        """The row of a place from `mark` on."""
        self._rows[place] = mark, row
        self._rows.move_to_end(place)
        if len(self._rows) > self._most:
            self._rows.popitem(last=False)

    def get(self, place: Hashable) -> Row | None:
        """The row of a place."""
        kept = self._rows.get(place)
        return None if kept is None else kept[1]

    def since(self, mark: int) -> tuple[Row, ...]:
        """Rows that came after `mark`, in order."""
        found = []
        for at, row in reversed(self._rows.values()):
            if at <= mark:
                break
            found.append(row)
        return tuple(reversed(found))

    def clear(self) -> None:
        """Forget all."""
        self._rows.clear()


class Watched:
    """One session as its teachers see it."""

    def __init__(
        self, session: str, *, name: str, classes: frozenset[str], verses: str, since: float, tell: Tell
    ) -> None:
        """`since`: Unix time of the session's begin."""
        self.id = session
        self.classes = classes
        self.number = 0
        """Of the session among those of the server; tells guests apart."""
        self.verses = verses
        self.tell = tell
        self.note: Note = lambda deed, by: None
        self.over = False
        """The session has ended; closing its connection may take seconds more."""
        self.passage = 1
        """Counts passages; what was kept of the one before is gone."""
        self.mark = 0
        """Counts changes of anything but the tile."""
        self.tile_mark = 1
        """Counts changes of the tile."""
        self._name, self.since = name, since
        self._phones: Latest[PhoneRow] = Latest(MOST_PHONES)
        self._words: Latest[WordRow] = Latest(MOST_WORDS)
        self._rules: Latest[RuleRow] = Latest(MOST_RULES)
        self._overruled: Latest[SummaryOverruled] = Latest(MOST_WORDS)
        self._counts: Counter[Status] = Counter()
        self._misheard: dict[str, PhoneRow] = {}
        """Of each word without a verdict the first phone that another was heard for."""
        self._recent: deque[Doubt] = deque(maxlen=RECENT)
        self._update: Update | None = None
        self._received = 0.0
        self._heard_mark = 0
        """Of the newest hop."""
        self._packets: deque[tuple[int, int]] = deque([(0, 0)], maxlen=LOSS_READINGS)
        self._may_listen: bool | None = None
        self._loss, self._silent_s = 0.0, 0
        self._tile: tuple[int, Tile] | None = None

    def begin(self, verses: str) -> None:
        """Another passage, from its beginning."""
        self.verses = verses
        for kept in (self._phones, self._words, self._rules, self._overruled):
            kept.clear()
        self._counts.clear()
        self._misheard.clear()
        self._recent.clear()
        self._update = None
        self._turn()

    def recall(self, rows: Iterable[PhoneRow | WordRow | RuleRow], overruled: Iterable[SummaryOverruled]) -> None:
        """What was said in another process."""
        self.mark += 1
        for row in rows:
            self._take(row)
        for said in overruled:
            before = self._words.get(said.at)
            if before is not None:
                self._counts[self._standing(before)] -= 1
                self._counts[said.status] += 1
            self._overruled.put(said.at, self.mark, said)
        self.tile_mark += 1

    def found(self, verses: str) -> None:
        """The passage has become known; verdicts on it may have come already."""
        self.verses = verses
        self._turn()

    def heard(self, update: Update, rows: Iterable[PhoneRow | WordRow | RuleRow], received: float) -> None:
        """What a hop brought; `received`: monotonic time of the newest packet in it."""
        self.mark += 1
        before, self._update, self._received = self._update, update, received
        self._heard_mark = self.mark
        if before is None or (_cursor_word(before), before.state) != (_cursor_word(update), update.state):
            self.tile_mark += 1
        for row in rows:
            self._take(row)

    def _take(self, row: PhoneRow | WordRow | RuleRow) -> None:
        match row:
            case PhoneRow():
                self._phone(row)
            case WordRow():
                self._word(row)
            case RuleRow():
                self._rule(row)

    def connection(self, received: int, lost: int, silent_s: float) -> None:
        """Packets received and lost since the session began, and how long none has come. To be told every 200 ms."""
        then_received, then_lost = self._packets[0]
        self._packets.append((received, lost))
        arrived, missed = received - then_received, lost - then_lost
        loss = round(missed / (arrived + missed), 2) if missed > 0 else 0.0
        if (loss, int(silent_s)) != (self._loss, self._silent_s):
            self._loss, self._silent_s = loss, int(silent_s)
            self.tile_mark += 1

    def let_listen(self, may: bool | None) -> None:
        """What the student said to being listened to; None: nothing yet."""
        if may is not self._may_listen:
            self._may_listen = may
            self.tile_mark += 1

    def remark(self, remark: Remark, by: str = "") -> bool:
        """A teacher says something; whether the student could be told. `by`: subject of the teacher's token."""
        self.note(remark, by)
        return self.tell(remark)

    def overrule(self, at: str, status: Status, by: str = "") -> bool:
        """A teacher's verdict on a word in place of ours; whether the student could be told. Raises NoVerdict."""
        said = self._words.get(at)
        if said is None:
            raise NoVerdict(f"there is no verdict on {at} that could be overruled")
        self._counts[self._standing(said)] -= 1
        self._counts[status] += 1
        self.mark += 1
        self.tile_mark += 1
        self._overruled.put(at, self.mark, SummaryOverruled(at, status, said.status))
        if status is Status.ACCEPTED:
            self._recent = deque((doubt for doubt in self._recent if doubt.at != at), RECENT)
        overruled = Overruled(at, status, said.status)
        self.note(overruled, by)
        return self.tell(overruled)

    @property
    def overruled(self) -> tuple[SummaryOverruled, ...]:
        """Every verdict of this passage that a teacher overruled."""
        return self._overruled.since(0)

    def holds(self, at: str) -> bool:
        """A word's address lies in the passage."""
        try:
            word, passage = parse_reference(at), parse_reference(self.verses)
        except AddressError:  # The passage may still be sought.
            return False
        return word.word is not None and word.surah == passage.surah and word.first in passage.ayat

    def tile(self) -> Tile:
        """The session at a glance."""
        if self._tile is None or self._tile[0] != self.tile_mark:
            self._tile = self.tile_mark, self._make_tile()
        return self._tile[1]

    def follow(self, now: float) -> None:
        """See Seen: its rows are kept whether they are read or not."""

    def rows(self, since: int, now: float) -> Rows:
        """What came after a mark, 0 for all; `now` is monotonic."""
        update = self._update
        cursor = None if update is None else update.cursor
        return Rows(
            self.id,
            self.mark,
            0 if update is None else update.sample,
            None if cursor is None else CursorRow(cursor.at, cursor.phone, cursor.sample),
            update is not None and update.speech,
            self._state,
            self._phones.since(since),
            self._words.since(since),
            self._rules.since(since),
            self._overruled.since(since),
            None if update is None or update.harakah_s is None else round(1000 * update.harakah_s, 1),
            round(1000 * (now - self._received), 1) if self._heard_mark > since else None,
        )

    def _make_tile(self) -> Tile:
        counts = self._counts
        return Tile(
            self.id,
            self._name,
            self.number,
            self.since,
            self.verses,
            None if self._update is None else _cursor_word(self._update),
            self._state,
            counts[Status.ACCEPTED],
            counts[Status.QUESTIONED],
            counts[Status.WRONG] + counts[Status.OMITTED],
            counts[Status.UNCLEAR],
            tuple(reversed(self._recent)),
            self._loss,
            self._silent_s,
            self._may_listen,
        )

    @property
    def _state(self) -> Following:
        return Following.WAITING if self._update is None else self._update.state

    def _standing(self, said: WordRow) -> Status:
        """The verdict that counts."""
        overruled = self._overruled.get(said.at)
        return said.status if overruled is None else overruled.status

    def _phone(self, row: PhoneRow) -> None:
        self._phones.put((row.at, row.index), self.mark, row)
        if row.heard is not None:
            self._misheard.setdefault(row.at, row)

    def _word(self, row: WordRow) -> None:
        misheard = self._misheard.pop(row.at, None)
        if row.status in NO_VERDICT:
            return
        before = self._words.get(row.at)
        if before is not None:
            self._counts[self._standing(before)] -= 1
        self._words.put(row.at, self.mark, row)
        self._counts[self._standing(row)] += 1
        self.tile_mark += 1
        if row.status in DOUBTED:
            phone = None if row.status is Status.OMITTED or misheard is None else misheard
            self._recent.append(
                Doubt(row.at, row.status)
                if phone is None
                else Doubt(row.at, row.status, phone.first, phone.stop, phone.unit, phone.heard)
            )

    def _rule(self, row: RuleRow) -> None:
        self._rules.put((row.at, row.rule, row.first), self.mark, row)
        if row.slip is not None and row.severity in (Severity.ADVICE, Severity.ERROR):
            self._recent.append(
                Doubt(row.at, None, row.first, row.stop, None, row.heard, row.rule, row.slip, row.severity)
            )
            self.tile_mark += 1

    def _turn(self) -> None:
        self.passage += 1
        self.mark += 1
        self.tile_mark += 1


def _cursor_word(update: Update) -> str | None:
    return None if update.cursor is None else update.cursor.at
