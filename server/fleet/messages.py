"""What nodes say to each other over Redis, as types. JSON, so that `redis-cli monitor` shows it.

Every message carries `v`. A node passes over messages of another version: while a fleet is being upgraded across
versions its teachers see the sessions of their own half, and placement stays within it.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from server.messages import Error
from server.watch_messages import TeacherMessage, Told, WatchMessage

VERSION: Final = 1

EVERYBODY = "all"
"""The channel that every node listens to, beside the one that is named after it."""


class BadNodeMessage(Exception):
    """Not a message of this version."""


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """A node lives, and how loaded it is; to everybody, every half second."""

    node: str
    url: Annotated[str, Meta(description="where clients reach it; empty: nowhere but through its own front")]
    sessions: int
    capacity: int
    busy: Annotated[float, Meta(description="share of time the encoder works, divided by the share it may")]
    accepts: Annotated[bool, Meta(description="it takes sessions")]
    draining: Annotated[bool, Meta(description="it is being emptied, and takes up none either")] = False
    v: Literal[1] = VERSION

    @property
    def level(self) -> float:
        """How full it is: 0 idle, 1 just full, by places or by the encoder's time, whichever is scarcer."""
        return max(self.sessions / self.capacity, self.busy)


class Bye(msgspec.Struct, frozen=True, tag="bye"):
    """A node leaves in order; to everybody."""

    node: str
    v: Literal[1] = VERSION


class Want(msgspec.Struct, frozen=True, tag="want"):
    """Teachers on `node` watch a class; to everybody, once a second for as long as they do."""

    node: str
    class_name: str
    open: Annotated[tuple[str, ...], Meta(description="sessions to be told of word by word")]
    again: Annotated[bool, Meta(description="from the beginning: what was told before is not known any more")]
    v: Literal[1] = VERSION


class News(msgspec.Struct, frozen=True, tag="news"):
    """Answer to `want`, to its node: what has changed, as a teacher would be told it."""

    node: str
    class_name: str
    seq: Annotated[int, Meta(description="1 with the first, which begins with a snapshot; a gap: ask again")]
    messages: tuple[WatchMessage, ...]
    v: Literal[1] = VERSION


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A teacher does something to a session of another node; to that node."""

    node: str
    id: int
    class_name: str
    message: TeacherMessage
    by: Annotated[str, Meta(description="subject of the teacher's token")]
    v: Literal[1] = VERSION


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """What came of `ask`; to the node that asked."""

    node: str
    id: int
    message: Told | Error
    v: Literal[1] = VERSION


class Claim(msgspec.Struct, frozen=True, tag="claim"):
    """A client goes on with its session on `node`: whoever has it still gives it up; to everybody."""

    node: str
    key: Annotated[str, Meta(description="of its snapshot")]
    v: Literal[1] = VERSION


class Yielded(msgspec.Struct, frozen=True, tag="yielded"):
    """The session that was claimed has ended here, and its snapshot is the last; to the node that claimed it."""

    node: str
    key: str
    v: Literal[1] = VERSION


class Where(msgspec.Struct, frozen=True, tag="where"):
    """Whoever has a session, say so; to everybody."""

    node: str
    id: int
    session: str
    v: Literal[1] = VERSION


class Here(msgspec.Struct, frozen=True, tag="here"):
    """The session of `where` is on `node`; to the node that asked."""

    node: str
    id: int
    v: Literal[1] = VERSION


NodeMessage = Beat | Bye | Want | News | Ask | Answer | Claim | Yielded | Where | Here

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[NodeMessage] = msgspec.json.Decoder(NodeMessage)


def encode_node(message: NodeMessage) -> bytes:
    """JSON of a message."""
    return _encoder.encode(message)


def decode_node(data: bytes) -> NodeMessage:
    """Read what a node said. Raises BadNodeMessage."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadNodeMessage(f"not a message of nodes v{VERSION}: {error}") from error
