"""The encoder loop: one for all sessions, one step at a time, every ready session in each step.

A session sits on a `Seat`. Audio pushed to a seat goes into its line (`recitation.pipeline.Session`), inline on the
event loop; when 80 ms are whole, the seat is ready. The loop gathers ready seats, runs the voice network and the
encoder for all of them in one dedicated thread, and hands each result to its line and the update that comes of it to
the seat's listener.

A step for eight costs no more than two steps for one. So hops are made to fall together: each session begins with up
to 60 ms of silence (`lead_in`), such that its hops are whole in the first 20 ms of the loop's beat of 80 ms, and a
crowd waits for those still missing, at most `gather_s`. Few sessions never wait.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recitation.audio import SAMPLE_HZ
from recitation.events import Summary, Update
from recitation.listening import HopVoice
from recitation.prosody.phrase import Phrase
from recitation.prosody.pitch import Contour, PitchSession
from recitation.retained import LineState
from recitation.tajweed.moshaf import Moshaf
from server.metrics import Metrics, Way

logger = logging.getLogger(__name__)

HOP_SAMPLES = 1280
"""Audio in an encoder step, 80 ms, without look-ahead."""
PACKET_S, PACKET_SAMPLES = 0.020, 320
RTP_PER_SAMPLE = 3
CROWD = 4
"""So many sessions wait for each other."""
BUSY_WINDOW_S = 2.0

SCATTER_S = 0.004
"""Results are handed out for so long before the event loop gets a turn: packets wait meanwhile."""

Floats = NDArray[np.float32]


class Line(Protocol):
    """One reciter's state, from samples to verdicts: `recitation.pipeline.Session`."""

    def push(self, pcm: Floats, concealed: bool, *, gap: bool = False) -> None:
        """Take float32[n] at 16 kHz, any n. `concealed`: nobody said it; with `gap` the connection was gone."""

    @property
    def hops_ready(self) -> int:
        """Hops of 80 ms waiting for the encoder."""

    def take_hop(self) -> Floats:
        """Features of the next hop, float32[8, 80]."""

    def voice_ready(self) -> HopVoice:
        """What the voice network is to hear of the oldest hop taken. It may be heard in another thread meanwhile."""

    def hop_done(self, log_probs: Floats) -> Update:
        """Take the encoder's float32[4, units] for the oldest hop taken."""

    def finish(self, engine_step: Callable[[Floats], Floats]) -> Update:
        """Close every phone; `engine_step` runs the encoder on one hop."""

    @property
    def pitch(self) -> PitchSession | None:
        """Spans whose pitch is to be heard; None when it has no use for pitch."""

    def hear_pitch(self, contours: Sequence[Contour]) -> None:
        """Take the pitch of spans; the next update has the phrases that are complete with it."""

    def phrases_told(self) -> tuple[Phrase, ...]:
        """Phrases that no update has had."""

    def read_by(self, moshaf: Moshaf) -> None:
        """Judge rules of tajweed by other settings of the reading, from the next word on."""

    def summary(self) -> Summary:
        """The passage as far as it was recited."""

    def retained(self) -> LineState | None:
        """What another line needs to go on; None while the place is sought."""


class Encoder(Protocol):
    """Slots of encoder state: `recitation.acoustics.batching.Batcher`. Slots are joined and left on the event loop,
    never while they are in a step."""

    def join(self) -> int:
        """A slot with fresh state."""

    def leave(self, slot: int) -> None:
        """Give a slot back."""

    def step(self, requests: list[tuple[int, Floats]]) -> list[Floats]:
        """Run one hop of each (slot, float32[8, 80]); the answers, float32[4, U], in the same order."""


Hear = Callable[[Sequence[HopVoice]], None]
"""The voice network, for hops of different sessions: `recitation.pipeline.hear_voices`."""


class Busy(Exception):
    """No session can be taken now. `reason` is a word for the metrics."""

    def __init__(self, reason: str, text: str, retry_after_s: int) -> None:
        super().__init__(text)
        self.reason = reason
        self.retry_after_s = retry_after_s


class Overloaded(Exception):
    """A seat's hops have piled up beyond the backlog."""


class Heard(Protocol):
    """What a seat's listener is called with."""

    def __call__(self, update: Update, rtp: int, received: float, encoded: float) -> None:
        """`rtp` is the timestamp of `update.sample`; times of the newest packet in it and of the encoder's answer."""


class Seat:
    """A session's place in the encoder loop. Made by `Live.join`."""

    def __init__(
        self, live: "Live", slot: int, line: Line, heard: Heard, failed: Callable[[Exception], None], way: Way
    ) -> None:
        self.slot = slot
        self.way = way
        self.line = line
        self.ready_since: float | None = None
        self.in_step: Line | None = None
        """The line whose hop is with the encoder."""
        self.left = False
        self.finished = False
        """No more audio is taken."""
        self.idle = asyncio.Event()
        """Set unless the encoder is at work for this seat."""
        self.idle.set()
        self.heard = heard
        self.failed = failed
        self._live = live
        self._pushed = 0
        self._arrivals: deque[tuple[int, int, float]] = deque()
        self._held: list[Floats] = []
        self._held_concealed = False

    def push(self, pcm: Floats, concealed: bool, rtp: int, arrival: float, *, gap: bool = False) -> bool:
        """Take float32[n] whose first sample has timestamp `rtp`; whether a hop is whole now. `gap`: see Line. Raises
        Overloaded."""
        if self.left or self.finished:
            return False
        if self._held and (gap or concealed is not self._held_concealed):
            self._hand_over()
        hop = self._pushed // self._live.hop_samples
        self._pushed += len(pcm)
        self._arrivals.append((self._pushed, rtp + len(pcm) * RTP_PER_SAMPLE, arrival))
        if gap:
            self.line.push(pcm, concealed, gap=True)
        else:
            self._held.append(pcm)
            self._held_concealed = concealed
        # The line's work on a hop costs a third when its packets come at once, and none of it is needed before.
        whole = self._pushed // self._live.hop_samples > hop
        if whole:
            self._hand_over()
            self._live.offer(self)
        return whole

    def _hand_over(self) -> None:
        if self._held:
            pcm = self._held[0] if len(self._held) == 1 else np.concatenate(self._held)
            self.line.push(pcm, self._held_concealed)
            self._held.clear()

    def finish(self) -> None:
        """Take no more audio."""
        self._hand_over()
        self.finished = True

    @property
    def pushed(self) -> int:
        """Samples that the line has had."""
        return self._pushed

    @property
    def heard_anything(self) -> bool:
        """The line has had audio."""
        return self._pushed > 0

    def restart(self, line: Line) -> None:
        """Go on with another line, whose clock begins now. The encoder keeps its context."""
        self.line = line
        self.ready_since = None
        self.finished = False
        self._pushed = 0
        self._arrivals.clear()
        self._held.clear()

    def begin_step(self) -> None:
        """The encoder has this seat's slot in hand."""
        self.in_step = self.line
        self.idle.clear()

    def end_step(self) -> None:
        """The encoder has let go of this seat's slot."""
        self.in_step = None
        self.idle.set()

    def origin(self, sample: int) -> tuple[int, float]:
        """(RTP timestamp of `sample`, arrival of the packet that completed it); forgets what is older."""
        while len(self._arrivals) > 1 and self._arrivals[0][0] < sample:
            self._arrivals.popleft()
        end, rtp, arrival = self._arrivals[0]
        return (rtp - (end - sample) * RTP_PER_SAMPLE) & 0xFFFFFFFF, arrival


class Live:
    """Seats and the loop that serves them; `run` must be running for anything to happen."""

    def __init__(
        self,
        encoder: Encoder,
        hear: Hear,
        capacity: int,
        metrics: Metrics,
        *,
        hop_samples: int = HOP_SAMPLES,
        gather_s: float = 0.020,
        backlog_hops: int = 50,
        busy_limit: float = 0.8,
        retry_after_s: int = 5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capacity = capacity
        self.draining = False
        """No session is taken any more: the server is being emptied."""
        self._encoder = encoder
        self._hear = hear
        self._metrics = metrics
        self.hop_samples = hop_samples
        self._gather_s = gather_s
        self._backlog_hops = backlog_hops
        self._busy_limit = busy_limit
        self._retry_after_s = retry_after_s
        self._clock = clock
        self._seats: set[Seat] = set()
        self._adrift: dict[Seat, Callable[[], None]] = {}
        """Seats whose clients are away, longest first, and what makes them give way."""
        self._ready: dict[Seat, None] = {}
        self._wake = asyncio.Event()
        self._steps: deque[tuple[float, float]] = deque()
        self._stepping_since: float | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        metrics.capacity.set(capacity)

    def join(self, line: Line, heard: Heard, failed: Callable[[Exception], None], way: Way = "webrtc") -> Seat:
        """Seat a session whose audio comes by `way`. `failed` is told when its line breaks. Raises Busy."""
        self.admit()
        if len(self._seats) >= self.capacity:
            self._make_room()
        seat = Seat(self, self._encoder.join(), line, heard, failed, way)
        self._seats.add(seat)
        self._metrics.sessions[way].add()
        return seat

    def cast_off(self, seat: Seat, give_way: Callable[[], None]) -> None:
        """A seat's client is away. It keeps its place until somebody else needs it: then `give_way` is to leave."""
        if not seat.left and seat not in self._adrift:
            self._adrift[seat] = give_way
            self._metrics.sessions[seat.way].add(-1)
            self._metrics.adrift.set(len(self._adrift))

    def take_back(self, seat: Seat, way: Way) -> None:
        """A seat's client is there, by `way`, which may be another than before."""
        if seat.left:
            return
        if self._adrift.pop(seat, None) is None:
            self._metrics.sessions[seat.way].add(-1)
        seat.way = way
        self._metrics.sessions[way].add()
        self._metrics.adrift.set(len(self._adrift))

    def _make_room(self) -> None:
        """Have the client that is away for the longest lose its place. Raises Busy when its slot is in a step."""
        for give_way in list(self._adrift.values()):
            give_way()
            if len(self._seats) < self.capacity:
                return
        raise Busy("full", f"all {self.capacity} places are taken", self._retry_after_s)

    def admit(self) -> None:
        """Raises Busy when no session can be taken."""
        if (busy := self.refusal()) is not None:
            raise busy

    def refusal(self) -> Busy | None:
        """Why no session can be taken: all places are taken, the encoder's work leaves no time for one more, or the
        server is being emptied."""
        if self.draining:
            return Busy("draining", "this server is being emptied; another one takes you", self._retry_after_s)
        if len(self._seats) - len(self._adrift) >= self.capacity:
            return Busy("full", f"all {self.capacity} places are taken", self._retry_after_s)
        if (busy := self.busy()) > self._busy_limit:
            return Busy("slow", f"the encoder is busy {busy:.0%} of the time", self._retry_after_s)
        return None

    def lead_in(self, samples: int, arrival: float) -> int:
        """Silence to put before the first `samples` of a session, which came at `arrival`, whole packets of it: so that
        the packets that complete a hop come in the first 20 ms of the beat."""
        packets = self.hop_samples // PACKET_SAMPLES
        beat = -int(arrival / PACKET_S) % packets
        return (-round(samples / PACKET_SAMPLES) - beat) % packets * PACKET_SAMPLES

    @property
    def load(self) -> float:
        """The encoder's work as a share of what it may be before sessions are refused."""
        return self.busy() / self._busy_limit

    @property
    def taken(self) -> int:
        """Places that are taken."""
        return len(self._seats)

    def lines(self) -> list[Line]:
        """The lines of all sessions."""
        return [seat.line for seat in self._seats]

    def leave(self, seat: Seat) -> None:
        """Give the place back, now or when the step that it is part of is over."""
        if seat.left:
            return
        seat.left = True
        self._ready.pop(seat, None)
        if seat.in_step is None:
            self._vacate(seat)

    def offer(self, seat: Seat) -> None:
        """Note that a seat may have become ready. Raises Overloaded when its backlog is full."""
        hops = seat.line.hops_ready
        if hops > self._backlog_hops:
            raise Overloaded(f"{hops} hops wait for the encoder")
        if hops and seat not in self._ready and not (seat.left or seat.finished):
            seat.ready_since = self._clock()
            self._ready[seat] = None
            self._wake.set()

    def busy(self) -> float:
        """Share of the last 2 s that the encoder was at work, a step that is not over yet included."""
        now = self._clock()
        while self._steps and self._steps[0][0] < now - BUSY_WINDOW_S:
            self._steps.popleft()
        running = 0.0 if self._stepping_since is None else now - self._stepping_since
        share = (sum(seconds for _, seconds in self._steps) + running) / BUSY_WINDOW_S
        self._metrics.busy.set(share)
        return share

    def count_waiting(self) -> None:
        """Note how many hops of all sessions wait for the encoder."""
        self._metrics.hops_waiting.set(sum(seat.line.hops_ready for seat in self._seats))

    async def finish(self, seat: Seat) -> Update | None:
        """End a seat's audio and close every phone of its line; None when it left or was restarted meanwhile."""
        seat.finish()
        self._ready.pop(seat, None)
        await seat.idle.wait()
        if seat.left or not seat.finished:
            return None
        line = seat.line
        seat.begin_step()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._worker, line.finish, lambda hop: self._encoder.step([(seat.slot, hop)])[0]
            )
        finally:
            seat.end_step()
            if seat.left:
                self._vacate(seat)

    async def run(self) -> None:
        """Serve the seats until cancelled."""
        try:
            while True:
                await self._wait_for_seats()
                await self._serve_batch(*self._take_hops())
        finally:
            self._worker.shutdown()

    async def _serve_batch(self, batch: list[Seat], requests: list[tuple[int, Floats]], voices: list[HopVoice]) -> None:
        if not batch:
            return
        self._stepping_since = self._clock()
        try:
            answers, hearing_s, encoding_s = await asyncio.get_running_loop().run_in_executor(
                self._worker, self._step, requests, voices
            )
        except Exception as fault:
            # A step that fails takes the sessions in it along, never the loop.
            logger.exception("encoder step failed for %d sessions", len(batch))
            self._fail(batch, fault)
            return
        finally:
            self._stepping_since = None
        encoded = self._clock()
        self._steps.append((encoded, hearing_s + encoding_s))
        self._metrics.stages["voice"].observe(hearing_s)
        self._metrics.stages["encode"].observe(encoding_s)
        self._metrics.batch.observe(len(batch))
        await self._scatter(batch, answers, encoded)

    async def _wait_for_seats(self) -> None:
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        expected = self._expected()
        if expected < CROWD:
            return
        oldest = min(seat.ready_since or 0.0 for seat in self._ready)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(oldest + self._gather_s - self._clock()):
                while 0 < len(self._ready) < expected:
                    self._wake.clear()
                    await self._wake.wait()

    def _expected(self) -> int:
        """Sessions whose audio flows: those that were ready within the last two beats."""
        since = self._clock() - 2 * self.hop_samples / SAMPLE_HZ
        return sum(seat.ready_since is not None and seat.ready_since > since for seat in self._seats)

    def _take_hops(self) -> tuple[list[Seat], list[tuple[int, Floats]], list[HopVoice]]:
        batch: list[Seat] = []
        requests: list[tuple[int, Floats]] = []
        voices: list[HopVoice] = []
        now = self._clock()
        for seat in list(self._ready):
            del self._ready[seat]
            if seat.line.hops_ready == 0:
                continue
            try:
                features = seat.line.take_hop()
                voice = seat.line.voice_ready()
            except Exception as fault:
                seat.failed(fault)
                continue
            self._metrics.stages["wait"].observe(now - (seat.ready_since or now))
            seat.begin_step()
            batch.append(seat)
            requests.append((seat.slot, features))
            voices.append(voice)
        return batch, requests, voices

    def _step(self, requests: list[tuple[int, Floats]], voices: list[HopVoice]) -> tuple[list[Floats], float, float]:
        """In the worker thread: the encoder's answers, and the seconds that the voices and they took."""
        begun = self._clock()
        self._hear(voices)
        heard = self._clock()
        answers = self._encoder.step(requests)
        return answers, heard - begun, self._clock() - heard

    async def _scatter(self, batch: Sequence[Seat], answers: Sequence[Floats], encoded: float) -> None:
        turn = self._clock()
        for seat, log_probs in zip(batch, answers, strict=True):
            line = seat.in_step
            seat.end_step()
            if seat.left:
                self._vacate(seat)
            elif line is seat.line and line is not None:
                self._hand_out(seat, log_probs, encoded)
            if self._clock() - turn > SCATTER_S:
                await asyncio.sleep(0)
                turn = self._clock()

    def _hand_out(self, seat: Seat, log_probs: Floats, encoded: float) -> None:
        begun = self._clock()
        try:
            update = seat.line.hop_done(log_probs)
            self._metrics.stages["judge"].observe(self._clock() - begun)
            seat.heard(update, *seat.origin(update.sample), encoded)
            self.offer(seat)
        except Exception as fault:
            # A line that breaks ends its own session, never the loop.
            seat.failed(fault)

    def _fail(self, batch: Sequence[Seat], fault: Exception) -> None:
        for seat in batch:
            seat.end_step()
            if seat.left:
                self._vacate(seat)
            else:
                seat.failed(fault)

    def _vacate(self, seat: Seat) -> None:
        self._encoder.leave(seat.slot)
        self._seats.discard(seat)
        if self._adrift.pop(seat, None) is None:
            self._metrics.sessions[seat.way].add(-1)
        self._metrics.adrift.set(len(self._adrift))
