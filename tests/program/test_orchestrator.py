"""The orchestrator as the program deploys it: what its role may do, and what its config may say."""

from __future__ import annotations

import json
from typing import Any, get_args

import pulumi
import pytest

from components import bedrock, limits
from components.systems.orchestrator import OrchestratorSettings
from lambdas.orchestrator import contract
from tests.harness import Build
from tests.program.conftest import STACKS, Runner, policy_statements, variables_of

NAME = "orchestrator"
SECTION = f"strata:{NAME}"
FUNCTION = "orchestrator"
POLICY = f"{FUNCTION}-policy"


@pytest.fixture
def run_orchestrator() -> Runner:
    """Runs the program with this one system."""
    return Runner(Build(), NAME)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_functions_role_may_not_call_the_model_and_the_models_role_may_do_nothing_else(
    run_orchestrator: Runner, stack: str
) -> None:
    program = run_orchestrator(stack)
    found = policy_statements(program, POLICY)
    own = {"WriteLogs", "SendTraces", "ReadSecrets", "SendMessages", "RememberDeliveries", "CountRuns", "AssumeRole"}
    assert set(found) == own
    assert found["CountRuns"]["Action"] == ["dynamodb:UpdateItem"]
    assert found["AssumeRole"]["Resource"] == [variables_of(program, FUNCTION)[contract.MODEL_ROLE_ARN]]
    model = policy_statements(program, "orchestrator-model-policy")
    assert {action for each in model.values() for action in each["Action"]} == set(contract.MODEL_ACTIONS)
    resources = [resource for each in model.values() for resource in each["Resource"]]
    assert all("anthropic.claude-sonnet-4-5-20250929-v1:0" in resource for resource in resources)
    assert not [resource for resource in resources if resource.endswith("*")]


def test_with_another_provider_there_is_no_such_role_and_a_key_instead(run_orchestrator: Runner) -> None:
    program = run_orchestrator("dev", {SECTION: {"model_provider": "openai", "model_id": "gpt-4.1-mini"}})
    assert [each.name for each in program.all("Role")] == ["orchestrator-role"]
    assert contract.MODEL_ROLE_ARN not in variables_of(program, FUNCTION)
    made = program.exports["functions"][NAME]["secrets"]
    assert set(made) == {contract.GITHUB_WEBHOOK_SECRET, contract.GITHUB_TOKEN, contract.OPENAI_API_KEY}


def test_an_app_needs_its_key_and_no_token(run_orchestrator: Runner) -> None:
    program = run_orchestrator("prod")
    made = program.exports["functions"][NAME]["secrets"]
    assert set(made) == {contract.GITHUB_WEBHOOK_SECRET, contract.GITHUB_APP_PRIVATE_KEY}
    assert variables_of(program, FUNCTION)[contract.GITHUB_APP_ID] == "1000001"


@pytest.mark.parametrize("stack", STACKS)
def test_webhooks_come_in_by_one_route_without_cors_and_go_out_by_the_functions_own_queue(
    run_orchestrator: Runner, stack: str
) -> None:
    program = run_orchestrator(stack)
    assert [route.inputs["routeKey"] for route in program.all("Route")] == [contract.ROUTE]
    assert "corsConfiguration" not in program.one("Api").inputs
    queue = program.one("Queue", "orchestrator-queue")
    assert f"-{queue.name}-" in variables_of(program, FUNCTION)[contract.WEBHOOK_QUEUE_URL]
    mapping = program.one("EventSourceMapping").inputs
    assert mapping["batchSize"] == contract.MESSAGES_AT_ONCE
    (send,) = policy_statements(program, POLICY)["SendMessages"]["Resource"]
    assert send == mapping["eventSourceArn"]
    redrive = json.loads(queue.inputs["redrivePolicy"])
    assert redrive["maxReceiveCount"] > contract.AGENT_TRIES


def test_both_tables_forget_what_is_old_and_are_kept_in_prod(run_orchestrator: Runner) -> None:
    program = run_orchestrator("prod")
    tables = {each.name: each for each in program.all("Table") if not each.component}
    assert set(tables) == {"orchestrator-deliveries-table", "orchestrator-runs-table"}
    for table in tables.values():
        assert table.inputs["hashKey"] == contract.TABLE_KEY
        assert table.inputs["ttl"] == {"attributeName": contract.TABLE_TTL, "enabled": True}
        assert table.inputs["deletionProtectionEnabled"]
        assert table.request.protect


def test_the_function_is_small_and_its_layers_are_in_order(run_orchestrator: Runner) -> None:
    program = run_orchestrator("dev")
    inputs = program.one("Function").inputs
    assert inputs["handler"] == contract.HANDLER
    assert [arn.rpartition(":")[0].split("-py")[0].rpartition("strata-dev-")[2] for arn in inputs["layers"]] == list(
        contract.LAYERS
    )
    assert (inputs["memorySize"], inputs["timeout"]) == (
        contract.DEFAULT_MEMORY_MB,
        contract.DEFAULT_TIMEOUT_SECONDS,
    )


def test_the_pages_choices_are_the_contracts() -> None:
    agents = get_args(get_args(OrchestratorSettings.model_fields["enabled_agents"].annotation)[0])
    assert agents == contract.AGENTS
    assert bedrock.invoke("S", ["arn"]).actions == contract.MODEL_ACTIONS
    assert limits.MAX_RECEIVE_COUNT.low > contract.AGENT_TRIES
    assert contract.KEPT_SECONDS > limits.QUEUE_RETENTION_SECONDS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source_repo": []}, ["source_repo", "at least one repository"]),
        ({"source_repo": ["kettle"]}, ["source_repo", "'kettle'", "owner/name"]),
        ({"source_repo": ["a/b,c/d"]}, ["source_repo", "owner/name"]),
        ({"branches": ["a,b"]}, ["branches", "comma"]),
        ({"doc_paths": [" docs/"]}, ["doc_paths", "space"]),
        ({"enabled_agents": ["poet"]}, ["enabled_agents"]),
        ({"min_quality_score": 101}, ["min_quality_score"]),
        ({"model_timeout_seconds": 850}, ["model_timeout_seconds", "is 850", "60 s for publishing"]),
        ({"model_id": "gpt-4.1-mini/../*"}, ["model_id", "not an id of a Bedrock model"]),
        ({"queue": {"batch_size": 10}}, ["queue.batch_size"]),
        ({"timeout_seconds": 60}, ["timeout_seconds"]),
        ({"memory_mb": 256}, ["memory_mb"]),
        ({"http": {"cors_origins": ["*"]}}, ["http.cors_origins", "refused"]),
        ({"github_api_url": "http://github.example.com"}, ["github_api_url", "https"]),
    ],
)
def test_config_that_could_not_work_is_refused(
    run_orchestrator: Runner, change: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_orchestrator("dev", {SECTION: change})
    assert [word for word in words if word not in str(refused.value)] == []
