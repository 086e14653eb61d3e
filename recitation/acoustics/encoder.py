"""The acoustic model: a causal, chunk-masked CTC encoder in PyTorch, used for training and as the reference.

One step is 80 ms: eight log-mel frames in, four 20 ms distributions over the units out.

* A local front end at 20 ms (two residual causal convolutions) keeps time sharp.
* Four local frames are stacked into one step for ``blocks`` of attention, gated causal convolution and feed-forward.
* The head turns each step back into four 20 ms frames and adds the local features again, so that *what* comes
  from context and *when* from the signal.

Look-ahead is chunking: a chunk of ``r + 1`` steps sees itself and ``left`` steps before it.  The mask used in
training is exactly what the streaming engine does with cached states, so streaming equals offline by construction
(Zhang et al. 2020, U2; Noroozi et al. 2023, cache-aware FastConformer).  Rotary positions (Su et al. 2021) are
relative to the window, so states stay valid however long a session lasts.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recitation.features import FRAMES_PER_HOP, MELS
from recitation.phones import UNITS

SUBFRAMES = 4
"""20 ms output frames per step."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Sizes of the encoder; stored beside its weights."""

    width: int = 192
    blocks: int = 8
    heads: int = 4
    left: int = 16
    """Steps of left context each attention layer sees: 1.28 s, short so that text is not learnt by heart."""
    kernel: int = 5
    """Taps of the causal convolution of a block, in steps."""
    local_width: int = 160
    local_kernel: int = 5
    """Taps of a front-end convolution, in 20 ms frames."""
    local_blocks: int = 2
    head_width: int = 160
    dropout: float = 0.05
    units: int = len(UNITS)

    def to_dict(self) -> dict[str, int | float]:
        """Plain values for a checkpoint or the metadata of an exported model."""
        return asdict(self)


State = tuple[Tensor, Tensor, Tensor, Tensor]
"""(keys and values [B, blocks, 2, left, width], convolution [B, blocks, kernel - 1, width],
local [B, local_blocks, local_kernel - 1, local_width], steps seen so far as float [B], saturating at ``left``)."""


MASKED = -1e4


def rotary_tables(positions: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines [N, dim] of rotary positions, for keys and then queries."""
    rates = 1.0 / (1000.0 ** (torch.arange(0, dim, 2, device=positions.device) / dim))
    angles = positions[:, None] * torch.cat([rates, rates])[None, :]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions to x [..., T, dim]."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-b, a], dim=-1) * sin


class CausalConvolution(nn.Module):
    """Depthwise convolution over time that sees only the past; x [B, T, width]."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.randn(kernel, width) * kernel**-0.5)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """``past`` [B, kernel - 1, width] precedes x; returns the output and the past of the next call."""
        padded = torch.cat([past, x], dim=1)
        # A sum of shifted copies: faster than a depthwise convolution, in torch and in ONNX Runtime.
        taps = self.weight.unbind(0)
        last = self.kernel - 1
        out = self.bias + padded[:, last:] * taps[last]
        for k in range(last):
            out = out + padded[:, k : k - last] * taps[k]
        return out, padded[:, -(self.kernel - 1) :]


class LocalBlock(nn.Module):
    """Residual causal convolution of the front end."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.convolution = CausalConvolution(width, kernel)
        self.mix = nn.Linear(width, width)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        y, past = self.convolution(self.norm(x), past)
        return x + self.mix(F.gelu(y)), past


class Block(nn.Module):
    """Attention, gated causal convolution, feed-forward; all pre-norm and residual."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.width
        self.heads, self.head_width = config.heads, config.width // config.heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.convolution_norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.convolution = CausalConvolution(width, config.kernel)
        self.convolution_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, 4 * width)
        self.feed_out = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(config.dropout)

    def attend(self, x: Tensor, past: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, T, width], past keys and values [B, 2, P, width], additive mask [B, 1, T or 1, P + T]."""
        length = x.shape[1]
        query, key, value = self.qkv(self.attention_norm(x)).chunk(3, dim=-1)
        keys = torch.cat([past[:, 0], key], dim=1)
        values = torch.cat([past[:, 1], value], dim=1)

        def split(y: Tensor) -> Tensor:
            return torch.unflatten(y, -1, (self.heads, self.head_width)).transpose(1, 2)

        # Keys and queries are turned together: the tables end with the queries' positions once more.
        turned = rotate(split(torch.cat([keys, query], dim=1)), cos, sin)
        k, q = turned[:, :, :-length], turned[:, :, -length:]
        scores = q @ k.transpose(-1, -2) * self.head_width**-0.5
        weights = (scores + mask).softmax(dim=-1)
        mixed = (weights @ split(values)).transpose(1, 2).flatten(2)
        out: Tensor = self.attention_out(mixed)
        return out, torch.stack([keys, values], dim=1)

    def forward(
        self, x: Tensor, past: Tensor, conv_past: Tensor, mask: Tensor, cos: Tensor, sin: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        attended, past = self.attend(x, past, mask, cos, sin)
        x = x + self.dropout(attended)
        y, conv_past = self.convolution(F.glu(self.gate(self.convolution_norm(x)), dim=-1), conv_past)
        x = x + self.dropout(self.convolution_out(F.silu(y)))
        x = x + self.dropout(self.feed_out(F.silu(self.feed_in(self.feed_norm(x)))))
        return x, past, conv_past


class Encoder(nn.Module):
    """See the module's docstring; shapes are [batch, time, ...] throughout."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        local, width = config.local_width, config.width
        self.embed = nn.Linear(MELS * FRAMES_PER_HOP // SUBFRAMES, local)
        self.local = nn.ModuleList(LocalBlock(local, config.local_kernel) for _ in range(config.local_blocks))
        self.widen = nn.Linear(local * SUBFRAMES, width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(width)
        self.narrow = nn.Linear(width, SUBFRAMES * config.head_width)
        self.again = nn.Linear(local, config.head_width)
        self.head_norm = nn.LayerNorm(config.head_width)
        self.out = nn.Linear(config.head_width, config.units)

    def initial_state(self, batch: int) -> State:
        """The state of ``batch`` sessions that have heard nothing."""
        c = self.config
        like = self.out.bias
        return (
            like.new_zeros(batch, c.blocks, 2, c.left, c.width),
            like.new_zeros(batch, c.blocks, c.kernel - 1, c.width),
            like.new_zeros(batch, c.local_blocks, c.local_kernel - 1, c.local_width),
            like.new_zeros(batch),
        )

    def _front(self, features: Tensor, past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(local [B, 4T, local], steps [B, T, width], new past) of log-mels [B, 8T, 80]."""
        batch = features.shape[0]
        local = self.embed(features.reshape(batch, -1, self.embed.in_features))
        pasts = []
        for n, block in enumerate(self.local):
            local, after = block(local, past[:, n])
            pasts.append(after)
        steps = self.widen(local.reshape(batch, -1, self.widen.in_features))
        return local, steps, torch.stack(pasts, dim=1)

    def _head(self, steps: Tensor, local: Tensor) -> Tensor:
        """Log-probabilities [B, 4T, units]."""
        batch = steps.shape[0]
        spread = self.narrow(self.norm(steps)).reshape(batch, -1, self.config.head_width)
        hidden = self.head_norm(F.gelu(spread + self.again(local)))
        log_probs: Tensor = self.out(hidden).float().log_softmax(dim=-1)
        return log_probs

    def forward(self, features: Tensor, steps: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
        """Offline pass over whole recordings with the mask of streaming.

        features [B, 8T, 80], steps int[B] (valid steps of each recording), chunk = look-ahead steps + 1 (0: all).
        Returns log-probabilities [B, 4T, units] of the last and of the middle block (for intermediate CTC).
        """
        batch, count = features.shape[0], features.shape[1] // FRAMES_PER_HOP
        keys_values, conv, local_past, _ = self.initial_state(batch)
        keys_values = keys_values[:, :, :, :0]
        local, x, _ = self._front(features, local_past)
        index = torch.arange(count, device=x.device)
        begin = index // chunk * chunk if chunk else torch.zeros_like(index)
        end = begin + chunk if chunk else torch.full_like(index, count)
        visible = (index[None, :] >= begin[:, None] - self.config.left) & (index[None, :] < end[:, None])
        real = index[None, None, :] < steps[:, None, None]
        itself = torch.eye(count, dtype=torch.bool, device=x.device)
        mask = torch.where((visible[None] & real | itself)[:, None], 0.0, MASKED)
        cos, sin = rotary_tables(torch.cat([index, index]), self.config.width // self.config.heads)
        middle = x
        for n, block in enumerate(self.blocks):
            x, _, _ = block(x, keys_values[:, n], conv[:, n], mask, cos, sin)
            if n + 1 == len(self.blocks) // 2:
                middle = x
        return self._head(x, local), self._head(middle, local)

    def step(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """One chunk of every session: features [B, 8T, 80] -> log-probabilities [B, 4T, units] and the next state.

        Sessions of any age may share the batch: the state's last tensor says how much of the past is real.
        """
        keys_values, conv, local_past, seen = state
        left = self.config.left
        local, x, local_past = self._front(features, local_past)
        count = x.shape[1]
        index = torch.arange(left + count, device=x.device)
        mask = torch.where(index[None, :] >= left - seen[:, None], 0.0, MASKED)[:, None, None, :]
        cos, sin = rotary_tables(torch.cat([index, index[left:]]), self.config.width // self.config.heads)
        pasts, convs = [], []
        for n, block in enumerate(self.blocks):
            x, past, conv_past = block(x, keys_values[:, n], conv[:, n], mask, cos, sin)
            pasts.append(past[:, :, -left:])
            convs.append(conv_past)
        seen = torch.clamp(seen + count, max=float(left))
        return self._head(x, local), (torch.stack(pasts, 1), torch.stack(convs, 1), local_past, seen)
