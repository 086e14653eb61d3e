"""What a session tells: to its client, to the teachers who watch, and to what is kept of it for the student."""

import time
from collections.abc import Callable, Iterable

from recitation.events import Update
from recitation.finding import Found
from recitation.prosody.phrase import Phrase
from server.channels import FeedbackTail
from server.messages import Error, Overruled, Remark, ServerMessage, Stamps, phrase_message
from server.metrics import Metrics
from server.retained import ID_STEP, Retained, restored_messages, rows_of
from server.storage.record import Record
from server.transport import Transport
from server.watched import Watched


class Telling:
    """See the module's docstring. All times of events are by the session's clock."""

    def __init__(self, transport: Callable[[], Transport], watched: Watched, *, metrics: Metrics, began: float) -> None:
        """`transport` is the one that serves. `began`: monotonic seconds of the session's begin."""
        self.changes = 0
        """Counts what a snapshot would say anew."""
        self.record = Record.unkept()
        self.tail = FeedbackTail(repeats=transport().loses)
        self._transport = transport
        self._watched = watched
        self._metrics = metrics
        self._began = began

    def recall(self, kept: Retained) -> None:
        """Go on after what another process has told."""
        line = kept.line
        seq, phone, word, rule = (number + ID_STEP for number in kept.numbers)
        self.tail.go_on(
            (seq, phone, word, rule),
            [verdict for verdict in (line.rules if line else ()) if verdict.slip is not None],
        )
        self._watched.recall([] if line is None else rows_of(line), kept.overruled)

    def keep(self, record: Record) -> None:
        """What happens is to be kept in `record`."""
        self.record = record
        self._watched.note = self._note

    def send(self, message: ServerMessage) -> bool:
        """Send the client a control message; False when it is not taken."""
        return self._transport().send_control(message)

    def refuse(self, code: str, message: str) -> None:
        """Tell the client why something it asked for is not done."""
        self.send(Error(code, message))

    def heard(self, update: Update, rtp: int, received: float, encoded: float) -> None:
        """What a hop brought; see `server.live.Heard`."""
        self.changes += bool(update.words or update.rules)
        rows = self.tail.update(update.phones, update.words, update.rules)
        self._watched.heard(update, rows, received)
        self.record.heard(update)
        transport = self._transport()
        if not transport.takes_messages:
            return
        self.phrases(update.phrases)
        if not transport.feedback_ready:
            self._metrics.feedback_skipped.add()
            return
        now = time.monotonic()
        stamps = Stamps(self._ms(received), self._ms(encoded), self._ms(now))
        for text in self.tail.messages(update, rtp, stamps):
            sent = transport.send_feedback(text)
            (self._metrics.feedback if sent else self._metrics.feedback_skipped).add()
        done = time.monotonic()
        self._metrics.stages["send"].observe(done - now)
        self._metrics.stages["server"].observe(done - received)

    def phrases(self, phrases: Iterable[Phrase]) -> None:
        """Phrases that are over."""
        for phrase in phrases:
            self.send(phrase_message(phrase))

    def found(self, found: Found) -> None:
        """The passage that was sought; the client has a message of its own for it."""
        self._watched.found(found.verses)
        self.record.found(found.verses)
        self.changes += 1

    def turned(self, verses: str) -> None:
        """Another passage is followed: repeat nothing of the one before."""
        self.tail.forget()
        self.record.turn(verses)
        self._watched.begin(verses)
        self.changes += 1

    def read_by(self, settings: str) -> None:
        """Other settings of the reading are chosen."""
        self.record.read_by(settings)
        self.changes += 1

    def restored(self, retained: Retained) -> None:
        """To a client that came back: every verdict so far."""
        rows = [] if retained.line is None else rows_of(retained.line)
        for message in restored_messages(retained.verses, rows, retained.overruled):
            self.send(message)

    def _note(self, deed: Remark | Overruled, by: str) -> None:
        match deed:
            case Overruled(at=at, status=status, was=was):
                self.record.overruled(at, status, was, by, time.time())
            case Remark(text=text, at=word):
                self.record.remarked(text, word, by, time.time())

    def _ms(self, at: float) -> float:
        return round((at - self._began) * 1000, 1)
