"""Vectors of sentence-transformers + torch, for the graphs that `layer_builds.models` writes.

Not part of the project's environment, since torch is several GB. In a throw-away one, from the repository:

    uv venv /tmp/reference
    uv pip install --python /tmp/reference/bin/python sentence-transformers
    cd tests/layer_builds/models
    export PYTHONPATH=../../..
    /tmp/reference/bin/python -m benchmarks.model_reference small > small_reference.json
    /tmp/reference/bin/python -m benchmarks.model_reference FOLDER > NAME_reference.json

`small`: models of each family, with the random weights of `tests/models.py`. The checked-in files were made that way;
they name the versions and the day.
"""

from __future__ import annotations

import base64
import datetime as dt
import importlib
import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layer_builds.models.sample import SAMPLE
from tests.models import SMALL, SMALL_TEXTS, random_transformer

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> None:
    """Print a reference file."""
    what = sys.argv[1]
    if what == "small":
        with tempfile.TemporaryDirectory() as place:
            vectors = {name: _small(Path(place) / name, name) for name in SMALL}
    else:
        vectors = _vectors(Path(what), SAMPLE)
    versions = {name: importlib.metadata.version(name) for name in ("sentence-transformers", "torch", "transformers")}
    made = {"command": "benchmarks/model_reference.py", "date": dt.datetime.now(dt.UTC).date().isoformat()}
    json.dump({"made": made | versions, "vectors": vectors}, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


def _small(folder: Path, name: str) -> list[dict[str, Any]]:
    random_transformer(folder, SMALL[name])
    return _vectors(folder, SMALL_TEXTS)


def _vectors(folder: Path, texts: Sequence[str]) -> list[dict[str, Any]]:
    model: Any = importlib.import_module("sentence_transformers").SentenceTransformer(str(folder), device="cpu")
    lengths = [len(ids) for ids in model.tokenizer(list(texts), truncation=False, padding=False)["input_ids"]]
    assert max(lengths) <= model.max_seq_length, lengths
    found = model.encode(list(texts), batch_size=1)
    return [
        {"text": text, "float32_base64": base64.b64encode(vector.astype("<f4").tobytes()).decode()}
        for text, vector in zip(texts, found, strict=True)
    ]


if __name__ == "__main__":
    main()
