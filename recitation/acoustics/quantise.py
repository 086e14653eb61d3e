"""Weights in int8, made from the model that ships whenever an engine starts: there is no second file to diverge.

    python -m recitation.acoustics.quantise ear.onnx ear.int8.onnx     # the same as a file, to look at or to ship

A weight matrix is cut into blocks of 32 along its input, each with a scale of its own, and its product becomes ONNX
Runtime's ``MatMulNBits`` with 8 bits.  At accuracy level 4 the layer's input is quantised as well, row by row in the
same blocks, and multiplied in int8.  So no calibration is needed, and what a session hears depends on nobody else in
its batch.  ``quantize_dynamic`` has one scale for the input of the whole batch instead: there, company moved a
session's log-probabilities by up to 2 (docs/decisions.md).

What stays as it is: convolutions, norms, attention products (they have no weights), and matrices whose input is not a
whole number of blocks.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from recitation.acoustics.engine import Floats, ModelError

BLOCK = 32
"""Weights to a scale: the smallest size that multiplies at full speed, and all widths of the encoder are multiples."""
ZERO = 128
"""What stands for 0 in ``MatMulNBits`` without zero points."""
INT8_INPUT = 4
"""``accuracy_level`` at which inputs are quantised too."""
DOMAIN = "com.microsoft"


def quantise_matrix(weight: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """float32[K, N] -> uint8[N, K / 32, 32] around 128, and the scale of each block, float32[N, K / 32].

    Symmetric, rounded to nearest: no weight is off by more than half its block's scale.
    """
    blocks = weight.T.reshape(weight.shape[1], -1, BLOCK)
    largest = np.abs(blocks).max(axis=-1)
    scales = np.where(largest > 0, largest / (ZERO - 1), 1).astype(np.float32)
    return (np.rint(blocks / scales[..., None]) + ZERO).astype(np.uint8), scales


def quantise(model: ModelProto) -> int:
    """Replace the weights of a model in place; the number of matrices replaced."""
    graph = model.graph
    constants = _Constants(graph)
    nodes, replaced = [], 0
    for node in graph.node:
        weight = constants.find(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or weight.ndim != 2 or len(weight) % BLOCK:
            nodes.append(node)
            continue
        nodes.append(_quantised_product(graph, node, weight))
        replaced += 1
    _keep(graph, nodes)
    if all(opset.domain != DOMAIN for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return replaced


class _Constants:
    """Weights as the exporter leaves them: an initialiser, perhaps cast from fp16, perhaps transposed."""

    def __init__(self, graph: GraphProto) -> None:
        self._stored = {tensor.name: tensor for tensor in graph.initializer}
        self._made = {node.output[0]: node for node in graph.node if node.op_type in ("Cast", "Transpose")}

    def find(self, name: str) -> Floats | None:
        """The value of a name; None when it is computed from the input."""
        if name in self._stored:
            return np.asarray(numpy_helper.to_array(self._stored[name]), np.float32)
        if name not in self._made:
            return None
        value = self.find(self._made[name].input[0])
        return value.T if value is not None and self._made[name].op_type == "Transpose" else value


def _quantised_product(graph: GraphProto, node: NodeProto, weight: Floats) -> NodeProto:
    inputs, outputs = weight.shape
    blocks, scales = quantise_matrix(weight)
    names = f"{node.name}/weight", f"{node.name}/scales"
    graph.initializer.append(numpy_helper.from_array(blocks, names[0]))
    graph.initializer.append(numpy_helper.from_array(scales, names[1]))
    return helper.make_node(
        "MatMulNBits", [node.input[0], *names], list(node.output), name=node.name, domain=DOMAIN,
        K=inputs, N=outputs, bits=8, block_size=BLOCK, accuracy_level=INT8_INPUT,
    )  # fmt: skip


def _keep(graph: GraphProto, nodes: list[NodeProto]) -> None:
    """Let the graph be those of ``nodes``, in order, that something needs, and the initialisers that they need."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    initializers = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(initializers)


def quantised(path: Path) -> bytes:
    """The model in a file with int8 weights, as ONNX Runtime loads it; about 0.1 s.  Raises ModelError, OSError."""
    try:
        model = onnx.load(str(path))
    except DecodeError as error:
        raise ModelError(f"{path} is not an ONNX model: {error}") from error
    quantise(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def main(arguments: list[str]) -> int:
    """Write the quantised model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parsed = parser.parse_args(arguments)
    try:
        parsed.out.write_bytes(quantised(parsed.model))
    except (ModelError, OSError) as error:
        print(f"quantise: {error}", file=sys.stderr)
        return 2
    sizes = (f"{path.stat().st_size / 1e6:.2f} MB" for path in (parsed.model, parsed.out))
    print(" -> ".join(sizes), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
