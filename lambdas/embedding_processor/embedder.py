"""Texts → vectors: what every packaging of the model offers, and which one is loaded.

`onnx_embedder` needs ONNX Runtime, numpy and tokenizers; `torch_embedder` is sentence-transformers itself. Nothing else
in the function knows which one it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lambdas.embedding_processor.contract import MB_OF_A_PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lambdas.embedding_processor.layout import Kind, Layout


class Embedder(Protocol):
    """A loaded model."""

    @property
    def layout(self) -> Layout:
        """Which model it is, and what its vectors are."""
        ...

    @property
    def room(self) -> int:
        """Tokens of text in one input: the model's limit without special tokens and the document prompt."""
        ...

    def count(self, text: str) -> int:
        """Tokens of a text alone."""
        ...

    def embed(self, texts: Sequence[str], kind: Kind = "document") -> NDArray[np.float32]:
        """Vectors of texts, the same whatever else is embedded with them.

        Args:
            texts: each of at most `room` tokens.
            kind: decides the prompt.

        Returns:
            (len(texts), dimension) float32, in the order of `texts`.

        Raises:
            TooManyTokensError: a text does not fit.
        """
        ...


def load(backend: str, folder: Path, *, memory_mb: int) -> Embedder:
    """Load a model; once for each environment.

    Args:
        backend: one of `contract.EMBEDDERS`.
        folder: of the model.
        memory_mb: of the function, which decides how many threads are of use.

    Raises:
        ModelError: it cannot be loaded.
    """
    threads = max(1, round(memory_mb / MB_OF_A_PROCESSOR))
    # Imported when it is asked for: neither packaging has the other's libraries.
    if backend == "onnx":
        from lambdas.embedding_processor.onnx_embedder import OnnxEmbedder

        return OnnxEmbedder(folder, threads=threads)
    from lambdas.embedding_processor.torch_embedder import TorchEmbedder

    return TorchEmbedder(folder, threads=threads)
