"""The graphs of BERT and its kin, written from their weights: one graph from token ids to the finished vector.

Owns the architecture: BERT (MiniLM, BGE, GTE, E5), RoBERTa and XLM-RoBERTa, MPNet. Attention, GELU and the
normalisations are ONNX Runtime's fused operators, which its optimiser would make of the many small ones that an export
by torch has. A graph takes texts of one length and no mask: attention is faster without, and nothing is padded.

What 8 bits cost is uneven (docs/models.md): values stay in 32 bits, for all tokens err there in the same direction and
a mean keeps that; the product behind the GELU gets scales for each part of its inputs. The GELU is by tanh there, whose
own error is not seen beside that of 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lambdas.embedding_processor.heads import read_safetensors
from layer_builds.models import quantize
from layer_builds.models.onnx_graph import MICROSOFT, Graph
from layer_builds.models.parts import product, relative_buckets
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lambdas.embedding_processor.layout import Layout
    from layer_builds.models.quantize import Bits

    Floats = NDArray[np.float32]

GELUS: Final = {"gelu": "BiasGelu", "gelu_new": "FastGelu", "gelu_pytorch_tanh": "FastGelu", "gelu_fast": "FastGelu"}
IN_GRAPH: Final = frozenset({"cls", "mean", "max"})
"""Poolings that the graph does; another one is left to the function's `heads`."""
LEAST_NORM: Final = 1e-12
PART: Final = 384
"""Inputs of the product behind the GELU that share a scale, in 8 bits."""


@dataclass(frozen=True, slots=True)
class Names:
    """How a family calls its weights, below `encoder.layer.<n>.`."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    output: str = "attention.output.dense"
    norm: str = "attention.output.LayerNorm"


FAMILIES: Final = {
    "bert": Names(),
    "roberta": Names(),
    "xlm-roberta": Names(),
    "camembert": Names(),
    "mpnet": Names(
        "attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o", "attention.LayerNorm"
    ),
}


def export(folder: Path, config: Mapping[str, Any], layout: Layout, graph: Path, bits: Bits | None) -> None:
    """Write the graph of a model.

    Args:
        folder: of the model, with `model.safetensors`.
        config: its `config.json`.
        layout: what follows the transformer.
        graph: the file that is written, with `model.onnx_data` beside it.
        bits: of a weight; None is float32.

    Raises:
        LayerBuildError: the model is of another family, or has something that is not known here.
    """
    family = str(config.get("model_type"))
    if family not in FAMILIES or config.get("position_embedding_type", "absolute") != "absolute":
        raise LayerBuildError(f"no graph can be written for a model of type {family}: {', '.join(FAMILIES)} are known")
    if config.get("hidden_act") not in GELUS:
        raise LayerBuildError(f"hidden_act {config.get('hidden_act')!r} is not known: {', '.join(GELUS)} are")
    prefixes = ("bert.", "roberta.", "mpnet.", "model.")
    weights = {
        _without(prefixes, name): value for name, value in read_safetensors(folder / "model.safetensors").items()
    }
    _Transformer(weights, config, FAMILIES[family], bits).save(layout, graph)


def _without(prefixes: tuple[str, ...], name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix)), name)


class _Transformer:
    """The graph while it is written, from the ids to the vector."""

    def __init__(
        self, weights: Mapping[str, Floats], config: Mapping[str, Any], names: Names, bits: Bits | None
    ) -> None:
        self._weights = weights
        self._config = config
        self._names = names
        self._bits: Bits | None = bits
        self._graph = Graph()

    def save(self, layout: Layout, path: Path) -> None:
        """Write all of it."""
        graph = self._graph
        hidden = self._embedded()
        bias = self._relative_positions()
        for number in range(self._config["num_hidden_layers"]):
            hidden = self._layer(f"encoder.layer.{number}", hidden, bias)
        shape = ["batch", "length"]
        inputs = {"input_ids": shape}
        if not set(layout.pooling) <= IN_GRAPH:
            graph.save(path, inputs, {"last_hidden_state": (hidden, [*shape, layout.width])})
            return
        vector = self._head(layout, hidden)
        graph.save(path, inputs, {"sentence_embedding": (vector, ["batch", layout.dimension])})

    def _embedded(self) -> str:
        """Words, positions and the type of token that a sentence has."""
        graph = self._graph
        positions = self._weights["embeddings.position_embeddings.weight"]
        if self._config["model_type"] != "bert":
            positions = positions[int(self._config.get("pad_token_id", 1)) + 1 :]
        types = self._weights.get("embeddings.token_type_embeddings.weight")
        table = positions if types is None else positions + types[0]
        length = graph.add("Slice", graph.add("Shape", "input_ids"), graph.integers(1), graph.integers(2))
        here = graph.add("Slice", graph.constant("positions", table), graph.integers(0), length)
        return self._norm("embeddings.LayerNorm", graph.add("Add", self._words(), here))

    def _words(self) -> str:
        graph, table = self._graph, self._weights["embeddings.word_embeddings.weight"]
        if self._bits is None:
            return graph.add("Gather", graph.constant("words", table), "input_ids")
        values, scales = quantize.rows(table)
        found = graph.add("Gather", graph.constant("words", values), "input_ids")
        scale = graph.add("Gather", graph.constant("words.scales", scales), "input_ids")
        return graph.add("Mul", graph.add("Cast", found, to=1), scale)

    def _relative_positions(self) -> str:
        """MPNet's: what is added to the scores of two tokens, by how far one is from the other. "" for the others."""
        table = self._weights.get("encoder.relative_attention_bias.weight")
        if table is None:
            return ""
        graph = self._graph
        longest = int(self._config["max_position_embeddings"])
        distances = np.arange(-longest + 1, longest)
        heads = table[relative_buckets(distances, int(self._config.get("relative_attention_num_buckets", 32)))].T
        length = graph.add(
            "Squeeze", graph.add("Slice", graph.add("Shape", "input_ids"), graph.integers(1), graph.integers(2))
        )
        zero, one = (graph.constant(f"scalar.{value}", np.array(value, np.int64)) for value in (0, 1))
        steps = graph.add("Range", zero, length, one)
        between = graph.add("Sub", steps, graph.add("Unsqueeze", steps, graph.integers(1)))
        found = graph.add("Add", between, graph.constant("scalar.longest", np.array(longest - 1, np.int64)))
        bias = graph.add("Gather", graph.constant("relative", heads), found, axis=1)
        return graph.add("Unsqueeze", bias, graph.integers(0))

    def _layer(self, name: str, hidden: str, bias: str) -> str:
        graph, names = self._graph, self._names
        attention = self._attention(name, hidden, bias)
        attended = self._added(f"{name}.{names.output}", f"{name}.{names.norm}", attention, hidden)
        spread = self._weights[f"{name}.{names.norm}.weight"]
        inner = self._product(f"{name}.intermediate.dense", attended, spread=spread)
        gelu = GELUS[self._config["hidden_act"]] if self._bits is None else "FastGelu"
        inner = graph.add(gelu, inner, self._bias(f"{name}.intermediate.dense"), domain=MICROSOFT)
        return self._added(f"{name}.output.dense", f"{name}.output.LayerNorm", inner, attended, part=PART)

    def _attention(self, name: str, hidden: str, bias: str) -> str:
        """Queries and keys are one product; values are another one, always of 32 or 4 bits."""
        graph, names = self._graph, self._names
        scored = [f"{name}.{part}" for part in (names.query, names.key)]
        value = f"{name}.{names.value}"
        weight = np.concatenate([self._weights[f"{part}.weight"] for part in scored])
        both = product(graph, f"{name}.query-key", hidden, weight, self._bits)
        width = int(self._config["hidden_size"])
        queries, keys = graph.add("Split", both, graph.integers(width, width), outputs=2, axis=2)
        exact = None if self._bits == 8 else self._bits  # noqa: PLR2004
        values = product(graph, value, hidden, self._weights[f"{value}.weight"], exact)
        biases = np.concatenate([self._weights[f"{part}.bias"] for part in (*scored, value)])
        return graph.add(
            *("MultiHeadAttention", queries, keys, values, graph.constant(f"{name}.attention.bias", biases), "", bias),
            domain=MICROSOFT,
            num_heads=self._config["num_attention_heads"],
        )

    def _added(self, name: str, norm: str, inner: str, hidden: str, part: int | None = None) -> str:
        """A dense layer added to what it came from, normalised."""
        made = self._graph.add("Add", self._product(name, inner, part=part), self._bias(name))
        return self._norm(norm, self._graph.add("Add", made, hidden))

    def _norm(self, name: str, value: str) -> str:
        parts = [self._graph.constant(f"{name}.{part}", self._weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        return self._graph.add("LayerNormalization", value, *parts, epsilon=float(self._config["layer_norm_eps"]))

    def _product(self, name: str, value: str, *, spread: Floats | None = None, part: int | None = None) -> str:
        return product(self._graph, name, value, self._weights[f"{name}.weight"], self._bits, spread=spread, part=part)

    def _bias(self, name: str) -> str:
        return self._graph.constant(f"{name}.bias", self._weights[f"{name}.bias"])

    def _head(self, layout: Layout, hidden: str) -> str:
        graph = self._graph
        pooled = [self._pooled(kind, hidden) for kind in layout.pooling]
        vector = pooled[0] if len(pooled) == 1 else graph.add("Concat", *pooled, axis=1)
        for number, projection in enumerate(layout.projections):
            tensors = read_safetensors(projection.folder / "model.safetensors")
            bias = tensors.get("linear.bias", np.zeros(projection.outputs, np.float32))
            vector = product(graph, f"projection.{number}", vector, tensors["linear.weight"], None)
            vector = graph.add("Add", vector, graph.constant(f"projection.{number}.bias", bias))
            kinds = {"tanh": ("Tanh", ""), "relu": ("Relu", ""), "gelu": ("Gelu", MICROSOFT)}
            if projection.activation in kinds:
                kind, domain = kinds[projection.activation]
                vector = graph.add(kind, vector, domain=domain)
        return self._normalised(vector) if layout.normalised else vector

    def _normalised(self, vector: str) -> str:
        graph = self._graph
        length = graph.add("ReduceL2", vector, axes=[1], keepdims=1)
        return graph.add(
            "Div", vector, graph.add("Max", length, graph.constant("least.norm", np.array(LEAST_NORM, np.float32)))
        )

    def _pooled(self, kind: str, hidden: str) -> str:
        graph = self._graph
        if kind == "cls":
            return graph.add("Gather", hidden, graph.constant("scalar.first", np.array(0, np.int64)), axis=1)
        return graph.add("ReduceMax" if kind == "max" else "ReduceMean", hidden, axes=[1], keepdims=0)
