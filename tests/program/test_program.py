"""The whole program under a mock engine: what it registers, under which names, and what it must never hold."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
import yaml

from components import limits
from layer_builds.plan import layer_names, load_layer
from tests.harness import plain, secrets_in, strings_in
from tests.program.conftest import ROOT, STACKS, stack_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.harness import Program, Registered
    from tests.program.conftest import Runner

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "STRATA_UPDATE_GOLDEN"


def listed(program: Program, stack: str) -> str:
    """The names that a stack's resources are known by, where a change replaces the resource; and what roles may do."""
    lines = [
        *sorted(resource.urn for resource in program.resources),
        *sorted(grant for policy in program.all("RolePolicy") for grant in grants(policy)),
    ]
    text = "".join(f"{line}\n" for line in lines)
    # The local stack is made for the Python that runs it.
    return text.replace(f"py{sys.version_info[0]}{sys.version_info[1]}", "<running>") if stack == "local" else text


def grants(policy: Registered) -> list[str]:
    return [
        f"{policy.name} {statement['Sid']}: {', '.join(statement['Action'])} on {', '.join(statement['Resource'])}"
        + (f" if {json.dumps(statement['Condition'], sort_keys=True)}" if "Condition" in statement else "")
        for statement in json.loads(policy.inputs["policy"])["Statement"]
    ]


@pytest.mark.parametrize("stack", STACKS)
def test_every_name_and_every_grant_is_what_it_was(run: Runner, stack: str) -> None:
    found = listed(run(stack), stack)
    path = GOLDEN / f"{stack}.txt"
    if os.environ.get(UPDATE):
        path.write_text(found)
    meant = f"when it is meant: {UPDATE}=1 pytest {__file__}"
    assert found == path.read_text(), f"a new name replaces a resource, and a new grant wants a review; {meant}"


@pytest.mark.parametrize("stack", STACKS)
def test_everything_belongs_to_a_component_and_every_component_is_finished(run: Runner, stack: str) -> None:
    program = run(stack)
    components = {resource.urn for resource in program.resources if resource.component}
    assert all(resource.parent in components for resource in program.resources if not resource.component)
    assert components <= set(program.outputs)
    names = {resource.urn: resource.name for resource in program.resources}
    for resource in program.resources:
        if not resource.component:
            assert resource.name.startswith(f"{names[resource.parent]}-"), resource.urn


@pytest.mark.parametrize("stack", STACKS)
def test_no_trigger_and_no_permission_goes_past_the_alias(run: Runner, stack: str) -> None:
    program = run(stack)
    assert "$LATEST" not in list(strings_in([resource.inputs for resource in program.resources]))
    assert all(mapping.inputs["functionName"].endswith(":live") for mapping in program.all("EventSourceMapping"))
    assert all(told.inputs["endpoint"].endswith(":live") for told in program.all("TopicSubscription"))
    assert all(":live/" in integration.inputs["integrationUri"] for integration in program.all("Integration"))
    assert all(
        target["lambdaFunctionArn"].endswith(":live")
        for notification in program.all("BucketNotification")
        for target in notification.inputs.get("lambdaFunctions", [])
    )
    for permission in program.all("Permission"):
        assert {"qualifier", "sourceArn"} <= set(permission.inputs), permission.name


@pytest.mark.parametrize("stack", STACKS)
def test_no_role_may_do_everything_or_touch_everything(run: Runner, stack: str) -> None:
    granted = [
        (policy.name, statement)
        for policy in run(stack).all("RolePolicy")
        for statement in json.loads(policy.inputs["policy"])["Statement"]
    ]
    assert not [action for _, statement in granted for action in statement["Action"] if "*" in action]
    assert {statement["Sid"] for _, statement in granted if "*" in statement["Resource"]} == {"SendTraces"}


def test_every_role_has_the_boundary_that_config_names(run: Runner) -> None:
    arn = "arn:aws:iam::123456789012:policy/team/boundary"
    roles = run("dev", {"strata:roles": {"permissions_boundary_arn": arn}}).all("Role")
    assert roles
    assert [role.inputs["permissionsBoundary"] for role in roles] == [arn] * len(roles)
    assert not [role.name for role in run("dev").all("Role") if "permissionsBoundary" in role.inputs]


def test_a_given_bucket_makes_none(run: Runner) -> None:
    program = run("dev", {"strata:layers": {"bucket": "shared-artifacts"}})
    assert "artifacts-bucket" not in {bucket.name for bucket in program.all("Bucket")}
    assert program.exports["artifact_bucket"] == "shared-artifacts"


def test_prod_refuses_to_delete_what_holds_data(run: Runner) -> None:
    holds_data = {"Queue", "Secret", "Table", "Bucket"}
    for stack, wanted in (("prod", True), ("dev", False)):
        program = run(stack)
        holders = [each for each in program.resources if each.type.rpartition(":")[2] in holds_data]
        holders = [each for each in holders if not each.component]
        assert {each.request.protect for each in holders if each.name != "artifacts-bucket"} == {wanted}
    assert not run("prod").one("Bucket", "artifacts-bucket").request.protect, "it can be filled again"


@pytest.mark.parametrize("stack", STACKS)
def test_no_value_is_a_secret_or_looks_like_one(run: Runner, stack: str) -> None:
    program = run(stack)
    inputs = [resource.inputs for resource in program.resources]
    assert not list(secrets_in(inputs)), "there is no secret input to wrap; a new one needs its own test"
    assert not [text for text in strings_in(plain(inputs)) if re.search(r"\bsk-|pcsk_|AKIA[A-Z0-9]{16}", text)]


@pytest.mark.parametrize("stack", STACKS)
def test_only_the_provider_is_asked(run: Runner, stack: str) -> None:
    assert sorted(run(stack).calls) == [
        "aws:index/getCallerIdentity:getCallerIdentity",
        "aws:index/getRegion:getRegion",
    ]


def test_a_bad_config_is_one_message_and_registers_nothing(run: Runner) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run("dev", {"strata:embedding": {"memory_mb": 1, "runtime": "python3.15"}})
    assert "2 problems in the stack's config" in str(refused.value)
    assert refused.value.__cause__ is None
    assert run.build.last.resources == []


def test_settings_that_aws_would_refuse_later_register_nothing(run_embedding: Runner) -> None:
    """Both were a traceback with the account, the bucket and the layer registered already."""
    with pytest.raises(pulumi.RunError, match=r"strata:embedding: the environment's size is 6\d{3}: AWS accepts"):
        run_embedding("dev", {"strata:embedding": {"environment": {"BIG": "x" * 5_500}}})
    assert run_embedding.build.last.resources == []
    with pytest.raises(pulumi.RunError, match="aws:profile is acme/Admin"):
        run_embedding("dev", {"aws:profile": "acme/Admin"})
    assert run_embedding.build.last.resources == []


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_planned_of_an_environment_is_at_least_what_is_deployed(
    run: Runner, monkeypatch: pytest.MonkeyPatch, stack: str
) -> None:
    planned: list[dict[str, str]] = []
    check = limits.check_environment

    def record(variables: Mapping[str, Any]) -> None:
        if all(isinstance(value, str) for value in variables.values()):
            planned.append(dict(variables))
        check(variables)

    monkeypatch.setattr(limits, "check_environment", record)
    functions = run(stack, name="s" * limits.STACK_NAME_LENGTH).all("Function")
    assert functions
    for function in functions:
        deployed = function.inputs["environment"]["variables"]
        service = deployed["POWERTOOLS_SERVICE_NAME"]
        (plan,) = [each for each in planned if each["POWERTOOLS_SERVICE_NAME"] == service][:1]
        assert set(deployed) <= set(plan)
        assert all(len(plan[key]) >= len(value) for key, value in deployed.items())


def own_code(inputs: Mapping[str, Any]) -> str:
    """A function's zip, and the packages of this repository that its layers hold."""
    held = [
        layer for layer in map(load_layer, layer_names()) if any(f"-{layer.name}-" in arn for arn in inputs["layers"])
    ]
    folders = [ROOT / "packages" / package for layer in held for package in layer.local]
    sources = [file.read_text() for folder in folders for file in sorted((folder / "src").rglob("*.py"))]
    return "".join([*(asset["text"] for asset in inputs["code"]["assets"].values()), *sources])


@pytest.mark.parametrize("stack", STACKS)
def test_every_alarm_on_our_own_metrics_watches_what_its_function_emits(run: Runner, stack: str) -> None:
    """A system with a two-word name would have had an alarm that never fires."""
    program = run(stack)
    variables = [each.inputs["environment"]["variables"] for each in program.all("Function")]
    emitted = {(each["POWERTOOLS_METRICS_NAMESPACE"], each["POWERTOOLS_SERVICE_NAME"]) for each in variables}
    texts = {
        each.inputs["environment"]["variables"]["POWERTOOLS_SERVICE_NAME"]: own_code(each.inputs)
        for each in program.all("Function")
    }
    watched = [each.inputs for each in program.all("MetricAlarm") if not each.inputs["namespace"].startswith("AWS/")]
    assert len(watched) == len(program.all("EventSourceMapping"))
    for alarm in watched:
        service = alarm["dimensions"]["service"]
        assert (alarm["namespace"], service) in emitted
        assert f'"{alarm["metricName"]}"' in texts[service]


def test_a_stale_layer_is_one_message_and_registers_nothing(
    run_embedding: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    layers = tmp_path / "layers"
    shutil.copytree(ROOT / "layer_builds" / "layers", layers)
    requirements = layers / "openai-pinecone" / "requirements.in"
    requirements.write_text(requirements.read_text() + "certifi\n")
    monkeypatch.setattr("components.package.load_layer", lambda name, root: load_layer(name, root=layers))
    with pytest.raises(pulumi.RunError, match="python -m layer_builds lock openai-pinecone"):
        run_embedding("dev", {})
    assert run_embedding.build.last.resources == []


def physical_name(resource: Registered, stack: str, pattern: str) -> str:
    """What `pulumi:autonaming` makes of a logical name."""
    name = pattern.replace("${project}", "strata").replace("${stack}", stack).replace("${name}", resource.name)
    return re.sub(r"\$\{hex\((\d+)\)\}", lambda found: "0" * int(found[1]), name)


@pytest.mark.parametrize("stack", STACKS)
def test_the_longest_physical_name_fits_aws_s_limits(run: Runner, stack: str) -> None:
    longest = "s" * limits.STACK_NAME_LENGTH
    pattern = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["pulumi:autonaming"]["value"]["pattern"]
    checked: set[str] = set()
    for resource in run(stack, name=longest).resources:
        limit = limits.PHYSICAL_NAME_LENGTHS.get(resource.type, math.inf)
        if resource.type in limits.PHYSICAL_NAME_LENGTHS and "name" not in resource.inputs:
            name = physical_name(resource, longest, pattern)
            assert len(name) <= limit, name
            assert name == name.lower()
            checked.add(resource.type)
    assert {"aws:lambda/function:Function", "aws:iam/role:Role", "aws:s3/bucket:Bucket"} <= checked
    # The longest system to come.
    role = f"strata-{longest}-embedding-processor-function-000000"
    assert len(role) <= limits.PHYSICAL_NAME_LENGTHS["aws:lambda/function:Function"]


def test_the_program_has_no_logic_to_speak_of() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 60


def test_stacks_differ_where_their_files_do(run_embedding: Runner) -> None:
    assert run_embedding("prod").one("LayerVersion").request.retainOnDelete is True
    assert not run_embedding("dev").one("LayerVersion").request.retainOnDelete
    local = run_embedding("local")
    assert " --compiler running " in local.one("Command").inputs["create"]
    assert {secret.inputs["recoveryWindowInDays"] for secret in local.all("Secret")} == {0}
    assert {secret.inputs["recoveryWindowInDays"] for secret in run_embedding("prod").all("Secret")} == {30}


@pytest.mark.parametrize("stack", STACKS)
def test_stack_files_hold_no_encrypted_values(stack: str) -> None:
    assert "secure:" not in (ROOT / f"Pulumi.{stack}.yaml").read_text()
    assert all(key.startswith(("aws:", "strata:")) for key in stack_config(stack))
