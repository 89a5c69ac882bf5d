"""The model in sentence-transformers itself: the packaging `torch-image`, and what the others are measured against.

It takes 8 times the memory and 5 times the disk; for models whose graph cannot be exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lambdas.embedding_processor.errors import ModelError, TooManyTokensError
from lambdas.embedding_processor.layout import read_layout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lambdas.embedding_processor.layout import Kind, Layout

BATCH_TEXTS = 8


class TorchEmbedder:
    """One model in torch."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        """Load the model.

        Raises:
            ModelError: it cannot be loaded.
        """
        import sentence_transformers  # pyright: ignore[reportMissingImports]  in no environment of the project
        import torch  # pyright: ignore[reportMissingImports]  as above

        cast("Any", torch).set_num_threads(threads)
        self._layout = read_layout(folder)
        try:
            self._model = cast("Any", sentence_transformers).SentenceTransformer(
                str(folder), device="cpu", local_files_only=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"{folder} could not be loaded: {error}") from None
        self._special = self._model.tokenizer.num_special_tokens_to_add()

    @property
    def layout(self) -> Layout:
        """Which model it is."""
        return self._layout

    @property
    def room(self) -> int:
        """Tokens of text in one input."""
        return self._layout.max_tokens - self._special - self.count(self._layout.document_prompt)

    def count(self, text: str) -> int:
        """Tokens of a text alone."""
        return len(self._model.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])

    def embed(self, texts: Sequence[str], kind: Kind = "document") -> NDArray[np.float32]:
        """Vectors of texts: (len(texts), dimension) float32; see `Embedder.embed`."""
        prompt = self._layout.document_prompt if kind == "document" else self._layout.query_prompt
        longest = max((self.count(prompt + text) + self._special for text in texts), default=0)
        if longest > self._layout.max_tokens:
            raise TooManyTokensError(
                f"a text has {longest} tokens, and {self._layout.name} takes {self._layout.max_tokens}: cut it first"
            )
        return self._model.encode(list(texts), prompt=prompt, batch_size=BATCH_TEXTS, show_progress_bar=False)
