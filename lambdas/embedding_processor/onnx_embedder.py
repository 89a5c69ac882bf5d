"""The model in ONNX Runtime: no torch, no transformers; weights memory-mapped from the folder.

Owns the session and the graph's inputs. A text is alone in its run: nothing is padded, no vector depends on what else
is embedded, and on one core it is as fast as any batch, whose activations leave the processor's cache. A graph that
ends in `sentence_embedding` does everything itself (ours do); of one that ends in token vectors, `heads` does the rest
as the model's files say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from lambdas.embedding_processor.errors import ModelError, TooManyTokensError
from lambdas.embedding_processor.heads import Head
from lambdas.embedding_processor.layout import read_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lambdas.embedding_processor.layout import Kind, Layout

    Integers = NDArray[np.int64]

GRAPH: Final = "model.onnx"
POOLED: Final = "sentence_embedding"
TOKEN_OUTPUTS: Final = ("last_hidden_state", "token_embeddings")
TYPES: Final = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(bool)": np.bool_,
}
_inputs: Final[dict[str, Callable[[Integers], Integers]]] = {
    "attention_mask": lambda mask: mask,
    "token_type_ids": np.zeros_like,
    "position_ids": lambda mask: np.maximum(np.cumsum(mask, axis=1) - 1, 0),
}
"""Made of the mask, beside `input_ids`."""


class OnnxEmbedder:
    """One model in one session."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        """Load tokenizer and graph.

        Raises:
            ModelError: a file is missing or damaged, or the graph wants what is not known here.
        """
        self._layout = read_layout(folder)
        self._tokenizer = _tokenizer(folder)
        graph = folder / GRAPH
        self._session = _session(graph, threads)
        outputs = [output.name for output in self._session.get_outputs()]
        self._output = next((name for name in (POOLED, *TOKEN_OUTPUTS) if name in outputs), "")
        if not self._output:
            raise ModelError(f"{graph} has outputs {', '.join(outputs)}: none is known here")
        self._head = None if self._output == POOLED else Head(self._layout)
        self._known, self._constant = _graph_inputs(self._session, graph)
        special = self._tokenizer.num_special_tokens_to_add(False)
        self._room = self._layout.max_tokens - special - self.count(self._layout.document_prompt)

    @property
    def layout(self) -> Layout:
        """Which model it is."""
        return self._layout

    @property
    def room(self) -> int:
        """Tokens of text in one input."""
        return self._room

    def count(self, text: str) -> int:
        """Tokens of a text alone."""
        return len(self._tokenizer.encode(self._cased(text), add_special_tokens=False).ids)

    def embed(self, texts: Sequence[str], kind: Kind = "document") -> NDArray[np.float32]:
        """Vectors of texts: (len(texts), dimension) float32; see `Embedder.embed`."""
        prompt = self._layout.document_prompt if kind == "document" else self._layout.query_prompt
        encodings = self._tokenizer.encode_batch_fast([self._cased(prompt + text) for text in texts])
        rows = [encoding.ids for encoding in encodings]
        longest = max(map(len, rows), default=0)
        if longest > self._layout.max_tokens:
            raise TooManyTokensError(
                f"a text has {longest} tokens, and {self._layout.name} takes {self._layout.max_tokens}: cut it first"
            )
        vectors = np.empty((len(rows), self._layout.dimension), np.float32)
        for number, row in enumerate(rows):
            vectors[number] = self._run(row)
        return vectors

    def _cased(self, text: str) -> str:
        return text.lower() if self._layout.lower_case else text

    def _run(self, row: list[int]) -> NDArray[np.float32]:
        ids = np.array([row], np.int64)
        mask = np.ones_like(ids)
        given = {name: make(mask).astype(kind, copy=False) for name, (make, kind) in self._known.items()}
        (output,) = self._session.run([self._output], {"input_ids": ids, **given, **self._constant})
        return (output if self._head is None else self._head(output, mask))[0]


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    try:
        tokenizer: Tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  what Rust raises is an Exception and no more
        raise ModelError(f"{path} could not be read: {error}") from None
    # Files bring the cuts and padding of their training: text would be lost, and every input as long as the longest.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _session(graph: Path, threads: int) -> Any:
    options = cast("Any", onnxruntime).SessionOptions()  # of a C module without types
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait in a loop use up the function's share of a processor, and keep a snapshot from being quiet.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Memory of the largest run is given back, for it is a quarter of a document's.
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  the runtime's exceptions have no common class that it exports
        raise ModelError(f"{graph} could not be loaded: {error}") from None


def _graph_inputs(session: Any, graph: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs that are made for each run, and those that are always the same.

    Graphs of models for several media take images and sounds too: none of them, since there is only text.
    """
    known: dict[str, Any] = {}
    constant: dict[str, Any] = {}
    for item in session.get_inputs():
        kind = TYPES.get(item.type)
        if kind is None:
            raise ModelError(f"{graph} has an input {item.name} of type {item.type}, which is not known here")
        if item.name in _inputs:
            known[item.name] = (_inputs[item.name], kind)
        elif item.name != "input_ids":
            constant[item.name] = _nothing(item.name, item.shape, kind, graph)
    return known, constant


def _nothing(name: str, shape: Sequence[Any], kind: Any, graph: Path) -> NDArray[Any]:
    """An empty input: of no rows, where the graph leaves their number open."""
    empty = np.zeros([size if isinstance(size, int) else 0 for size in shape], kind)
    if empty.size:
        raise ModelError(f"{graph} has an input {name} of shape {list(shape)}, which cannot be left empty")
    return empty
