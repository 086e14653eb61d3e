"""Engines by name: each opens, each says its name, and what cannot be had is said in one line."""

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

from recitation.acoustics.batching import Batcher
from recitation.acoustics.engine import ModelError
from recitation.acoustics.engines import ENGINES, add_engine_arguments, engine_of, open_engine
from recitation.features import MELS
from recitation.phones import UNITS
from recitation.vad import MODEL as VAD_MODEL


@pytest.mark.parametrize("lookahead_ms", [0, 240])
@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_opens_and_hears(name: str, lookahead_ms: int, small_model: Path) -> None:
    device = "cpu" if name.startswith("torch") else None
    engine = open_engine(name, model=small_model, lookahead_ms=lookahead_ms, device=device)
    assert (engine.name, engine.lookahead_ms) == (name, lookahead_ms)
    hop = np.zeros((engine.hop_frames, MELS), np.float32)
    batcher = Batcher(engine, 2)
    (log_probs,) = batcher.step([(batcher.join(), hop)])
    assert log_probs.shape == (engine.hop_frames // 2, len(UNITS))
    np.testing.assert_allclose(np.exp(log_probs).sum(-1), 1, atol=1e-4)


def test_the_default_is_the_bundled_model_by_onnx_runtime() -> None:
    engine = open_engine()
    assert (engine.name, engine.lookahead_ms, engine.hop_frames) == ("onnx", 0, 8)


@pytest.mark.parametrize("name", ["oracle", "", "ONNX", "torch-int4", "hf:"])
def test_an_unknown_engine_is_told_what_there_is(name: str) -> None:
    with pytest.raises(ModelError) as refused:
        open_engine(name)
    assert all(known in str(refused.value) for known in (*ENGINES, "hf:NAME"))


@pytest.mark.parametrize(
    ("name", "option", "why"),
    [
        ("onnx", {"device": "cuda"}, "the engine onnx takes no device"),
        ("onnx-int8", {"device": "cpu"}, "the engine onnx-int8 takes no device"),
        ("onnx", {"memory_limit_mb": 100.0}, "the engine onnx takes no memory limit"),
        ("hf:some/model", {"model": VAD_MODEL}, "the engine hf:some/model takes no model file"),
        ("hf:some/model", {"memory_limit_mb": 100.0}, "takes no memory limit"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(name: str, option: dict[str, object], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        open_engine(name, **option)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "package", "ours", "extra"),
    [
        ("onnx-int8", "onnx", "quantise", "int8"),
        ("torch", "torch", "torch_engine", "torch"),
        ("torch", "onnx", "export", "torch"),
        ("hf:some/model", "torch", "hugging_face", "hf"),
    ],
)
def test_a_missing_package_names_the_extra(
    name: str, package: str, ours: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("quantise", "torch_engine", "export", "encoder", "hugging_face"):
        monkeypatch.delitem(sys.modules, f"recitation.acoustics.{module}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match=rf"pip install 'talaqqi\[{extra}\]'"):
        open_engine(name)


@pytest.mark.parametrize("name", ["onnx", "onnx-int8", "torch"])
@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 500])
def test_a_damaged_file_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx"):
        open_engine(name, model=path)


@pytest.mark.parametrize("name", ["onnx", "onnx-int8", "torch"])
def test_a_missing_or_foreign_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no acoustic model at .*none\.onnx"):
        open_engine(name, model=tmp_path / "none.onnx")
    with pytest.raises(ModelError, match=VAD_MODEL.name):
        open_engine(name, model=VAD_MODEL)


@pytest.mark.parametrize("name", ["onnx", "onnx-int8", "torch"])
def test_an_untrained_look_ahead_is_refused(name: str, small_model: Path) -> None:
    with pytest.raises(ValueError, match="not 160"):
        open_engine(name, model=small_model, lookahead_ms=160)


def test_options_choose_the_engine(small_model: Path) -> None:
    parser = argparse.ArgumentParser()
    add_engine_arguments(parser)
    line = ["--engine", "torch-bf16", "--model", str(small_model), "--device", "cpu", "--memory-limit-mb", "64"]
    engine = engine_of(parser.parse_args(line), lookahead_ms=80)
    assert (engine.name, engine.lookahead_ms) == ("torch-bf16", 80)
    assert engine_of(parser.parse_args([]), lookahead_ms=0).name == "onnx"


def test_an_unknown_engine_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_engine_arguments(parser)
    with pytest.raises(SystemExit) as left:
        parser.parse_args(["--engine", "oracle"])
    assert left.value.code == 2
    assert "there is no engine 'oracle'; there are onnx, onnx-int8" in capsys.readouterr().err
