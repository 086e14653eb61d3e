"""Wire protocol v1: JSON text on the `feedback` and `control` data channels, as types.

Every message carries `v` and `type`. A receiver ignores fields and types it does not know, so that both may be added;
anything else raises the version. `docs/protocol.md` explains, `docs/protocol.schema.json` is generated from here::

    python -m server.messages docs/protocol.schema.json
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from recitation.events import Following, Status, Summary
from recitation.prosody.phrase import Phrase, PitchRange, ProsodyReport
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from server import schemas

VERSION: Final = 1

Sample = Annotated[int, Meta(description="16 kHz samples since the session began")]
Probability = Annotated[float, Meta(ge=0, le=1)]
FirstLetter = Annotated[int, Meta(ge=0, description="first character of the word's text that spells the phone")]
LettersEnd = Annotated[int, Meta(ge=0, description="the character after the last of them")]


class BadMessage(Exception):
    """The peer sent something that is no message of this protocol. `code` is what the error message will carry."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class PhoneRow(msgspec.Struct, frozen=True, array_like=True):
    """A confirmed phone. `id` counts the session's phones; a client ignores one that it has."""

    id: int
    at: str
    index: int
    unit: str
    start: Sample
    end: Sample
    p: Probability
    heard: str | None
    first: FirstLetter
    stop: LettersEnd


class WordRow(msgspec.Struct, frozen=True, array_like=True):
    """A confirmed word. `id` counts the session's words; a client ignores one that it has."""

    id: int
    at: str
    start: Sample
    end: Sample
    score: Probability
    status: Status


class RuleRow(msgspec.Struct, frozen=True, array_like=True):
    """A confirmed rule of tajweed. `id` counts the session's rules; a client ignores one that it has."""

    id: int
    at: str
    rule: Rule
    first: FirstLetter
    stop: LettersEnd
    start: Sample
    end: Sample
    severity: Severity
    slip: Annotated[Slip | None, Meta(description="null where the rule was kept, or nothing can be said")]
    confidence: Probability
    expected: Annotated[tuple[float, float] | None, Meta(description="least and most harakat")]
    measured: Annotated[float | None, Meta(description="harakat, in the reciter's own tempo")]
    heard: Annotated[str | None, Meta(description="unit heard in place of the rule's; empty: nothing")]
    uncertainty: Annotated[float | None, Meta(description="standard error of `measured`, harakat")] = None


def rule_row(number: int, verdict: RuleVerdict) -> RuleRow:
    """A verdict on a rule as it goes over the wire."""
    first, last = verdict.letters
    return RuleRow(
        number, verdict.at, verdict.rule, first, last + 1, verdict.start, verdict.end, verdict.severity, verdict.slip,
        round(verdict.confidence, 3), verdict.expected,
        None if verdict.measured is None else round(verdict.measured, 2), verdict.heard,
        None if verdict.uncertainty is None else round(verdict.uncertainty, 2),
    )  # fmt: skip


class CursorRow(msgspec.Struct, frozen=True, array_like=True):
    """The tentative place: the newest phone begun and where it began."""

    at: str
    phone: int
    end: Sample


class Stamps(msgspec.Struct, frozen=True, array_like=True):
    """Milliseconds of the session's own clock."""

    rx_ms: Annotated[float, Meta(description="arrival of the newest packet this rests on")]
    encoded_ms: Annotated[float, Meta(description="the encoder was done")]
    sent_ms: Annotated[float, Meta(description="this message was sent")]


class Feedback(msgspec.Struct, frozen=True, tag="feedback"):
    """Server to client on `feedback`, every 80 ms while audio flows; each repeats the verdicts of the last 2 s."""

    seq: int
    rtp: Annotated[int, Meta(description="48 kHz RTP timestamp of `sample`", ge=0, lt=2**32)]
    sample: Sample
    cursor: CursorRow | None
    speech: bool
    level: Annotated[float, Meta(description="dBFS")]
    state: Following
    phones: tuple[PhoneRow, ...]
    words: tuple[WordRow, ...]
    stamps: Stamps
    rules: tuple[RuleRow, ...] = ()
    harakah_ms: Annotated[float | None, Meta(description="the reciter's own tempo, null until it is known")] = None
    v: Literal[1] = VERSION


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """First message on `control`, and again after `passage`: what the session follows from now on.

    `verses` is `auto` while the place is sought.
    """

    session: str
    verses: str
    engine: str
    lookahead_ms: int
    watched: Annotated[bool, Meta(description="teachers of a class see the session, and may ask to listen")] = False
    resume: Annotated[str, Meta(description="another connection takes the session up with this token")] = ""
    resumed: Annotated[bool, Meta(description="this connection took a session up: `restored` follows")] = False
    v: Literal[1] = VERSION


class Restored(msgspec.Struct, frozen=True, tag="restored"):
    """After the `welcome` of a connection that took a session up: every verdict of the passage so far.

    In one message or in several (`more`). Rows have no numbers of their own (0) and hold as if they came with
    `feedback`; phones are those of words that were not accepted.
    """

    verses: str
    phones: tuple[PhoneRow, ...]
    words: tuple[WordRow, ...]
    rules: tuple[RuleRow, ...]
    overruled: "tuple[SummaryOverruled, ...]" = ()
    more: Annotated[bool, Meta(description="another one follows")] = False
    v: Literal[1] = VERSION


class Candidate(msgspec.Struct, frozen=True):
    """A place that may be recited."""

    at: Annotated[str, Meta(description="`surah:ayah`")]
    p: Probability
    text: Annotated[str, Meta(description="the first words of the ayah")]


class Candidates(msgspec.Struct, frozen=True, tag="candidates"):
    """Where the student may be, likeliest first, while it is not certain; none when nothing fits."""

    places: tuple[Candidate, ...]
    v: Literal[1] = VERSION


class Found(msgspec.Struct, frozen=True, tag="found"):
    """The place is certain, or was chosen: `verses` is followed, from the beginning of what was heard."""

    verses: str
    at: Annotated[str, Meta(description="the ayah it begins with, `surah:ayah`")]
    p: Annotated[float, Meta(ge=0, le=1, description="1 when it was chosen")]
    v: Literal[1] = VERSION


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Answer to `ping`: its `t` and the `seq` of the newest feedback sent."""

    t: float
    seq: int
    v: Literal[1] = VERSION


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    """No audio has arrived for `silent_s` seconds, or it flows again."""

    state: Literal["missing", "flowing"]
    silent_s: float
    v: Literal[1] = VERSION


class Contour(msgspec.Struct, frozen=True):
    """Pitch every 16 ms from the sample `start` on, hertz; 0 where there is no voice."""

    start: Sample
    hz: tuple[int, ...]


class PhraseMessage(msgspec.Struct, frozen=True, tag="phrase"):
    """What was recited from one pause to the next, once its pitch is heard."""

    start: Sample
    end: Sample
    pitch: Annotated[PitchRange | None, Meta(description="median and 5th and 95th percentile; null: no voice")]
    contour: Contour
    level: Annotated[float, Meta(description="mean, dBFS")]
    phones_per_s: float | None
    npvi: Annotated[float | None, Meta(description="unevenness of its vowels, each divided by its counts; 0 is even")]
    pause_s: Annotated[float | None, Meta(description="the pause after it; null at the end")]
    breath_s: Annotated[float, Meta(description="inhalation in that pause, 0 for none")]
    v: Literal[1] = VERSION


def phrase_message(phrase: Phrase) -> PhraseMessage:
    """A phrase as it goes over the wire."""
    return PhraseMessage(
        phrase.start, phrase.end, phrase.pitch, Contour(phrase.contour_start, tuple(map(round, phrase.contour_hz))),
        phrase.level_db, phrase.phones_per_s, phrase.npvi, phrase.pause_s, phrase.breath_s,
    )  # fmt: skip


class SummaryPhone(msgspec.Struct, frozen=True):
    """A confirmed phone of a summary."""

    unit: str
    start: Sample
    end: Sample
    p: Probability
    heard: str | None
    first: FirstLetter
    stop: LettersEnd


class SummaryWord(msgspec.Struct, frozen=True):
    """A word of a summary; `start`, `end` and `score` are null when it was not reached."""

    at: str
    text: str
    start: Sample | None
    end: Sample | None
    score: Probability | None
    status: Status
    phones: tuple[SummaryPhone, ...]


class SummaryOverruled(msgspec.Struct, frozen=True, array_like=True):
    """A verdict that a teacher put in place of ours."""

    at: str
    status: Annotated[Status, Meta(description="the teacher's")]
    was: Annotated[Status, Meta(description="ours")]


class SummaryMessage(msgspec.Struct, frozen=True, tag="summary"):
    """Answer to `stop`: the whole passage."""

    verses: str
    words: tuple[SummaryWord, ...]
    accepted: int
    questioned: int
    seconds: float
    rules: Annotated[tuple[RuleRow, ...], Meta(description="each rule as it was recited last")] = ()
    harakah_ms: float | None = None
    prosody: ProsodyReport | None = None
    overruled: Annotated[tuple[SummaryOverruled, ...], Meta(description="by a teacher")] = ()
    v: Literal[1] = VERSION


class Remark(msgspec.Struct, frozen=True, tag="remark"):
    """A teacher says something; with `at`: repeat from this word on, and the text may be empty."""

    text: str
    at: Annotated[str | None, Meta(description="`surah:ayah:word`")] = None
    v: Literal[1] = VERSION


class Overruled(msgspec.Struct, frozen=True, tag="overruled"):
    """A teacher puts another verdict in place of the one on a word."""

    at: str
    status: Status
    was: Status
    v: Literal[1] = VERSION


class Listened(msgspec.Struct, frozen=True, tag="listened"):
    """Whether teachers may listen and who does, after `welcome` where teachers watch and whenever it changes."""

    may: Annotated[bool | None, Meta(description="what the student said with `consent`; null: nothing yet")]
    by: Annotated[tuple[str, ...], Meta(description="names of those who listen; empty for one without a name")]
    asked: Annotated[bool, Meta(description="a teacher would like to listen, and waits for the student to say")]
    v: Literal[1] = VERSION


class Move(msgspec.Struct, frozen=True, tag="move"):
    """This server is being emptied: the client is to take the session up over a new connection now."""

    url: Annotated[str, Meta(description="of the server to go to; empty: where this session was opened")]
    v: Literal[1] = VERSION


class Error(msgspec.Struct, frozen=True, tag="error"):
    """Something the client sent was refused, or (`fatal`) the session ends now."""

    code: str
    text: str
    fatal: bool = False
    v: Literal[1] = VERSION


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Every 250 ms on `control`; `t` comes back unchanged."""

    v: Literal[1]
    t: float


class Passage(msgspec.Struct, frozen=True, tag="passage"):
    """Start again on another passage, in the same session; `auto` has it found."""

    v: Literal[1]
    verses: Annotated[str, Meta(max_length=32)]


class Choose(msgspec.Struct, frozen=True, tag="choose"):
    """The student says which ayah it is, while the place is sought; `found` follows."""

    v: Literal[1]
    verses: Annotated[str, Meta(max_length=32)]


class Reading(msgspec.Struct, frozen=True, tag="reading"):
    """The settings of the reading from the next word on, as `munfasil=5,muttasil=5` (docs/tajweed-rules.md)."""

    v: Literal[1]
    moshaf: Annotated[str, Meta(max_length=512)]


class Consent(msgspec.Struct, frozen=True, tag="consent"):
    """Teachers of the student's classes may listen to this session from now on, or may no longer."""

    v: Literal[1]
    may: bool


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Ask for the summary. The session goes on until it is closed."""

    v: Literal[1]


class Frames(msgspec.Struct, frozen=True, tag="frames"):
    """The page's own frame times."""

    v: Literal[1]
    p95_ms: Annotated[float, Meta(ge=0, le=60_000)]


ServerMessage = (
    Feedback
    | Welcome
    | Restored
    | Candidates
    | Found
    | Pong
    | Audio
    | PhraseMessage
    | SummaryMessage
    | Remark
    | Overruled
    | Move
    | Listened
    | Error
)
ClientMessage = Ping | Passage | Reading | Choose | Consent | Stop | Frames

_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


def encode(message: ServerMessage | ClientMessage) -> str:
    """JSON text of a message, ready for a data channel."""
    return _encoder.encode(message).decode()


def decode_client(text: str | bytes, limit: int) -> ClientMessage:
    """Read what a client sent. Raises BadMessage for anything but a well-formed message of at most `limit` bytes."""
    size = len(text.encode()) if isinstance(text, str) else len(text)
    if size > limit:
        raise BadMessage("too_large", f"a message of {size} bytes; {limit} are allowed")
    try:
        return _client_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage("bad_message", f"not a message of protocol v{VERSION}: {error}") from error


def decode_server(text: str | bytes) -> ServerMessage:
    """Read what a server sent. Raises BadMessage."""
    try:
        return _server_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage("bad_message", str(error)) from error


def summary_message(verses: str, summary: Summary, overruled: tuple[SummaryOverruled, ...] = ()) -> SummaryMessage:
    """A summary as it goes over the wire."""
    words = tuple(
        SummaryWord(
            word.at,
            word.text,
            word.start,
            word.end,
            None if word.score is None else round(word.score, 3),
            word.status,
            tuple(
                SummaryPhone(p.unit, p.start, p.end, round(p.p, 3), p.heard, p.letters[0], p.letters[1] + 1)
                for p in word.phones
            ),
        )
        for word in summary.words
    )
    return SummaryMessage(
        verses,
        words,
        accepted=summary.count(Status.ACCEPTED),
        questioned=summary.count(Status.QUESTIONED),
        seconds=round(summary.samples / 16_000, 3),
        rules=tuple(rule_row(number, verdict) for number, verdict in enumerate(summary.rules)),
        harakah_ms=None if summary.tempo is None else round(1000 * summary.tempo.harakah, 1),
        prosody=summary.prosody,
        overruled=overruled,
    )


def schema_text() -> str:
    """The schema as it stands in docs/protocol.schema.json."""
    directions = {"server to client": ServerMessage, "client to server": ClientMessage}
    return schemas.schema_text("Talaqqi wire protocol v1", "server.messages", "protocol.schema.json", directions)


if __name__ == "__main__":
    schemas.publish(schema_text())
