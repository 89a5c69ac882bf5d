"""Models that load by config alone: the layouts of EmbeddingGemma and EmbeddingGemma 2, with small random weights.

Their weights are gated, and are on no build machine: what is tested is that inputs, prompts, pooling, projections,
limits and dimensions are taken from the files that such a model has. The graph is one as the hub has them: it ends at
the tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from lambdas.embedding_processor.embedder import load
from lambdas.embedding_processor.errors import ModelError, TooManyTokensError
from lambdas.embedding_processor.layout import read_layout
from tests.models import WORDS, describe

WIDTH, INNER = 24, 96
PROMPTS = {"query": "the queue . the bucket : ", "document": "the vector . a layer : "}
EXTRA = ("image_features", "video_features", "audio_features")
CHANCE = np.random.default_rng(5)
TABLE = CHANCE.normal(0, 1, (len(WORDS), WIDTH)).astype(np.float32)


def gemma(
    folder: Path, *, extra: tuple[str, ...] = (), max_tokens: int = 2_048, nested: bool = False
) -> dict[str, Any]:
    """A folder laid out as EmbeddingGemma's: mean pooling, two dense layers, normalisation, two prompts."""
    text = {"hidden_size": WIDTH, "model_type": "gemma3_text", "max_position_embeddings": max_tokens}
    config = {"model_type": "gemma4", "text_config": text} if nested else text
    modules = ["Transformer", "Pooling", "Dense", "Dense", "Normalize"]
    pooling = {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True, "include_prompt": True}
    describe(folder, config | {"hidden_size": WIDTH}, modules, max_tokens=max_tokens, pooling=pooling, prompts=PROMPTS)
    weights: dict[str, Any] = {}
    for place, (inputs, outputs) in {"2_Dense": (WIDTH, INNER), "3_Dense": (INNER, WIDTH)}.items():
        (folder / place).mkdir()
        activation = "torch.nn.modules.linear.Identity"
        about = {"in_features": inputs, "out_features": outputs, "bias": False, "activation_function": activation}
        (folder / place / "config.json").write_text(json.dumps(about), encoding="utf-8")
        weights[place] = CHANCE.normal(0, 0.3, (outputs, inputs)).astype(np.float32)
        save_file({"linear.weight": weights[place]}, folder / place / "model.safetensors")
    _graph(folder, extra)
    return weights


def _graph(folder: Path, extra: tuple[str, ...]) -> None:
    """Token ids → rows of a table, which are the last hidden state; weights outside the graph."""
    (folder / "model.onnx_data").write_bytes(TABLE.tobytes())
    table = TensorProto(name="table", data_type=TensorProto.FLOAT, dims=TABLE.shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "model.onnx_data"), ("offset", "0"), ("length", str(TABLE.nbytes))):
        table.external_data.add(key=key, value=value)
    shape = ["batch_size", "sequence_length"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")]
    inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["number", 512]) for name in extra]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, WIDTH])
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])]
    graph = helper.make_graph(nodes, "gemma", inputs, [output], [table])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def by_hand(prompt: str, words: list[str], weights: dict[str, Any]) -> np.ndarray:
    """What sentence-transformers does with such a folder, in four lines."""
    ids = [2, *(WORDS.index(word) if word in WORDS else 1 for word in [*prompt.split(), *words]), 3]
    mean = TABLE[ids].mean(axis=0)
    vector = weights["3_Dense"] @ (weights["2_Dense"] @ mean)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("extra", [(), EXTRA], ids=["embeddinggemma", "embeddinggemma-2"])
def test_embeddinggemmas_layout_loads_by_config_alone(tmp_path: Path, extra: tuple[str, ...]) -> None:
    limit = 8_192 if extra else 2_048
    weights = gemma(tmp_path / "model", extra=extra, max_tokens=limit, nested=bool(extra))
    model = load("onnx", tmp_path / "model", memory_mb=0)
    layout = model.layout
    assert (layout.dimension, layout.max_tokens, layout.pooling) == (WIDTH, limit, ("mean",))
    assert [projection.outputs for projection in layout.projections] == [INNER, WIDTH]
    words = ["layer", "of", "the", "queue"]
    for kind in ("document", "query"):
        (found,) = model.embed([" ".join(words)], kind)
        assert np.allclose(found, by_hand(PROMPTS[kind], words, weights), atol=1e-5)
    assert model.room == limit - 2 - 6, "special tokens and the document's prompt take their share"
    assert np.allclose(model.embed(["layer", "the queue of the bucket"])[0], model.embed(["layer"])[0], atol=1e-6)


def test_the_prompt_counts_towards_the_limit(tmp_path: Path) -> None:
    gemma(tmp_path / "model", max_tokens=32)
    model = load("onnx", tmp_path / "model", memory_mb=0)
    model.embed(["layer " * model.room])
    with pytest.raises(TooManyTokensError, match="33 tokens, and tests/random takes 32"):
        model.embed(["layer " * (model.room + 1)])


def test_an_input_that_cannot_be_left_empty_is_named(tmp_path: Path) -> None:
    gemma(tmp_path / "model")
    shape = ["batch_size", "sequence_length"]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, shape)
    state = helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 8])
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, 1])
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["state"], ["sum"], keepdims=0),
        helper.make_node("Add", ["numbers", "sum"], ["added"]),
        helper.make_node("Unsqueeze", ["added", "axes"], ["last_hidden_state"]),
    ]
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [2])
    graph = helper.make_graph(nodes, "stateful", [ids, state], [output], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    (tmp_path / "model/model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"an input state of shape \[1, 8\], which cannot be left empty"):
        load("onnx", tmp_path / "model", memory_mb=0)


def _change(path: Path, **values: Any) -> None:
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(document | values), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("1_Pooling/config.json", {"include_prompt": False}, "leaves the prompt out"),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False}, "names no pooling that is known"),
        ("2_Dense/config.json", {"activation_function": "torch.nn.SiLU"}, "activation torch.nn.SiLU is not supported"),
    ],
)
def test_what_a_model_has_and_is_not_known_is_named(
    tmp_path: Path, file: str, values: dict[str, Any], said: str
) -> None:
    gemma(tmp_path / "model")
    _change(tmp_path / "model" / file, **values)
    with pytest.raises(ModelError, match=said):
        read_layout(tmp_path / "model")


def test_a_module_that_is_not_known_is_named(tmp_path: Path) -> None:
    describe(tmp_path / "model", {"hidden_size": 8}, ["Transformer", "Pooling", "LSTM"])
    with pytest.raises(ModelError, match="has a module LSTM"):
        read_layout(tmp_path / "model")


@pytest.mark.parametrize(
    "missing", ["model_card.json", "modules.json", "tokenizer.json", "model.onnx", "2_Dense/model.safetensors"]
)
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    gemma(tmp_path / "model")
    (tmp_path / "model" / missing).unlink()
    with pytest.raises(ModelError, match=Path(missing).name):
        load("onnx", tmp_path / "model", memory_mb=0)


@pytest.mark.parametrize(
    ("config", "sentence", "tokenizer", "limit"),
    [
        ({"max_position_embeddings": 512, "model_type": "bert"}, 256, 512, 256),
        ({"max_position_embeddings": 514, "model_type": "mpnet", "pad_token_id": 1}, 384, 512, 384),
        ({"max_position_embeddings": 514, "model_type": "xlm-roberta", "pad_token_id": 1}, None, 10**30, 512),
        ({"max_position_embeddings": 2_048, "model_type": "gemma3_text"}, None, None, 2_048),
    ],
)
def test_the_limit_is_the_least_that_the_files_say(
    tmp_path: Path, config: dict[str, Any], sentence: int | None, tokenizer: int | None, limit: int
) -> None:
    folder = tmp_path / "model"
    describe(folder, {"hidden_size": 8} | config, ["Transformer", "Pooling"])
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": sentence}), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": tokenizer}), encoding="utf-8")
    assert read_layout(folder).max_tokens == limit


def test_prompts_are_found_by_the_names_that_models_use(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    describe(
        folder, {"hidden_size": 8}, ["Transformer", "Pooling"], prompts={"query": "query: ", "passage": "passage: "}
    )
    layout = read_layout(folder)
    assert (layout.query_prompt, layout.document_prompt) == ("query: ", "passage: ")
