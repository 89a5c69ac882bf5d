"""The knowledge base as the program deploys it: what its roles may do, what becomes of objects, what config may say."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from lambdas.knowledge_base import contract
from tests.harness import Build
from tests.program.conftest import STACKS, Runner, policy_statements, variables_of

NAME = "knowledge_base"
SECTION = f"strata:{NAME}"
FUNCTION = "knowledge-base"
POLICY = f"{FUNCTION}-policy"
API = "https://api123.execute-api.eu-central-1.amazonaws.com"


@pytest.fixture
def run_alone() -> Runner:
    """Runs the program with this one system."""
    return Runner(Build(), NAME)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_its_role_reaches_its_own_tables_prefixes_and_queue_and_nothing_else(run_alone: Runner, stack: str) -> None:
    program = run_alone(stack)
    found = policy_statements(program, POLICY)
    tables = {"UseUsersTable", "UseDocumentsTable", "UseChatSessionsTable", "UseChatMessagesTable"}
    objects = {"UseUploads", "UseDocuments", "UsePages", "UseImages"}
    others = {"WriteLogs", "SendTraces", "ReadSecrets", "ListVersions", "SendMessages", "DelayMessages"}
    assert set(found) == tables | objects | others
    actions = {sid: set(found[sid]["Action"]) for sid in tables | objects}
    assert not [action for each in actions.values() for action in each if "*" in action or action.endswith("Scan")]
    assert "s3:PutObject" not in actions["UseImages"]
    assert "dynamodb:BatchWriteItem" not in actions["UseChatMessagesTable"]
    for prefix in contract.OBJECTS:
        (sid,) = {sid for sid in objects if sid.lower() == f"use{prefix.strip('/')}"}
        (resource,) = found[sid]["Resource"]
        assert resource.endswith(f"/{prefix}*")
    (queue,) = {resource for sid in ("SendMessages", "DelayMessages") for resource in found[sid]["Resource"]}
    assert queue == program.one("EventSourceMapping").inputs["eventSourceArn"]


def test_with_the_image_processor_it_may_invoke_its_alias_and_that_one_sees_two_prefixes(
    run: Runner,
) -> None:
    program = run("dev")
    (alias,) = policy_statements(program, POLICY)["InvokeFunction"]["Resource"]
    assert alias == variables_of(program, FUNCTION)[contract.IMAGE_PROCESSOR_LAMBDA_ARN]
    assert alias.endswith(":live")
    lent = policy_statements(program, "image-processor-for-knowledge-base")
    assert {sid: each["Action"] for sid, each in lent.items()} == {
        "UseDocuments": ["s3:GetObject"],
        "UseImages": ["s3:PutObject"],
    }
    policy = program.one("RolePolicy", "image-processor-for-knowledge-base")
    assert "image-processor-role" in policy.inputs["role"]


def test_without_the_image_processor_nothing_is_invoked(run_alone: Runner) -> None:
    program = run_alone("dev")
    assert contract.IMAGE_PROCESSOR_LAMBDA_ARN not in variables_of(program, FUNCTION)
    assert "InvokeFunction" not in policy_statements(program, POLICY)


@pytest.mark.parametrize("stack", STACKS)
def test_uploads_and_only_they_tell_the_queue_and_the_queue_admits_only_the_bucket(
    run_alone: Runner, stack: str
) -> None:
    program = run_alone(stack)
    (told,) = program.one("BucketNotification").inputs["queues"]
    assert (told["filterPrefix"], told["filterSuffix"]) == (contract.UPLOADS_PREFIX, contract.UPLOAD_SUFFIX)
    assert told["queueArn"] == program.one("EventSourceMapping").inputs["eventSourceArn"]
    (admitted,) = json.loads(program.one("QueuePolicy").inputs["policy"])["Statement"]
    assert admitted["Principal"] == {"Service": "s3.amazonaws.com"}
    assert [arn.rpartition(":")[2] for arn in admitted["Condition"]["ArnEquals"]["aws:SourceArn"]] == [
        variables_of(program, FUNCTION)[contract.PDF_STORAGE_BUCKET]
    ]


def test_uploads_go_after_a_day_and_what_is_kept_has_versions_and_becomes_cheaper(run_alone: Runner) -> None:
    program = run_alone("prod")
    bucket = variables_of(program, FUNCTION)[contract.PDF_STORAGE_BUCKET]
    versioning, lifecycle = program.one("BucketVersioning").inputs, program.one("BucketLifecycleConfiguration").inputs
    assert (versioning["bucket"], lifecycle["bucket"]) == (bucket, bucket)
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}
    rules = {rule["id"]: rule for rule in lifecycle["rules"]}
    assert set(rules) == {"leftovers", "tier-documents", "tier-images", "expire-uploads"}
    assert rules["leftovers"]["noncurrentVersionExpiration"] == {"noncurrentDays": 1}
    assert rules["leftovers"]["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 1}
    assert rules["expire-uploads"]["filter"] == {"prefix": contract.UPLOADS_PREFIX}
    assert rules["expire-uploads"]["expiration"] == {"days": contract.UPLOADS_KEPT_DAYS}
    assert rules["tier-documents"]["transitions"] == [{"days": 0, "storageClass": "INTELLIGENT_TIERING"}]
    assert all(rule["status"] == "Enabled" for rule in rules.values())


def test_its_own_page_and_named_ones_may_use_the_bucket_and_no_other(run_alone: Runner) -> None:
    (rule,) = run_alone("dev").one("BucketCorsConfiguration").inputs["corsRules"]
    assert (rule["allowedOrigins"], rule["allowedMethods"]) == ([API], ["GET", "POST"])
    more = {SECTION: {"http": {"cors_origins": ["https://books.example.com"]}}}
    program = run_alone("dev", more)
    (rule,) = program.one("BucketCorsConfiguration").inputs["corsRules"]
    assert rule["allowedOrigins"] == [API, "https://books.example.com"]
    cors = program.one("Api").inputs["corsConfiguration"]
    assert cors["allowOrigins"] == ["https://books.example.com"]
    assert {"GET", "POST", "DELETE"} <= set(cors["allowMethods"])


def test_every_path_is_one_route_with_access_logs_and_throttling(run_alone: Runner) -> None:
    program = run_alone("dev")
    assert [route.inputs["routeKey"] for route in program.all("Route")] == ["$default"]
    assert program.one("Integration").inputs["timeoutMilliseconds"] == 30_000
    stage = program.one("Stage").inputs
    throttle = stage["defaultRouteSettings"]
    assert (throttle["throttlingRateLimit"], throttle["throttlingBurstLimit"]) == (50, 100)
    assert "destinationArn" in stage["accessLogSettings"]


def test_four_tables_by_their_keys_that_forget_what_expired_and_are_kept_in_prod(run_alone: Runner) -> None:
    program = run_alone("prod")
    tables = {each.name: each for each in program.all("Table") if not each.component}
    assert {name: (each.inputs["hashKey"], each.inputs.get("rangeKey")) for name, each in tables.items()} == {
        "knowledge-base-users-table": contract.USERS_KEY,
        "knowledge-base-documents-table": contract.DOCUMENTS_KEY,
        "knowledge-base-chat-sessions-table": contract.CHAT_SESSIONS_KEY,
        "knowledge-base-chat-messages-table": contract.CHAT_MESSAGES_KEY,
    }
    for table in tables.values():
        assert table.inputs["ttl"] == {"attributeName": contract.TABLE_TTL, "enabled": True}
        assert table.inputs["pointInTimeRecovery"] == {"enabled": True}
        assert table.inputs["billingMode"] == "PAY_PER_REQUEST"
        assert table.inputs["deletionProtectionEnabled"]
        assert table.request.protect


def test_the_function_has_five_layers_in_order_and_the_contracts_size(run_alone: Runner) -> None:
    program = run_alone("dev")
    inputs = program.one("Function").inputs
    assert [arn.rpartition(":")[0].split("-py")[0].rpartition("strata-dev-")[2] for arn in inputs["layers"]] == list(
        contract.LAYERS
    )
    assert (inputs["memorySize"], inputs["timeout"]) == (
        contract.DEFAULT_MEMORY_MB,
        contract.DEFAULT_TIMEOUT_SECONDS,
    )
    redrive = json.loads(program.one("Queue", "knowledge-base-queue").inputs["redrivePolicy"])
    assert variables_of(program, FUNCTION)[contract.MAX_RECEIVES] == str(redrive["maxReceiveCount"])


def test_secrets_are_references(run_alone: Runner) -> None:
    program = run_alone("dev")
    made = program.exports["functions"][NAME]["secrets"]
    names = {contract.JWT_SECRET_KEY, contract.WEAVIATE_API_KEY, contract.OPENAI_API_KEY}
    assert set(made) == names
    assert not names & variables_of(program, FUNCTION).keys()
    kept = {f"{name.lower()}": {"parameter": f"/strata/dev/{name.lower()}"} for name in names}
    program = run_alone("dev", {SECTION: kept})
    assert not program.all("Secret")
    assert "ReadParameters" in policy_statements(program, POLICY)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reserved_concurrency": 2}, ["reserved_concurrency", "is 2", "queue.maximum_concurrency"]),
        ({"reserved_concurrency": 1}, ["queue.maximum_concurrency", "is 2", "reserved_concurrency, 1"]),
        ({"chunk_overlap_tokens": 250}, ["chunk_overlap_tokens", "is 250", "200"]),
        ({"chunk_tokens": 10}, ["chunk_tokens"]),
        ({"access_token_seconds": 3_600}, ["access_token_seconds"]),
        ({"timeout_seconds": 20}, ["timeout_seconds"]),
        ({"memory_mb": 512}, ["memory_mb"]),
        ({"max_pages": 0}, ["max_pages"]),
        ({"queue": {"batch_size": 10}}, ["queue.batch_size"]),
        ({"weaviate_url": "http://weaviate.example.com"}, ["weaviate_url", "https"]),
        ({"weaviate_url": "https://me:secret@weaviate.example.com"}, ["weaviate_url", "password"]),
        ({"openai_embedding_model": "word2vec"}, ["openai_embedding_model"]),
        ({"http": {"cors_origins": ["*"]}}, ["http.cors_origins", "refused"]),
    ],
)
def test_config_that_could_not_work_is_refused(run_alone: Runner, change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_alone("dev", {SECTION: change})
    assert [word for word in words if word not in str(refused.value)] == []
    assert "me:secret" not in str(refused.value)
