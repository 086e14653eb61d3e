"""Where there is speech: Silero VAD over many sessions at once, and the hysteresis that turns it into spans.

The network is Silero VAD 6.2 (MIT, models/silero_vad.LICENSE), run by ONNX Runtime without its package,
whose import changes torch for the whole process. It hears 32 ms windows, each preceded by the last 4 ms of
the window before. Its verdict opens jumps of the tracker and frames feedback; it must never keep audio from
the encoder, because it clips quiet recitation and the tails of long madd.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from recitation.audio import EMPTY, SAMPLE_HZ, Pcm

__all__ = ["WINDOW_SAMPLES", "SileroVad", "SpeechChange", "SpeechGate", "VadSession"]

WINDOW_SAMPLES = 512
CONTEXT_SAMPLES = 64
STATE_SIZE = 128
MODEL = Path(__file__).parent / "models" / "silero_vad.onnx"


class VadSession:
    """What the network remembers of one reciter. Never shared: a state used by two voices hears neither.

    Push audio, and while `ready`, hand the session to `SileroVad.step`.
    """

    def __init__(self, start: int = 0) -> None:
        self.position = start
        """Sample index of the next window to be judged."""
        self.probability = 0.0
        """Probability of speech in the newest window judged."""
        self._pending = EMPTY
        self._context: Pcm = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._state: Pcm = np.zeros((2, STATE_SIZE), np.float32)

    def push(self, pcm: Pcm) -> None:
        """Add float32[n] at 16 kHz, any n."""
        self._pending = np.concatenate([self._pending, pcm]) if len(self._pending) else np.array(pcm, np.float32)

    @property
    def ready(self) -> int:
        """Whole windows waiting."""
        return len(self._pending) // WINDOW_SAMPLES


class SileroVad:
    """The network, stateless, shared by all sessions of a process."""

    def __init__(self, model: Path = MODEL) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._network = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(SAMPLE_HZ, np.int64)

    def step(self, sessions: Sequence[VadSession]) -> Pcm:
        """Judge one window of each session in one batch; return their probabilities of speech, float32[B].

        The result does not depend on who shares the batch. ValueError if a session has no whole window or
        comes twice.
        """
        if not sessions:
            return EMPTY
        if len({id(session) for session in sessions}) < len(sessions):
            raise ValueError("a session can take only one window a step")
        if any(session.ready == 0 for session in sessions):
            raise ValueError("a session without a whole window waiting cannot take a step")
        windows = np.stack([session._pending[:WINDOW_SAMPLES] for session in sessions])
        contexts = np.stack([session._context for session in sessions])
        probabilities, states = self._run(
            np.concatenate([contexts, windows], axis=1),
            np.stack([session._state for session in sessions], axis=1),
        )
        for i, session in enumerate(sessions):
            session._pending = session._pending[WINDOW_SAMPLES:]
            session._context = windows[i, -CONTEXT_SAMPLES:]
            session._state = states[:, i]
            session.position += WINDOW_SAMPLES
            session.probability = float(probabilities[i])
        return probabilities

    def _run(self, audio: Pcm, state: Pcm) -> tuple[Pcm, npt.NDArray[np.float32]]:
        output, new_state = self._network.run(None, {"input": audio, "state": state, "sr": self._rate})
        return output[:, 0], new_state


class _Phase(enum.Enum):
    SILENT = enum.auto()
    RISING = enum.auto()
    SPEAKING = enum.auto()
    FALLING = enum.auto()


@dataclass(frozen=True, slots=True)
class SpeechChange:
    """Speech began or ended."""

    speaking: bool
    sample: int
    """Where it did: start of the first window of the new condition."""
    known_at: int
    """End of the window that settled it."""


class SpeechGate:
    """Turns window probabilities into spans of speech, with hysteresis.

    Speech begins where the probability reaches `on` and lasts `min_speech` samples without falling below
    `off`; it ends where it falls below `off` and has not come back to `on` within `min_silence` samples.
    Between the thresholds things stay as they are.
    """

    def __init__(self, on: float = 0.5, off: float = 0.35, min_speech: int = 1_024, min_silence: int = 2_048) -> None:
        if not 0 <= off <= on <= 1:
            raise ValueError(f"thresholds must satisfy 0 <= off <= on <= 1, not off={off}, on={on}")
        self.on, self.off = on, off
        self.min_speech, self.min_silence = min_speech, min_silence
        self._phase = _Phase.SILENT
        self._since = 0

    @property
    def speaking(self) -> bool:
        """Whether speech is on, a silence still too short to end it included."""
        return self._phase in (_Phase.SPEAKING, _Phase.FALLING)

    def push(self, probability: float, start: int, end: int) -> SpeechChange | None:
        """Take the next window, samples `start` to `end`; return the change that it settles, if any."""
        self._turn(probability, start)
        if self._phase is _Phase.RISING and end - self._since >= self.min_speech:
            self._phase = _Phase.SPEAKING
            return SpeechChange(True, self._since, end)
        if self._phase is _Phase.FALLING and end - self._since >= self.min_silence:
            self._phase = _Phase.SILENT
            return SpeechChange(False, self._since, end)
        return None

    def flush(self, end: int) -> SpeechChange | None:
        """End the stream at sample `end`: close speech that is still on."""
        falling, speaking = self._phase is _Phase.FALLING, self.speaking
        self._phase = _Phase.SILENT
        return SpeechChange(False, self._since if falling else end, end) if speaking else None

    def _turn(self, probability: float, start: int) -> None:
        match self._phase:
            case _Phase.SILENT if probability >= self.on:
                self._phase, self._since = _Phase.RISING, start
            case _Phase.RISING if probability < self.off:
                self._phase = _Phase.SILENT
            case _Phase.SPEAKING if probability < self.off:
                self._phase, self._since = _Phase.FALLING, start
            case _Phase.FALLING if probability >= self.on:
                self._phase = _Phase.SPEAKING
