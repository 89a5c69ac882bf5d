"""`ops deploy` through the real CLI and provider: edits in the console do not go live, and traffic moves in steps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from components.systems import SYSTEMS
from ops.deploy import deploy
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.report import Report
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
        config["strata:rollout"] = {"canary_percents": [10, 50], "step_seconds": 120}
        # An empty section: every key at its default.
        checkout.stack(STACK, {**config, "strata:layers": {"compiler": "pinned"}, "strata:one": {}})
        checkout.pulumi("up", "--yes", "--skip-preview", "--stack", STACK).ok()
        self.name = checkout.outputs(STACK)["functions"]["one"]["name"]

    def edit(self, **configuration: Any) -> None:
        """What somebody does in the console, and a line of code that is to be deployed."""
        self.checkout.account.client("lambda").update_function_configuration(FunctionName=self.name, **configuration)
        self.change()

    def deploy(self, *arguments: str) -> Run:
        return self.checkout.python("ops", "deploy", "--json", "--stack", STACK, *arguments)

    def deploy_in_steps(self, look: Callable[[], None]) -> Report:
        """The same in this process, where a minute of a step passes at once.

        Args:
            look: called once a minute, while a share of the traffic is on the new version.
        """
        now = 0.0

        def wait(_: float) -> None:
            nonlocal now
            now += 60
            look()

        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.checkout.environment().items():
                patch.setenv(name, value)
            return deploy(STACK, root=self.checkout.path, wait=wait, clock=lambda: now)

    def change(self) -> None:
        """A line of code that is to be deployed."""
        self.source.write_text(f"{self.source.read_text()}# changed\n")

    def shares(self) -> tuple[str, dict[str, float]]:
        """Where the alias leads, and the shares of other versions."""
        alias = self.checkout.account.client("lambda").get_alias(FunctionName=self.name, Name="live")
        return alias["FunctionVersion"], alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})

    def alarm(self, state: str) -> str:
        """Set an alarm of the function, whose name is returned."""
        client = self.checkout.account.client("cloudwatch")
        of = {"Name": "FunctionName", "Value": self.name}
        [name, *_] = sorted(
            each["AlarmName"] for each in client.describe_alarms()["MetricAlarms"] if of in each["Dimensions"]
        )
        client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")
        return name

    def nothing_to_do(self) -> bool:
        """Whether the next preview shows nothing."""
        return self.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok().changed == {}

    def state_is_true(self) -> bool:
        """Whether a refresh finds in AWS what the state says."""
        look = self.checkout.pulumi("refresh", "--preview-only", "--expect-no-changes", "--stack", STACK)
        return look.code == 0

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
    report = json.loads(edited.deploy("--refresh", "--all-at-once").ok().stdout)
    after = edited.live()
    assert report["moved"]["one"] == {"from": "1", "to": after["Version"]}
    assert (after["Timeout"], after["Environment"]) == (before["Timeout"], before["Environment"])
    assert edited.nothing_to_do()


def test_the_next_deployment_moves_to_the_version_that_it_tried_and_leaves_nothing_to_do(edited: Story) -> None:
    edited.change()
    before = edited.live()["Version"]
    report = json.loads(edited.deploy("--all-at-once").ok().stdout)
    assert report["moved"]["one"] == {"from": before, "to": edited.live()["Version"]}
    assert edited.nothing_to_do()


def test_shares_rise_before_all_traffic_moves_and_nothing_is_left_to_do(edited: Story) -> None:
    old, new = edited.live()["Version"], str(int(edited.live()["Version"]) + 1)
    seen: list[tuple[str, dict[str, float]]] = []
    edited.change()
    report = edited.deploy_in_steps(lambda: seen.append(edited.shares()))
    assert seen == [(old, {new: share}) for share in (0.1, 0.1, 0.5, 0.5)]
    assert report.data["moved"] == {"one": {"from": old, "to": new}}
    assert edited.shares() == (new, {})
    assert edited.nothing_to_do()
    assert edited.state_is_true()


def test_an_alarm_in_a_step_gives_the_old_version_everything_and_the_state_says_so(edited: Story) -> None:
    old = edited.live()["Version"]
    edited.change()

    def ring() -> None:
        if 0.5 in edited.shares()[1].values():
            assert not edited.state_is_true(), "a refresh sees the share"
            edited.alarm("ALARM")

    with pytest.raises(OpsError, match=r"with 50 % of the traffic on new versions, strata-edited-one-\S+ started"):
        edited.deploy_in_steps(ring)
    assert edited.shares() == (old, {})
    assert edited.state_is_true()
    edited.alarm("OK")
    report = edited.deploy_in_steps(lambda: None)
    assert report.data["moved"] == {"one": {"from": old, "to": str(int(old) + 1)}}
    assert edited.nothing_to_do()
