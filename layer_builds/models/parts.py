"""Parts of graphs: products with weights in 32, 8 or 4 bits, and MPNet's buckets of distances.

In 8 bits, weights and inputs are multiplied as integers. Inputs get a scale for each token, and a text is alone in its
run, so its vector does not depend on what else is embedded."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from layer_builds.models import quantize
from layer_builds.models.onnx_graph import MICROSOFT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from layer_builds.models.onnx_graph import Graph
    from layer_builds.models.quantize import Bits

    Floats = NDArray[np.float32]

PRODUCT_ACCURACY: Final = 4
"""Of MatMulNBits: activations are rounded to 8 bits by blocks, which is what its fast code on CPUs needs."""
LEAST_SIZE: Final = 1e-9
"""Of the largest number of a token: one of zeros is not divided by nothing."""


def product(
    graph: Graph,
    name: str,
    value: str,
    weight: Floats,
    bits: Bits | None,
    *,
    spread: Floats | None = None,
    part: int | None = None,
) -> str:
    """A matrix product.

    Args:
        graph: it is added to this.
        name: of its weights.
        value: (1, tokens, inputs); any shape in 32 bits.
        weight: (outputs, inputs) float32, as torch keeps it.
        bits: of a weight; None is float32.
        spread: (inputs,) how far each input spreads, as far as that is known: the far ones would take the others'
            digits. Of 8 bits only.
        part: how many inputs share scales, where their number can be divided by it; None is all. Of 8 bits only.
    """
    if bits is None:
        return graph.add("MatMul", value, graph.constant(f"{name}.weight", weight.T))
    if bits == 4:  # noqa: PLR2004
        packed, scales = quantize.blocks(weight)
        return graph.add(
            *("MatMulNBits", value, graph.constant(f"{name}.weight", packed), graph.constant(f"{name}.scales", scales)),
            domain=MICROSOFT,
            N=weight.shape[0],
            K=weight.shape[1],
            bits=bits,
            block_size=quantize.BLOCK,
            accuracy_level=PRODUCT_ACCURACY,
        )
    if spread is not None:
        even = np.maximum(np.abs(spread), np.abs(spread).max() * np.float32(0.01))
        value, weight = graph.add("Mul", value, graph.constant(f"{name}.even", 1 / even)), weight * even
    inputs = weight.shape[1]
    if part is None or inputs == part or inputs % part:
        return _by_tokens(graph, name, value, weight)
    starts = range(0, inputs, part)
    values = graph.add("Split", value, graph.integers(*[part] * len(starts)), outputs=len(starts), axis=2)
    products = [
        _by_tokens(graph, f"{name}.{start}", some, weight[:, start : start + part])
        for some, start in zip(values, starts, strict=True)
    ]
    return functools.reduce(lambda one, other: graph.add("Add", one, other), products)


def _by_tokens(graph: Graph, name: str, value: str, weight: Floats) -> str:
    """A product of 8 bits: each token's numbers are brought into the same range, which the operator then quantises."""
    packed, scales = quantize.columns(weight)
    largest = graph.add("ReduceMax", graph.add("Abs", value), axes=[2], keepdims=1)
    largest = graph.add("Max", largest, graph.constant("least.size", np.array(LEAST_SIZE, np.float32)))
    multiplied = graph.add(
        *("DynamicQuantizeMatMul", graph.add("Div", value, largest)),
        *(graph.constant(f"{name}.weight", packed), graph.constant(f"{name}.scales", scales)),
        domain=MICROSOFT,
    )
    return graph.add("Mul", multiplied, largest)


def relative_buckets(distances: NDArray[np.int64], buckets: int, longest: int = 128) -> NDArray[np.int64]:
    """MPNet's bucket of each distance, key's position less query's: exact when near, logarithmic when far."""
    half = buckets // 2
    exact = half // 2
    away = np.abs(distances)
    ratio = np.log(np.maximum(away, 1).astype(np.float32) / exact) / math.log(longest / exact)
    far = np.minimum(exact + (ratio * (half - exact)).astype(np.int64), half - 1)
    return np.where(distances > 0, half, 0) + np.where(away < exact, away, far)
