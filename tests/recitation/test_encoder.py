"""Streaming equals offline: the encoder step by step gives what its masked pass over everything gives."""

import pytest
import torch
from torch import Tensor

from recitation.acoustics.encoder import SUBFRAMES, Encoder, EncoderConfig, State, rotary_tables, rotate
from recitation.features import FRAMES_PER_HOP, MELS
from recitation.phones import UNITS

STEPS = 24
"""Six times the left context of the small encoder: the state has long been full."""


def features(sessions: int, steps: int = STEPS, seed: int = 1) -> Tensor:
    return torch.randn(sessions, steps * FRAMES_PER_HOP, MELS, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def stream(encoder: Encoder, x: Tensor, chunk: int) -> Tensor:
    """Log-probabilities of whole recordings, ``chunk`` steps a call."""
    state = encoder.initial_state(len(x))
    outputs = []
    for piece in x.split(chunk * FRAMES_PER_HOP, dim=1):
        log_probs, state = encoder.step(piece, state)
        outputs.append(log_probs)
    return torch.cat(outputs, dim=1)


@torch.no_grad()
def offline(encoder: Encoder, x: Tensor, chunk: int, steps: list[int] | None = None) -> Tensor:
    count = x.shape[1] // FRAMES_PER_HOP
    log_probs, _ = encoder(x, torch.tensor(steps or [count] * len(x)), chunk)
    return log_probs


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_streaming_equals_offline(small_encoder: Encoder, chunk: int) -> None:
    x = features(2)
    torch.testing.assert_close(stream(small_encoder, x, chunk), offline(small_encoder, x, chunk), atol=1e-4, rtol=0)


def test_streaming_equals_offline_at_full_size() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig()).eval()
    x = features(1, 20)
    torch.testing.assert_close(stream(encoder, x, 1), offline(encoder, x, 1), atol=1e-4, rtol=0)


def test_the_output_is_four_distributions_a_step(small_encoder: Encoder) -> None:
    log_probs = offline(small_encoder, features(3), 1)
    assert log_probs.shape == (3, STEPS * SUBFRAMES, len(UNITS))
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(3, STEPS * SUBFRAMES))


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_nothing_is_heard_beyond_the_chunk(small_encoder: Encoder, chunk: int) -> None:
    x = features(1)
    changed = x.clone()
    step = 3 * chunk
    changed[:, (step + chunk) * FRAMES_PER_HOP :] += 1
    before, after = offline(small_encoder, x, chunk), offline(small_encoder, changed, chunk)
    known = (step + chunk) * SUBFRAMES
    torch.testing.assert_close(before[:, :known], after[:, :known], atol=1e-5, rtol=0)
    assert (before[:, known:] - after[:, known:]).abs().max() > 1e-2


def test_look_ahead_is_used(small_encoder: Encoder) -> None:
    """The last step of a chunk changes the first one's answer."""
    x = features(1)
    changed = x.clone()
    changed[:, 7 * FRAMES_PER_HOP : 8 * FRAMES_PER_HOP] += 1
    before, after = offline(small_encoder, x, 4), offline(small_encoder, changed, 4)
    assert (before - after)[:, 4 * SUBFRAMES : 5 * SUBFRAMES].abs().max() > 1e-4


def test_the_past_is_forgotten_after_the_left_context(small_encoder: Encoder) -> None:
    x = features(1)
    changed = x.clone()
    changed[:, :FRAMES_PER_HOP] += 1
    before, after = stream(small_encoder, x, 1), stream(small_encoder, changed, 1)
    config = small_encoder.config
    front = config.local_blocks * (config.local_kernel - 1) // SUBFRAMES + 1
    reach = config.blocks * (config.left + config.kernel - 1) + front
    assert reach < STEPS
    assert (before - after)[:, : 4 * SUBFRAMES].abs().max() > 1e-3
    torch.testing.assert_close(
        before[:, (reach + 1) * SUBFRAMES :], after[:, (reach + 1) * SUBFRAMES :], atol=1e-6, rtol=0
    )


def test_padding_changes_nothing(small_encoder: Encoder) -> None:
    x = features(2)
    short = 9
    padded = offline(small_encoder, x, 2, [short, STEPS])
    alone = offline(small_encoder, x[:1, : short * FRAMES_PER_HOP], 2)
    torch.testing.assert_close(padded[:1, : short * SUBFRAMES], alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_sessions_of_different_ages_share_a_batch(small_encoder: Encoder) -> None:
    x = features(3)
    states: list[State] = []
    for session, age in enumerate((0, 1, 9)):
        state = small_encoder.initial_state(1)
        for piece in x[session : session + 1, : age * FRAMES_PER_HOP].split(FRAMES_PER_HOP, dim=1) if age else ():
            _, state = small_encoder.step(piece, state)
        states.append(state)
    hop = features(3, 1, seed=2)
    together, after = small_encoder.step(hop, tuple(torch.cat(parts) for parts in zip(*states, strict=True)))
    for session, state in enumerate(states):
        alone, own = small_encoder.step(hop[session : session + 1], state)
        torch.testing.assert_close(together[session : session + 1], alone, atol=1e-5, rtol=0)
        for part, single in zip(after, own, strict=True):
            torch.testing.assert_close(part[session : session + 1], single, atol=1e-5, rtol=0)


@torch.no_grad()
def test_what_lies_in_an_unused_state_is_not_heard(small_encoder: Encoder) -> None:
    hop = features(1, 1)
    fresh = small_encoder.initial_state(1)
    dirty = (torch.full_like(fresh[0], 1e3), *fresh[1:])
    torch.testing.assert_close(small_encoder.step(hop, dirty)[0], small_encoder.step(hop, fresh)[0], atol=1e-5, rtol=0)


def test_age_saturates(small_encoder: Encoder) -> None:
    state = small_encoder.initial_state(1)
    ages = []
    with torch.no_grad():
        for piece in features(1, 7).split(FRAMES_PER_HOP, dim=1):
            _, state = small_encoder.step(piece, state)
            ages.append(float(state[3][0]))
    assert ages == [1, 2, 3, 4, 4, 4, 4]


def test_rotary_positions_are_relative() -> None:
    q, k = torch.randn(2, 8, generator=torch.Generator().manual_seed(3))
    cos, sin = rotary_tables(torch.arange(40), 8)

    def score(i: int, j: int) -> Tensor:
        return rotate(q, cos[i], sin[i]) @ rotate(k, cos[j], sin[j])

    torch.testing.assert_close(score(5, 2), score(38, 35), atol=1e-5, rtol=0)
    assert (score(5, 2) - score(5, 4)).abs() > 1e-3


def test_the_shipped_size_is_a_few_million_weights() -> None:
    count = sum(p.numel() for p in Encoder(EncoderConfig()).parameters())
    assert 3_000_000 < count < 6_000_000
