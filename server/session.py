"""A session's life: from its opening through audio and feedback to the end, in one TaskGroup, on any transport.

Whatever ends it, a client's goodbye, silence, a broken message or a fault of our own, raises `Over` inside the group;
the group cancels its other tasks, and the place in the encoder and the connection are given back.

The session itself decides. Its connections (`server.connections`), whether its client is there (`server.presence`), the
way of the sound (`server.intake`), the passage (`server.passages`), what the client says (`server.requests`) and what
is told (`server.telling`) are parts of their own.
"""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable

from recitation.audio import Pcm
from recitation.events import Update
from recitation.session_clock import SessionClock
from recitation.tajweed.moshaf import Moshaf
from server.audience import Audience
from server.config import Config
from server.connections import Connections
from server.finder import Finder
from server.intake import Intake
from server.links import Link
from server.live import Line, Live, Overloaded
from server.messages import BadMessage, Error, Move, ServerMessage, Welcome
from server.metrics import Metrics
from server.over import Over, first_of
from server.passages import MakeLine, Passages
from server.pitch import PitchLoop
from server.presence import Away, Presence
from server.relay import Relay
from server.requests import Requests
from server.retained import Retained
from server.roles import Holder
from server.storage.record import Record
from server.telling import Telling
from server.transport import Transport
from server.watched import Watched

logger = logging.getLogger(__name__)

WATCH_S = 0.2


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
        self.kept = kept
        """What it goes on from."""
        self.resume_token = secrets.token_urlsafe(24) if kept is None else kept.token
        self.reason: str | None = None
        """Why it is over."""
        self.holder = holder
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
        self._config, self._metrics = config, metrics
        self._engine = engine
        self._live = live
        self._clock = time.monotonic
        self._began = self._clock()
        self._connections = Connections(transport, self.id, self, config=config, metrics=metrics)
        self._presence = Presence(config, self._began)
        self._telling = Telling(lambda: self.transport, self.watched, metrics=metrics, began=self._began)
        seat = live.join(line, self._heard, self._broke, transport.way)
        away = 0 if kept is None else kept.samples
        self._intake = Intake(live, seat, self._began, SessionClock(away))
        self._passages = Passages(
            verses,
            self._intake,
            self._telling,
            self.watched,
            make_line=make_line,
            live=live,
            finder=finder,
            pitch=pitch,
            heard=self._heard,
        )
        self._over: asyncio.Future[Over] = asyncio.get_running_loop().create_future()
        self._release = release
        self._requests = Requests(
            self._passages,
            self._telling,
            self._presence,
            self.audience,
            config=config,
            metrics=metrics,
            welcome=self._welcome,
        )
        self._resumed = kept is not None
        if kept is not None:
            self._passages.read_as(kept.reading)
            self._telling.recall(kept)
            if kept.may_listen is not None:
                self.audience.decide(kept.may_listen)

    @property
    def transport(self) -> Transport:
        """The connection that serves."""
        return self._connections.serving.transport

    def link(self, name: str) -> Link | None:
        """One of its connections that are not over."""
        return self._connections.named(name)

    @property
    def links(self) -> tuple[Link, ...]:
        """Its connections that are not over."""
        return self._connections.all

    def had(self, name: str) -> bool:
        """One of its WHIP connections is or was called so."""
        return self._connections.had(name)

    def attach(self, transport: Transport) -> Link:
        """Another connection of the same client, which takes the place of the one before once it stands."""
        return self._connections.attach(transport)

    def hang_up(self, link: Link | None) -> None:
        """The client is done with a connection: with the newest one, the session is over."""
        if link is not None and link is not self._connections.serving:
            self._retire(link)
        elif link is not None or self.away:
            self.end("left")

    @property
    def verses(self) -> str:
        """What is followed; `auto` while it is sought."""
        return self._passages.verses

    @property
    def changes(self) -> int:
        """Counts what a snapshot would say anew."""
        return self._telling.changes

    @property
    def away(self) -> bool:
        """Its client is not connected."""
        return self._presence.away is not None

    @property
    def ended(self) -> bool:
        """The session is over, or about to be."""
        return self._over.done()

    @property
    def worth_keeping(self) -> bool:
        """See Keepable."""
        return self._connections.any_stood and not self.ended and not self.away

    def retained(self) -> Retained:
        """As it stands."""
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
            reading=self._passages.reading,
            samples=self._intake.clock.time(self._intake.seat.pushed),
            numbers=self._telling.tail.numbers,
            line=self._passages.state(),
            passage_from=self._telling.record.passage_from,
            overruled=self.watched.overruled,
            may_listen=self.audience.may,
        )

    def keep(self, record: Record) -> None:
        """What happens is to be kept in `record`."""
        self._telling.keep(record)

    def read_by(self, moshaf: Moshaf) -> None:
        """Settings of the reading from before; the client may send others."""
        self._passages.read_by(moshaf)

    def ask_to_move(self, move: Move) -> None:
        """Ask the client to go on elsewhere; it may not know how."""
        self._send(move)

    def finish(self) -> None:
        """End the session as `stop` does, the summary told: its client has left, but still reads."""
        if not self._requests.finish():
            self.end("left")

    def end(self, reason: str, error: Error | None = None) -> None:
        """End the session; the first reason counts."""
        self._give_back()
        if not self._over.done():
            self._over.set_result(Over(reason, error))

    def _give_back(self) -> None:
        """The leave to open a session, where no connection ever stood."""
        if not self._connections.any_stood:
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
                self._connections.begin(tasks)
                tasks.create_task(self._watch())
                tasks.create_task(self._requests.serve())
                tasks.create_task(self._passages.seek())
                raise await self._over
        except* Over as overs:
            over = first_of(overs)
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
            self._telling.record.end(reason)
            self._give_back()
            self._live.leave(self._intake.seat)
            self._metrics.end(reason)
            self._connections.count()
            logger.info("session %s: ended after %.1f s: %s", self.id, self._clock() - self._began, reason)
            await self._connections.close()

    async def _watch(self) -> None:
        """Tell the client when no audio comes, and end the session when it is gone for good."""
        await self._connections.serving.stood.wait()
        now = self._clock()
        self._presence.here(now)
        while True:
            due = now + WATCH_S
            await asyncio.sleep(WATCH_S)
            now = self._clock()
            self._presence.excuse(max(0.0, now - due))
            for sign in self._presence.look(now, self.transport.waiting_bytes):
                if isinstance(sign, Away):
                    self._cast_off(sign.reason)
                else:
                    self._send(sign)
            self._connections.count()
            received, lost = self._connections.received, self._connections.lost
            self.watched.connection(received, lost, self._presence.silent_s(now))

    def link_stands(self, link: Link) -> None:
        """See Owner."""
        if link is self._connections.serving or self.ended:
            return
        before = self._connections.hand_over(link)
        self._presence.here(self._clock())
        self._resumed = True
        self._intake.join()
        self._telling.tail.again(repeats=link.transport.loses)
        self._live.take_back(self._intake.seat, link.transport.way)
        self._retire(before)

    def link_ready(self) -> None:
        """See Owner."""
        self._welcome(resumed=self._resumed)
        if self._resumed:
            self._telling.restored(self.retained())

    def link_lost(self, link: Link, state: str) -> None:
        """See Owner."""
        if self._connections.named(link.name) is None:  # We closed it ourselves.
            return
        if link is not self._connections.serving:
            self._retire(link)
        elif self._requests.finishing:
            return
        elif state == "closed":
            self.end("left")
        else:
            self._cast_off(state)

    def _cast_off(self, reason: str) -> None:
        """The client is away, and may come back."""
        if self.ended or self.away:
            return
        if not self._connections.any_stood or self._config.resume_s == 0:
            self.end(reason)
            return
        logger.info("session %s: its client is away: %s", self.id, reason)
        self._presence.away = reason
        self._live.cast_off(self._intake.seat, self._give_way)
        self._retire(self._connections.serving)

    def _give_way(self) -> None:
        """Somebody who is here needs the place. The snapshot stays."""
        self._live.leave(self._intake.seat)
        self.end("gave_way")

    def _retire(self, link: Link) -> None:
        if not self.ended:
            self._connections.retire(link)

    def link_audio(self, pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
        """See Owner."""
        now = self._clock()
        if not concealed:
            self._presence.audio(now)
        try:
            if self._intake.take(pcm, start, concealed, rtp, arrival, self.transport):
                self._metrics.stages["tap"].observe(now - arrival)
        except Overloaded as error:
            self.end("overloaded", Error("overloaded", f"the server cannot keep up: {error}", fatal=True))
        except Exception as fault:
            self._broke(fault)

    def _heard(self, update: Update, rtp: int, received: float, encoded: float) -> None:
        if self.ended:
            return
        self._telling.heard(self._intake.clock.told(update), rtp, received, encoded)
        if self.transport.takes_messages:
            self._passages.heard_more()

    def link_message(self, data: str | bytes) -> None:
        """See Owner."""
        try:
            self._requests.take(data)
        except Over as over:
            self.end(over.reason, over.error)
        except Exception as fault:
            self._broke(fault)

    def link_refused(self, error: BadMessage) -> None:
        """See Owner."""
        try:
            self._requests.refuse(error)
        except Over as over:
            self.end(over.reason, over.error)

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
        return self._telling.send(message)
