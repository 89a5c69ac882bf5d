"""Real calls through what this layer promises: a model of sentence-transformers embeds, a function of a database, logs.

Runs with the standard library, this layer and the runtime's boto3, on the target's CPU, with no network.
"""

# ruff: noqa: S101 - every call imports what it tries, and an assertion is its verdict

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

from layer_builds.smoke_calls.rows import clients, database, event

WIDTH = 8
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "layer", "##s", "!")
MODULES = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}


def _written(folder: Path) -> Path:
    """A model as the hub holds one, with random weights."""
    from transformers import BertConfig, BertModel, BertTokenizerFast  # pyright: ignore[reportMissingImports]  in no environment of the project

    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": WIDTH}
    BertModel(BertConfig(vocab_size=len(VOCABULARY), **sizes)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{name}"}
        for number, (path, name) in enumerate(MODULES.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    return folder


def model() -> None:
    """A model is loaded from its folder alone, and embeds."""
    import sentence_transformers  # pyright: ignore[reportMissingImports]  as above
    import torch  # pyright: ignore[reportMissingImports]  as above

    assert torch.version.cuda is None, f"torch {torch.__version__} brings CUDA, which Lambda has no use for"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        loaded = sentence_transformers.SentenceTransformer(
            str(_written(Path(folder))), device="cpu", local_files_only=True
        )
        ids = loaded.tokenizer("Layers!", add_special_tokens=False, truncation=False)["input_ids"]
        assert [VOCABULARY[token] for token in ids] == ["layer", "##s", "!"], ids
        (vector,) = loaded.encode(["Layers!"], prompt="", batch_size=1, show_progress_bar=False)
    assert vector.shape == (WIDTH,)
    assert abs(float(vector @ vector) - 1) < 1e-4  # noqa: PLR2004


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    for call in (model, database, event, clients):
        call()
    names = ("torch", "sentence-transformers", "transformers", "numpy", "supabase", "aws-lambda-powertools", "pydantic")
    return {name: version(name) for name in names}
