"""The ONNX engine: states are the caller's, whole recordings run hop by hop, bad files are refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from recitation.acoustics.engine import LOOKAHEADS_MS, ModelError, OnnxEngine, run_through
from recitation.features import MELS
from recitation.phones import UNITS
from recitation.vad import MODEL as VAD_MODEL


def features(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((frames, MELS)).astype(np.float32)


@pytest.mark.parametrize("lookahead_ms", LOOKAHEADS_MS)
def test_a_hop_in_and_distributions_out(engine: OnnxEngine, lookahead_ms: int) -> None:
    engine = OnnxEngine(engine.path, lookahead_ms)
    assert engine.hop_frames == 8 * (lookahead_ms // 80 + 1)
    state = engine.initial_state(3)
    assert all(len(part) == 3 for part in state)
    log_probs, after = engine.step(np.stack([features(engine.hop_frames, n) for n in range(3)]), state)
    assert log_probs.shape == (3, engine.hop_frames // 2, len(UNITS))
    assert log_probs.dtype == np.float32
    np.testing.assert_allclose(np.exp(log_probs).sum(-1), 1, atol=1e-4)
    assert [part.shape for part in after] == [part.shape for part in state]


def test_a_step_leaves_the_state_it_was_given(small_model: Path) -> None:
    engine = OnnxEngine(small_model)
    state = engine.initial_state(1)
    copies = [part.copy() for part in state]
    engine.step(features(8)[None], state)
    for part, copy in zip(state, copies, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_the_same_hop_gives_the_same_answer(small_model: Path) -> None:
    engine = OnnxEngine(small_model)
    hop = features(8)[None]
    first, _ = engine.step(hop, engine.initial_state(1))
    engine.step(features(8, 5)[None], engine.initial_state(1))
    again, _ = engine.step(hop, engine.initial_state(1))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("frames", [0, 1, 7, 8, 9, 15, 16, 83])
@pytest.mark.parametrize("lookahead_ms", [0, 240])
def test_a_whole_recording_gives_a_distribution_each_20_ms(small_model: Path, frames: int, lookahead_ms: int) -> None:
    log_probs = run_through(OnnxEngine(small_model, lookahead_ms), features(frames))
    assert log_probs.shape == (-(-frames // 2), len(UNITS))


def test_the_end_of_a_recording_does_not_change_its_beginning(small_model: Path) -> None:
    engine = OnnxEngine(small_model)
    np.testing.assert_array_equal(run_through(engine, features(80))[:16], run_through(engine, features(80)[:32]))


def test_an_untrained_look_ahead_is_refused(small_model: Path) -> None:
    with pytest.raises(ValueError, match=r"look-ahead is one of \(0, 80, 240\) ms, not 160"):
        OnnxEngine(small_model, 160)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no acoustic model at .*missing\.onnx"):
        OnnxEngine(tmp_path / "missing.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 500])
def test_a_damaged_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx"):
        OnnxEngine(path)


def test_a_truncated_model_is_refused(small_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    raw = small_model.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ModelError, match=r"half\.onnx"):
        OnnxEngine(path)


def test_another_model_is_refused() -> None:
    with pytest.raises(ModelError, match="other units"):
        OnnxEngine(VAD_MODEL)


def test_a_model_of_an_older_inventory_is_refused(small_model: Path, tmp_path: Path) -> None:
    model = onnx.load(str(small_model))
    for entry in model.metadata_props:
        if entry.key == "units":
            entry.value = " ".join(UNITS[1:-1])
    path = tmp_path / "old.onnx"
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match="other units"):
        OnnxEngine(path)


def test_a_model_without_its_sizes_is_refused(small_model: Path, tmp_path: Path) -> None:
    model = onnx.load(str(small_model))
    kept = [entry for entry in model.metadata_props if entry.key != "config"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    path = tmp_path / "sizeless.onnx"
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match=r"sizeless\.onnx"):
        OnnxEngine(path)
