"""How an engine wants its sound: log-mels or the waveform, how much a step, and how much beyond it.

An engine hears a hop of log-mels unless it is a `WaveformEngine`.  Such an engine gets the waveform, and with every hop
the look-ahead after it, which comes again as (part of) the next one: its answers are about the hop alone, so whoever
keeps time need not know of the look-ahead.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from recitation.acoustics.engine import Engine, Floats, run_through
from recitation.features import FRAME_SAMPLES, FRAMES_PER_HOP, MELS, StreamingLogMel, features_of
from recitation.phones import UNITS

LABEL_FRAMES = 2
"""Frames of 10 ms to a distribution over units."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What an engine takes in one step."""

    frames: int = FRAMES_PER_HOP
    """Frames of 10 ms by which a step moves on."""
    ahead: int = 0
    """Frames after those that it hears as well."""
    kind: Literal["log-mel", "waveform"] = "log-mel"

    @property
    def samples(self) -> int:
        """16 kHz samples by which a step moves on."""
        return self.frames * FRAME_SAMPLES

    @property
    def shape(self) -> tuple[int, int]:
        """Of a hop as the engine gets it: rows of 80 log-mels, or of 160 samples."""
        return self.frames + self.ahead, MELS if self.kind == "log-mel" else FRAME_SAMPLES


@runtime_checkable
class WaveformEngine(Engine, Protocol):
    """An engine whose hop is float32[hop_frames + ahead_frames, 160], levelled 16 kHz samples."""

    @property
    def ahead_frames(self) -> int:
        """Frames of 10 ms after the hop that a step wants to hear."""
        ...


def intake_of(engine: Engine) -> Intake:
    """What the engine takes in one step."""
    if isinstance(engine, WaveformEngine):
        return Intake(engine.hop_frames, engine.ahead_frames, "waveform")
    return Intake(engine.hop_frames)


class Hops:
    """Cuts levelled sound, pushed in any portions, into hops."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self._mel = StreamingLogMel() if intake.kind == "log-mel" else None
        self._loose: Floats = np.zeros(0, np.float32)
        self._blocks: list[Floats] = []
        """Rows that wait, in blocks as they were pushed."""
        self._waiting = 0

    def push(self, pcm: Floats) -> None:
        """Add float32[n] at 16 kHz."""
        rows = self._frames(pcm) if self._mel is None else self._mel.push(pcm)
        if len(rows):
            self._blocks.append(rows)
            self._waiting += len(rows)

    def _frames(self, pcm: Floats) -> Floats:
        """Whole frames of the waveform."""
        samples = np.concatenate([self._loose, pcm])
        whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        self._loose = samples[whole:]
        return samples[:whole].reshape(-1, FRAME_SAMPLES)

    @property
    def ready(self) -> int:
        """Hops that are complete with their look-ahead."""
        return max(0, self._waiting - self.intake.ahead) // self.intake.frames

    def take(self) -> Floats:
        """The next hop, float32 of the intake's shape.  Raises IndexError when none is ready."""
        if not self.ready:
            raise IndexError("no hop is ready")
        rows = self._blocks[0] if len(self._blocks) == 1 else np.concatenate(self._blocks)
        rest = rows[self.intake.frames :]
        self._blocks = [rest] if len(rest) else []
        self._waiting = len(rest)
        return rows[: self.intake.shape[0]]


def hear(engine: Engine, pcm: Floats) -> Floats:
    """Hear a whole levelled recording hop by hop: float32[n] at 16 kHz -> log-probabilities, float32[T, units].

    T is one for 20 ms.  The last hop is filled up and cut again.
    """
    intake = intake_of(engine)
    if intake.kind == "log-mel":
        return run_through(engine, features_of(pcm))
    hops, state = Hops(intake), engine.initial_state(1)
    count = -(-len(pcm) // intake.samples)
    hops.push(np.pad(pcm, (0, count * intake.samples + intake.ahead * FRAME_SAMPLES - len(pcm))))
    heard = [np.zeros((0, len(UNITS)), np.float32)]
    while hops.ready:
        log_probs, state = engine.step(hops.take()[None], state)
        heard.append(log_probs[0])
    return np.concatenate(heard)[: -(-len(pcm) // (LABEL_FRAMES * FRAME_SAMPLES))]
