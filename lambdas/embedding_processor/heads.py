"""What follows the transformer, in numpy: pooling, dense layers, normalisation; for graphs that end at the tokens.

Our own graphs do all of it themselves. Others, such as those that models bring to the hub, end at the last hidden
state."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdas.embedding_processor.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lambdas.embedding_processor.layout import Layout, Projection

    Floats = NDArray[np.float32]

LEAST_TOKENS = np.float32(1e-9)
LEAST_NORM = np.float32(1e-12)
"""As the library has them, lest anything is divided by zero."""
HEADER_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
"""Of the safetensors format."""
FLOATS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Head:
    """Pools, projects and normalises as a model's files say."""

    def __init__(self, layout: Layout) -> None:
        """Load the dense layers.

        Raises:
            ModelError: their weights are missing, or have another shape than their config.
        """
        self._layout = layout
        self._dense = [(_weights(projection), projection.activation) for projection in layout.projections]

    def __call__(self, tokens: Floats, mask: NDArray[np.int64]) -> Floats:
        """One vector for each input.

        Args:
            tokens: (n, length, width) float32.
            mask: (n, length), 1 where there is a token.

        Returns:
            (n, dimension) float32.
        """
        vectors = np.concatenate([_pooled(kind, tokens, mask) for kind in self._layout.pooling], axis=1)
        for (weight, bias), activation in self._dense:
            vectors = _activated(activation, vectors @ weight.T + bias)
        return normalised(vectors) if self._layout.normalised else vectors


def normalised(vectors: Floats) -> Floats:
    """Vectors of length 1: (n, d) float32."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), LEAST_NORM)


def require_directions(vectors: Floats, model: str) -> None:
    """Refuse vectors that no index finds: of float16 that overflowed, or of damaged weights.

    Args:
        vectors: (n, d) float32.
        model: its name.

    Raises:
        ModelError: a number is not finite, or a vector is all zeros, which has no cosine to anything.
    """
    if not np.isfinite(vectors).all():
        raise ModelError(
            f"{model} made a vector with numbers that are not finite. Its weights are damaged, or it overflows in 16 "
            "bits: make its folder anew, from weights of 32 bits"
        )
    if not vectors.any(axis=1).all():
        raise ModelError(f"{model} made a vector of zeros, which is near to nothing: make its folder anew")


def _pooled(kind: str, tokens: Floats, mask: NDArray[np.int64]) -> Floats:
    present = mask[:, :, None].astype(np.float32)
    if kind == "cls":
        first = np.argmax(mask, axis=1)  # behind the padding, where that is on the left
        return tokens[np.arange(len(tokens)), first]
    if kind == "max":
        return np.where(present > 0, tokens, np.float32(-1e9)).max(axis=1)
    if kind == "lasttoken":
        last = mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)
        return tokens[np.arange(len(tokens)), last]
    if kind == "weightedmean":
        present = present * np.arange(1, mask.shape[1] + 1, dtype=np.float32)[None, :, None]
    total = np.maximum(present.sum(axis=1), LEAST_TOKENS)
    return (tokens * present).sum(axis=1) / (np.sqrt(total) if kind == "mean_sqrt_len_tokens" else total)


def _activated(kind: str, values: Floats) -> Floats:
    match kind:
        case "tanh":
            return np.tanh(values)
        case "relu":
            return np.maximum(values, 0)
        case "gelu":
            erf = np.vectorize(math.erf, otypes=[np.float32])
            return values * np.float32(0.5) * (1 + erf(values / np.float32(math.sqrt(2))))
        case _:
            return values


def _weights(projection: Projection) -> tuple[Floats, Floats]:
    """Weight (outputs, inputs) and bias (outputs,) of a dense layer."""
    path = projection.folder / "model.safetensors"
    if not path.is_file():
        raise ModelError(f"{path} is missing, and the graph ends before this layer")
    tensors = read_safetensors(path)
    weight = tensors["linear.weight"]
    bias = tensors["linear.bias"] if projection.bias else np.zeros(projection.outputs, np.float32)
    if weight.shape != (projection.outputs, projection.inputs) or bias.shape != (projection.outputs,):
        raise ModelError(f"{path} has a weight of shape {weight.shape}, which is not what its config.json says")
    return weight, bias


def read_safetensors(path: Path) -> dict[str, Floats]:
    """The weights of a file, memory-mapped where they are float32; integers, which some keep beside them, are left out.

    Raises:
        ModelError: it is damaged.
    """
    try:
        size, header = _header(path)
        raw = np.memmap(path, np.uint8, "r", offset=HEADER_BYTES + size)
        return {
            name: _tensor(raw[slice(*about["data_offsets"])], about["dtype"], about["shape"])
            for name, about in header.items()
            if about["dtype"] in FLOATS
        }
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} could not be read: {error}") from None


def float_kinds(path: Path) -> set[str]:
    """What the weights of a file are: `F32`, `F16`, `BF16`.

    Raises:
        ModelError: it is damaged.
    """
    try:
        return {about["dtype"] for about in _header(path)[1].values()} & FLOATS.keys()
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} could not be read: {error}") from None


def _header(path: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its length, and what it says of each tensor."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(HEADER_BYTES), "little")
        if size > MAX_HEADER_BYTES:
            raise ModelError(f"{path} is not a safetensors file")
        header = json.loads(file.read(size))
    return size, {name: about for name, about in header.items() if name != "__metadata__"}


def _tensor(raw: NDArray[np.uint8], kind: str, shape: list[int]) -> Floats:
    if kind == "BF16":  # the upper half of a float32
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return raw.view(FLOATS[kind]).astype(np.float32, copy=False).reshape(shape)
