"""The two data channels of a session, and the tail of verdicts that makes feedback survive loss.

Both are negotiated (fixed ids), which saves a round trip. `feedback` (0) is unordered and never retransmits: a lost
message on a reliable channel stalls those behind it for 200 to 600 ms. What a lost message carried, the next ones
carry again. `control` (1) is reliable and ordered.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from operator import attrgetter

import msgspec
from aiortc import RTCDataChannel, RTCPeerConnection
from aiortc.exceptions import InvalidStateError

from recitation.events import Cursor, PhoneVerdict, Update, WordVerdict
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity
from server.messages import (
    CursorRow,
    Feedback,
    PhoneRow,
    RuleRow,
    ServerMessage,
    Stamps,
    WordRow,
    encode,
    rule_row,
)

logger = logging.getLogger(__name__)

FEEDBACK_ID, CONTROL_ID = 0, 1

BUFFERED_BYTES = 65_536
"""Feedback is skipped while so much waits for the network: what is late is useless, and the tail repeats it."""

CONTROL_BUFFERED_BYTES = 1_048_576
"""No more of `control` is taken while so much waits. One message may be longer: the summary of a long recitation."""

FEEDBACK_BYTES = 1100
"""One feedback message stays inside one SCTP packet of 1,200 bytes, so that one loss costs one message."""

TAIL_SAMPLES = 2 * 16_000
"""A verdict is repeated in every message for 2 s after it was first sent: some 25 chances to arrive."""

PENDING_ROWS = 512
"""Verdicts kept for a client whose channel is stuck. Overflow drops the oldest; the summary still has them."""

OnMessage = Callable[[str | bytes], None]


class Channels:
    """`feedback` and `control` on a peer connection. Never raises for what the peer does."""

    def __init__(self, peer: RTCPeerConnection, on_open: Callable[[], None], on_message: OnMessage) -> None:
        self._feedback = peer.createDataChannel(
            "feedback", negotiated=True, id=FEEDBACK_ID, ordered=False, maxRetransmits=0
        )
        self._control = peer.createDataChannel("control", negotiated=True, id=CONTROL_ID)
        self._control.on("open", on_open)
        self._control.on("message", on_message)

    @property
    def feedback_ready(self) -> bool:
        """The feedback channel takes messages now."""
        return self._feedback.readyState == "open" and self._feedback.bufferedAmount <= BUFFERED_BYTES

    @property
    def waiting_bytes(self) -> int:
        """Of `control` that the client has not taken."""
        return self._control.bufferedAmount

    def send_feedback(self, text: str) -> bool:
        """Send a feedback message; False when the channel does not take it."""
        return self.feedback_ready and _send(self._feedback, text)

    def send_control(self, message: ServerMessage) -> bool:
        """Send a control message; False when the channel does not take it."""
        room = self.waiting_bytes <= CONTROL_BUFFERED_BYTES
        return room and self._control.readyState == "open" and _send(self._control, encode(message))


def _send(channel: RTCDataChannel, text: str) -> bool:
    try:
        channel.send(text)
    except (InvalidStateError, ValueError) as error:
        # ValueError: longer than the peer said it takes.
        logger.info("message on %s not sent: %s", channel.label, error)
        return False
    return True


Row = PhoneRow | WordRow | RuleRow


class _Sending(msgspec.Struct):
    """A verdict on its way."""

    row: Row
    size: int
    first_sent: int | None = None
    """Sample of the message that carried it first; None before."""


class FeedbackTail:
    """The verdicts of one session that are still to be sent or repeated, and the messages that carry them.

    `update` notes what a hop brought; `messages` makes what is to be sent for it: one message with the newest verdicts
    of the last 2 s, and further ones only while some verdict has never been sent. Where no message is lost, `repeats`
    is false and each verdict is in one message only.
    """

    def __init__(self, *, repeats: bool = True) -> None:
        self.repeats = repeats
        self.seq = 0
        """Of the newest message made."""
        self._rows: deque[_Sending] = deque(maxlen=PENDING_ROWS)
        self._phone_id = 0
        self._word_id = 0
        self._rule_id = 0
        self._broken: set[tuple[str, Rule, tuple[int, int]]] = set()
        """Places of which the client was told that a rule was broken."""

    def update(
        self, phones: Iterable[PhoneVerdict], words: Iterable[WordVerdict], rules: Iterable[RuleVerdict] = ()
    ) -> list[Row]:
        """Note new verdicts; the rows that carry them."""
        rows: list[Row] = []
        for p in phones:
            self._phone_id += 1
            first, last = p.letters
            rows.append(
                PhoneRow(
                    self._phone_id, p.at, p.index, p.unit, p.start, p.end, _probability(p.p), p.heard, first, last + 1
                )
            )
        for w in words:
            self._word_id += 1
            rows.append(WordRow(self._word_id, w.at, w.start, w.end, _probability(w.score), w.status))
        for verdict in rules:
            if self._is_news(verdict):
                self._rule_id += 1
                rows.append(rule_row(self._rule_id, verdict))
        for row in rows:
            self._rows.append(_Sending(row, len(msgspec.json.encode(row)) + 1))
        return rows

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """Of the newest message, phone, word and rule."""
        return self.seq, self._phone_id, self._word_id, self._rule_id

    def go_on(self, numbers: tuple[int, int, int, int], broken: Iterable[RuleVerdict]) -> None:
        """Number on from what another process has told, which told of these broken rules."""
        self.seq, self._phone_id, self._word_id, self._rule_id = numbers
        self._broken.update((verdict.at, verdict.rule, verdict.letters) for verdict in broken)

    def again(self, *, repeats: bool) -> None:
        """Another connection: what the one before was given last may never have arrived. `repeats` as for a new one."""
        self.repeats = repeats
        for sending in self._rows:
            sending.first_sent = None

    def forget(self) -> None:
        """Repeat nothing of what was said so far: the passage has changed. Numbers go on."""
        self._rows.clear()
        self._broken.clear()

    def _is_news(self, verdict: RuleVerdict) -> bool:
        """A rule that was broken, measured, or is kept where it was broken before."""
        place = (verdict.at, verdict.rule, verdict.letters)
        mended = verdict.severity is Severity.FINE and place in self._broken
        if verdict.slip is not None:
            self._broken.add(place)
        elif mended:
            self._broken.remove(place)
        return verdict.slip is not None or verdict.measured is not None or mended

    def messages(self, update: Update, rtp: int, stamps: Stamps) -> list[str]:
        """What to send for `update`, each below FEEDBACK_BYTES. Marks it as sent."""
        while self._rows and _expired(self._rows[0], update.sample):
            self._rows.popleft()
        made = [self._message(update, rtp, stamps)]
        while any(sending.first_sent is None for sending in self._rows):
            made.append(self._message(update, rtp, stamps))
        return made

    def _message(self, update: Update, rtp: int, stamps: Stamps) -> str:
        self.seq += 1
        empty = Feedback(
            self.seq,
            rtp,
            update.sample,
            _cursor_row(update.cursor),
            update.speech,
            round(update.level_db, 1),
            update.state,
            (),
            (),
            stamps,
            harakah_ms=None if update.harakah_s is None else round(1000 * update.harakah_s, 1),
        )
        chosen = self._choose(FEEDBACK_BYTES - 1 - len(msgspec.json.encode(empty)))
        for sending in chosen:
            if sending.first_sent is None:
                sending.first_sent = update.sample
        phones: list[PhoneRow] = []
        words: list[WordRow] = []
        rules: list[RuleRow] = []
        for row in sorted((sending.row for sending in chosen), key=_number):
            match row:
                case PhoneRow():
                    phones.append(row)
                case WordRow():
                    words.append(row)
                case RuleRow():
                    rules.append(row)
        return encode(msgspec.structs.replace(empty, phones=tuple(phones), words=tuple(words), rules=tuple(rules)))

    def _choose(self, room: int) -> list[_Sending]:
        """Verdicts never sent, then repeats, each newest first, as many as fit into `room` bytes."""
        new: list[_Sending] = []
        told: list[_Sending] = []
        for sending in reversed(self._rows):
            (new if sending.first_sent is None else told).append(sending)
        chosen: list[_Sending] = []
        for sending in chain(new, told if self.repeats else ()):
            if sending.size > room:
                break
            room -= sending.size
            chosen.append(sending)
        return chosen


_number = attrgetter("id")


def _expired(sending: _Sending, sample: int) -> bool:
    return sending.first_sent is not None and sample - sending.first_sent > TAIL_SAMPLES


def _cursor_row(cursor: Cursor | None) -> CursorRow | None:
    return None if cursor is None else CursorRow(cursor.at, cursor.phone, cursor.sample)


def _probability(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 3)
