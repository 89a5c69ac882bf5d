"""Graphs written from weights: the same vectors as torch makes, whatever the family, the batch or the length."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lambdas.embedding_processor.embedder import load
from lambdas.embedding_processor.errors import TooManyTokensError
from lambdas.embedding_processor.layout import read_layout
from layer_builds.models import graphs, quantize
from layer_builds.models.parts import relative_buckets
from layer_builds.plan import LayerBuildError
from tests.models import REFERENCE, SMALL, minilm, random_transformer

if TYPE_CHECKING:
    from lambdas.embedding_processor.embedder import Embedder

SMALL_REFERENCE = Path(__file__).with_name("small_reference.json")


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(axis=1) / lengths


def reference(vectors: list[dict[str, Any]]) -> tuple[list[str], np.ndarray]:
    """Texts, and what sentence-transformers makes of them."""
    values = [np.frombuffer(base64.b64decode(entry["float32_base64"]), "<f4") for entry in vectors]
    return [entry["text"] for entry in vectors], np.stack(values)


def small(folder: Path, name: str, **other: Any) -> Embedder:
    """A small model of a family, exported."""
    config = SMALL[name] | other
    random_transformer(folder, config)
    graphs.export(folder, config, read_layout(folder), folder / "model.onnx", None)
    return load("onnx", folder, memory_mb=0)


@pytest.mark.parametrize("name", SMALL)
def test_every_family_is_what_torch_computes(tmp_path: Path, name: str) -> None:
    texts, wanted = reference(json.loads(SMALL_REFERENCE.read_text("utf-8"))["vectors"][name])
    found = small(tmp_path / "model", name).embed(texts)
    assert cosines(found, wanted).min() > 0.99999
    assert np.abs(found - wanted).max() < 1e-5


@pytest.mark.parametrize("name", SMALL)
def test_a_reference_of_another_seed_is_another(tmp_path: Path, name: str) -> None:
    """The comparison above can fail."""
    texts, wanted = reference(json.loads(SMALL_REFERENCE.read_text("utf-8"))["vectors"][name])
    folder = tmp_path / "model"
    random_transformer(folder, SMALL[name], seed=8)
    graphs.export(folder, SMALL[name], read_layout(folder), folder / "model.onnx", None)
    assert cosines(load("onnx", folder, memory_mb=0).embed(texts), wanted).max() < 0.9


@pytest.mark.parametrize(("quantize_to", "least", "mean"), [("none", 0.9999, 0.9999), ("8", 0.998, 0.999)])
def test_minilm_is_what_sentence_transformers_computes(quantize_to: str, least: float, mean: float) -> None:
    texts, wanted = reference(json.loads(REFERENCE.read_text("utf-8"))["vectors"])
    found = cosines(load("onnx", minilm(quantize_to), memory_mb=0).embed(texts), wanted)
    assert found.min() > least
    assert found.mean() > mean


@pytest.mark.parametrize("quantize_to", ["none", "8"])
def test_a_vector_does_not_depend_on_its_neighbours(quantize_to: str) -> None:
    model = load("onnx", minilm(quantize_to), memory_mb=0)
    texts = ["x", "A cat sits outside.", "Layers and locks. " * 40, "Schlüssel", "the queue " * 110]
    together = model.embed(texts)
    alone = np.concatenate([model.embed([text]) for text in texts])
    backwards = model.embed(texts[::-1])[::-1]
    assert cosines(together, alone).min() > 0.99999
    assert cosines(together, backwards).min() > 0.99999


def test_nothing_is_cut_off_silently() -> None:
    model = load("onnx", minilm(), memory_mb=0)
    assert model.room == 254, "256 without the two special tokens, whatever tokenizer.json says of 128"
    fits, one_more = "queue " * 254, "queue " * 255
    assert model.embed([fits]).shape == (1, 384)
    with pytest.raises(TooManyTokensError, match="a text has 257 tokens, and sentence-transformers/all-MiniLM-L6-v2"):
        model.embed([one_more])
    near_end = ("queue " * 200).strip()
    changed = f"{near_end} honey"
    assert cosines(model.embed([near_end]), model.embed([changed]))[0] < 0.99999, "token 201 counts"


def test_weights_in_four_bits_take_half() -> None:
    weight = np.random.default_rng(1).normal(0, 0.05, (384, 1_536)).astype(np.float32)
    eight, four = (sum(part.nbytes for part in made(weight)) for made in (quantize.columns, quantize.blocks))
    assert four < 0.7 * eight


@pytest.mark.parametrize("inputs", [32, 40, 64])
def test_weights_in_four_bits_are_the_weights_to_half_a_step(inputs: int) -> None:
    weight = np.random.default_rng(3).normal(0, 1, (5, inputs)).astype(np.float32)
    packed, scales = quantize.blocks(weight)
    values = np.stack([packed & 15, packed >> 4], axis=3).reshape(*packed.shape[:2], -1)
    restored = ((values.astype(np.float32) - 8) * scales[:, :, None]).reshape(5, -1)[:, :inputs]
    steps = np.repeat(scales, quantize.BLOCK, axis=1)[:, :inputs]
    assert (np.abs(restored - weight) <= steps * 0.5001).all()


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_weights_in_eight_bits_are_the_weights_to_half_a_step(spread: float) -> None:
    weight = weights(spread)
    values, scales = quantize.columns(weight)
    restored = values.T * scales[:, None]
    assert (np.abs(restored - weight) <= scales[:, None] * 0.5001).all()


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_two_products_fit_sixteen_bits(spread: float) -> None:
    """What a CPU without VNNI adds up before it looks at the sum: two unsigned inputs by two weights."""
    values = np.abs(quantize.columns(weights(spread))[0].astype(np.int32))
    pairs = 255 * (values[0::2] + values[1::2])
    assert pairs.max() <= 32_767
    assert pairs.max(axis=0).min() > 0.95 * 32_767, "and no column has coarser steps than that takes"


def weights(spread: float) -> np.ndarray:
    """Of a layer: with some that are much larger than the others, and two of those side by side."""
    chance = np.random.default_rng(5)
    found = chance.normal(0, 1, (64, 128)) * np.exp(chance.normal(0, spread, (64, 128)))
    found[:, 6:8] = 4 * np.abs(found).max(axis=1, keepdims=True)
    return found.astype(np.float32)


def test_a_block_of_zeros_is_zero() -> None:
    packed, scales = quantize.blocks(np.zeros((2, 64), np.float32))
    assert (packed == 8 + (8 << 4)).all()
    assert np.isfinite(scales).all()
    for made in (quantize.columns, quantize.rows):
        values, scales = made(np.zeros((2, 8), np.float32))
        assert not values.any()
        assert np.isfinite(scales).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "llama"}, "no graph can be written for a model of type llama"),
        ({"position_embedding_type": "relative_key"}, "no graph can be written"),
        ({"hidden_act": "silu"}, "hidden_act 'silu' is not known"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, change: dict[str, str], said: str) -> None:
    folder = tmp_path / "model"
    random_transformer(folder, SMALL["bert"])
    with pytest.raises(LayerBuildError, match=said):
        graphs.export(folder, SMALL["bert"] | change, read_layout(folder), folder / "model.onnx", None)


@pytest.mark.parametrize("pooling", [["cls"], ["max"], ["mean"], ["cls", "mean"], ["weightedmean"], ["lasttoken"]])
def test_any_pooling_is_done_in_the_graph_or_behind_it(tmp_path: Path, pooling: list[str]) -> None:
    """Those that graphs do not do are numpy's; both are compared with the token vectors pooled by hand."""
    folder = tmp_path / "model"
    random_transformer(folder, SMALL["bert"])
    _say(folder, ["mean_sqrt_len_tokens"])
    graphs.export(folder, SMALL["bert"], read_layout(folder), folder / "model.onnx", None)
    raw: Any = load("onnx", folder, memory_mb=0)
    texts = ["layer", "the queue of the bucket."]
    tokens = {text: _tokens(raw, text) for text in texts}
    _say(folder, pooling)
    graphs.export(folder, SMALL["bert"], read_layout(folder), folder / "model.onnx", None)
    found = load("onnx", folder, memory_mb=0).embed(texts)
    wanted = np.stack([np.concatenate([_pooled(kind, tokens[text]) for kind in pooling]) for text in texts])
    assert found.shape == (2, 32 * len(pooling))
    assert cosines(found, wanted).min() > 0.99999


def _say(folder: Path, pooling: list[str]) -> None:
    about = {"embedding_dimension": 32, "pooling_mode": pooling}
    (folder / "1_Pooling/config.json").write_text(json.dumps(about), encoding="utf-8")


def _tokens(raw: Any, text: str) -> np.ndarray:
    ids = np.array([raw._tokenizer.encode(text).ids], np.int64)
    (found,) = raw._session.run(["last_hidden_state"], {"input_ids": ids})
    return found[0]


def _pooled(kind: str, tokens: np.ndarray) -> np.ndarray:
    weights = np.arange(1, len(tokens) + 1, dtype=np.float32)[:, None]
    return {
        "cls": lambda: tokens[0],
        "max": lambda: tokens.max(axis=0),
        "mean": lambda: tokens.mean(axis=0),
        "weightedmean": lambda: (tokens * weights).sum(axis=0) / weights.sum(),
        "lasttoken": lambda: tokens[-1],
    }[kind]()


def test_buckets_of_distances_are_those_of_the_paper() -> None:
    """Exact up to 7 away, then logarithmic to 128; keys behind the query have buckets of their own."""
    found = relative_buckets(np.array([0, 1, 7, 8, 127, 500, -1, -7, -8, -500]), 32)
    far = 8 + int(math.log(127 / 8) / math.log(16) * 8)
    assert found.tolist() == [0, 17, 23, 24, 16 + far, 31, 1, 7, 8, 15]
