"""A small writer of ONNX graphs: nodes with generated names, weights kept outside the graph.

Owns the file format: `model.onnx` holds the nodes, `model.onnx_data` the weights, each at a page of its own, so that
ONNX Runtime maps them into memory instead of reading them. The same graph gives the same bytes on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

GRAPH: Final = "model.onnx"
WEIGHTS: Final = "model.onnx_data"
PAGE_BYTES: Final = 4_096
INLINE_BYTES: Final = 1_024
"""Smaller constants stay in the graph: shapes and limits, which the runtime looks at while it loads."""
OPSET: Final = 17
MICROSOFT: Final = "com.microsoft"
"""ONNX Runtime's own operators: whole attention, quantised products."""
IR_VERSION: Final = 9
"""What every ONNX Runtime since 1.16 reads."""


class Graph:
    """A graph that is being written."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, NDArray[Any]] = {}
        self._names = 0

    def add(self, kind: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """Add a node.

        Args:
            kind: of operator.
            inputs: names of values; "" leaves an optional one out.
            domain: of the operator.
            outputs: how many it has.
            attributes: of the operator.

        Returns:
            The name of its output; a list of names when there are several.
        """
        names = [self._name(kind) for _ in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a weight or a constant; returns its name."""
        unique = name if name not in self._weights else self._name(name)
        self._weights[unique] = np.asarray(value, order="C")  # a scalar stays one
        return unique

    def integers(self, *values: int) -> str:
        """Add a list of integers, for shapes and axes."""
        return self.constant(self._name("integers"), np.array(values, np.int64))

    def save(
        self, path: Path, inputs: Mapping[str, Sequence[Any]], outputs: Mapping[str, tuple[str, Sequence[Any]]]
    ) -> None:
        """Write the graph.

        Args:
            path: of the graph; its weights go beside it, into `model.onnx_data`.
            inputs: name to shape, of int64 values; sizes are numbers or names.
            outputs: name to the value that it is, and its shape, of float32.
        """
        nodes = [
            *self._nodes,
            *(helper.make_node("Identity", [value], [name], name=name) for name, (value, _) in outputs.items()),
        ]
        graph = helper.make_graph(
            nodes,
            "model",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, (_, shape) in outputs.items()],
            self._saved_weights(path.with_name(WEIGHTS)),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="strata")
        path.write_bytes(model.SerializeToString(deterministic=True))

    def _saved_weights(self, path: Path) -> list[onnx.TensorProto]:
        tensors: list[onnx.TensorProto] = []
        with path.open("wb") as file:
            for name, value in self._weights.items():
                kind = helper.np_dtype_to_tensor_dtype(value.dtype)
                if value.nbytes <= INLINE_BYTES:
                    tensors.append(helper.make_tensor(name, kind, value.shape, value.tobytes(), raw=True))
                    continue
                file.write(b"\0" * (-file.tell() % PAGE_BYTES))
                tensors.append(_outside(name, kind, value, file.tell()))
                file.write(value.tobytes())
        return tensors

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}_{self._names}"


def _outside(name: str, kind: int, value: NDArray[Any], offset: int) -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=kind, dims=value.shape, data_location=TensorProto.EXTERNAL)
    for key, content in (("location", WEIGHTS), ("offset", str(offset)), ("length", str(value.nbytes))):
        tensor.external_data.add(key=key, value=content)
    return tensor
