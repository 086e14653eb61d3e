"""A session's life: from its opening through audio and feedback to the end, in one TaskGroup, on any transport.

Whatever ends it, a client's goodbye, silence, a broken message or a fault of our own, raises `Over` inside the group;
the group cancels its other tasks, and the place in the encoder and the connection are given back.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable

import numpy as np

from recitation.audio import Pcm
from recitation.events import Update
from recitation.finding import Finding, Found, News
from recitation.mushaf import AddressError
from recitation.prosody.phrase import Phrase
from recitation.tajweed.moshaf import Moshaf, MoshafError
from server.audience import Audience
from server.channels import CONTROL_BUFFERED_BYTES, FeedbackTail
from server.config import Config
from server.finder import Finder, seeking
from server.live import RTP_PER_SAMPLE, Line, Live, Overloaded
from server.messages import (
    VERSION,
    Audio,
    BadMessage,
    Choose,
    ClientMessage,
    Consent,
    Error,
    Frames,
    Overruled,
    Passage,
    Ping,
    Pong,
    Reading,
    Remark,
    ServerMessage,
    Stamps,
    Stop,
    Welcome,
    decode_client,
    phrase_message,
    summary_message,
)
from server.metrics import Metrics
from server.pitch import PitchLoop
from server.relay import Relay
from server.roles import Holder
from server.rtp_tap import Counts
from server.storage.record import Record
from server.transport import Listener, NotOpened, Transport
from server.watched import Watched

logger = logging.getLogger(__name__)

PACKET_SAMPLES = 320
WATCH_S = 0.2

HOP_PHASE = 48
"""Silent samples (3 ms) put before a session's first. A hop of four packets would otherwise end with a packet, its last
2 ms, still in the resampler, come with the next, and every feedback would be 20 ms later than it need be. Whole packets
of silence are put before that, for `Live.lead_in`."""

REQUESTS = 8
"""Requests that may wait for an answer. Overflow refuses the request (`busy`)."""

MakeLine = Callable[[str], tuple[str, Line]]
"""From an address as the client wrote it, or `auto`: the address as we write it, and a line for it. May take a while
for a long surah, so it runs in a thread. Raises AddressError."""


class Over(Exception):
    """The session ends; `reason` is a word for the metrics. With `error` the client is told first."""

    def __init__(self, reason: str, error: Error | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


class Session:
    """One reciter. `run` is its whole life; the rest is called meanwhile."""

    def __init__(
        self,
        transport: Transport,
        verses: str,
        line: Line,
        holder: Holder,
        *,
        live: Live,
        finder: Finder,
        pitch: PitchLoop,
        config: Config,
        metrics: Metrics,
        make_line: MakeLine,
        engine: str,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        """`release` gives back the leave to open a session (`server.auth.Grant`). Raises Busy."""
        self.id = secrets.token_urlsafe(16)
        self.holder = holder
        self.transport = transport
        self.relay = Relay()
        """The student's voice, for those who listen."""
        self.audience = Audience(self._audience_changed)
        self.watched = Watched(
            self.id, name=holder.name, classes=holder.classes, verses=verses, since=time.time(), tell=self._send
        )
        self.record = Record.unkept()
        self._config, self._metrics = config, metrics
        self._make_line = make_line
        self._engine = engine
        self.verses = verses
        self._moshaf = Moshaf()
        self._clock = time.monotonic
        self._began = self._clock()
        self._live, self._finder, self._pitch = live, finder, pitch
        self._heard_unplaced = asyncio.Event()
        """There is news for a line that seeks its place: a hop, or what the student says."""
        self._tail = FeedbackTail(repeats=transport.loses)
        self._over: asyncio.Future[Over] = asyncio.get_running_loop().create_future()
        self._connected = asyncio.Event()
        self._release = release
        self._requests: asyncio.Queue[Passage | Stop] = asyncio.Queue(REQUESTS)
        self._bad_messages = 0
        self._last_audio = self._last_ping = self._last_taken = self._began
        self._waiting_bytes = 0
        self._pings = False
        self._silent = False
        self._finishing = False
        self._counted = Counts()
        self._seat = live.join(line, self._heard, self._broke, transport.way)

    def keep(self, record: Record) -> None:
        """What happens is to be kept in `record`."""
        self.record = record
        self.watched.note = self._note

    @property
    def ended(self) -> bool:
        """The session is over, or about to be."""
        return self._over.done()

    def end(self, reason: str, error: Error | None = None) -> None:
        """End the session; the first reason counts."""
        self._give_back()
        if not self._over.done():
            self._over.set_result(Over(reason, error))

    def finish(self) -> None:
        """End the session as `stop` does, the summary told: its client has left, but still reads."""
        self._finishing = True
        try:
            self._requests.put_nowait(Stop(VERSION))
        except asyncio.QueueFull:
            self.end("left")

    def _give_back(self) -> None:
        """The leave to open a session, where no connection ever stood."""
        if not self._connected.is_set():
            release, self._release = self._release, lambda: None
            release()

    def poll(self, now: float) -> None:
        """Every 20 ms: lost packets are given up even when no other comes."""
        try:
            self.transport.poll(now)
        except Exception as fault:
            self._broke(fault)

    async def run(self) -> None:
        """Live until something ends it; then give everything back."""
        reason = "shutdown"
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._connect())
                tasks.create_task(self._watch())
                tasks.create_task(self._serve())
                tasks.create_task(self._seek())
                raise await self._over
        except* Over as overs:
            over = _first(overs)
            reason = over.reason
            if over.error is not None:
                self._send(over.error)
        except* Exception as faults:
            reason = "fault"
            self._metrics.faults.add()
            logger.exception("session %s: fault", self.id, exc_info=faults)
            self._send(Error("internal", "the server made a mistake; the session ends", fatal=True))
        finally:
            if reason == "shutdown":
                self._send(Error("shutdown", "the server is stopping", fatal=True))
            self.watched.over = True
            self.audience.dismiss()
            self.record.end(reason)
            self._give_back()
            self._live.leave(self._seat)
            self._metrics.end(reason)
            self._count_packets()
            logger.info("session %s: ended after %.1f s: %s", self.id, self._clock() - self._began, reason)
            await self._close()

    async def _connect(self) -> None:
        try:
            await self.transport.open(
                Listener(self._audio, self._welcome, self._message, self._refuse, self._state_changed, self.relay)
            )
        except NotOpened as error:
            raise Over("bad_offer") from error
        try:
            async with asyncio.timeout(self._config.connect_deadline_s):
                await self._connected.wait()
        except TimeoutError:
            raise Over("no_connection") from None
        self._metrics.connect[self.transport.way].observe(self._clock() - self._began)

    async def _watch(self) -> None:
        """Tell the client when no audio comes, and end the session when it is gone."""
        await self._connected.wait()
        self._last_audio = self._last_ping = self._last_taken = self._clock()
        while True:
            await asyncio.sleep(WATCH_S)
            now = self._clock()
            silent, unpinged = now - self._last_audio, now - self._last_ping
            if self._pings and min(silent, unpinged) > self._config.ping_timeout_s:
                raise Over("gone")
            if silent > self._config.audio_close_s:
                raise Over("no_audio", Error("no_audio", f"no audio for {silent:.0f} s", fatal=True))
            if (silent > self._config.audio_notice_s) is not self._silent:
                self._silent = not self._silent
                self._send(Audio("missing" if self._silent else "flowing", round(silent, 1)))
            if self._takes_nothing(now):
                raise Over("stuck")
            self._count_packets()
            self.watched.connection(self._counted.received, self._counted.lost, silent)

    def _takes_nothing(self, now: float) -> bool:
        """So much waits for the client that no more can be sent, and none of it has been taken for a while."""
        before, self._waiting_bytes = self._waiting_bytes, self.transport.waiting_bytes
        if self._waiting_bytes <= CONTROL_BUFFERED_BYTES or self._waiting_bytes < before:
            self._last_taken = now
        return now - self._last_taken > self._config.stuck_s

    async def _serve(self) -> None:
        """Answer the requests that take time, one after the other."""
        while True:
            match await self._requests.get():
                case Stop():
                    await self._stop()
                    if self._finishing:
                        raise Over("left")
                case Passage(verses=verses):
                    try:
                        ref, line = await asyncio.to_thread(self._make_line, verses)
                    except AddressError as error:
                        self._send(Error("bad_passage", str(error)))
                        continue
                    self.verses = ref
                    line.read_by(self._moshaf)
                    self._seat.restart(line)
                    self._tail.forget()
                    self.record.turn(ref)
                    self.watched.begin(ref)
                    self._welcome()

    async def _seek(self) -> None:
        """Have the questions of a line answered that does not know its place."""
        while True:
            await self._heard_unplaced.wait()
            self._heard_unplaced.clear()
            self._tell(await self._finder.serve(self._seat))

    def _tell(self, told: Iterable[News]) -> None:
        for news in told:
            if isinstance(news, Found):
                self.verses = news.verses
                self.watched.found(news.verses)
                self.record.found(news.verses)
            self._send(self._finder.message(news))

    async def _stop(self) -> None:
        if seeking(self._seat) is not None:
            self._tell(await self._finder.serve(self._seat, last=True))
        last = await self._live.finish(self._seat)
        if isinstance(self._seat.line, Finding):
            self._tell(self._seat.line.news())
        if last is not None and self._seat.heard_anything:
            now = self._clock()
            rtp, received = self._seat.origin(last.sample)
            self._heard(last, rtp, received, now)
        await self._pitch.hear([self._seat.line])
        self._tell_phrases(self._seat.line.phrases_told())
        self._send(summary_message(self.verses, self._seat.line.summary(), self.watched.overruled))

    def _audio(self, pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
        now = self._clock()
        if not concealed:
            self._last_audio = now
        try:
            if not self._seat.heard_anything:
                self._lead_in(len(pcm), start, rtp, arrival)
            if self._seat.push(pcm, concealed, rtp, arrival):
                self._metrics.stages["tap"].observe(now - arrival)
        except Overloaded as error:
            self.end("overloaded", Error("overloaded", f"the server cannot keep up: {error}", fatal=True))
        except Exception as fault:
            self._broke(fault)

    def _lead_in(self, samples: int, start: int, rtp: int, arrival: float) -> None:
        """Put silence before the first samples of a line, so that its hops end where they should."""
        lead = HOP_PHASE + self._live.lead_in(samples, arrival)
        self._seat.push(np.zeros(lead, np.float32), True, rtp - lead * RTP_PER_SAMPLE, arrival)
        self.transport.gather(self._live.hop_samples, start - lead)

    def _heard(self, update: Update, rtp: int, received: float, encoded: float) -> None:
        if self._over.done():
            return
        rows = self._tail.update(update.phones, update.words, update.rules)
        self.watched.heard(update, rows, received)
        self.record.heard(update)
        if not self.transport.takes_messages:
            return
        if seeking(self._seat) is not None:
            self._heard_unplaced.set()
        self._tell_phrases(update.phrases)
        if not self.transport.feedback_ready:
            self._metrics.feedback_skipped.add()
            return
        now = self._clock()
        stamps = Stamps(self._ms(received), self._ms(encoded), self._ms(now))
        for text in self._tail.messages(update, rtp, stamps):
            sent = self.transport.send_feedback(text)
            (self._metrics.feedback if sent else self._metrics.feedback_skipped).add()
        done = self._clock()
        self._metrics.stages["send"].observe(done - now)
        self._metrics.stages["server"].observe(done - received)

    def _tell_phrases(self, phrases: Iterable[Phrase]) -> None:
        for phrase in phrases:
            self._send(phrase_message(phrase))

    def _message(self, data: str | bytes) -> None:
        try:
            self._take(decode_client(data, self._config.message_bytes))
        except BadMessage as error:
            self._refuse(error)
        except Exception as fault:
            self._broke(fault)

    def _refuse(self, error: BadMessage) -> None:
        self._metrics.bad_messages.add()
        self._bad_messages += 1
        self._send(Error(error.code, str(error)))
        if self._bad_messages >= self._config.bad_messages:
            self.end("bad_messages", Error("bad_messages", "too many bad messages", fatal=True))

    def _take(self, message: ClientMessage) -> None:
        match message:
            case Ping(t=t):
                self._pings = True
                self._last_ping = self._clock()
                self._send(Pong(t, self._tail.seq))
            case Frames(p95_ms=p95_ms):
                self._metrics.page_frames.observe(p95_ms / 1000)
            case Choose(verses=verses):
                self._choose(verses)
            case Reading(moshaf=settings):
                self._read_by(settings)
            case Consent(may=may):
                self.audience.decide(may)
            case Passage() | Stop():
                try:
                    self._requests.put_nowait(message)
                except asyncio.QueueFull:
                    self._send(Error("busy", "earlier requests are still being answered"))

    def _read_by(self, settings: str) -> None:
        try:
            self._moshaf = Moshaf.parse(settings)
        except MoshafError as error:
            self._send(Error("bad_reading", str(error)))
            return
        self._seat.line.read_by(self._moshaf)
        self.record.read_by(str(self._moshaf))

    def read_by(self, moshaf: Moshaf) -> None:
        """Settings of the reading from before; the client may send others."""
        self._moshaf = moshaf
        self._seat.line.read_by(moshaf)

    def _note(self, deed: Remark | Overruled, by: str) -> None:
        match deed:
            case Overruled(at=at, status=status, was=was):
                self.record.overruled(at, status, was, by, time.time())
            case Remark(text=text, at=word):
                self.record.remarked(text, word, by, time.time())

    def _choose(self, verses: str) -> None:
        line = seeking(self._seat)
        if line is None:
            self._send(Error("not_seeking", f"{self.verses} is followed already; `passage` begins another"))
            return
        try:
            line.choose(verses)
        except AddressError as error:
            self._send(Error("bad_passage", str(error)))
            return
        self._heard_unplaced.set()

    def _welcome(self) -> None:
        watched = bool(self.watched.classes)
        self._send(Welcome(self.id, self.verses, self._engine, self._config.lookahead_ms, watched))
        if watched:
            self._send(self.audience.told())

    def _audience_changed(self) -> None:
        self.watched.let_listen(self.audience.may)
        self._send(self.audience.told())

    def _state_changed(self, state: str) -> None:
        if state == "connected":
            self._connected.set()
        elif not self._finishing:
            self.end("left" if state == "closed" else state)

    def _broke(self, fault: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(fault)

    def _send(self, message: ServerMessage) -> bool:
        return self.transport.send_control(message)

    def _count_packets(self) -> None:
        before, now = self._counted, self.transport.counts
        self._counted = now
        self._metrics.packets.add(now.received - before.received)
        self._metrics.lost_packets.add(now.lost - before.lost)
        self._metrics.concealed_packets.add((now.concealed_samples - before.concealed_samples) / PACKET_SAMPLES)

    async def _close(self) -> None:
        # A last message needs a turn of the loop to leave before the transport goes.
        await asyncio.sleep(0.05)
        try:
            async with asyncio.timeout(self._config.close_deadline_s):
                await self.transport.close()
        except TimeoutError:
            logger.warning("session %s: the connection did not close in time", self.id)

    def _ms(self, at: float) -> float:
        return round((at - self._began) * 1000, 1)


def _first(overs: BaseExceptionGroup[Over]) -> Over:
    first = overs.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
