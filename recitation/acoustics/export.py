"""From a trained encoder to the file that ships: ONNX with fp16 weights, and back to weights to train on from.

The graph computes in fp32; large weights are stored in fp16 and cast once when ONNX Runtime loads the model
(constant folding), which halves the file and costs nothing at run time.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from recitation.acoustics.encoder import Encoder, EncoderConfig
from recitation.features import FRAMES_PER_HOP, MELS
from recitation.phones import UNITS

INPUTS = ("features", "attention", "convolution", "local", "seen")
OUTPUTS = ("log_probs", "next_attention", "next_convolution", "next_local", "next_seen")
OPSET = 17
SMALLEST_HALVED = 512
"""Elements from which a tensor is stored in fp16; biases and norms stay exact."""


class _Step(nn.Module):
    """``Encoder.step`` with flat inputs and outputs, as ONNX wants them."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, features: Tensor, attention: Tensor, convolution: Tensor, local: Tensor, seen: Tensor
    ) -> tuple[Tensor, ...]:
        log_probs, state = self.encoder.step(features, (attention, convolution, local, seen))
        return (log_probs, *state)


def export(encoder: Encoder, path: Path, card: dict[str, str]) -> None:
    """Write the streaming step to ``path``; ``card`` goes into the model's metadata."""
    # The exporter puts modules back into the mode their root was in.
    step = _Step(encoder).eval().cpu()
    features = torch.zeros(2, 2 * FRAMES_PER_HOP, MELS)
    batch = {0: "batch"}
    axes = {name: dict(batch) for name in (*INPUTS, *OUTPUTS)}
    axes["features"][1], axes["log_probs"][1] = "frames", "subframes"
    with torch.no_grad():
        torch.onnx.export(
            step, (features, *encoder.initial_state(2)), str(path), input_names=list(INPUTS),
            output_names=list(OUTPUTS), dynamic_axes=axes, opset_version=OPSET, do_constant_folding=False, dynamo=False,
        )  # fmt: skip
    model = onnx.load(str(path))
    _halve_weights(model)
    metadata = {"config": json.dumps(encoder.config.to_dict()), "units": " ".join(UNITS[1:]), **card}
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(path))


def _halve_weights(model: Any) -> None:
    """Store large float initialisers in fp16 behind a Cast."""
    graph = model.graph
    for tensor in list(graph.initializer):
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < SMALLEST_HALVED:
            continue
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}.half"))
        cast = helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], to=TensorProto.FLOAT)
        graph.node.insert(0, cast)


def load_weights(path: Path) -> Encoder:
    """The encoder inside an exported model.  Raises ValueError when the file is not one of ours."""
    model = onnx.load(str(path))
    metadata = {p.key: p.value for p in model.metadata_props}
    if "config" not in metadata:
        raise ValueError(f"{path} was not written by recitation.acoustics.export")
    encoder = Encoder(EncoderConfig(**json.loads(metadata["config"])))
    stored = {t.name.removesuffix(".half"): numpy_helper.to_array(t) for t in model.graph.initializer}
    own = {name.removeprefix("encoder."): array for name, array in stored.items() if name.startswith("encoder.")}
    missing = encoder.state_dict().keys() - own.keys()
    if missing:
        raise ValueError(f"{path} lacks the weights {sorted(missing)[:3]} …")
    encoder.load_state_dict({k: torch.from_numpy(own[k].astype(np.float32)) for k in encoder.state_dict()})
    return encoder
