"""A session's life: from its opening through audio and feedback to the end, in one TaskGroup, on any transport.

Whatever ends it, a client's goodbye, silence, a broken message or a fault of our own, raises `Over` inside the group;
the group cancels its other tasks, and the place in the encoder and the connection are given back.
"""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.events import Update
from recitation.finding import Finding, Found, News
from recitation.mushaf import AddressError
from recitation.prosody.phrase import Phrase
from recitation.retained import LineState
from recitation.session_clock import SessionClock
from recitation.tajweed.moshaf import Moshaf, MoshafError
from server.audience import Audience
from server.channels import CONTROL_BUFFERED_BYTES, FeedbackTail
from server.config import Config
from server.finder import Finder, seeking
from server.links import Link
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
    Move,
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
from server.retained import ID_STEP, Retained, restored_messages, rows_of
from server.roles import Holder
from server.rtp_tap import Counts
from server.storage.record import Record
from server.transport import NotOpened, Transport
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

FILL_SAMPLES = SAMPLE_HZ
"""Silence heard in place of audio that is missing for longer: a second is a pause to every part of the line. What is
missing beyond that passes on the session's clock alone."""

SEAM_SAMPLES = 640
"""The least of it between one connection and the next, whose sound does not join to the sample: 40 ms."""


class MakeLine(Protocol):
    """Makes lines. May take a while for a long surah, so it runs in a thread."""

    def __call__(self, verses: str, state: LineState | None = None) -> tuple[str, Line]:
        """From an address as the client wrote it, or `auto`: the address as we write it, and a line for it, which goes
        on from `state`. Raises AddressError."""


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
        kept: Retained | None = None,
    ) -> None:
        """`release` gives back the leave to open a session (`server.auth.Grant`). `kept`: go on with a session of a
        process that is no more, on a `line` made for that. Raises Busy."""
        self.id = secrets.token_urlsafe(16) if kept is None else kept.session
        self.record_name = self.id if kept is None else f"{self.id}-{secrets.token_hex(4)}"
        """In what is kept of it for the student: each process writes a part of its own."""
        self.resume_token = secrets.token_urlsafe(24) if kept is None else kept.token
        self.changes = 0
        """Counts what a snapshot would say anew."""
        self.reason: str | None = None
        """Why it is over."""
        self.holder = holder
        self._link = Link(transport, self.id)
        self._link.serves = True
        self._links = {self._link.name: self._link}
        """All that are not over yet, by name."""
        self._links_made = 1
        self._names = {self.id} if transport.way == "webrtc" else set()
        """Of all connections by WHIP."""
        self.relay = Relay()
        """The student's voice, for those who listen."""
        self.audience = Audience(self._audience_changed)
        self.watched = Watched(
            self.id,
            name=holder.name,
            classes=holder.classes,
            verses=verses,
            since=time.time() if kept is None else kept.since,
            tell=self._send,
        )
        self.record = Record.unkept()
        self._config, self._metrics = config, metrics
        self._make_line = make_line
        self._engine = engine
        self.verses = verses
        self._moshaf, self._reading = Moshaf(), ""
        self._line_clock = SessionClock()
        self._clock = time.monotonic
        self._began = self._clock()
        self._live, self._finder, self._pitch = live, finder, pitch
        self._heard_unplaced = asyncio.Event()
        """There is news for a line that seeks its place: a hop, or what the student says."""
        self._tail = FeedbackTail(repeats=transport.loses)
        self._over: asyncio.Future[Over] = asyncio.get_running_loop().create_future()
        self._tasks: asyncio.TaskGroup | None = None
        self._release = release
        self._requests: asyncio.Queue[Passage | Stop] = asyncio.Queue(REQUESTS)
        self._bad_messages = 0
        self._last_audio = self._last_ping = self._last_taken = self._last_arrival = self._began
        self._adrift: str | None = None
        """Why the client is away; None while it is here."""
        self._bridging = False
        """The next audio is the first of a connection that took the place of another."""
        self._waiting_bytes = 0
        self._pings = False
        self._silent = False
        self._finishing = False
        self._counted = Counts()
        self._received = self._lost = 0
        """Packets of all connections."""
        self._seat = live.join(line, self._heard, self._broke, transport.way)
        self._resumed = kept is not None
        if kept is not None:
            self._recall(kept)

    def _recall(self, kept: Retained) -> None:
        away = max(0, round((time.time() - kept.at) * SAMPLE_HZ))
        self._line_clock = SessionClock(kept.samples + away)
        self._read_by(kept.reading)
        line = kept.line
        seq, phone, word, rule = (number + ID_STEP for number in kept.numbers)
        self._tail.go_on(
            (seq, phone, word, rule),
            [verdict for verdict in (line.rules if line else ()) if verdict.slip is not None],
        )
        if kept.may_listen is not None:
            self.audience.decide(kept.may_listen)
        self.watched.recall([] if line is None else rows_of(line), kept.overruled)

    @property
    def transport(self) -> Transport:
        """The connection that serves."""
        return self._link.transport

    def link(self, name: str) -> Link | None:
        """One of its connections that are not over."""
        return self._links.get(name)

    @property
    def links(self) -> tuple[Link, ...]:
        """Its connections that are not over."""
        return tuple(self._links.values())

    def had(self, name: str) -> bool:
        """One of its WHIP connections is or was called so."""
        return name in self._names

    def hang_up(self, link: Link | None) -> None:
        """The client is done with a connection: with the newest one, the session is over."""
        if link is not None and link is not self._link:
            self._close_later(link)
        elif link is not None or self._adrift is not None:
            self.end("left")

    @property
    def worth_keeping(self) -> bool:
        """See Keepable."""
        return self._first_stood and not self._over.done() and self._adrift is None

    def retained(self) -> Retained:
        """As it stands."""
        state = self._line_state()
        holder = self.holder
        return Retained(
            session=self.id,
            token=self.resume_token,
            sub=holder.sub,
            role=holder.role,
            classes=holder.classes,
            name=holder.name,
            expires=None if math.isinf(holder.expires) else holder.expires,
            since=self.watched.since,
            at=time.time(),
            verses=self.verses,
            reading=self._reading,
            samples=self._line_clock.time(self._seat.pushed),
            numbers=self._tail.numbers,
            line=state,
            overruled=self.watched.overruled,
            may_listen=self.audience.may,
        )

    def _line_state(self) -> LineState | None:
        state = self._seat.line.retained()
        return None if state is None else self._line_clock.told(state)

    @property
    def away(self) -> bool:
        """Its client is not connected."""
        return self._adrift is not None

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

    def ask_to_move(self, move: Move) -> None:
        """Ask the client to go on elsewhere; it may not know how."""
        self._send(move)

    def finish(self) -> None:
        """End the session as `stop` does, the summary told: its client has left, but still reads."""
        self._finishing = True
        try:
            self._requests.put_nowait(Stop(VERSION))
        except asyncio.QueueFull:
            self.end("left")

    @property
    def _first_stood(self) -> bool:
        """A connection stood at some time."""
        return self._links_made > 1 or self._link.stood.is_set()

    def _give_back(self) -> None:
        """The leave to open a session, where no connection ever stood."""
        if not self._first_stood:
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
                self._tasks = tasks
                tasks.create_task(self._connect(self._link))
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
            self.reason = reason
            self.watched.over = True
            self.audience.dismiss()
            self.record.end(reason)
            self._give_back()
            self._live.leave(self._seat)
            self._metrics.end(reason)
            self._count_packets()
            logger.info("session %s: ended after %.1f s: %s", self.id, self._clock() - self._began, reason)
            for link in list(self._links.values()):
                await self._close(link)

    async def _connect(self, link: Link) -> None:
        """Open a connection. The first is the session's; without a later one it goes on as it was."""
        opened = self._clock()
        reason = "no_connection"
        try:
            async with asyncio.timeout(self._config.connect_deadline_s):
                await link.transport.open(link.listener(self))
                await link.stood.wait()
        except NotOpened:
            reason = "bad_offer"
        except TimeoutError:
            pass
        else:
            self._metrics.connect[link.transport.way].observe(self._clock() - opened)
            return
        if link is self._link:
            raise Over(reason)
        await self._retire(link)

    def attach(self, transport: Transport) -> Link:
        """Another connection of the same client, which takes the place of the one before once it stands."""
        assert self._tasks is not None, "a session that can be resumed has begun"
        self._links_made += 1
        link = Link(transport, f"{self.id}.{self._links_made}")
        self._links[link.name] = link
        if transport.way == "webrtc":
            self._names.add(link.name)
        self._tasks.create_task(self._connect(link))
        return link

    def link_stands(self, link: Link) -> None:
        """See Owner."""
        if link is self._link or self._over.done():
            return
        self._count_packets()
        before, self._link = self._link, link
        before.serves, link.serves = False, True
        self._counted = Counts()
        self._last_audio = self._last_ping = self._last_taken = self._clock()
        self._waiting_bytes, self._pings, self._silent = 0, False, False
        self._adrift = None
        self._bridging = self._resumed = True
        self._tail.again(repeats=link.transport.loses)
        self._live.take_back(self._seat, link.transport.way)
        self._close_later(before)

    def link_ready(self) -> None:
        """See Owner."""
        self._welcome(resumed=self._resumed)
        if self._resumed:
            state = self._line_state()
            rows = [] if state is None else rows_of(state)
            for message in restored_messages(self.verses, rows, self.watched.overruled):
                self._send(message)

    def link_lost(self, link: Link, state: str) -> None:
        """See Owner."""
        if link.name not in self._links:  # We closed it ourselves.
            return
        if link is not self._link:
            self._close_later(link)
        elif self._finishing:
            return
        elif state == "closed":
            self.end("left")
        else:
            self._cast_off(state)

    def _cast_off(self, reason: str) -> None:
        """The client is away, and may come back."""
        if self._over.done() or self._adrift is not None:
            return
        if not self._first_stood or self._config.resume_s == 0:
            self.end(reason)
            return
        logger.info("session %s: its client is away: %s", self.id, reason)
        self._adrift = reason
        self._live.cast_off(self._seat, self._give_way)
        self._close_later(self._link)

    def _give_way(self) -> None:
        """Somebody who is here needs the place. The snapshot stays."""
        self._live.leave(self._seat)
        self.end("gave_way")

    def _close_later(self, link: Link) -> None:
        if self._tasks is not None and not self._over.done():
            self._tasks.create_task(self._retire(link))

    async def _retire(self, link: Link) -> None:
        if self._links.pop(link.name, None) is not None:
            await self._close(link)

    async def _watch(self) -> None:
        """Tell the client when no audio comes, and end the session when it is gone for good."""
        await self._link.stood.wait()
        self._last_audio = self._last_ping = self._last_taken = self._clock()
        while True:
            await asyncio.sleep(WATCH_S)
            now = self._clock()
            silent, unpinged = now - self._last_audio, now - self._last_ping
            if self._adrift is None:
                self._watch_client(now, silent, unpinged)
            elif min(silent, unpinged) > self._config.resume_s:
                raise Over(self._adrift)
            self._count_packets()
            self.watched.connection(self._received, self._lost, silent)

    def _watch_client(self, now: float, silent: float, unpinged: float) -> None:
        """Raises Over."""
        if self._pings and min(silent, unpinged) > self._config.ping_timeout_s:
            self._cast_off("gone")
            return
        if silent > self._config.audio_close_s:
            raise Over("no_audio", Error("no_audio", f"no audio for {silent:.0f} s", fatal=True))
        if (silent > self._config.audio_notice_s) is not self._silent:
            self._silent = not self._silent
            self._send(Audio("missing" if self._silent else "flowing", round(silent, 1)))
        if self._takes_nothing(now):
            self._cast_off("stuck")

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
                    self._line_clock = SessionClock()
                    self._tail.forget()
                    self.record.turn(ref)
                    self.watched.begin(ref)
                    self.changes += 1
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
                self.changes += 1
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
        self._tell_phrases(self._line_clock.told(phrase) for phrase in self._seat.line.phrases_told())
        summary = self._line_clock.told(self._seat.line.summary())
        self._send(summary_message(self.verses, summary, self.watched.overruled))

    def link_audio(self, pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
        """See Owner."""
        now = self._clock()
        if not concealed:
            self._last_audio = now
        try:
            if not self._seat.heard_anything:
                self._lead_in(len(pcm), start, rtp, arrival)
            elif self._bridging:
                self._bridge(len(pcm), start, rtp, arrival)
            self._bridging = False
            self._last_arrival = arrival
            if concealed and len(pcm) > FILL_SAMPLES:
                pcm = self._shorten(pcm)
            if self._seat.push(pcm, concealed, rtp, arrival):
                self._metrics.stages["tap"].observe(now - arrival)
        except Overloaded as error:
            self.end("overloaded", Error("overloaded", f"the server cannot keep up: {error}", fatal=True))
        except Exception as fault:
            self._broke(fault)

    def _bridge(self, samples: int, start: int, rtp: int, arrival: float) -> None:
        """Between the last sound of one connection and the first `samples` of the next: silence that is not judged."""
        gone = round((arrival - self._last_arrival) * SAMPLE_HZ) - samples
        fill = min(max(gone, SEAM_SAMPLES), FILL_SAMPLES)
        lead = HOP_PHASE + self._live.lead_in(samples, arrival)
        fill += (lead - self._seat.pushed - fill) % self._live.hop_samples
        self._seat.push(np.zeros(fill, np.float32), True, rtp - fill * RTP_PER_SAMPLE, arrival)
        if gone > fill:
            self._line_clock.skip(self._seat.pushed, gone - fill)
        self.transport.gather(self._live.hop_samples, start - self._seat.pushed)

    def _shorten(self, pcm: Pcm) -> Pcm:
        """What is heard of a hole in one connection; hops end where they did."""
        hop = self._live.hop_samples
        skipped = (len(pcm) - FILL_SAMPLES) // hop * hop
        self._line_clock.skip(self._seat.pushed + len(pcm) - skipped, skipped)
        return pcm[: len(pcm) - skipped]

    def _lead_in(self, samples: int, start: int, rtp: int, arrival: float) -> None:
        """Put silence before the first samples of a line, so that its hops end where they should."""
        lead = HOP_PHASE + self._live.lead_in(samples, arrival)
        self._seat.push(np.zeros(lead, np.float32), True, rtp - lead * RTP_PER_SAMPLE, arrival)
        self.transport.gather(self._live.hop_samples, start - lead)

    def _heard(self, update: Update, rtp: int, received: float, encoded: float) -> None:
        if self._over.done():
            return
        update = self._line_clock.told(update)
        self.changes += bool(update.words or update.rules)
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

    def link_message(self, data: str | bytes) -> None:
        """See Owner."""
        try:
            self._take(decode_client(data, self._config.message_bytes))
        except BadMessage as error:
            self.link_refused(error)
        except Exception as fault:
            self._broke(fault)

    def link_refused(self, error: BadMessage) -> None:
        """See Owner."""
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
        self._reading = settings
        self.changes += 1
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

    def _welcome(self, *, resumed: bool = False) -> None:
        watched = bool(self.watched.classes)
        token = self.resume_token if self._config.resume_s else ""
        engine, lookahead_ms = self._engine, self._config.lookahead_ms
        self._send(Welcome(self.id, self.verses, engine, lookahead_ms, watched, token, resumed))
        if watched:
            self._send(self.audience.told())

    def _audience_changed(self) -> None:
        self.watched.let_listen(self.audience.may)
        self._send(self.audience.told())

    def _broke(self, fault: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(fault)

    def _send(self, message: ServerMessage) -> bool:
        return self.transport.send_control(message)

    def _count_packets(self) -> None:
        before, now = self._counted, self.transport.counts
        self._counted = now
        self._received += now.received - before.received
        self._lost += now.lost - before.lost
        self._metrics.packets.add(now.received - before.received)
        self._metrics.lost_packets.add(now.lost - before.lost)
        self._metrics.concealed_packets.add((now.concealed_samples - before.concealed_samples) / PACKET_SAMPLES)

    async def _close(self, link: Link) -> None:
        # A last message needs a turn of the loop to leave before the transport goes.
        await asyncio.sleep(0.05)
        try:
            async with asyncio.timeout(self._config.close_deadline_s):
                await link.transport.close()
        except TimeoutError:
            logger.warning("session %s: the connection did not close in time", self.id)

    def _ms(self, at: float) -> float:
        return round((at - self._began) * 1000, 1)


def _first(overs: BaseExceptionGroup[Over]) -> Over:
    first = overs.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
