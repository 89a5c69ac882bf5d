"""A function that becomes an image, through the real CLI and provider: not replaced under its traffic unasked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from components.systems import SYSTEMS
from sandbox.lambda_code import PROXY_VARIABLE
from sandbox.lambda_package import IMAGES
from tests.engine.machine import local_target

if TYPE_CHECKING:
    from tests.engine.pulumi_cli import Checkout, Run
    from tests.engine.world import World

STACK = "shipped"
BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"
"""Nothing pulls it."""
WORKS = "def handler(event, context):\n    return event\n"


class Story:
    """A function behind a queue, deployed as a zip."""

    def __init__(self, checkout: Checkout, world: World) -> None:
        self.checkout = checkout
        checkout.extra["STRATA_IMAGES"] = str(IMAGES)
        shutil.copy(Path(__file__).with_name("zip_or_image.py"), checkout.path / "__main__.py")
        source = checkout.path / "lambdas" / "shipped" / "handler.py"
        source.parent.mkdir()
        source.write_text(WORKS)
        target = local_target()
        config: dict[str, Any] = {f"strata:{name}": None for name in SYSTEMS}
        config["strata:layers"] = {"compiler": "running"}
        config["strata:images"] = {"bases": {target.runtime: BASE}}
        config["strata:shipped"] = {
            "runtime": target.runtime,
            "architecture": target.architecture,
            "environment": {PROXY_VARIABLE: world.host.url},
        }
        checkout.stack(STACK, config)
        self.deploy().ok()

    def deploy(self) -> Run:
        return self.checkout.python("ops", "deploy", "--json", "--stack", STACK)

    def put(self, key: str, value: object) -> None:
        """Change the function's section; None takes the key out."""
        file = self.checkout.path / f"Pulumi.{STACK}.yaml"
        content = yaml.safe_load(file.read_text())
        section = {name: known for name, known in content["config"]["strata:shipped"].items() if name != key}
        content["config"]["strata:shipped"] = {**section, key: value} if value is not None else section
        file.write_text(yaml.safe_dump(content, sort_keys=False))

    def invoked(self) -> dict[str, Any]:
        """What the queue's mapping invokes, as AWS says."""
        client = self.checkout.account.client("lambda")
        queue = self.checkout.outputs(STACK)["functions"]["shipped"]["queue_arn"]
        [mapping] = client.list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]
        name, alias = mapping["FunctionArn"].split(":")[6:]
        found = client.get_function_configuration(FunctionName=name, Qualifier=alias)
        return {key: found.get(key) for key in ("FunctionArn", "PackageType", "CodeSha256", "Version", "RevisionId")}


@pytest.fixture(scope="module")
def story(checkout: Checkout, world: World) -> Story:
    return Story(checkout, world)


def test_it_is_refused_with_the_way_and_nothing_has_changed(story: Story) -> None:
    before = story.invoked()
    story.put("package", "image")
    story.put("live_version", 1)
    refused = story.deploy().failed()
    assert "shipped becomes an image, which to AWS is another function" in refused.output
    assert "without live_version of strata:shipped, with `pulumi up --stack shipped`" in refused.output
    assert story.invoked() == before


def test_the_way_that_it_names_ends_in_an_image_that_answers_and_is_deployed_on(story: Story) -> None:
    story.put("live_version", None)
    story.put("package", "image")
    story.checkout.pulumi("up", "--yes", "--skip-preview", "--stack", STACK).ok()
    assert story.invoked()["PackageType"] == "Image"
    assert story.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok().changed == {}
    assert json.loads(story.checkout.python("ops", "smoke", "--json", "--stack", STACK).ok().stdout)["ok"]
    report = json.loads(story.deploy().ok().stdout)
    assert (report["moved"], report["first"]) == ({}, {})
