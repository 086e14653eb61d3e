"""What is kept of a session while its client, or its process, is away: a snapshot, as bytes for a store.

Small and complete: whose session it is, where it stands, what was said of every word. No sound, no address of anybody.
"""

from typing import Self

import msgspec

from recitation.audio import SAMPLE_HZ
from recitation.events import Status
from recitation.retained import LineState
from server.messages import PhoneRow, Restored, RuleRow, SummaryOverruled, WordRow, rule_row
from server.roles import Holder, Role

VERSION = 1
"""Of the snapshot's form. One of another form is not read: its student begins anew."""

ID_STEP = 1024
"""A snapshot is older than its process' end: numbers of what was told meanwhile are not used again."""

ROWS = 128
"""Verdicts in one `restored` message, some 10 KiB: any client takes that at once."""


class Retained(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session as it stood."""

    v: int = VERSION
    session: str
    token: str
    """By which it is resumed."""
    sub: str
    role: Role
    classes: frozenset[str] = frozenset()
    name: str = ""
    expires: float | None = None
    since: float
    """Unix time of its begin."""
    at: float
    """Unix time of the snapshot."""
    verses: str
    """What is followed; `auto` while it is sought."""
    reading: str = ""
    """Settings of the reading, as the client wrote them."""
    samples: int
    """The session's clock at `at`."""
    numbers: tuple[int, int, int, int]
    """Newest message, phone, word and rule told."""
    line: LineState | None
    """Times by the session's clock; None while the passage is sought."""
    passage_from: int = 0
    """Samples of the passages before this one, in what is kept of it for the student."""
    overruled: tuple[SummaryOverruled, ...] = ()
    may_listen: bool | None = None
    """What the student said to being listened to."""

    def aged(self, now: float) -> Self:
        """As it stands at Unix time `now`: the session's clock goes on while nobody hears."""
        gone_s = max(0.0, now - self.at)
        return msgspec.structs.replace(self, at=self.at + gone_s, samples=self.samples + round(gone_s * SAMPLE_HZ))

    @property
    def holder(self) -> Holder:
        """Who opened it."""
        expires = {} if self.expires is None else {"expires": self.expires}
        return Holder(self.sub, self.role, self.classes, self.name, **expires)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Retained)


def pack(retained: Retained) -> bytes:
    """For a store."""
    return _encoder.encode(retained)


def unpack(snapshot: bytes) -> Retained | None:
    """From a store; None for one of another form."""
    try:
        retained = _decoder.decode(snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return retained if retained.v == VERSION else None


Row = PhoneRow | WordRow | RuleRow


def rows_of(state: LineState) -> list[Row]:
    """Verdicts as they are told: phones of words not accepted, words, and rules that were broken or measured. They have
    no numbers of their own: 0."""
    phones = [
        PhoneRow(0, p.at, p.index, p.unit, p.start, p.end, round(p.p, 3), p.heard, p.letters[0], p.letters[1] + 1)
        for p in state.phones
    ]
    words = [
        WordRow(0, w.at, w.start, w.end, round(w.score, 3), w.status)
        for w in state.words
        if w.status not in (Status.REPEATED, Status.NOT_REACHED)
    ]
    rules = [rule_row(0, v) for v in state.rules if v.slip is not None or v.measured is not None]
    return [*phones, *words, *rules]


def restored_messages(verses: str, rows: list[Row], overruled: tuple[SummaryOverruled, ...]) -> list[Restored]:
    """All that was said, in as many messages as it takes; at least one."""
    pieces = [rows[first : first + ROWS] for first in range(0, len(rows), ROWS)] or [[]]
    return [
        Restored(
            verses,
            tuple(row for row in piece if isinstance(row, PhoneRow)),
            tuple(row for row in piece if isinstance(row, WordRow)),
            tuple(row for row in piece if isinstance(row, RuleRow)),
            overruled if n == 0 else (),
            more=n + 1 < len(pieces),
        )
        for n, piece in enumerate(pieces)
    ]
