"""Whether an exported model is still the model: its vectors beside those of the original, on texts of many kinds.

Owns the limits. What the original says is a file of reference vectors, made by sentence-transformers in
an environment of its own (`benchmarks/minilm_reference.py`); without one, weights in 8 bits are compared with those in
32."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lambdas.embedding_processor.embedder import load
from layer_builds.models.sample import SAMPLE
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LEAST_FLOAT32: Final = 0.9999
"""Cosine to the original, of every text."""
LEAST_MEAN: Final = 0.999
"""Mean cosine, of quantised weights."""


def fidelity(exported: Path, float32: Path, reference: Path | None) -> dict[str, Any]:
    """Measure an exported model.

    Args:
        exported: its folder.
        float32: the folder of the same model with its weights as they are.
        reference: vectors of the original, as `benchmarks/minilm_reference.py` writes them.

    Returns:
        For the model card: cosines to what was compared with.

    Raises:
        LayerBuildError: they are too far apart, or depend on what else is in a batch.
    """
    model = load("onnx", exported, memory_mb=0)
    sample = [text for text in SAMPLE if model.count(text) <= model.room]
    ours = model.embed(sample)
    alone = np.concatenate([model.embed([text]) for text in sample])
    found: dict[str, Any] = {
        "texts": len(sample),
        "batch_invariance": _cosines(ours, alone),
        "to_float32_graph": _cosines(ours, load("onnx", float32, memory_mb=0).embed(sample)),
    }
    if reference is not None:
        about = json.loads(reference.read_text(encoding="utf-8"))
        wanted = np.stack([np.frombuffer(base64.b64decode(one["float32_base64"]), "<f4") for one in about["vectors"]])
        texts = [one["text"] for one in about["vectors"]]
        found["to_original"] = _cosines(model.embed(texts), wanted) | {"texts": len(texts), "made": about["made"]}
    quantised = model.layout.quantization != "fp32"
    compared: dict[str, Any] = {name: about for name, about in found.items() if isinstance(about, dict)}
    for name, about in compared.items():
        near = (
            about["mean"] >= LEAST_MEAN if quantised and name != "batch_invariance" else about["min"] >= LEAST_FLOAT32
        )
        if not near:
            raise LayerBuildError(f"the exported model is not the model any more: {name} is {about}")
    return found


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> dict[str, float]:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    values: Sequence[float] = ((one * other).sum(axis=1) / lengths).tolist()
    return {"mean": round(sum(values) / len(values), 6), "min": round(min(values), 6)}
