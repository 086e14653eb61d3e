"""Big CTC models from Hugging Face as the ear: wav2vec2 and w2v-bert checkpoints, chunk by chunk.

These models hear a whole recording at once.  Here every step encodes a window again, the left context, the chunk and
the look-ahead, and gives out the frames of the chunk.  That is some fifty times the work of a model made for
streaming: a GPU is recommended, and larger chunks make it cheaper.

`recitation.acoustics.compare` measures what that loses against hearing the whole file at once; see docs/engines.md.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recitation.acoustics.checkpoint import DTYPES, load_checkpoint
from recitation.acoustics.engine import State
from recitation.acoustics.front_end import PAUSE_FRAMES, Level, RunningNorm, is_sounding
from recitation.acoustics.repeats import Floats, Side, silence
from recitation.acoustics.unit_maps import map_for
from recitation.audio import SAMPLE_HZ
from recitation.tracker import FRAME_SAMPLES

if TYPE_CHECKING:
    import torch

HOP_MS, FRAME_MS = 80, 20
TABLE = "units.json"
"""A table of units beside the checkpoint is used without being asked for."""
AUDIO_AT_ONCE_S = 70.0
"""Audio in one call of the model: more is split, so that memory is bounded whatever the number of sessions."""


class Memory(NamedTuple):
    """A session's state.  The first axis of every array is the session."""

    rows: Floats
    """float32[B, 1 + left, width]: the front end's newest rows."""
    tail: Floats
    """float32[B, lead]: the newest samples."""
    mean: Floats
    variance: Floats
    weight: Floats
    quiet: Floats
    """Frames of silence since the last sound."""
    heard: Floats
    """Frames of left context so far."""
    said: Floats
    pending: Floats
    """float32[B, V, 3]: the runs of symbols that are open (`recitation.acoustics.repeats`)."""


def _frames(name: str, milliseconds: int) -> int:
    if milliseconds < 0 or milliseconds % HOP_MS:
        raise ValueError(f"{name} is a multiple of {HOP_MS} ms, not {milliseconds}")
    return milliseconds // FRAME_MS


class HuggingFaceEngine:
    """A `recitation.acoustics.intake.WaveformEngine`."""

    name = "hf"

    def __init__(
        self,
        source: str,
        *,
        lookahead_ms: int = 240,
        left_ms: int = 4000,
        chunk_ms: int = HOP_MS,
        device: str | None = None,
        dtype: str | None = None,
        int8: bool = False,
        table: Path | None = None,
    ) -> None:
        """``source`` is a folder or a name on Hugging Face's hub; ``table`` says what its tokens stand for.

        Without a ``device`` the GPU is used where there is one; ``dtype`` is float32 on the CPU and bfloat16 on a GPU
        unless said otherwise.  ``int8`` needs torchao.  Raises ModelError for a checkpoint that cannot be used, and
        ImportError without the packages of the extra ``hf``.
        """
        from recitation.acoustics.devices import torch_device

        self.source, self.lookahead_ms = source, lookahead_ms
        self._left, self._ahead = _frames("left context", left_ms), _frames("look-ahead", lookahead_ms)
        self._chunk = _frames("chunk", chunk_ms)
        if chunk_ms == 0:
            raise ValueError(f"a chunk is at least {HOP_MS} ms")
        self.device = torch_device(device)
        self.dtype = dtype or ("float32" if self.device.type == "cpu" else "bfloat16")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is one of {', '.join(DTYPES)}, not {dtype}")
        self._checkpoint = load_checkpoint(source, self.device, self.dtype, int8)
        beside = Path(source) / TABLE
        self.units = map_for(
            self._checkpoint.vocabulary, self._checkpoint.blank, table or (beside if beside.exists() else None)
        )
        self._norm = RunningNorm(self._checkpoint.front)

    def with_lookahead(self, lookahead_ms: int) -> "HuggingFaceEngine":
        """The same model with another look-ahead."""
        other = copy.copy(self)
        other.lookahead_ms, other._ahead = lookahead_ms, _frames("look-ahead", lookahead_ms)
        return other

    @property
    def hop_frames(self) -> int:
        """Frames of 10 ms by which a step moves on."""
        return 2 * self._chunk

    @property
    def ahead_frames(self) -> int:
        """Frames of 10 ms after the hop that a step wants to hear."""
        return 2 * self._ahead

    def initial_state(self, sessions: int) -> State:
        front, level = self._checkpoint.front, self._norm.initial(sessions)
        side = silence(sessions, len(self.units.repeated))
        rows = np.zeros((sessions, 1 + self._left, front.width), np.float32)
        tail, nothing = np.zeros((sessions, front.lead), np.float32), np.zeros(sessions, np.float32)
        return Memory(rows, tail, *level, nothing, nothing.copy(), side.said, side.pending)

    def step(self, hops: Floats, state: State) -> tuple[Floats, State]:
        """float32[B, hop_frames + ahead_frames, 160] and the state of B sessions -> float32[B, hop_frames / 2, units]
        and their next state."""
        memory, front, chunk = Memory(*state), self._checkpoint.front, self._chunk
        samples = hops.reshape(len(hops), -1)
        new = front.rows(np.concatenate([memory.tail, samples], axis=1))
        passed = samples[:, : chunk * FRAME_SAMPLES]
        quiet = (memory.quiet + np.float32(chunk)) * (1 - is_sounding(passed))
        counts = np.asarray(quiet <= PAUSE_FRAMES, np.float32)
        level = self._norm.heard(Level(memory.mean, memory.variance, memory.weight), new[:, :chunk], counts)
        rows = np.concatenate([memory.rows, new], axis=1)
        # The look-ahead is heard too, but kept only when its own turn comes.
        normal = self._norm(self._norm.heard(level, new[:, chunk:], counts), rows)
        posteriors = self._window_posteriors(normal, memory.heard.astype(np.intp), new.shape[1])
        log_probs, side = self.units.hear(posteriors, Side(memory.said, memory.pending), chunk)
        left = np.minimum(memory.heard + chunk, np.float32(self._left))
        kept = rows[:, chunk : chunk + 1 + self._left]
        tail = passed[:, passed.shape[1] - front.lead :]
        return log_probs, Memory(kept, tail, *level, quiet, left, side.said, side.pending)

    def whole(self, pcm: Floats) -> Floats:
        """Hear a whole recording at once, as transformers would: float32[n] -> float32[ceil(n / 320), units]."""
        import torch

        checkpoint, frames = self._checkpoint, -(-len(pcm) // FRAME_SAMPLES)
        if not frames:
            return np.zeros((0, self.units.weights.shape[2]), np.float32)
        even = -(-frames // checkpoint.coarse) * checkpoint.coarse
        padded = np.pad(pcm, (checkpoint.front.lead, even * FRAME_SAMPLES - len(pcm)))
        inputs = checkpoint.extractor(padded, sampling_rate=SAMPLE_HZ, return_tensors="pt")
        [values] = [inputs[name] for name in ("input_values", "input_features") if name in inputs]
        posteriors = self._run(values, None, torch.arange(frames)[None])
        log_probs, _ = self.units.hear(posteriors, silence(1, len(self.units.repeated)), frames)
        one: Floats = log_probs[0]
        return one

    def _window_posteriors(self, rows: Floats, left: NDArray[np.intp], new: int) -> Floats:
        """Posteriors of the newest ``new`` frames, float32[B, new, V], seen with ``left[b]`` frames before them."""
        sessions, _, _ = rows.shape
        posteriors = np.empty((sessions, new, len(self._checkpoint.vocabulary)), np.float32)
        for group in self._groups(left):
            longest = int(left[group].max()) + new
            # Younger sessions have less to their left: every window begins at the left edge and is padded on its right.
            places = self._left - left[group, None] + np.arange(1 + longest)
            inside = places < rows.shape[1]
            window = rows[group[:, None], np.where(inside, places, 0)] * inside[..., None]
            posteriors[group] = self._encode(window, left[group], new)
        return posteriors

    def _groups(self, left: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        """Sessions that go through the model together: any, or of equal age where padding cannot be hidden."""
        order = np.argsort(left, kind="stable")
        ages = [order] if self._checkpoint.masks else np.split(order, np.flatnonzero(np.diff(left[order])) + 1)
        window_s = (self._left + self._chunk + self._ahead) * FRAME_MS / 1000
        size = max(1, int(AUDIO_AT_ONCE_S / window_s))
        for age in ages:
            yield from (age[begin : begin + size] for begin in range(0, len(age), size))

    def _encode(self, window: Floats, left: NDArray[np.intp], new: int) -> Floats:
        import torch

        front, longest = self._checkpoint.front, window.shape[1] - 1
        values = torch.from_numpy(np.ascontiguousarray(front.inputs(window)))
        ragged = int(left.min()) + new < longest
        mask = torch.from_numpy(front.mask(left + new, longest)).long() if ragged else None
        return self._run(values, mask, torch.from_numpy(left[:, None] + np.arange(new)))

    def _run(self, values: "torch.Tensor", mask: "torch.Tensor | None", frames: "torch.Tensor") -> Floats:
        """Posteriors of the frames named, int[B, n] -> float32[B, n, V]."""
        import torch

        with torch.inference_mode():
            values = values.to(self.device, getattr(torch, self.dtype))
            mask = None if mask is None else mask.to(self.device)
            logits = self._checkpoint.model(values, attention_mask=mask).logits
            places = (frames // self._checkpoint.coarse).to(self.device)
            chosen = logits[torch.arange(len(logits), device=self.device)[:, None], places]
            posteriors: Floats = chosen.float().softmax(dim=-1).cpu().numpy()
        return posteriors
