"""Pitch of closed spans of recitation: SwiftF0 for many sessions.

SwiftF0 (Nieradzik 2025, MIT) is a small convolutional network.  Its frame ``k`` is centred on sample ``256 k`` and
depends on eleven hops of sound before it and ten after its own, and on no more.  So each span is heard with that much
sound around it, and every frame comes out as if the session's whole recording had been heard at once, whatever the
chunks and the company.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from swift_f0 import SwiftF0

from recitation.audio import SAMPLE_HZ, Pcm, RingBuffer
from recitation.prosody.octaves import settle_octaves

Floats = NDArray[np.float32]

HOP_SAMPLES = 256
LEFT_FRAMES, LOOKAHEAD_FRAMES = 11, 10
"""Hops of sound that a frame depends on before it and after its own (``swift_f0.core`` 0.3, held to it by a test)."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 1000.0
"""Deep men and high children, with room to spare."""
VOICED = 0.5
"""Confidence from which a frame is voiced; the network is calibrated to it."""
KEPT_S = 10.0
"""Seconds of sound kept: what is asked for later than that has no pitch."""


@dataclass(frozen=True, slots=True)
class Contour:
    """Pitch in the frames of a span, 16 ms apart."""

    start: int
    """Sample on which the first frame is centred."""
    hz: Floats
    """float32[n]; meaningful where ``voiced``."""
    confidence: Floats
    """float32[n], 0 to 1."""

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """bool[n]."""
        return self.confidence >= VOICED

    @property
    def end(self) -> int:
        """Sample on which the frame after the last would be centred."""
        return self.start + HOP_SAMPLES * len(self.hz)


@dataclass(frozen=True, slots=True)
class _Span:
    """Frames wanted, ``last`` exclusive."""

    first: int
    last: int


class PitchSession:
    """The sound of one reciter until its pitch is known.

    ``push`` sound, ``close`` spans in order, and while ``ready`` hand the session to `SwiftPitch.step`.
    """

    def __init__(self, start: int = 0, kept_s: float = KEPT_S) -> None:
        """Sound is kept for ``kept_s`` seconds."""
        self._start = start
        self._ring = RingBuffer(kept_s, start)
        self._spans: deque[_Span] = deque()
        self._next = _frame_from(start)
        """First frame that may still be asked for."""
        self._ended = False

    @property
    def end(self) -> int:
        """Index one past the newest sample pushed."""
        return self._ring.end

    def push(self, pcm: Pcm) -> None:
        """Add float32[n] at 16 kHz, any n."""
        self._ring.append(pcm)
        if self._ring.start > self._start:
            self._next = max(self._next, _frame_from(self._ring.start) + LEFT_FRAMES)

    def close(self, start: int, end: int) -> None:
        """Ask for the pitch of samples ``start`` to ``end``, one past the last; what is too old or was asked for before
        is left out.

        ValueError for a span that is empty or has no sound yet.
        """
        if not start < end <= self.end:
            raise ValueError(f"samples {start} to {end} are no span of the sound pushed, which ends at {self.end}")
        span = _Span(max(self._next, _frame_from(start)), _frame_from(end))
        if span.first < span.last:
            self._spans.append(span)
            self._next = span.last

    def finish(self) -> None:
        """No more sound comes: what is near its end is heard with silence after it."""
        self._ended = True

    @property
    def ready(self) -> int:
        """Spans whose sound, look-ahead included, is there."""
        if self._ended:
            return len(self._spans)
        settled = self.end // HOP_SAMPLES - LOOKAHEAD_FRAMES
        return sum(span.last <= settled for span in self._spans)

    def take(self) -> tuple[int, Pcm]:
        """The oldest span: its first frame, and the sound that its frames depend on, whole hops.

        IndexError when there is none.
        """
        span = self._spans.popleft()
        begin = (span.first - LEFT_FRAMES) * HOP_SAMPLES
        end = (span.last + LOOKAHEAD_FRAMES) * HOP_SAMPLES
        first, last = max(begin, self._ring.start), min(end, self._ring.end)
        sound = np.zeros(end - begin, np.float32)
        if first < last:
            sound[first - begin : last - begin] = self._ring.read(first, last)
        return span.first, sound


def _frame_from(sample: int) -> int:
    """The first frame centred on ``sample`` or later."""
    return max(0, -(-sample // HOP_SAMPLES))


def ready_spans(session: PitchSession) -> list[tuple[int, Pcm]]:
    """Every span of a session that is ready, taken from it."""
    return [session.take() for _ in range(session.ready)]


class Pitched(Protocol):
    """A line whose pitch is to be heard: ``recitation.pipeline.Session``."""

    @property
    def pitch(self) -> PitchSession | None:
        """Its spans; None when it has no use for pitch."""
        ...

    def hear_pitch(self, contours: Sequence[Contour]) -> None:
        """Take what was heard."""
        ...


class SwiftPitch:
    """The network, stateless, shared by all sessions of a process; one thread."""

    def __init__(self) -> None:
        self._network = SwiftF0(threads=1, spin=False)

    def step(self, sessions: Sequence[PitchSession]) -> list[list[Contour]]:
        """Hear every span that is ready; the contours of each session, oldest first.

        The result does not depend on who shares the call.  ValueError if a session comes twice.
        """
        if len({id(session) for session in sessions}) < len(sessions):
            raise ValueError("a session can take part only once in a step")
        return self.hear([ready_spans(session) for session in sessions])

    def hear(self, sounds: Sequence[Sequence[tuple[int, Pcm]]]) -> list[list[Contour]]:
        """The same for what ``ready_spans`` took of each session; touches none, so it may run in another thread."""
        # One span a call: from 4 s on sound no longer fits the caches, and a second of it costs half as much again.
        return [[self._contour(first, sound) for first, sound in own] for own in sounds]

    def _contour(self, first: int, sound: Pcm) -> Contour:
        """Pitch of the span whose first frame is `first`, from the sound that its frames depend on."""
        result = self._network.detect(sound, SAMPLE_HZ, fmin=LOWEST_HZ, fmax=HIGHEST_HZ)
        wanted = slice(LEFT_FRAMES, len(sound) // HOP_SAMPLES - LOOKAHEAD_FRAMES)
        hz = result.pitch_hz[wanted].astype(np.float32)
        confidence = result.confidence[wanted].astype(np.float32)
        return Contour(first * HOP_SAMPLES, settle_octaves(hz, confidence >= VOICED), confidence)


def hear_pitches(network: SwiftPitch, lines: Sequence[Pitched]) -> None:
    """Hear all spans that are ready in some lines and give each its contours."""
    waiting = [(line, line.pitch) for line in lines if line.pitch is not None and line.pitch.ready]
    contours = network.step([pitch for _, pitch in waiting])
    for (line, _), heard in zip(waiting, contours, strict=True):
        line.hear_pitch(heard)
