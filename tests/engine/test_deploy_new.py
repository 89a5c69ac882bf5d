"""`ops deploy` of functions that are new, through the real CLI and provider: nothing invokes what has not answered."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from components.systems import SYSTEMS
from tests.engine.steps import step

if TYPE_CHECKING:
    from tests.engine.pulumi_cli import Checkout, Run

STACK = "grown"
SOURCES = {"front": "handler.py", "reader": "handler.py", "listener": "lambda_function.py"}
WORKS = "def handler(event, context):\n    return event\n"
BROKEN = "import no_such_module\n"


class Story:
    """A bucket whose PDFs have a function; then a queue, an API and a topic of the same bucket have functions too."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        shutil.copy(Path(__file__).with_name("many_kinds.py"), checkout.path / "__main__.py")
        for system in SOURCES:
            self.write(system, BROKEN)
        config: dict[str, Any] = {f"strata:{name}": None for name in SYSTEMS}
        config["strata:layers"] = {"compiler": "pinned"}
        config["strata:reader"] = {"bucket": {"prefix": "pdf/"}, "function_url": {"auth": "AWS_IAM"}}
        checkout.stack(STACK, config)

    def write(self, system: str, code: str) -> None:
        """Change a function's code."""
        source = self.checkout.path / "lambdas" / system / SOURCES[system]
        source.parent.mkdir(exist_ok=True)
        source.write_text(code)

    def add(self, system: str, section: dict[str, Any]) -> None:
        """Add a system to the stack's config."""
        file = self.checkout.path / f"Pulumi.{STACK}.yaml"
        content = yaml.safe_load(file.read_text())
        content["config"][f"strata:{system}"] = section
        file.write_text(yaml.safe_dump(content, sort_keys=False))

    def deploy(self, *arguments: str) -> Run:
        return self.checkout.python("ops", "deploy", "--json", "--stack", STACK, *arguments)

    def client(self, service: str) -> Any:
        return self.checkout.account.client(service)

    def invoked_by(self) -> dict[str, set[str]]:
        """Function → what invokes it, as AWS says."""
        found: dict[str, set[str]] = {}
        client = self.client("lambda")
        for system, function in self.checkout.outputs(STACK)["functions"].items():
            alias = {"FunctionName": function["name"], "Qualifier": "live"}
            policy = answer(client, "get_policy", **alias)
            statements = json.loads(policy["Policy"])["Statement"] if policy else []
            found[system] = {str(one["Principal"]["Service"]).partition(".")[0] for one in statements}
            found[system] |= {"url"} if answer(client, "get_function_url_config", **alias) else set()
            mappings = client.list_event_source_mappings(FunctionName=function["name"])["EventSourceMappings"]
            found[system] |= {"mapping"} if mappings else set()
        return found

    def told(self) -> dict[str, Any]:
        """Whom the bucket tells of its objects."""
        name = self.checkout.outputs(STACK)["buckets"]["documents"]
        found = self.client("s3").get_bucket_notification_configuration(Bucket=name)
        return {key: value for key, value in found.items() if key.endswith("Configurations")}

    def live(self, system: str) -> str:
        """The version that a function's traffic meets."""
        name = self.checkout.outputs(STACK)["functions"][system]["name"]
        return self.client("lambda").get_alias(FunctionName=name, Name="live")["FunctionVersion"]

    def unchanged(self) -> bool:
        """Whether the next preview shows nothing."""
        return self.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok().changed == {}

    @step
    def refused(self) -> Run:
        """A whole new stack, whose one function cannot be imported."""
        return self.deploy().failed()

    @step
    def deployed(self) -> dict[str, Any]:
        """The same, and it can."""
        assert self.refused
        self.write("reader", WORKS)
        return json.loads(self.deploy().ok().stdout)

    @step
    def grown(self) -> Run:
        """Two systems more, neither of which can be imported."""
        assert self.deployed
        self.add("front", {})
        self.add("listener", {"bucket": {"prefix": "text/"}})
        return self.deploy().failed()

    @step
    def half(self) -> Run:
        """One of them can; what is left out is not in the state, which a refresh reads first."""
        assert self.grown
        self.write("front", WORKS)
        return self.deploy("--refresh").failed()


def answer(client: Any, ask: str, **arguments: str) -> dict[str, Any]:
    """What AWS says; nothing where it knows of nothing."""
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):
        return getattr(client, ask)(**arguments)
    return {}


@pytest.fixture(scope="module")
def story(checkout: Checkout) -> Story:
    return Story(checkout)


def test_a_new_stack_whose_function_cannot_be_imported_has_nothing_that_invokes_it(story: Story) -> None:
    assert "nothing invokes reader yet" in story.refused.output
    assert story.invoked_by() == {"reader": set()}
    assert story.told() == {}


def test_once_it_answers_everything_is_made_and_nothing_is_left_to_do(story: Story) -> None:
    assert story.deployed["first"] == {"reader": story.live("reader")}
    assert story.deployed["moved"] == {}
    assert story.invoked_by() == {"reader": {"s3", "url"}}
    assert set(story.told()) == {"LambdaFunctionConfigurations"}
    assert story.unchanged()


def test_systems_that_are_new_in_a_running_stack_leave_its_traffic_as_it_was(story: Story) -> None:
    assert story.deployed
    before = (story.told(), story.live("reader"))
    assert "nothing invokes front, listener yet" in story.grown.output
    assert (story.told(), story.live("reader")) == before
    assert story.invoked_by() == {"reader": {"s3", "url"}, "front": set(), "listener": set()}
    topic = story.checkout.outputs(STACK)["functions"]["listener"]["topic_arn"]
    assert story.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_one_that_does_not_answer_holds_back_all(story: Story) -> None:
    assert "nothing invokes front, listener yet" in story.half.output
    assert " of front" not in story.half.stderr.rpartition("nothing invokes")[0].rpartition("version")[2]
    assert story.invoked_by() == {"reader": {"s3", "url"}, "front": set(), "listener": set()}


def test_once_all_of_them_answer_everything_is_made(story: Story) -> None:
    assert story.half
    reader = story.live("reader")
    story.write("listener", WORKS)
    report = json.loads(story.deploy().ok().stdout)
    assert report["first"] == {name: story.live(name) for name in ("front", "listener")}
    assert (report["moved"], story.live("reader")) == ({}, reader)
    assert story.invoked_by() == {"reader": {"s3", "url"}, "front": {"apigateway", "mapping"}, "listener": {"sns"}}
    assert set(story.told()) == {"LambdaFunctionConfigurations", "TopicConfigurations"}
    assert story.unchanged()
    assert json.loads(story.deploy().ok().stdout)["first"] == {}
