"""The embedder on sentence-transformers itself, in a Python that has it; the vectors are those of the ONNX embedder.

No environment of the project has torch (several GB), so `STRATA_TORCH_PYTHON` names a Python that has:
`benchmarks/model_reference.py` says how one is made.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from lambdas.embedding_processor.embedder import load
from layer_builds.plan import REPOSITORY
from sandbox.standins.openai.minilm import model_folder
from tests.models import REFERENCE, minilm

VARIABLE = "STRATA_TORCH_PYTHON"
PYTHON = os.environ.get(VARIABLE, "")
SCRIPT = """
import json, sys
from pathlib import Path
from lambdas.embedding_processor.embedder import load
from lambdas.embedding_processor.errors import TooManyTokensError
texts = json.load(sys.stdin)
model = load("sentence-transformers", Path(sys.argv[1]), memory_mb=1_769)
together, alone = model.embed(texts), [model.embed([text])[0] for text in texts]
try:
    model.embed(["layer " * (model.room + 1)])
    refused = ""
except TooManyTokensError as error:
    refused = str(error)
print(json.dumps({
    "vectors": [vector.tolist() for vector in together],
    "alone": [vector.tolist() for vector in alone],
    "queries": [vector.tolist() for vector in model.embed(texts, "query")],
    "kind": str(together.dtype),
    "counts": [model.count(text) for text in texts],
    "room": model.room,
    "identity": model.layout.identity,
    "refused": refused,
}))
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason=f"{VARIABLE} names no Python with sentence-transformers and torch"),
]


@pytest.fixture(scope="module")
def reference() -> list[dict[str, Any]]:
    """Texts with vectors of sentence-transformers, checked in with their provenance."""
    return json.loads(REFERENCE.read_text("utf-8"))["vectors"]


@pytest.fixture(scope="module")
def answered(reference: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the embedder says of those texts, in a process with torch."""
    folder = tmp_path_factory.mktemp("torch") / "model"
    shutil.copytree(model_folder(), folder)
    shutil.copyfile(minilm("none") / "model_card.json", folder / "model_card.json")
    done = subprocess.run(
        [PYTHON, "-c", SCRIPT, str(folder)],
        input=json.dumps([entry["text"] for entry in reference]),
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout.splitlines()[-1])


def cosines(one: Any, other: Any) -> Any:
    return (np.array(one, np.float32) * np.array(other, np.float32)).sum(axis=1)


def test_its_vectors_are_those_that_are_checked_in(answered: dict[str, Any], reference: list[dict[str, Any]]) -> None:
    wanted = [np.frombuffer(base64.b64decode(entry["float32_base64"]), "<f4") for entry in reference]
    assert answered["kind"] == "float32"
    assert cosines(answered["vectors"], wanted).min() > 0.99999


@pytest.mark.parametrize(("quantize", "least", "mean"), [("none", 0.9999, 0.9999), ("8", 0.998, 0.999)])
def test_the_other_embedder_makes_the_same(
    answered: dict[str, Any], reference: list[dict[str, Any]], quantize: str, least: float, mean: float
) -> None:
    found = cosines(
        load("onnx", minilm(quantize), memory_mb=1_769).embed([e["text"] for e in reference]), answered["vectors"]
    )
    assert found.min() > least
    assert found.mean() > mean


def test_what_else_is_embedded_changes_nothing(answered: dict[str, Any]) -> None:
    assert cosines(answered["vectors"], answered["alone"]).min() > 0.99999
    assert cosines(answered["vectors"], answered["queries"]).min() > 0.99999, "this model has no prompts"


def test_both_count_the_same_tokens_and_refuse_the_same_texts(
    answered: dict[str, Any], reference: list[dict[str, Any]]
) -> None:
    other = load("onnx", minilm("none"), memory_mb=1_769)
    assert answered["counts"] == [other.count(entry["text"]) for entry in reference]
    assert answered["room"] == other.room
    assert answered["identity"] == other.layout.identity
    assert "a text has 257 tokens, and sentence-transformers/all-MiniLM-L6-v2 takes 256" in answered["refused"]
