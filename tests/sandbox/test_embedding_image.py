"""The embedding_processor as `onnx-image`: its vectors are those that the same model makes in this process."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lambdas.embedding_processor.embedder import load
from tests.images import ready
from tests.models import minilm
from tests.sandbox import embedding_images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.embedding_images import Built
    from tests.sandbox.hosted import Hosted

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("docker")]

TEXT = "The bees keep the honey for the winter. Grüße aus Zürich."


@pytest.fixture(scope="module")
def built(hosted: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The image in a private registry."""
    config = {"package": "onnx-image"}
    with embedding_images.built_image(hosted, config, ready(), tmp_path_factory.mktemp("registries")) as image:
        yield image


@pytest.fixture(scope="module")
def answers(hosted: Hosted, built: Built) -> dict[str, Any]:
    """What the container answers, and the rows that are there then."""
    return embedding_images.answers(hosted, built, {"honey.txt": TEXT}, {})


def test_it_starts_with_the_model_inside(answers: dict[str, Any]) -> None:
    health = answers["health"]
    assert (health["ok"], health["problems"]) == (True, [])
    assert re.search(r"all-MiniLM-L6-v2 .*\(int8\): 384 dimensions", json.dumps(health))


def test_a_text_becomes_rows_with_the_vectors_of_that_model(answers: dict[str, Any]) -> None:
    ((file,),) = [done["files"] for done in answers["done"]]
    assert file["status"] == "ok", file
    ((content, vector, metadata),) = answers["rows"]
    assert content == TEXT
    assert metadata["quantization"] == "int8"
    expected = load("onnx", minilm(), memory_mb=1_769).embed([TEXT])[0]
    assert float(np.array(json.loads(vector), np.float32) @ expected) > 0.9999
    assert TEXT not in answers["log"]


def test_it_has_what_the_preview_counted_and_its_base(built: Built) -> None:
    whole, base = built.sizes
    assert abs(whole - base - built.parts) < 0.01 * built.parts, (whole, base, built.parts)
    assert built.parts < 250_000_000
