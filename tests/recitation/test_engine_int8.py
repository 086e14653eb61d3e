"""Weights in int8: how far each is off, what becomes of the graph, and the command."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from recitation.acoustics.engine import DEFAULT_MODEL, OnnxEngine
from recitation.acoustics.quantise import BLOCK, ZERO, main, quantise, quantise_matrix, quantised
from recitation.features import MELS
from recitation.vad import MODEL as VAD_MODEL


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 4).map(BLOCK.__mul__), st.integers(1, 5)),
        elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
    )
)
def test_no_weight_is_off_by_more_than_half_a_step(weight: np.ndarray) -> None:
    blocks, scales = quantise_matrix(weight)
    assert blocks.shape == (weight.shape[1], len(weight) // BLOCK, BLOCK) and scales.shape == blocks.shape[:2]
    back = ((blocks.astype(np.float32) - ZERO) * scales[..., None]).reshape(weight.shape[1], -1).T
    half = np.repeat(scales.T, BLOCK, axis=0) / 2
    assert (np.abs(back - weight) <= half * 1.001).all()


def test_zeros_stay_zeros() -> None:
    blocks, scales = quantise_matrix(np.zeros((BLOCK, 3), np.float32))
    assert (blocks == ZERO).all() and np.isfinite(scales).all()


def test_every_matrix_of_the_bundled_model_is_replaced(tmp_path: Path) -> None:
    model = onnx.load(str(DEFAULT_MODEL))
    before = {
        name for t in model.graph.initializer if len(t.dims) == 2 and "convolution.weight" not in (name := t.name)
    }
    assert quantise(model) == len(before) > 40
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MatMulNBits") == len(before)
    stored = {t.name for t in model.graph.initializer}
    assert not stored & before, "the weights themselves are gone"
    used = {name for node in model.graph.node for name in node.input}
    assert stored <= used
    assert model.ByteSize() < 6e6


def test_a_matrix_of_no_whole_blocks_stays(small_model: Path) -> None:
    """The front end of the small model is 24 wide."""
    model = onnx.load(str(small_model))
    quantise(model)
    kinds = [node.op_type for node in model.graph.node]
    attention_products = 2 * 2
    assert kinds.count("MatMul") == attention_products + 4 and kinds.count("MatMulNBits") > 8


def test_quantising_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ear.int8.onnx"
    path.write_bytes(quantised(DEFAULT_MODEL))
    model = onnx.load(str(path))
    assert quantise(model) == 0
    hop = np.random.default_rng(0).standard_normal((2, 8, MELS)).astype(np.float32)
    engines = OnnxEngine(int8=True), OnnxEngine(path), OnnxEngine(path, int8=True)
    first, *others = (engine.step(hop, engine.initial_state(2))[0] for engine in engines)
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_a_model_without_our_matrices_passes_through() -> None:
    before = onnx.load(str(VAD_MODEL))
    after = onnx.load_from_string(quantised(VAD_MODEL))
    assert [n.op_type for n in after.graph.node if n.op_type == "MatMulNBits"] == []
    assert [i.name for i in after.graph.input] == [i.name for i in before.graph.input]


def test_the_command_writes_a_model_that_says_what_it_is(tmp_path: Path) -> None:
    out = tmp_path / "ear.int8.onnx"
    command = [sys.executable, "-m", "recitation.acoustics.quantise", str(DEFAULT_MODEL), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "MB -> " in done.stderr
    assert OnnxEngine(out).metadata == OnnxEngine().metadata


@pytest.mark.parametrize("content", [None, b"\x00not a model"])
def test_the_command_names_what_it_cannot_read(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path), str(tmp_path / "out.onnx")]) == 2
    assert "bad.onnx" in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()
