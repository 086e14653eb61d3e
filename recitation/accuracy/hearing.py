"""What the model makes of clips: once for each look-ahead as it streams, once with the whole clip at hand.

Streaming is what the live line does: sound in portions of 20 ms, hops through cached states.  Offline is the same
chunk mask over the whole recording in one pass of the PyTorch encoder with the same weights; the two must agree.
Clips go through the streaming encoder together, which costs a quarter of one at a time.
"""

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recitation.acoustics.engine import STEP_MS, Engine, OnnxEngine, State
from recitation.acoustics.intake import Hops, Intake, intake_of
from recitation.audio import LevelNormaliser, Pcm, levelled
from recitation.evaluate import whole
from recitation.features import FRAME_SAMPLES, FRAMES_PER_HOP, features_of

Floats = NDArray[np.float32]
Offline = Callable[[Sequence[Floats], int], list[Floats]]
"""(log-mels of recordings, look-ahead in ms) -> log-probabilities of each."""

PORTION_SAMPLES = 320
"""Sound arrives in packets of 20 ms."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Log-probabilities of one clip, float32[T, units] each, 20 ms frames, by look-ahead in ms."""

    hop_frames: dict[int, int]
    """Log-mel frames in a hop at each look-ahead."""
    streamed: dict[int, Floats]
    offline: dict[int, Floats] = field(default_factory=dict)
    """Under the same mask; empty where PyTorch or the encoder's weights are missing."""
    full: Floats | None = None
    """The whole clip as one chunk; None for engines that cannot."""

    @property
    def largest_difference(self) -> float | None:
        """Of a log-probability, streamed against offline; None when there is nothing to compare."""
        if not self.offline:
            return None
        return max(float(np.abs(self.streamed[ms] - found).max()) for ms, found in self.offline.items())


class Replay:
    """An engine that answers with what was heard before, so that a clip is encoded once and followed often."""

    name = "replay"
    lookahead_ms = 0

    def __init__(self, log_probs: Floats, hop_frames: int = FRAMES_PER_HOP) -> None:
        """``log_probs`` float32[T, units], whole hops."""
        self._hops = log_probs.reshape(-1, hop_frames // 2, log_probs.shape[1])
        self._hop_frames = hop_frames

    @property
    def hop_frames(self) -> int:
        return self._hop_frames

    def initial_state(self, sessions: int) -> State:
        """Hops heard, as float32[1]: there is only one recording.  Raises ValueError for more sessions."""
        if sessions != 1:
            raise ValueError("a recording is replayed to one session at a time")
        return (np.zeros(1, np.float32),)

    def step(self, features: Floats, state: State) -> tuple[Floats, State]:
        """The next hop's answer.  Raises IndexError after the last."""
        (heard,) = state
        return self._hops[int(heard[0])][None], (heard + 1,)


def live_hops(intake: Intake, pcm: Pcm, multiple: int) -> Floats:
    """Hops as the live line makes them, portion by portion, with silence up to a multiple of 10 ms frames.

    float32[n] at 16 kHz -> float32[hops, rows of a hop, width of a row].
    """
    level, hops = LevelNormaliser(), Hops(intake)
    for begin in range(0, len(pcm), PORTION_SAMPLES):
        hops.push(level.push(pcm[begin : begin + PORTION_SAMPLES]))
    hops.push(level.flush())
    hops.push(_silence_after(pcm, multiple))
    hops.push(np.zeros(intake.ahead * FRAME_SAMPLES, np.float32))
    return np.stack([hops.take() for _ in range(hops.ready)])


def whole_features(pcm: Pcm, multiple: int) -> Floats:
    """Log-mels of a whole recording at once, float32[T, 80], with the same silence."""
    return features_of(np.concatenate([levelled(pcm), _silence_after(pcm, multiple)]))


def _silence_after(pcm: Pcm, multiple: int) -> Pcm:
    return np.zeros(-len(pcm) % (multiple * FRAME_SAMPLES), np.float32)


def run_together(engine: Engine, recordings: Sequence[Floats]) -> list[Floats]:
    """Stream several recordings side by side: their hops -> log-probabilities float32[T, units] of each."""
    order = sorted(range(len(recordings)), key=lambda n: -len(recordings[n]))
    answers: list[list[Floats]] = [[] for _ in recordings]
    state = engine.initial_state(len(order))
    for hop in range(max(map(len, recordings), default=0)):
        playing = [n for n in order if len(recordings[n]) > hop]
        state = tuple(array[: len(playing)] for array in state)
        log_probs, state = engine.step(np.stack([recordings[n][hop] for n in playing]), state)
        for n, answer in zip(playing, log_probs, strict=True):
            answers[n].append(answer)
    return [np.concatenate(pieces) for pieces in answers]


def masked_encoder(model: Path) -> Offline | None:
    """The PyTorch encoder inside an exported model, over whole recordings; None without the ``train`` extra."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("onnx") is None:
        return None
    import torch

    from recitation.acoustics.export import load_weights

    torch.set_num_threads(1)
    encoder = load_weights(model).eval()

    def run(recordings: Sequence[Floats], lookahead_ms: int) -> list[Floats]:
        longest = max(map(len, recordings))
        padded = np.stack([np.pad(features, ((0, longest - len(features)), (0, 0))) for features in recordings])
        steps = torch.tensor([len(features) // FRAMES_PER_HOP for features in recordings])
        with torch.no_grad():
            log_probs, _ = encoder(torch.from_numpy(padded), steps, lookahead_ms // STEP_MS + 1)
        return [row[: len(features) // 2] for row, features in zip(log_probs.numpy(), recordings, strict=True)]

    return run


class Ears:
    """Everything that hears: an engine for each look-ahead and, where it can be had, the encoder offline."""

    def __init__(self, engines: Sequence[Engine], offline: Offline | None = None) -> None:
        self.engines = {engine.lookahead_ms: engine for engine in engines}
        self._offline = offline
        self._multiple = math.lcm(*(engine.hop_frames for engine in engines))

    def hear(self, clips: Sequence[Pcm]) -> list[Hearing]:
        """What is made of clips, float32[n] at 16 kHz, in their order."""
        at_once = [whole_features(pcm, self._multiple) for pcm in clips]
        streamed = {ms: self._stream(engine, clips) for ms, engine in self.engines.items()}
        offline = {ms: self._offline(at_once, ms) for ms in self.engines} if self._offline else {}
        hop_frames = {ms: engine.hop_frames for ms, engine in self.engines.items()}
        full = self._full(at_once)
        return [
            Hearing(
                hop_frames,
                {ms: found[n] for ms, found in streamed.items()},
                {ms: found[n] for ms, found in offline.items()},
                None if full is None else full[n],
            )
            for n in range(len(clips))
        ]

    def _stream(self, engine: Engine, clips: Sequence[Pcm]) -> list[Floats]:
        return run_together(engine, [live_hops(intake_of(engine), pcm, self._multiple) for pcm in clips])

    def _full(self, recordings: Sequence[Floats]) -> list[Floats] | None:
        engine = next(iter(self.engines.values()))
        return [whole(engine, features) for features in recordings] if isinstance(engine, OnnxEngine) else None
