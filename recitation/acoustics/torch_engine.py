"""The acoustic model in PyTorch, for accelerators: states stay on the device, one CUDA graph a batch size.

At these sizes a step is bound by launching kernels, some 400 of them, not by what they compute.  On CUDA the whole
step (fetch the states of the batch, encode, put the next states back) is therefore recorded once for each size in
``BUCKETS`` and then replayed in one launch; smaller batches are filled up with a slot that belongs to nobody.
Weights and states are fp16 there, sums, norms and log-probabilities fp32.  PyTorch's notes on CUDA graphs
(docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs) say why addresses must stay and why capture is rehearsed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from google.protobuf.message import DecodeError
from torch import Tensor

from recitation.acoustics.devices import torch_device
from recitation.acoustics.encoder import Encoder
from recitation.acoustics.encoder import State as Tensors
from recitation.acoustics.engine import DEFAULT_MODEL, STEP_MS, Floats, ModelError, State, check_choice
from recitation.acoustics.export import load_weights
from recitation.acoustics.slots import Indices, in_turns
from recitation.features import FRAMES_PER_HOP, MELS

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Sessions in one step on CUDA; more are stepped in turns."""
SMALLEST_CPU_BATCH = 4
"""MKL sums the rows of one to three sessions in another order than those of more.  From four on a session's answers are
the same, bit for bit, whatever the batch; filling up costs a session alone a quarter of its step."""
REHEARSALS = 3
"""Steps before a capture, in which libraries choose kernels and allocate what a capture may not."""
WORKING_COPIES = 4
"""States of the largest batch that exist at once in a step: those fetched, keys and values with the new ones in each
block (which the next states are cut from), those joined to be put back, and activations, which are less than one.
Measured with the bundled model and 64 sessions: 3.1, with look-ahead 240 ms 3.4."""
CUDA_WORKSPACE_BYTES = 64 << 20
"""What cuBLAS takes on a stream (32 MiB on Hopper), for rehearsals and for captures."""
MB = 1e6


class TorchEngine:
    """Our encoder on any device of PyTorch: fp32 on the CPU, where one thread is used, fp16 elsewhere."""

    def __init__(
        self,
        path: Path = DEFAULT_MODEL,
        lookahead_ms: int = 0,
        *,
        device: str | None = None,
        precision: str | None = None,
        memory_limit_mb: float | None = None,
    ) -> None:
        """``device`` is CUDA where there is one.  ``memory_limit_mb`` bounds weights, slots and work together,
        which may otherwise take what is free on the GPU, or all the memory of the machine.

        Raises ModelError for a file or device that cannot be used, ValueError for a look-ahead or precision unknown.
        """
        check_choice(path, lookahead_ms)
        self.path, self.lookahead_ms = path, lookahead_ms
        self.device = torch_device(device)
        chosen = precision or ("fp32" if self.device.type == "cpu" else "fp16")
        if chosen not in PRECISIONS:
            raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not {chosen}")
        self.name = f"torch-{precision}" if precision else "torch"
        self.dtype = PRECISIONS[chosen]
        self._memory_limit_mb = memory_limit_mb
        self._encoder = _load(path).eval().requires_grad_(False).to(self.device, self.dtype)
        if self.device.type == "cpu":
            torch.set_num_threads(1)

    @property
    def hop_frames(self) -> int:
        return FRAMES_PER_HOP * (self.lookahead_ms // STEP_MS + 1)

    def initial_state(self, sessions: int) -> State:
        return tuple(part.float().cpu().numpy() for part in self._encoder.initial_state(sessions))

    def step(self, features: Floats, state: State) -> tuple[Floats, State]:
        keys_values, convolution, local, seen = (torch.from_numpy(part).to(self.device, self.dtype) for part in state)
        with torch.inference_mode():
            hop = torch.from_numpy(features).to(self.device)
            log_probs, after = self.advance(hop, (keys_values, convolution, local, seen))
            return log_probs.cpu().numpy(), tuple(part.float().cpu().numpy() for part in after)

    def advance(self, features: Tensor, state: Tensors) -> tuple[Tensor, Tensors]:
        """``Encoder.step`` on the device: features float32[B, hop_frames, 80], log-probabilities float32."""
        if self.dtype == torch.float32:
            return self._encoder.step(features, state)
        # Nothing is cached between steps: a cached copy made during a capture would belong to its graph.
        with torch.autocast(self.device.type, self.dtype, cache_enabled=False):
            return self._encoder.step(features, state)

    def make_slots(self, capacity: int) -> "TorchSlots":
        """States of ``capacity`` sessions on the device.  Raises ModelError when they do not fit."""
        need, room = self.memory_needed(capacity), self._memory_allowed()
        if need > room:
            raise ModelError(
                f"{capacity} sessions need {need / MB:.0f} MB on {self.device} ({self._state_bytes / MB:.2f} MB each,"
                f" the rest for weights and a step), but {room / MB:.0f} MB may be used: lower the capacity"
            )
        return TorchSlots(self, self._encoder.initial_state(capacity + 1))

    def memory_needed(self, capacity: int) -> int:
        """Bytes of weights, slots and working memory for so many sessions."""
        weights = sum(weight.nbytes for weight in self._encoder.parameters())
        working = WORKING_COPIES * _bucket(capacity) * self._state_bytes
        workspace = CUDA_WORKSPACE_BYTES if self.device.type == "cuda" else 0
        return weights + (capacity + 1) * self._state_bytes + working + workspace

    @property
    def _state_bytes(self) -> int:
        return sum(part.nbytes for part in self._encoder.initial_state(1))

    def _memory_allowed(self) -> int:
        if self._memory_limit_mb is not None:
            return round(self._memory_limit_mb * MB)
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            return free + sum(weight.nbytes for weight in self._encoder.parameters())
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


Advance = Callable[[Tensor, Tensor], Tensor]
"""Features [B, hop_frames, 80] and slots int[B], both on the device, to log-probabilities there."""


class TorchSlots:
    """States on the device.  The last row is nobody's: what fills a batch up reads and writes it."""

    def __init__(self, engine: TorchEngine, states: Tensors) -> None:
        self.states = states
        self._engine = engine
        self._nobody = len(states[0]) - 1
        self._cuda = engine.device.type == "cuda"
        self._graphs: dict[int, Advance] = {}
        if self._cuda:
            self._pool = torch.cuda.graph_pool_handle()
            # One stream for all: cuBLAS has a workspace for each stream that it was ever called on.
            self._aside = torch.cuda.Stream(engine.device)  # type: ignore[no-untyped-call]
            # The largest first: the others then find room in what it has left in the pool.
            for size in reversed(BUCKETS[: BUCKETS.index(_bucket(self._nobody)) + 1]):
                self._graphs[size] = self._capture(size)

    def clear(self, slot: int) -> None:
        with torch.inference_mode():
            for part in self.states:
                part[slot].zero_()  # as `Encoder.initial_state` is

    def step(self, slots: Indices, features: Floats) -> Floats:
        return in_turns(self._step, slots, features, BUCKETS[-1])

    def _step(self, slots: Indices, features: Floats) -> Floats:
        count = len(slots)
        size = _bucket(count) if self._cuda else max(count, SMALLEST_CPU_BATCH)
        filled = np.zeros((size, *features.shape[1:]), np.float32)
        filled[:count] = features
        index = np.full(size, self._nobody, np.int64)
        index[:count] = slots
        advance = self._graphs.get(size, self._advance)
        with torch.inference_mode():
            device = self._engine.device
            log_probs = advance(torch.from_numpy(filled).to(device), torch.from_numpy(index).to(device))
            answers: Floats = log_probs[:count].cpu().numpy()
            return answers

    def _advance(self, features: Tensor, slots: Tensor) -> Tensor:
        keys_values, convolution, local, seen = (part.index_select(0, slots) for part in self.states)
        log_probs, after = self._engine.advance(features, (keys_values, convolution, local, seen))
        for part, new in zip(self.states, after, strict=True):
            part.index_copy_(0, slots, new.to(part.dtype))
        return log_probs

    def _capture(self, size: int) -> Advance:
        """Record a step of ``size`` sessions; what is returned replays it.  The slots must be unused as yet."""
        device = self._engine.device
        with torch.inference_mode(), torch.cuda.device(device):
            features = torch.zeros(size, self._engine.hop_frames, MELS, device=device)
            slots = torch.full((size,), self._nobody, device=device)
            self._aside.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(self._aside):
                for _ in range(REHEARSALS):
                    self._advance(features, slots)
            torch.cuda.current_stream(device).wait_stream(self._aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, self._pool, self._aside):
                log_probs = self._advance(features, slots)

        def replay(new_features: Tensor, new_slots: Tensor) -> Tensor:
            features.copy_(new_features)
            slots.copy_(new_slots)
            graph.replay()
            return log_probs

        return replay


def _bucket(sessions: int) -> int:
    """The smallest bucket that holds so many, or the largest there is."""
    return next((size for size in BUCKETS if size >= sessions), BUCKETS[-1])


def _load(path: Path) -> Encoder:
    try:
        return load_weights(path)
    except (ValueError, DecodeError) as error:
        raise ModelError(f"{path} is no model of this version's encoder: {error}") from error
