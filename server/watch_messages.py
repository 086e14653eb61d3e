"""Protocol of a teacher who watches a class: JSON text over the WebSocket `/watch`, as types.

Rows and codes are those of `server.messages`. `docs/watching.schema.json` is generated from here::

    python -m server.watch_messages docs/watching.schema.json
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recitation.events import Following, Status
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import Severity, Slip
from server import schemas
from server.messages import (
    VERSION,
    BadMessage,
    CursorRow,
    Error,
    FirstLetter,
    LettersEnd,
    PhoneRow,
    Ping,
    Pong,
    Probability,
    RuleRow,
    Sample,
    SummaryOverruled,
    WordRow,
)

Count = Annotated[int, Meta(ge=0)]


class Doubt(msgspec.Struct, frozen=True, omit_defaults=True):
    """A slip, newest ones stand on a session's tile: of a letter, of a whole word, or of a rule of tajweed."""

    at: str
    status: Annotated[Status | None, Meta(description="verdict on the word; null where a rule was broken")]
    first: FirstLetter | None = None
    stop: LettersEnd | None = None
    expected: Annotated[str | None, Meta(description="unit; null for a whole word or a rule")] = None
    heard: Annotated[str | None, Meta(description="unit heard in its place; empty: nothing")] = None
    rule: Rule | None = None
    slip: Slip | None = None
    severity: Severity | None = None


class Tile(msgspec.Struct, frozen=True):
    """A live session at a glance."""

    session: str
    name: Annotated[str, Meta(description="empty for a guest")]
    number: Annotated[int, Meta(description="counts the sessions of the server; tells guests apart")]
    since: Annotated[float, Meta(description="Unix time at which it began")]
    verses: str
    at: Annotated[str | None, Meta(description="the word under the cursor")]
    state: Following
    accepted: Count
    questioned: Count
    wrong: Annotated[int, Meta(ge=0, description="omitted words included")]
    unclear: Count
    slips: Annotated[tuple[Doubt, ...], Meta(description="newest first")]
    loss: Annotated[Probability, Meta(description="share of packets lost in the last 5 s")]
    silent_s: Annotated[int, Meta(ge=0, description="whole seconds since audio came")]
    may_listen: Annotated[
        bool | None, Meta(description="what the student said to being listened to; null: nothing yet")
    ] = None


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """First message: every live session of the class."""

    class_name: str = msgspec.field(name="class")
    sessions: tuple[Tile, ...]
    v: Literal[1] = VERSION


class Tiles(msgspec.Struct, frozen=True, tag="tiles"):
    """Sessions that are new or look different, and those that are over; at most five times a second."""

    sessions: tuple[Tile, ...]
    gone: tuple[str, ...]
    v: Literal[1] = VERSION


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """Answer to `open`, and again when the student turns to another passage: all its `rows` follow."""

    session: str
    verses: str
    v: Literal[1] = VERSION


class Rows(msgspec.Struct, frozen=True, tag="rows"):
    """What is new in an opened session; fields as in `feedback`. Of a place recited twice only the newest row is sure
    to come."""

    session: str
    seq: int
    sample: Sample
    cursor: CursorRow | None
    speech: bool
    state: Following
    phones: tuple[PhoneRow, ...]
    words: tuple[WordRow, ...]
    rules: tuple[RuleRow, ...]
    overruled: tuple[SummaryOverruled, ...]
    harakah_ms: float | None
    late_ms: Annotated[
        float | None, Meta(description="since the newest packet in it arrived; null when none has since the last rows")
    ]
    v: Literal[1] = VERSION


class Told(msgspec.Struct, frozen=True, tag="told"):
    """Answer to `remark` and `overrule`."""

    session: str
    what: Literal["remark", "overrule"]
    reached: Annotated[bool, Meta(description="the student's page was there to take it")]
    v: Literal[1] = VERSION


SessionId = Annotated[str, Meta(max_length=64)]
WordAddress = Annotated[str, Meta(pattern=r"^[0-9]{1,3}:[0-9]{1,3}:[0-9]{1,3}$", description="`surah:ayah:word`")]
Ruling = Annotated[Literal["accepted", "questioned", "wrong", "unclear"], Meta(description="the teacher's own verdict")]


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Follow a session word by word."""

    v: Literal[1]
    session: SessionId


class Close(msgspec.Struct, frozen=True, tag="close"):
    """Follow it no longer."""

    v: Literal[1]
    session: SessionId


class TeacherRemark(msgspec.Struct, frozen=True, tag="remark"):
    """Say something to the student; with `at`: repeat from this word on. One of the two is needed."""

    v: Literal[1]
    session: SessionId
    text: Annotated[str, Meta(max_length=300)] = ""
    at: WordAddress | None = None


class Overrule(msgspec.Struct, frozen=True, tag="overrule"):
    """Put another verdict in place of the one on a word."""

    v: Literal[1]
    session: SessionId
    at: WordAddress
    status: Ruling


WatchMessage = Snapshot | Tiles | Opened | Rows | Told | Pong | Error
TeacherMessage = Open | Close | TeacherRemark | Overrule | Ping

_encoder = msgspec.json.Encoder()
_teacher_decoder: msgspec.json.Decoder[TeacherMessage] = msgspec.json.Decoder(TeacherMessage)
_watch_decoder: msgspec.json.Decoder[WatchMessage] = msgspec.json.Decoder(WatchMessage)


def encode_watch(message: WatchMessage | TeacherMessage) -> str:
    """JSON text of a message."""
    return _encoder.encode(message).decode()


def decode_teacher(text: str | bytes) -> TeacherMessage:
    """Read what a teacher's page sent. Raises BadMessage."""
    try:
        return _teacher_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage("bad_message", f"not a message of protocol v{VERSION}: {error}") from error


def decode_watch(text: str | bytes) -> WatchMessage:
    """Read what a server sent to a teacher. Raises BadMessage."""
    try:
        return _watch_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage("bad_message", str(error)) from error


def schema_text() -> str:
    """The schema as it stands in docs/watching.schema.json."""
    directions = {"server to teacher": WatchMessage, "teacher to server": TeacherMessage}
    return schemas.schema_text(
        "Talaqqi: watching a class, v1", "server.watch_messages", "watching.schema.json", directions
    )


if __name__ == "__main__":
    schemas.publish(schema_text())
