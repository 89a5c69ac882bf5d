"""What a sentence-transformers folder says of its model: limits, prompts, pooling, projections, normalisation.

Owns the reading of these files, in the forms that versions 2 to 5 of the library write; nothing of a model is known
here beside what its folder says. Weights are the embedders'.

- `modules.json`: what follows the transformer, in order, and in which folder its config is.
- `1_Pooling/config.json`, `2_Dense/config.json`: how token vectors become one, and what it is multiplied by.
- `sentence_bert_config.json`, `config.json`, `tokenizer_config.json`: how many tokens the model takes.
- `config_sentence_transformers.json`: what is put before a document and a query.
- `model_card.json`: written by `layer_builds.models`: which model, which revision, how its weights are stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from lambdas.embedding_processor.errors import ModelError
from lambdas.shared.json_values import is_list

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["document", "query"]
"""Of a text. Models that were trained with prompts have one for each."""
CARD: Final = "model_card.json"
POOLING_KINDS: Final = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""In the order in which several of them are joined."""
DOCUMENT_PROMPTS: Final = ("document", "passage", "corpus")
"""As `encode_document` looks for them."""
ACTIVATIONS: Final = {"Identity": "identity", "Tanh": "tanh", "GELU": "gelu", "ReLU": "relu"}
NO_LIMIT: Final = 1_000_000
"""Tokenizers without a limit say a number of 30 digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A dense layer behind the pooling."""

    folder: Path
    inputs: int
    outputs: int
    bias: bool
    activation: str
    """One of the values of `ACTIVATIONS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One model."""

    folder: Path
    name: str
    revision: str
    quantization: str
    """How the weights are stored, such as `fp32`: vectors of two kinds are not compared."""
    max_tokens: int
    """Of an input, with special tokens and prompt."""
    lower_case: bool
    pooling: tuple[str, ...]
    """Kinds, one of them as a rule; their vectors are joined."""
    width: int
    """Of a token's vector."""
    projections: tuple[Projection, ...]
    normalised: bool
    document_prompt: str
    query_prompt: str
    dimension: int
    """Of a vector."""

    @property
    def identity(self) -> dict[str, str]:
        """What is stored beside each vector."""
        return {"model": self.name, "revision": self.revision, "quantization": self.quantization}


def read_layout(folder: Path) -> Layout:
    """Read a model's files.

    Raises:
        ModelError: one is missing, is not JSON, or says something that is not understood here.
    """
    card = _read(folder / CARD)
    modules = _read(folder / "modules.json")
    if not is_list(modules):
        raise ModelError(f"{folder / 'modules.json'} is not a list of modules")
    kinds = [(str(module["type"]).rpartition(".")[2], folder / module["path"]) for module in modules]
    if [kind for kind, _ in kinds[:2]] != ["Transformer", "Pooling"]:
        named = ", ".join(kind for kind, _ in kinds)
        raise ModelError(f"{folder / 'modules.json'} has {named}: a Transformer and a Pooling come first")
    pooling, width = _pooling(kinds[1][1])
    projections, normalised = _behind(kinds[2:])
    prompts = _read(folder / "config_sentence_transformers.json", optional=True)
    return Layout(
        folder=folder,
        name=str(card["name"]),
        revision=str(card["revision"]),
        quantization=str(card["quantization"]),
        max_tokens=_max_tokens(folder),
        lower_case=bool(_read(folder / "sentence_bert_config.json", optional=True).get("do_lower_case")),
        pooling=pooling,
        width=width,
        projections=projections,
        normalised=normalised,
        document_prompt=_prompt(prompts, DOCUMENT_PROMPTS),
        query_prompt=_prompt(prompts, ("query",)),
        dimension=projections[-1].outputs if projections else width * len(pooling),
    )


def _pooling(folder: Path) -> tuple[tuple[str, ...], int]:
    config = _read(folder / "config.json")
    if config.get("include_prompt", True) is not True:
        raise ModelError(f"{folder}: a pooling that leaves the prompt out (include_prompt) is not supported")
    mode = config.get("pooling_mode")
    given = (
        [mode] if isinstance(mode, str) else mode or [kind for key, kind in POOLING_KINDS.items() if config.get(key)]
    )
    width = config.get("word_embedding_dimension") or config.get("embedding_dimension")
    if not isinstance(width, int) or not given or not set(given) <= set(POOLING_KINDS.values()):
        raise ModelError(f"{folder / 'config.json'} names no pooling that is known, or no dimension: {given}, {width}")
    return tuple(given), width


def _behind(modules: list[tuple[str, Path]]) -> tuple[tuple[Projection, ...], bool]:
    """The modules behind the pooling: dense layers, then perhaps a normalisation."""
    projections: list[Projection] = []
    normalised = False
    for kind, folder in modules:
        if kind == "Normalize":
            normalised = True
        elif kind == "Dense" and not normalised:
            projections.append(_projection(folder))
        else:
            raise ModelError(f"{folder.parent / 'modules.json'} has a module {kind}, which is not supported there")
    return tuple(projections), normalised


def _projection(folder: Path) -> Projection:
    config = _read(folder / "config.json")
    activation = ACTIVATIONS.get(str(config.get("activation_function", "Tanh")).rpartition(".")[2])
    if activation is None:
        raise ModelError(f"{folder / 'config.json'}: activation {config['activation_function']} is not supported")
    return Projection(
        folder=folder,
        inputs=int(config["in_features"]),
        outputs=int(config["out_features"]),
        bias=bool(config.get("bias", True)),
        activation=activation,
    )


def _max_tokens(folder: Path) -> int:
    """The least of what the files say; a model that is given more reads beyond its positions, or drops the rest."""
    config = _read(folder / "config.json")
    config = config.get("text_config", config)
    said = (
        _read(folder / "sentence_bert_config.json", optional=True).get("max_seq_length"),
        _read(folder / "tokenizer_config.json", optional=True).get("model_max_length"),
        _positions(config),
    )
    limits = [int(limit) for limit in said if limit is not None and limit < NO_LIMIT]
    if not limits:
        raise ModelError(f"{folder}: no file says how many tokens the model takes (max_seq_length)")
    return min(limits)


def _positions(config: dict[str, Any]) -> int | None:
    """RoBERTa and its kin count positions from behind their padding's."""
    positions = config.get("max_position_embeddings")
    if positions is None:
        return None
    shifted = str(config.get("model_type", "")) in {"roberta", "xlm-roberta", "camembert", "mpnet"}
    return positions - (int(config.get("pad_token_id", 1)) + 1 if shifted else 0)


def _prompt(config: dict[str, Any], names: tuple[str, ...]) -> str:
    prompts: dict[str | None, Any] = config.get("prompts") or {}
    for name in (*names, config.get("default_prompt_name")):
        if isinstance(prompts.get(name), str):
            return prompts[name]
    return ""


def _read(path: Path, *, optional: bool = False) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if optional:
            return {}
        raise ModelError(
            f"{path} is missing: MODEL_PATH names a folder that `python -m layer_builds.models` has written"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} could not be read: {error}") from None
