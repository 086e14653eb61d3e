"""Every engine by its name: the one place that knows what there is, and what each needs."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from recitation.acoustics.engine import DEFAULT_MODEL, Engine, ModelError, OnnxEngine

ENGINES = ("onnx", "onnx-int8", "torch", "torch-fp32", "torch-fp16", "torch-bf16")
HUGGING_FACE = "hf:"
"""What stands before the folder or name of a Hugging Face model."""


def check_engine_name(name: str) -> str:
    """The name, when there is such an engine.  Raises ModelError."""
    if name not in ENGINES and not (name.startswith(HUGGING_FACE) and name != HUGGING_FACE):
        raise ModelError(f"there is no engine {name!r}; there are {', '.join(ENGINES)} and {HUGGING_FACE}NAME")
    return name


def open_engine(
    name: str = "onnx",
    *,
    model: Path | None = None,
    lookahead_ms: int = 0,
    device: str | None = None,
    memory_limit_mb: float | None = None,
) -> Engine:
    """The engine of that name, with the bundled model or the one in the file ``model``.

    ``device`` (``cpu``, ``cuda``, ``cuda:1``) is for engines that run on PyTorch, ``memory_limit_mb`` for ``torch``.
    Raises ModelError when there is no such engine, when it lacks a package, a file or a device, or when an option is
    not for it; ValueError for a look-ahead that its model was not trained for.
    """
    check_engine_name(name)
    hugging_face, torch = name.startswith(HUGGING_FACE), name.startswith("torch")
    _refuse_foreign(name, "model file", model, wanted=not hugging_face)
    _refuse_foreign(name, "device", device, wanted=torch or hugging_face)
    _refuse_foreign(name, "memory limit", memory_limit_mb, wanted=torch)
    path = DEFAULT_MODEL if model is None else model
    if hugging_face:
        return _with_extra("hf", partial(_hugging_face, name.removeprefix(HUGGING_FACE), lookahead_ms, device))
    if torch:
        return _with_extra("torch", partial(_torch, name, path, lookahead_ms, device, memory_limit_mb))
    if name == "onnx-int8":
        return _with_extra("int8", partial(OnnxEngine, path, lookahead_ms, int8=True))
    return OnnxEngine(path, lookahead_ms)


def _refuse_foreign(name: str, option: str, value: object, *, wanted: bool) -> None:
    if value is not None and not wanted:
        raise ModelError(f"the engine {name} takes no {option}")


def _hugging_face(source: str, lookahead_ms: int, device: str | None) -> Engine:
    from recitation.acoustics.hugging_face import HuggingFaceEngine

    return HuggingFaceEngine(source, lookahead_ms=lookahead_ms, device=device)


def _torch(name: str, path: Path, lookahead_ms: int, device: str | None, memory_limit_mb: float | None) -> Engine:
    from recitation.acoustics.torch_engine import TorchEngine

    precision = name.partition("-")[2] or None
    return TorchEngine(path, lookahead_ms, device=device, precision=precision, memory_limit_mb=memory_limit_mb)


def _with_extra(extra: str, make: Callable[[], Engine]) -> Engine:
    """What ``make`` makes with packages that are no part of the default install."""
    try:
        return make()
    except ImportError as error:
        raise ModelError(f"a package is missing for this engine ({error}): pip install 'talaqqi[{extra}]'") from error


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that choose an engine; ``engine_of`` opens it."""
    ear = parser.add_argument_group("acoustic model")
    ear.add_argument(
        "--engine",
        default="onnx",
        type=_engine_argument,
        metavar="NAME",
        help=f"what runs the model: {', '.join(ENGINES)}, or hf:NAME for a CTC model of Hugging Face (onnx)",
    )
    ear.add_argument("--model", type=Path, metavar="FILE", help="acoustic model in place of the bundled one")
    ear.add_argument(
        "--device", metavar="NAME", help="where torch and hf: run: cpu, cuda, cuda:1 (cuda if there is one)"
    )
    ear.add_argument(
        "--memory-limit-mb", type=float, metavar="MB", help="most that torch may take, all sessions included"
    )


def engine_of(arguments: argparse.Namespace, lookahead_ms: int) -> Engine:
    """The engine that the options of ``add_engine_arguments`` choose.  Raises as ``open_engine`` does."""
    return open_engine(
        arguments.engine,
        model=arguments.model,
        lookahead_ms=lookahead_ms,
        device=arguments.device,
        memory_limit_mb=arguments.memory_limit_mb,
    )


def _engine_argument(name: str) -> str:
    try:
        return check_engine_name(name)
    except ModelError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
