"""extract_text shipped as an image, deployed by the monitor: its folders run in the Lambda host, without Docker."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from sandbox.cloud import LocalCloud
from sandbox.demos.extract_text import DEMO
from sandbox.lambda_code import running_runtime
from sandbox.lambda_package import IMAGES
from sandbox.screen import Steps
from sandbox.systems import section

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("local-cloud"), pytest.mark.slow]

FUNCTION = "extract_text"
BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"
"""Nothing pulls it."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """The local stack, on a machine whose Docker engine cannot be reached."""
    config: dict[str, Any] = {
        section(FUNCTION): {"package": "image"},
        "strata:images": {"bases": {running_runtime(): BASE}},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
        with LocalCloud(f"tests-{FUNCTION}-image", systems=[FUNCTION], config=config) as running:
            yield running


def test_it_is_an_image_whose_folders_are_here(cloud: LocalCloud) -> None:
    outputs = cloud.function(FUNCTION)
    found = cloud.client("lambda").get_function(FunctionName=outputs["name"], Qualifier="live")
    assert found["Configuration"]["PackageType"] == "Image"
    assert found["Code"]["ImageUri"] == outputs["image"]
    folder = IMAGES / outputs["image"].rpartition(":")[2]
    assert sorted(path.name for path in folder.iterdir()) == ["Dockerfile", "image.json", "opt", "task"]
    assert json.loads((folder / "image.json").read_text())["runtime"] == running_runtime()


def test_the_demonstration_is_the_same(cloud: LocalCloud) -> None:
    report = DEMO.run(cloud, Steps(Console(file=io.StringIO())), True)
    assert report.faults() == []
