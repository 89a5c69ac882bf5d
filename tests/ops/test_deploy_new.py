"""deploy: what invokes a function is made when the function has answered its test event, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ops.errors import OpsError
from ops.load_stack import ROOT
from ops.mock_plan import FUNCTION, make_plan
from ops.untried import TRIGGERS, is_invoked, triggers
from tests.ops.conftest import HANDLER
from tests.ops.test_deploy import Checkout, checkout, read_section

if TYPE_CHECKING:
    from tests.ops.conftest import Deployed

__all__ = ["checkout"]

MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
ALIAS = "arn:aws:lambda:eu-central-1:123456789012:alias/embedding-live"
PLAN = [
    {"type": FUNCTION, "name": "embedding-function", "inputs": {}},
    {"type": MAPPING, "name": "embedding-mapping", "inputs": {"functionName": ALIAS}},
]
LEFT_OUT = ["--exclude", f"**{MAPPING}::embedding-mapping", "--exclude-dependents"]


def excludes(arguments: list[str]) -> list[str]:
    """What an update leaves out, as it was told."""
    return arguments[arguments.index("--exclude") :][:3] if "--exclude" in arguments else []


def invoke_by(deployed: Deployed, kind: str) -> None:
    """Make what invokes the function."""
    client, function = deployed.client("lambda"), deployed.function
    alias = {"FunctionName": function["name"], "Qualifier": "live"}
    if kind == "queue":
        client.create_event_source_mapping(FunctionName=function["alias_arn"], EventSourceArn=function["queue_arn"])
    elif kind == "url":
        client.create_function_url_config(**alias, AuthType="AWS_IAM")
    else:
        client.add_permission(
            **alias, StatementId="s", Action="lambda:InvokeFunction", Principal=kind, SourceArn="arn:aws:sns:x:1:y"
        )


@pytest.mark.parametrize("new_stack", [True, False])
def test_nothing_invokes_a_new_function_before_it_has_answered(checkout: Checkout, *, new_stack: bool) -> None:
    """A first update made function, alias and triggers at once: a shared bucket's events met what cannot import."""
    checkout.plan["resources"] = PLAN
    if new_stack:
        checkout.outputs.write_text("{}")
    checkout.code = "import no_such_module"
    with pytest.raises(
        OpsError, match=r"version 2 of embedding: .*No module named.*nothing invokes embedding yet\. Fix"
    ):
        checkout.deploy()
    [(arguments, _)] = checkout.ups
    assert excludes(arguments) == LEFT_OUT


def test_the_next_deployment_holds_it_back_again_and_makes_what_invokes_it_once_it_answers(checkout: Checkout) -> None:
    checkout.plan["resources"] = PLAN
    checkout.code = "import no_such_module"
    with pytest.raises(OpsError, match="nothing invokes embedding yet"):
        checkout.deploy()
    checkout.code = HANDLER.replace("CODE", "three")
    report = checkout.deploy()
    assert (report.data["moved"], report.data["first"]) == ({}, {"embedding": "3"})
    [_, (held, config), (last, last_config)] = checkout.ups
    assert (excludes(held), excludes(last)) == (LEFT_OUT, [])
    assert read_section(config).get("live_version") is None, "the broken version is nothing to stay at"
    assert read_section(last_config)["live_version"] == 3, "the version that was tried, whatever else is published"


@pytest.mark.parametrize("kind", ["queue", "url", "sns.amazonaws.com"])
def test_a_function_that_something_invokes_is_not_new(checkout: Checkout, kind: str) -> None:
    checkout.plan["resources"] = PLAN
    function = checkout.deployed.stack.function("embedding")
    client = checkout.deployed.client("lambda")
    assert not is_invoked(client, function)
    invoke_by(checkout.deployed, kind)
    assert is_invoked(client, function)
    checkout.code = HANDLER.replace("CODE", "two")
    report = checkout.deploy()
    assert (report.data["moved"], report.data["first"]) == ({"embedding": {"from": "1", "to": "2"}}, {})
    assert [excludes(arguments) for arguments, _ in checkout.ups] == [[], []]
    assert read_section(checkout.ups[0][1])["live_version"] == 1


def test_a_function_that_the_program_lets_nothing_invoke_has_traffic_of_its_callers(checkout: Checkout) -> None:
    """One that is called by whoever may has no trigger that could be held back: its old version stays live."""
    checkout.plan["resources"] = PLAN[:1]
    checkout.code = "import no_such_module"
    with pytest.raises(OpsError, match=r"Traffic stays where it was\. Fix"):
        checkout.deploy()
    assert checkout.deployed.alias() == "1"


def test_an_update_that_fails_when_triggers_are_made_leaves_a_new_function_at_what_has_answered(
    checkout: Checkout,
) -> None:
    checkout.plan["resources"] = PLAN
    checkout.code, checkout.fails_after = HANDLER.replace("CODE", "two"), 1
    with pytest.raises(OpsError, match=r"All traffic is on the old .* embedding, which has answered, may be invoked"):
        checkout.deploy()
    assert checkout.deployed.alias() == "2"


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_trigger_of_the_program_is_known_to_belong_to_a_function(stack: str) -> None:
    plan = make_plan(ROOT, stack)
    assert plan["error"] is None
    wanted = [f"**{each['type']}::{each['name']}" for each in plan["resources"] if each["type"] in TRIGGERS]
    found = triggers(plan)
    assert sorted(urn for urns in found.values() for urn in urns) == sorted(wanted)
    assert found["embedding"] == [f"**{MAPPING}::embedding-mapping"]


def test_a_function_with_anothers_name_at_its_beginning_has_its_own_triggers() -> None:
    resources: list[dict[str, Any]] = [
        *PLAN,
        {"type": FUNCTION, "name": "embedding-processor-function", "inputs": {}},
        {
            "type": "aws:lambda/permission:Permission",
            "name": "texts-embedding-processor-permission",
            "inputs": {"function": "embedding-processor-function"},
        },
    ]
    assert triggers({"resources": resources}) == {
        "embedding": [f"**{MAPPING}::embedding-mapping"],
        "embedding_processor": ["**aws:lambda/permission:Permission::texts-embedding-processor-permission"],
    }


def test_a_function_whose_package_becomes_an_image_is_not_replaced_under_its_traffic(checkout: Checkout) -> None:
    """AWS made another function, whose alias was to lead to a version of the old one, and nobody had called it."""
    image: dict[str, Any] = {**PLAN[0], "inputs": {"packageType": "Image"}}
    checkout.plan["resources"] = [image, *PLAN[1:]]
    invoke_by(checkout.deployed, "queue")
    with pytest.raises(OpsError, match=r"embedding becomes an image, .*this alone with `pulumi up --stack dev`"):
        checkout.deploy()
    checkout.file.write_text(checkout.file.read_text().replace("memory_mb: 512", "live_version: 1"))
    with pytest.raises(OpsError, match=r"this alone, without live_version of strata:embedding, with `pulumi up"):
        checkout.deploy()
    assert checkout.ups == []


def test_one_that_nothing_invokes_yet_is_replaced_and_tried(checkout: Checkout) -> None:
    image: dict[str, Any] = {**PLAN[0], "inputs": {"packageType": "Image"}}
    checkout.plan["resources"] = [image, *PLAN[1:]]
    assert checkout.deploy().data["first"] == {"embedding": "1"}
    assert [excludes(arguments) for arguments, _ in checkout.ups] == [LEFT_OUT, []]
