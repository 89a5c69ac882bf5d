"""The embedding_processor as `torch-image`, for real, on an emulated arm64: its vectors are sentence-transformers' own.

Half a gigabyte is built and torch runs under qemu, so it is run when somebody asks for it (about ten minutes):
`STRATA_ARM64_RUNTIME_IMAGE=$(scripts/local_arm64_runtime_image.sh) pytest tests/sandbox/test_embedding_torch_image.py`.
"""

from __future__ import annotations

import base64
import json
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from layer_builds.plan import load_layer
from tests.images import ready
from tests.models import REFERENCE
from tests.sandbox import embedding_images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.embedding_images import Built
    from tests.sandbox.hosted import Hosted

VARIABLE = "STRATA_ARM64_RUNTIME_IMAGE"
pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(2_400),
    pytest.mark.xdist_group("docker"),
    pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"{VARIABLE} names no base image for arm64"),
]
EMULATED_SECONDS = 900.0
LAMBDAS_ARM64 = ("--mount", "type=tmpfs,dst=/sys/devices/system/cpu")
"""Where neither `possible` nor `present` says which processors there are, which ended older versions of torch:
https://github.com/pytorch/pytorch/issues/113568."""


@pytest.fixture(scope="module")
def built(hosted: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The image in a private registry."""
    ready()
    config = {"package": "torch-image", "architecture": "arm64"}
    base = os.environ[VARIABLE]
    with embedding_images.built_image(hosted, config, base, tmp_path_factory.mktemp("registries")) as image:
        yield image


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """Texts with vectors of sentence-transformers, checked in with their provenance; by key."""
    vectors = json.loads(REFERENCE.read_text("utf-8"))["vectors"]
    return {f"{number}.txt": entry for number, entry in enumerate(vectors)}


@pytest.fixture(scope="module")
def answers(hosted: Hosted, built: Built, reference: dict[str, Any]) -> dict[str, Any]:
    """What the container answers, and the rows that are there then."""
    texts = {key: entry["text"] for key, entry in reference.items()}
    variables = dict(load_layer("embedding-torch").environment)
    return embedding_images.answers(hosted, built, texts, variables, given=LAMBDAS_ARM64, seconds=EMULATED_SECONDS)


def test_it_starts_with_the_model_inside(answers: dict[str, Any]) -> None:
    health = answers["health"]
    assert (health["ok"], health["problems"]) == (True, [])
    assert re.search(r"all-MiniLM-L6-v2 .*\(fp32\): 384 dimensions", json.dumps(health))
    assert "failed to parse the list of possible processors" in answers["log"], "it was not as on Lambda's arm64"


def test_its_vectors_are_those_that_are_checked_in(answers: dict[str, Any], reference: dict[str, Any]) -> None:
    assert [file["status"] for done in answers["done"] for file in done["files"]] == ["ok"] * len(reference)
    for (content, vector, metadata), entry in zip(answers["rows"], reference.values(), strict=True):
        assert (content, metadata["quantization"]) == (entry["text"], "fp32")
        wanted = np.frombuffer(base64.b64decode(entry["float32_base64"]), "<f4")
        assert float(np.array(json.loads(vector), np.float32) @ wanted) > 0.99999


def test_it_has_what_the_preview_counted_and_its_base(built: Built) -> None:
    whole, base = built.sizes
    print(f"image {whole:,} bytes, base {base:,}, counted {built.parts:,}")
    assert abs(whole - base - built.parts) < 0.01 * built.parts, (whole, base, built.parts)
    assert built.parts < 1_000_000_000
