"""Every engine hears what the reference hears: `Encoder` in fp32, step by step and over a whole recording at once."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from recitation.accuracy.clips import at_most, development, load_clips
from recitation.acoustics.batching import Batcher
from recitation.acoustics.encoder import Encoder
from recitation.acoustics.engine import DEFAULT_MODEL, LOOKAHEADS_MS, STEP_MS, Engine, Floats, run_through
from recitation.acoustics.engines import open_engine
from recitation.acoustics.export import load_weights
from recitation.audio import levelled, read_audio
from recitation.evaluate import edit_distance, greedy
from recitation.features import FRAMES_PER_HOP, MELS, features_of

EXACT = ("onnx", "torch-fp32")
CPU = (*EXACT, "onnx-int8")
EXACTLY = 1e-4


@cache
def opened(name: str, model: Path = DEFAULT_MODEL, lookahead_ms: int = 0) -> Engine:
    device = "cpu" if name.startswith("torch") else None
    return open_engine(name, model=model, lookahead_ms=lookahead_ms, device=device)


@cache
def reference(model: Path = DEFAULT_MODEL) -> Encoder:
    torch.set_num_threads(1)
    return load_weights(model).eval()


def hop(session: int, number: int, frames: int = FRAMES_PER_HOP) -> Floats:
    """The hop that a session sends as its ``number``-th."""
    return np.random.default_rng([session, number]).standard_normal((frames, MELS)).astype(np.float32)


@torch.inference_mode()
def offline(encoder: Encoder, features: Floats, lookahead_ms: int) -> Floats:
    """The pass over a whole recording of float32[8T, 80] with the mask of that look-ahead, as in training."""
    steps = torch.tensor([len(features) // FRAMES_PER_HOP])
    log_probs, _ = encoder(torch.from_numpy(features)[None], steps, lookahead_ms // STEP_MS + 1)
    answers: Floats = log_probs[0].numpy()
    return answers


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("lookahead_ms", LOOKAHEADS_MS)
def test_steps_of_random_weights(name: str, lookahead_ms: int, small_model: Path) -> None:
    engine, encoder = opened(name, small_model, lookahead_ms), reference(small_model)
    ours, theirs = engine.initial_state(3), encoder.initial_state(3)
    for number in range(8):
        features = np.stack([hop(session, number, engine.hop_frames) for session in range(3)])
        log_probs, ours = engine.step(features, ours)
        with torch.inference_mode():
            expected, theirs = encoder.step(torch.from_numpy(features), theirs)
        np.testing.assert_allclose(log_probs, expected.numpy(), atol=EXACTLY)
    for state, expected_state in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(state, expected_state.numpy(), atol=EXACTLY)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("lookahead_ms", LOOKAHEADS_MS)
@pytest.mark.parametrize("bundled", [True, False], ids=["bundled", "random"])
def test_streaming_is_the_offline_pass(name: str, lookahead_ms: int, bundled: bool, small_model: Path) -> None:
    model = DEFAULT_MODEL if bundled else small_model
    features = np.concatenate([hop(7, number) for number in range(24)])
    heard = run_through(opened(name, model, lookahead_ms), features)
    np.testing.assert_allclose(heard, offline(reference(model), features, lookahead_ms), atol=EXACTLY)


@pytest.fixture(scope="module")
def recitation(ikhlas_file: Path) -> Floats:
    """Log-mels of a made recitation, as the line hears it."""
    return features_of(levelled(read_audio(ikhlas_file)))


@pytest.mark.parametrize(
    ("name", "furthest", "nats"),
    [("onnx-int8", 0.1, 1e-3), ("torch-bf16", 0.1, 1e-3), ("torch-fp16", 0.02, 1e-5)],
)
def test_fewer_bits_move_probabilities_little(name: str, furthest: float, nats: float, recitation: Floats) -> None:
    """At most ``furthest`` anywhere, and by a mean divergence from fp32 of less than ``nats`` a frame."""
    fine, coarse = run_through(opened("onnx"), recitation), run_through(opened(name), recitation)
    assert 0 < np.abs(np.exp(coarse) - np.exp(fine)).max() < furthest
    assert (np.exp(fine) * (fine - coarse)).sum(axis=-1).mean() < nats
    assert (fine.argmax(axis=-1) == coarse.argmax(axis=-1)).mean() > 0.98


@pytest.mark.perf
@pytest.mark.parametrize("name", ["onnx-int8", "torch-bf16"])
def test_fewer_bits_hear_the_same_phones_of_people(name: str, recordings: Path) -> None:
    """Of a few clips of each group: the whole gate is `perf/accuracy --engine NAME`."""
    said, different = 0, 0
    for _, pcm in load_clips(at_most(development(recordings), 2)):
        features = features_of(levelled(pcm))
        fine, coarse = (greedy(run_through(opened(engine), features)) for engine in ("onnx", name))
        said += len(fine)
        different += edit_distance(fine, coarse)
    assert said > 100 and different < 0.05 * said, f"{different} of {said}"


def alone(engine: Engine, session: int, hops: int) -> list[Floats]:
    """What a session hears that nobody else ever was beside."""
    batcher = Batcher(engine, 1)
    slot = batcher.join()
    return [batcher.step([(slot, hop(session, number))])[0] for number in range(hops)]


def in_company(engine: Engine, sessions: int, hops: int) -> dict[int, list[Floats]]:
    """What each session hears when they come one after another and leave in turn, in slots that others had before.

    Session n is there from hop n on, for ``hops`` hops.
    """
    batcher = Batcher(engine, 4)
    slots: dict[int, int] = {}
    heard: dict[int, list[Floats]] = {session: [] for session in range(sessions)}
    for now in range(sessions + hops):
        for session in [session for session in slots if now - session >= hops]:
            batcher.leave(slots.pop(session))
        if now < sessions:
            slots[now] = batcher.join()
        present = sorted(slots, key=lambda session: -session % 3)
        answers = batcher.step([(slots[session], hop(session, now - session)) for session in present])
        for session, answer in zip(present, answers, strict=True):
            heard[session].append(answer)
    return heard


@pytest.mark.parametrize("name", CPU)
@pytest.mark.parametrize("bundled", [True, False], ids=["bundled", "random"])
def test_joining_and_leaving_changes_no_bit(name: str, bundled: bool, small_model: Path) -> None:
    """Batches of one to four, sessions of different ages, slots used again."""
    engine = opened(name, DEFAULT_MODEL if bundled else small_model)
    for session, heard in in_company(engine, sessions=7, hops=4).items():
        np.testing.assert_array_equal(heard, alone(engine, session, len(heard)))


@pytest.mark.parametrize("name", CPU)
def test_a_large_batch_changes_no_bit(name: str) -> None:
    engine, count = opened(name), 67
    batcher = Batcher(engine, count)
    slots = [batcher.join() for _ in range(count)]
    for number in range(2):
        answers = batcher.step([(slot, hop(slot, number)) for slot in slots])
    for session in (0, 30, 63, 64, 66):
        np.testing.assert_array_equal(answers[slots.index(session)], alone(engine, session, 2)[1])


@pytest.mark.parametrize("name", CPU)
def test_a_session_that_sends_nonsense_spoils_only_itself(name: str) -> None:
    batcher = Batcher(opened(name), 3)
    good, bad = batcher.join(), batcher.join()
    for number, expected in enumerate(alone(opened(name), 5, 4)):
        answers = batcher.step([(bad, np.full((FRAMES_PER_HOP, MELS), np.nan, np.float32)), (good, hop(5, number))])
        assert np.isnan(answers[0]).any()
        np.testing.assert_array_equal(answers[1], expected)
    batcher.leave(bad)
    again = batcher.join()
    assert again == bad
    np.testing.assert_array_equal(batcher.step([(again, hop(6, 0))])[0], alone(opened(name), 6, 1)[0])
