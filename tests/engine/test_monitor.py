"""The in-process monitor of the sandbox and the real engine leave the same things in an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from sandbox.account import Account
from sandbox.deploy import deploy
from sandbox.stack import load_stack
from tests.engine.inventory import alike, differences, inventory
from tests.engine.story import FIRST

if TYPE_CHECKING:
    from tests.engine.inventory import Inventory
    from tests.engine.story import Story

OTHER_ACCOUNT = "210987654321"


@pytest.fixture(scope="module")
def both(story: Story) -> tuple[Inventory, Inventory]:
    """Made alike: what the engine deployed, and what the monitor deploys to another account from the same config."""
    engine = alike(story.deployed, story.checkout.account)
    file = story.as_deployed / f"Pulumi.{FIRST}.yaml"
    config = {
        key: value
        for key, value in yaml.safe_load(file.read_text())["config"].items()
        if not (isinstance(value, dict) and set(value) == {"secure"}) and key not in story.checkout.provider()
    }
    (story.as_deployed / "Pulumi.monitor.yaml").write_text(yaml.safe_dump({"config": config}))
    loaded = load_stack(story.as_deployed, "monitor").with_values({"aws:region": story.checkout.account.region})
    stack = type(loaded)(loaded.project, FIRST, loaded.config, loaded.naming, loaded.default_tags)
    account = Account(story.checkout.account.endpoint, OTHER_ACCOUNT, story.checkout.account.region)
    deploy(story.world.workspace, account, stack, program=story.as_deployed / "__main__.py")
    return engine, alike(inventory(account), account)


def test_they_make_the_same_resources(both: tuple[Inventory, Inventory]) -> None:
    engine, monitor = both
    assert sorted(monitor) == sorted(engine)
    assert len(engine) > 10


def test_every_resource_has_the_same_attributes(both: tuple[Inventory, Inventory]) -> None:
    engine, monitor = both
    assert differences(engine, monitor) == {}
