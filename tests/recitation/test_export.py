"""The exported model is the trained one: ONNX Runtime answers what torch answers, and weights come back."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from recitation.acoustics.encoder import Encoder
from recitation.acoustics.engine import DEFAULT_MODEL, OnnxEngine
from recitation.acoustics.export import INPUTS, OUTPUTS, load_weights
from recitation.features import FRAMES_PER_HOP, MELS
from recitation.phones import UNITS
from recitation.vad import MODEL as VAD_MODEL


def hops(sessions: int, frames: int, count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal((sessions, frames, MELS)).astype(np.float32) for _ in range(count)]


@torch.no_grad()
def assert_same_answers(engine: OnnxEngine, encoder: Encoder, sessions: int, count: int, tolerance: float) -> None:
    ours, theirs = engine.initial_state(sessions), encoder.initial_state(sessions)
    for hop in hops(sessions, engine.hop_frames, count):
        log_probs, ours = engine.step(hop, ours)
        expected, theirs = encoder.step(torch.from_numpy(hop), theirs)
        np.testing.assert_allclose(log_probs, expected.numpy(), atol=tolerance)
    for state, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(state, reference.numpy(), atol=tolerance)


@pytest.mark.parametrize("lookahead_ms", [0, 80, 240])
def test_the_export_answers_as_torch(small_model: Path, lookahead_ms: int) -> None:
    engine = OnnxEngine(small_model, lookahead_ms)
    assert_same_answers(engine, load_weights(small_model).eval(), sessions=3, count=8, tolerance=1e-4)


def test_the_shipped_model_answers_as_torch() -> None:
    torch.set_num_threads(1)
    assert_same_answers(OnnxEngine(), load_weights(DEFAULT_MODEL).eval(), sessions=2, count=20, tolerance=1e-4)


def test_halved_weights_cost_little(small_model: Path, small_encoder: Encoder) -> None:
    """Against the weights before they were stored in fp16."""
    assert_same_answers(OnnxEngine(small_model), small_encoder, sessions=1, count=8, tolerance=2e-2)


def test_exporting_leaves_the_encoder_without_dropout(small_model: Path, small_encoder: Encoder) -> None:
    assert not any(module.training for module in small_encoder.modules())


def test_weights_come_back(small_model: Path, small_encoder: Encoder) -> None:
    again = load_weights(small_model)
    assert again.config == small_encoder.config
    for name, weight in small_encoder.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weight, atol=2e-3, rtol=1e-3)
        if weight.numel() < 512:
            assert torch.equal(again.state_dict()[name], weight)


def test_the_file_says_what_it_is(small_model: Path) -> None:
    model = onnx.load(str(small_model))
    onnx.checker.check_model(model)
    metadata = {p.key: p.value for p in model.metadata_props}
    assert metadata["units"] == " ".join(UNITS[1:])
    assert json.loads(metadata["config"])["left"] == 4
    assert metadata["note"] == "random weights"
    assert tuple(i.name for i in model.graph.input) == INPUTS
    assert tuple(o.name for o in model.graph.output) == OUTPUTS
    stored = {t.name: t.data_type for t in model.graph.initializer if t.name.startswith("encoder.")}
    assert onnx.TensorProto.FLOAT16 in stored.values()


def test_the_shipped_model_is_small() -> None:
    assert DEFAULT_MODEL.stat().st_size < 20e6


def test_another_model_gives_no_weights() -> None:
    with pytest.raises(ValueError, match="was not written by"):
        load_weights(VAD_MODEL)


def test_missing_weights_are_named(small_model: Path, tmp_path: Path) -> None:
    model = onnx.load(str(small_model))
    gone = next(t for t in model.graph.initializer if t.name.startswith("encoder.out.weight"))
    model.graph.initializer.remove(gone)
    path = tmp_path / "partial.onnx"
    onnx.save(model, str(path))
    with pytest.raises(ValueError, match=r"lacks the weights.*out\.weight"):
        load_weights(path)


def test_a_step_is_eight_frames(small_model: Path) -> None:
    assert OnnxEngine(small_model).hop_frames == FRAMES_PER_HOP
