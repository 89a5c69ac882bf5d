"""extract_text as a container image, through the real CLI and provider.

Where the registry would be is the sandbox's folder of images: Docker and a registry are in the tests that are marked
`docker`.
"""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from components.systems import SYSTEMS
from sandbox.lambda_code import PROXY_VARIABLE
from sandbox.lambda_package import IMAGES
from tests.engine.machine import local_target
from tests.engine.steps import step

if TYPE_CHECKING:
    from tests.engine.pulumi_cli import Checkout, Run
    from tests.engine.world import World

STACK = "images"
FUNCTION = "extract_text"
BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"
"""Nothing pulls it."""


@dataclass
class Story:
    """Steps that build upon each other; each is taken once, when the first test asks for it."""

    checkout: Checkout
    world: World

    def up(self) -> Run:
        return self.checkout.pulumi("up", "--yes", "--skip-preview", "--stack", STACK).ok()

    @property
    def live(self) -> dict[str, Any]:
        """What AWS says of the live version."""
        name = self.checkout.outputs(STACK)["functions"][FUNCTION]["name"]
        found = self.checkout.account.client("lambda").get_function(FunctionName=name, Qualifier="live")
        return {**found["Configuration"], "ImageUri": found["Code"].get("ImageUri")}

    @step
    def deployed(self) -> Run:
        self.checkout.extra["STRATA_IMAGES"] = str(IMAGES)
        target = local_target()
        config: dict[str, Any] = {f"strata:{name}": None for name in SYSTEMS}
        config[f"strata:{FUNCTION}"] = {
            "runtime": target.runtime,
            "architecture": target.architecture,
            "package": "image",
            "environment": {PROXY_VARIABLE: self.world.host.url},
        }
        self.checkout.stack(STACK, {**config, "strata:images": {"bases": {target.runtime: BASE}}})
        return self.up()

    @step
    def changed(self) -> tuple[dict[str, Any], Run]:
        """After a change of the code: what was live before, and the `up`."""
        assert self.deployed
        before = self.live
        handler = self.checkout.path / "lambdas" / FUNCTION / "handler.py"
        handler.write_text(f"{handler.read_text()}# changed\n")
        return before, self.up()


@pytest.fixture(scope="module")
def story(checkout: Checkout, world: World) -> Story:
    return Story(checkout, world)


def test_the_function_is_an_image_in_a_repository_of_its_own(story: Story) -> None:
    assert {each.op for each in story.deployed.steps} == {"create"}
    outputs, live = story.checkout.outputs(STACK), story.live
    assert (live["PackageType"], live["ImageUri"]) == ("Image", outputs["functions"][FUNCTION]["image"])
    repository, _, tag = live["ImageUri"].rpartition(":")
    (found,) = story.checkout.account.client("ecr").describe_repositories()["repositories"]
    assert found["repositoryUri"] == repository
    assert (found["imageTagMutability"], found["imageScanningConfiguration"]) == ("IMMUTABLE", {"scanOnPush": True})
    assert (IMAGES / tag / "image.json").is_file()
    assert outputs["layers"] == {}


def test_the_second_preview_shows_no_change(story: Story) -> None:
    assert story.deployed
    assert story.checkout.pulumi("preview", "--expect-no-changes", "--diff", "--stack", STACK).ok().changed == {}


def test_it_answers_its_test_event(story: Story) -> None:
    assert story.deployed
    report = json.loads(story.checkout.python("ops", "smoke", "--json", "--stack", STACK).ok().stdout)
    assert report["ok"], report


def test_a_lost_image_is_found_and_what_doctor_says_makes_it_again(story: Story) -> None:
    """Nothing in the program had changed, so nothing looked for it. The emulator's registry is empty from the start."""
    assert story.deployed
    found = story.checkout.python("ops", "doctor", "--stack", STACK, "--only", "images", "--json").ok()
    [lost] = json.loads(found.stdout)["checks"]
    assert lost["state"] == "warn"
    image = story.checkout.outputs(STACK)["functions"][FUNCTION]["image"]
    assert lost["found"].startswith(f"{image} is gone from the registry")
    folder = IMAGES / image.rpartition(":")[2]
    shutil.rmtree(folder)
    [_, *remedy] = shlex.split(lost["remedy"].split("`")[1])
    run = story.checkout.pulumi(*remedy, "--yes", "--skip-preview").ok()
    assert set(run.changed) == {"extract-text-image-publish"}
    assert (folder / "image.json").is_file()
    assert story.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok().changed == {}


def test_a_change_of_the_code_is_a_new_tag_a_new_image_and_a_new_version_of_the_same_function(story: Story) -> None:
    before, run = story.changed
    after = story.live
    assert after["FunctionName"] == before["FunctionName"]
    assert after["ImageUri"] != before["ImageUri"]
    assert int(after["Version"]) == int(before["Version"]) + 1
    touched = {name: operations for name, operations in run.changed.items() if operations != {"update"}}
    assert set(touched) == {"extract-text-image-publish"}
    assert story.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok().changed == {}


def test_an_image_that_was_edited_in_the_console_does_not_go_live(story: Story) -> None:
    """An image is not uploaded with every version, as a zip is: the edited one was in the next."""
    _ = story.changed
    before = story.live
    other = f"{before['ImageUri'].rpartition(':')[0]}:edited"
    story.checkout.account.client("lambda").update_function_code(FunctionName=before["FunctionName"], ImageUri=other)
    memory = ("--path", f"strata:{FUNCTION}.memory_mb", "3008")
    story.checkout.pulumi("config", "set", *memory, "--stack", STACK).ok()
    refused = story.checkout.python("ops", "deploy", "--stack", STACK).failed()
    assert "$LATEST has another ImageUri than version" in refused.output
    story.checkout.python("ops", "deploy", "--refresh", "--stack", STACK).ok()
    assert (story.live["ImageUri"], story.live["MemorySize"]) == (before["ImageUri"], 3008)


def test_all_of_it_can_be_destroyed(story: Story) -> None:
    assert story.deployed
    story.checkout.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK).ok()
    assert story.checkout.account.client("ecr").describe_repositories()["repositories"] == []
