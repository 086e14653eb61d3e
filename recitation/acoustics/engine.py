"""The acoustic model as the line runs it: log-mels and a state in, log-probabilities and the next state out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from recitation.features import FRAMES_PER_HOP, MELS
from recitation.phones import UNITS

Floats = NDArray[np.float32]
State = tuple[Floats, ...]
"""Arrays whose first axis is the session."""

DEFAULT_MODEL = Path(__file__).parent.parent / "models" / "ear.onnx"
STEP_MS = 80
LOOKAHEADS_MS = (0, 80, 240)


class ModelError(RuntimeError):
    """The acoustic model cannot be had: a file is missing, damaged or speaks other units, or an engine is not there."""


class Engine(Protocol):
    """A streaming acoustic model.  Stateless: the caller keeps each session's state."""

    name: str
    lookahead_ms: int

    @property
    def hop_frames(self) -> int:
        """Log-mel frames in one call: 8 for look-ahead 0, one more step per 80 ms of look-ahead."""
        ...

    def initial_state(self, sessions: int) -> State:
        """The state of sessions that have heard nothing."""
        ...

    def step(self, features: Floats, state: State) -> tuple[Floats, State]:
        """float32[B, hop_frames, 80] and the state of B sessions -> float32[B, hop_frames / 2, units], next state."""
        ...


@dataclass(frozen=True, slots=True)
class _Shape:
    blocks: int
    left: int
    width: int
    kernel: int
    local_blocks: int
    local_kernel: int
    local_width: int


def check_choice(path: Path, lookahead_ms: int) -> None:
    """Raises ModelError when there is no such file, ValueError for a look-ahead that models are not trained for."""
    if lookahead_ms not in LOOKAHEADS_MS:
        raise ValueError(f"look-ahead is one of {LOOKAHEADS_MS} ms, not {lookahead_ms}")
    if not path.exists():
        raise ModelError(f"there is no acoustic model at {path}")


class OnnxEngine:
    """ONNX Runtime on the CPU, one thread, no spinning: 2 to 2.5 times as fast as torch at this size.

    With ``int8`` the weights are quantised when the engine is made (`recitation.acoustics.quantise`), which halves the
    time of a step for one session.  A session's answers are the same, bit for bit, whatever the batch it is in.
    """

    def __init__(self, path: Path = DEFAULT_MODEL, lookahead_ms: int = 0, *, int8: bool = False) -> None:
        """Raises ModelError for a file that cannot be used, ValueError for a look-ahead it was not trained for.

        ``int8`` raises ImportError without the package onnx.
        """
        check_choice(path, lookahead_ms)
        self.path, self.lookahead_ms, self.int8 = path, lookahead_ms, int8
        self.name = "onnx-int8" if int8 else "onnx"
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        model: str | bytes = str(path)
        if int8:
            from recitation.acoustics.quantise import quantised

            model = quantised(path)
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exception classes share no public base.
            raise ModelError(f"{path} is not a model ONNX Runtime can load: {error}") from error
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        if self.metadata.get("units") != " ".join(UNITS[1:]):
            raise ModelError(f"{path} speaks other units than this version")
        try:
            config = json.loads(self.metadata["config"])
            self._shape = _Shape(**{field: config[field] for field in _Shape.__slots__})
        except (KeyError, ValueError) as error:
            raise ModelError(f"{path} does not say its sizes") from error
        self._inputs = [i.name for i in self._session.get_inputs()]
        self._outputs = [o.name for o in self._session.get_outputs()]

    @property
    def hop_frames(self) -> int:
        return FRAMES_PER_HOP * (self.lookahead_ms // STEP_MS + 1)

    def initial_state(self, sessions: int) -> State:
        s = self._shape
        return (
            np.zeros((sessions, s.blocks, 2, s.left, s.width), np.float32),
            np.zeros((sessions, s.blocks, s.kernel - 1, s.width), np.float32),
            np.zeros((sessions, s.local_blocks, s.local_kernel - 1, s.local_width), np.float32),
            np.zeros(sessions, np.float32),
        )

    def step(self, features: Floats, state: State) -> tuple[Floats, State]:
        log_probs, *after = self._session.run(self._outputs, dict(zip(self._inputs, (features, *state), strict=True)))
        return log_probs, tuple(after)


def run_through(engine: Engine, features: Floats) -> Floats:
    """Log-probabilities of a whole recording, float32[T, 80] -> float32[T / 2, units], hop by hop.

    The last hop is filled up with its last frame and cut again.
    """
    frames, hop = len(features), engine.hop_frames
    if frames == 0:
        return np.zeros((0, len(UNITS)), np.float32)
    hops = -(-frames // hop)
    padded = np.concatenate([features, np.repeat(features[-1:], hops * hop - frames, axis=0)]).reshape(hops, hop, MELS)
    state = engine.initial_state(1)
    outputs = []
    for piece in padded:
        log_probs, state = engine.step(piece[None], state)
        outputs.append(log_probs[0])
    return np.concatenate(outputs)[: -(-frames // 2)]
