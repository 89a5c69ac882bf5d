"""All systems of the local stack at once, through the real CLI and provider, by the deploy role of docs/bootstrap.yaml.

The emulator notes what the role asks for. It may do anything there: which resource a call is about, the emulator does
not always know, and would refuse what AWS allows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from components.systems import SYSTEMS
from sandbox.lambda_code import PROXY_VARIABLE
from tests.engine.inventory import Inventory, inventory
from tests.engine.machine import local_target
from tests.engine.steps import step
from tests.ops.bootstrap_template import bootstrapped, entered, uncovered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.emulator import Emulator
    from tests.engine.pulumi_cli import Checkout, Run
    from tests.engine.world import World

STACK = "systems"
CONFIG = {
    "embedding": ("queue.maximum_concurrency", 3, {"embedding-mapping"}),
    "extract_text": ("max_pages", 77, {"extract-text-function", "extract-text-live"}),
    "knowledge_base": ("http.burst", 7, {"knowledge-base-stage"}),
}
"""System → a key of its section, another value, and what that updates."""
CODE = {
    "image_processor": "lambdas/image_processor/handler.py",
    "embedding_processor": "lambdas/embedding_processor/handler.py",
    "orchestrator": "lambdas/orchestrator/lambda_function.py",
}
"""System → a file of its package."""
OPTIONAL = {"iam:GetUser"}
"""The provider's first way to learn the account; refused, it asks STS, which answers everybody."""


@dataclass
class Story:
    """Steps that build upon each other; each is taken once, when the first test asks for it."""

    checkout: Checkout
    world: World
    role: str
    """The deploy role's ARN."""
    before: Inventory = field(default_factory=Inventory)
    """The account without the stack."""

    def pulumi(self, command: str, *more: str) -> Run:
        return self.checkout.pulumi(command, *more, "--stack", STACK).ok()

    def up(self) -> Run:
        return self.pulumi("up", "--yes", "--skip-preview")

    @step
    def deployed(self) -> Run:
        """Every system of Pulumi.local.yaml, on this machine's Python."""
        target = local_target()
        here = {
            "runtime": target.runtime,
            "architecture": target.architecture,
            "environment": {PROXY_VARIABLE: self.world.host.url},
        }
        config: dict[str, Any] = {f"strata:{name}": here for name in SYSTEMS}
        keys = entered(self.checkout.account, self.role, may_do_anything=True)
        key, secret, token = keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
        # The provider, and what the program's commands and `ops` use.
        config |= {"aws:accessKey": key, "aws:secretKey": secret, "aws:token": token}
        self.checkout.extra |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
        self.checkout.stack(STACK, config)
        self.before = inventory(self.checkout.account)
        return self.up()

    @step
    def destroyed(self) -> Inventory:
        """The account afterwards."""
        assert self.deployed
        self.pulumi("destroy", "--yes", "--skip-preview")
        return inventory(self.checkout.account)


@pytest.fixture(scope="module")
def story(checkout: Checkout, world: World) -> Iterator[Story]:
    with bootstrapped(checkout.account, STACK) as outputs:
        yield Story(checkout, world, outputs["DeployRoleArn"])


def test_one_up_makes_all_systems(story: Story) -> None:
    assert {each.op for each in story.deployed.steps} == {"create"}
    assert set(story.checkout.outputs(STACK)["functions"]) == set(SYSTEMS)


def test_the_second_preview_shows_no_change(story: Story) -> None:
    assert story.deployed
    assert story.pulumi("preview", "--expect-no-changes", "--diff").changed == {}


def test_a_refresh_finds_what_was_deployed(story: Story) -> None:
    assert story.deployed
    assert story.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes").steps


def test_every_function_answers_its_test_event(story: Story) -> None:
    assert story.deployed
    report = json.loads(story.checkout.python("ops", "smoke", "--json", "--stack", STACK).ok().stdout)
    assert report["ok"]


def test_every_system_has_a_change_below() -> None:
    assert {*CONFIG, *CODE} == set(SYSTEMS)


# Each `up` shows, beside its own change, that those before it left nothing to do.
@pytest.mark.parametrize("system", CONFIG)
def test_a_config_value_of_one_system_changes_what_it_is_for_and_nothing_of_the_others(
    story: Story, system: str
) -> None:
    assert story.deployed
    key, value, updated = CONFIG[system]
    story.pulumi("config", "set", "--path", f"strata:{system}.{key}", str(value))
    assert story.up().changed == {name: {"update"} for name in updated}


@pytest.mark.parametrize("system", CODE)
def test_a_line_of_one_systems_code_changes_its_function_and_nothing_of_the_others(story: Story, system: str) -> None:
    assert story.deployed
    source = story.checkout.path / CODE[system]
    source.write_text(f"{source.read_text()}# Another line.\n")
    name = system.replace("_", "-")
    assert story.up().changed == {f"{name}-function": {"update"}, f"{name}-live": {"update"}}


def test_a_destroy_leaves_nothing_of_any_system(story: Story) -> None:
    assert story.destroyed.keys() == story.before.keys()


def test_the_deploy_role_may_do_what_a_deployment_asks_for_and_on_what(story: Story, emulator: Emulator) -> None:
    assert story.destroyed is not None
    name = story.role.rsplit("/", 1)[1]
    asked = {
        (each.action, each.resource) for each in emulator.asked() if each.role == name and each.action not in OPTIONAL
    }
    assert len({action for action, _ in asked}) > 50
    assert uncovered(story.checkout.account, STACK, asked) == []
