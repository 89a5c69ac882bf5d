"""`ops deploy` through the real CLI and provider: what somebody edited in the console does not go live."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from components.systems import SYSTEMS

if TYPE_CHECKING:
    from tests.engine.pulumi_cli import Checkout, Run

STACK = "edited"
PROGRAM = Path(__file__).with_name("one_function.py")
HANDLER = "def handler(event, context):\n    return event\n"


class Story:
    """One function, deployed."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.source = checkout.path / "lambdas" / "one" / "handler.py"
        shutil.copy(PROGRAM, checkout.path / "__main__.py")
        self.source.parent.mkdir()
        self.source.write_text(HANDLER)
        config: dict[str, Any] = {f"strata:{name}": None for name in SYSTEMS}
        # An empty section: every key at its default.
        checkout.stack(STACK, {**config, "strata:layers": {"compiler": "pinned"}, "strata:one": {}})
        checkout.pulumi("up", "--yes", "--skip-preview", "--stack", STACK).ok()
        self.name = checkout.outputs(STACK)["functions"]["one"]["name"]

    def edit(self, **configuration: Any) -> None:
        """What somebody does in the console, and a line of code that is to be deployed."""
        self.checkout.account.client("lambda").update_function_configuration(FunctionName=self.name, **configuration)
        self.source.write_text(f"{self.source.read_text()}# changed\n")

    def deploy(self, *arguments: str) -> Run:
        return self.checkout.python("ops", "deploy", "--json", "--stack", STACK, *arguments)

    def live(self) -> dict[str, Any]:
        client = self.checkout.account.client("lambda")
        return client.get_function_configuration(FunctionName=self.name, Qualifier="live")


@pytest.fixture(scope="module")
def edited(checkout: Checkout) -> Story:
    return Story(checkout)


def test_what_was_edited_in_the_console_is_put_back_before_anything_is_published(edited: Story) -> None:
    before = edited.live()
    variables = {**before["Environment"]["Variables"], "DEBUG_EDITED": "1"}
    edited.edit(Timeout=899, Environment={"Variables": variables})
    refused = edited.deploy().failed()
    assert "one: $LATEST has another Environment, Timeout than version 1" in refused.output
    assert edited.live()["Version"] == "1"
    report = json.loads(edited.deploy("--refresh").ok().stdout)
    after = edited.live()
    assert report["moved"]["one"] == {"from": "1", "to": after["Version"]}
    assert (after["Timeout"], after["Environment"]) == (before["Timeout"], before["Environment"])
    assert edited.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok().changed == {}


def test_the_next_deployment_moves_to_the_version_that_it_tried_and_leaves_nothing_to_do(edited: Story) -> None:
    edited.source.write_text(f"{edited.source.read_text()}# changed again\n")
    before = edited.live()["Version"]
    report = json.loads(edited.deploy().ok().stdout)
    assert report["moved"]["one"] == {"from": before, "to": edited.live()["Version"]}
    assert edited.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok().changed == {}
