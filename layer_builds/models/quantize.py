"""Weights in 8 or 4 bits, and tables by rows.

8 bits are for products whose inputs are quantised as they come, token by token, with a scale for each output. 4 bits
are by blocks of 32 inputs, each with a scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Bits = Literal[4, 8]
BLOCK: Final = 32
"""Inputs that share a scale, in 4 bits: the smallest that ONNX Runtime has fast code for."""
MOST: Final = 127
PAIR: Final = 128
"""Of two weights that a CPU without VNNI multiplies by two inputs of at most 255, and adds up, in 16 bits with a sign:
255 · 128 is the most that they hold. With larger ones it cuts the sum off, and says nothing."""


def columns(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise a matrix to 8 bits, so that every x86 CPU computes the same with it.

    Args:
        weight: (outputs, inputs) float32, of an even number of inputs.

    Returns:
        Weights (inputs, outputs), and scales (outputs,).
    """
    sizes = np.abs(weight)
    pairs = (sizes[:, 0::2] + sizes[:, 1::2]).max(axis=1)
    # Less by 1, since both of a pair may be rounded up.
    scales = np.maximum(_scales(sizes.max(axis=1), MOST), _scales(pairs, PAIR - 1))
    return np.ascontiguousarray(np.rint(weight / scales[:, None]).astype(np.int8).T), scales


def blocks(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Quantise a matrix to 4 bits for the operator MatMulNBits, symmetrically around the middle of the range.

    Args:
        weight: (outputs, inputs) float32.

    Returns:
        Weights (outputs, blocks, bytes of a block), and scales (outputs, blocks).
    """
    outputs, inputs = weight.shape
    count = -(-inputs // BLOCK)
    padded = np.zeros((outputs, count * BLOCK), np.float32)
    padded[:, :inputs] = weight
    cut = padded.reshape(outputs, count, BLOCK)
    scales = _scales(np.abs(cut).max(axis=2), 7)
    values = (np.rint(cut / scales[:, :, None]) + 8).clip(0, 15).astype(np.uint8)
    return np.ascontiguousarray(values[:, :, ::2] | (values[:, :, 1::2] << 4), np.uint8), scales


def rows(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise a table of vectors to 8 bits.

    Args:
        table: (rows, width) float32.

    Returns:
        Values (rows, width), and scales (rows, 1).
    """
    scales = _scales(np.abs(table).max(axis=1, keepdims=True), MOST)
    return np.rint(table / scales).astype(np.int8), scales


def _scales(largest: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    scales: NDArray[np.float32] = (largest / np.float32(steps)).astype(np.float32)
    return np.where(scales == 0, np.float32(1), scales)
