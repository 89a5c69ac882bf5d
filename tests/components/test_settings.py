"""Stack config: each rule with its message, all problems at once, no secret repeated, no traceback for anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bucket_trigger import BucketKeys, BucketUse
from components.fields import key
from components.function_settings import FunctionSettings
from components.settings import Settings, load_settings
from components.systems import SYSTEMS
from components.systems.embedding import EmbeddingSettings
from components.validation import SettingsError
from lambdas.shared.openai_calls import contract
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOST = "docs-a1b2c3d.svc.aped-4627-b74a.pinecone.io"
SECRET_ARN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:team/openai-AbCdEf"
MODELS = {name: system.settings for name, system in SYSTEMS.items()}
CANARY = "sk-canary-0123456789"


def load(
    embedding: Mapping[str, Any] | None = None,
    *,
    stack: str = "dev",
    aws: Mapping[str, str] | None = None,
    **sections: Any,
) -> Settings:
    config = {f"strata:{name}": json.dumps(value) for name, value in sections.items()}
    config |= {f"aws:{key}": value for key, value in (aws or {}).items()}
    config["strata:embedding"] = json.dumps({"pinecone_index_host": HOST, **(embedding or {})})
    return load_settings(config, MODELS, stack=stack)


def problems(embedding: Mapping[str, Any] | None = None, **others: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        load(embedding, **others)
    return refused.value.problems


def embedding(**values: Any) -> EmbeddingSettings:
    settings = load(values).systems["embedding"]
    assert isinstance(settings, EmbeddingSettings)
    return settings


def problems_of(system: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        load_settings({f"strata:{system}": json.dumps(values)}, MODELS, stack="dev")
    return refused.value.problems


def test_the_defaults_are_a_stack_that_passes() -> None:
    settings = embedding()
    assert (settings.runtime, settings.architecture) == ("python3.13", "arm64")
    assert str(settings.target) == "python3.13-arm64"
    assert (settings.timeout_seconds, settings.openai_timeout_seconds, settings.openai_max_retries) == (120, 20.0, 3)
    assert settings.openai_embedding_model == "text-embedding-ada-002"
    assert settings.reserved_concurrency is None
    assert settings.live_version is None
    assert load().layers.compiler == "pinned"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memory_mb": 64}, "strata:embedding.memory_mb is 64: it must be from 128 to 10240 (https://docs.aws"),
        ({"timeout_seconds": 901}, "strata:embedding.timeout_seconds is 901: it must be from 1 to 900"),
        ({"memory_mb": "plenty"}, "strata:embedding.memory_mb is plenty: it must be a whole number"),
        ({"memory_mb": 1024.5}, "strata:embedding.memory_mb is 1024.5: it must be a whole number"),
        ({"openai_timeout_seconds": "20s"}, "strata:embedding.openai_timeout_seconds is 20s: it must be a number"),
        ({"snapstart": "perhaps"}, "strata:embedding.snapstart is perhaps: it must be true or false"),
        ({"openai_max_retries": False}, "is false: it must be a number; YAML reads yes, no, on and off as true"),
        ({"queue": {"batch_size": True}}, "strata:embedding.queue.batch_size is true: it must be a number; YAML"),
        ({"reserved_concurrency": True}, "strata:embedding.reserved_concurrency is true: it must be a number; YAML"),
        ({"runtime": 3.13}, "strata:embedding.runtime is 3.13: it must be text: write it in quotes"),
        ({"queue": 5}, "queue is 5: it must be an object with keys of its own: maximum_concurrency, batch_size,"),
        ({"queue": None}, "strata:embedding.queue is null: it must be an object"),
        (
            {"environment": "x"},
            "strata:embedding.environment is (not shown): it must be an object with keys of its own",
        ),
        ({"openai_api_key": "x"}, "it must be {secret_arn: …} or {parameter: …}, where the value is. The value itself"),
        (
            {"vpc": {"subnet_ids": "subnet-0123456789abcdef0", "security_group_ids": ["sg-0123456789abcdef0"]}},
            "it must be a list: `pulumi config set --path 'strata:embedding.vpc.subnet_ids[0]' <value>`",
        ),
        ({"openai_api_key": {"parameter": "team/openai-key"}}, "it must be a parameter's name, such as /team/openai"),
        ({"openai_api_key": {"parameter": "/AWS/openai-key"}}, "names that begin with aws or ssm are AWS's own"),
        ({"queue": {"batch_size": 10_001}}, "strata:embedding.queue.batch_size is 10001: it must be from 1 to 10000"),
        (
            {"queue": {"maximum_concurrency": 1}},
            "strata:embedding.queue.maximum_concurrency is 1: it must be from 2 to 1000",
        ),
        (
            {"queue": {"max_receive_count": 4}},
            "strata:embedding.queue.max_receive_count is 4: it must be from 5 to 1000",
        ),
        ({"architecture": "arm"}, "strata:embedding.architecture is arm: it should be 'arm64' or 'x86_64'"),
        ({"runtime": "python3.15"}, "python3.14 (it is a preview at AWS, without a service level, and onnxruntime has"),
        ({"runtime": "python3.10"}, "strata:embedding.runtime is python3.10: runtime 'python3.10' is not one of"),
        ({"live_version": 0}, "strata:embedding.live_version is 0"),
        ({"memroy_mb": 512}, "strata:embedding.memroy_mb is not a key that Strata reads"),
        ({"pinecone_index_host": "http://index.example.com"}, "it must use https: keys and texts travel over it"),
        ({"pinecone_index_host": "index.example.com/path"}, "without a path"),
        ({"pinecone_index_host": "my-index"}, "a name without a dot is the index's name, not its host"),
        ({"pinecone_namespace": "strata-deleted"}, "the function keeps there what was deleted"),
        ({"memory_mb": 128}, "is 128: loading the function's packages takes most of 160 MB"),
        ({"pinecone_index_host": ""}, "it must be the host that the Pinecone console shows"),
        ({"openai_base_url": "api.openai.com"}, "strata:embedding.openai_base_url is api.openai.com: it must be"),
        ({"openai_base_url": "ftp://api.example.com"}, "it must use https"),
        ({"openai_timeout_seconds": 0}, "strata:embedding.openai_timeout_seconds is 0: it must be from 0.1 to 600"),
        ({"dimensions": 1_024}, "text-embedding-ada-002 always gives 1536"),
        ({"environment": {"AWS_REGION": "x"}}, "Lambda keeps AWS_REGION for itself"),
        ({"environment": {"LOG-LEVEL": "x"}}, "'LOG-LEVEL' is not a valid variable name"),
        ({"environment": {"A": "x"}}, "'A' is not a valid variable name: at least two letters"),
        ({"environment": {"LEVEL": 1}}, "strata:embedding.environment.LEVEL is (not shown)"),
        ({"pinecone_namespace": "täg"}, "it must be at most 512 printable ASCII characters"),
        ({"openai_api_key": {}}, "it must hold either secret_arn or parameter"),
        (
            {"openai_api_key": {"secret_arn": SECRET_ARN, "parameter": "/x"}},
            "strata:embedding.openai_api_key is (not shown): it must hold either secret_arn or parameter",
        ),
        (
            {"openai_api_key": {"secret_arn": SECRET_ARN.removesuffix("-AbCdEf")}},
            "with the six characters that AWS appends",
        ),
        ({"openai_api_key": {"parameter": "two words"}}, "it must be a parameter's name, such as /team/openai-key"),
    ],
)
def test_a_bad_value_is_named_with_its_rule(values: dict[str, Any], message: str) -> None:
    (problem,) = problems(values)
    assert message in problem
    assert problem.startswith("strata:embedding.")


REPOSITORY: dict[str, Any] = {"source_repo": ["owner/name"], "model_id": "m", "model_provider": "openai"}


@pytest.mark.parametrize(
    ("system", "values", "message"),
    [
        ("orchestrator", {"source_repo": "owner/name"}, "set --path 'strata:orchestrator.source_repo[0]' <value>`"),
        ("orchestrator", {"doc_paths": ["docs/guide.md"]}, "'docs/guide.md' is neither a folder ending in `/`"),
        ("orchestrator", {"doc_paths": ["../x/"]}, "'../x/' is neither a folder"),
        ("orchestrator", {"doc_paths": ["/docs/"]}, "'/docs/' is neither a folder"),
        ("orchestrator", {"enabled_agents": ["historian", "poet"]}, "orchestrator.enabled_agents[1] is poet: it"),
        ("orchestrator", {"github_app_id": True}, "strata:orchestrator.github_app_id is true: it must be text"),
        ("orchestrator", {"github_app_id": "my-app"}, "it must be the app's number or its client id"),
        ("orchestrator", {"model_id": ""}, 'model_id is "": it must be a model\'s name'),
        ("embedding_processor", {"buckets": []}, "it must hold one item or more"),
        (
            "embedding_processor",
            {"buckets": [{"name": "a", "sufix": ".txt"}]},
            "strata:embedding_processor.buckets[0].suffix?",
        ),
        (
            "embedding_processor",
            {"buckets": [{"name": "A"}]},
            "strata:embedding_processor.buckets[0].name is A: it must",
        ),
    ],
)
def test_keys_of_the_other_systems_are_named_with_their_rule(system: str, values: dict[str, Any], message: str) -> None:
    rest = REPOSITORY if system == "orchestrator" else {}
    (problem,) = problems_of(system, {**rest, **values})
    assert message in problem
    assert "BucketKeys" not in problem


def test_an_app_s_number_may_stand_as_pulumi_writes_it() -> None:
    for written in (123456, "123456", "Iv23liAbCdEfGhIjKlMn"):
        section = {"strata:orchestrator": json.dumps({**REPOSITORY, "github_app_id": written})}
        settings = load_settings(section, MODELS, stack="dev")
        assert settings.systems["orchestrator"].model_dump()["github_app_id"] == str(written)


def test_a_bad_value_says_the_remedy() -> None:
    assert problems({"memory_mb": 64})[0].endswith("Leave the key out for the default, 1024.")


@pytest.mark.parametrize("shares", [[0], [100], [50, 10], [10, 10], ["10%"]])
def test_shares_of_the_traffic_rise_below_all_of_it(shares: list[Any]) -> None:
    assert load().rollout.canary_percents == []
    [problem] = problems(rollout={"canary_percents": shares})
    assert problem.startswith("strata:rollout.canary_percents")


def test_a_share_of_the_traffic_is_watched_for_as_long_as_an_alarm_needs() -> None:
    """Ten seconds were allowed: CloudWatch would not have looked once."""
    [problem] = problems(rollout={"step_seconds": 60})
    assert problem.startswith("strata:rollout.step_seconds is 60")


def test_a_misspelt_key_is_recognised() -> None:
    assert "did you mean strata:embedding.memory_mb?" in problems({"memroy_mb": 512})[0]


def test_a_strange_key_gets_the_list_of_keys() -> None:
    (problem,) = problems({"colour": "red"})
    assert "would have no effect: there are architecture, dimensions, environment," in problem


def test_a_missing_key_comes_with_its_command() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({"strata:embedding": "{}"}, MODELS, stack="dev")
    (problem,) = refused.value.problems
    assert problem == (
        "strata:embedding.pinecone_index_host is missing: The index's host, from the Pinecone console. Set it with "
        "`pulumi config set --path strata:embedding.pinecone_index_host <value>`."
    )


def test_all_problems_are_reported_at_once() -> None:
    found = problems(
        {"memory_mb": 1, "runtime": "python3.15", "queue": {"batch_size": 50}, "colour": "red"},
        stack="Dev",
        layers={"builder": "magic"},
        observability={"log_retention_days": 31},
        secrets=[],
        typo={},
    )
    heads = [problem.split(" is ")[0].split(" must ")[0] for problem in found]
    assert sorted(heads) == sorted(
        [
            "the stack's name",
            "strata:typo",
            "strata:layers.builder",
            "strata:observability.log_retention_days",
            "strata:secrets",
            "strata:embedding.runtime",
            "strata:embedding.memory_mb",
            "strata:embedding.colour",
            "strata:embedding.queue.batching_window_seconds",
        ]
    )
    with pytest.raises(SettingsError, match="2 problems in the stack's config; nothing was deployed"):
        load({"memory_mb": 1, "runtime": "python3.15"})


def test_the_timeout_covers_all_tries_their_waits_and_the_rest() -> None:
    assert contract.openai_seconds(20.0, 3) == 83.5
    assert contract.openai_seconds(1.0, 6) == 7 + 0.5 + 1 + 2 + 4 + 8 + 8
    assert embedding(timeout_seconds=99).timeout_seconds == 99
    (problem,) = problems({"timeout_seconds": 98})
    assert problem.startswith(
        "strata:embedding.timeout_seconds is 98: OpenAI may take 20 s, for each of 4 tries, 83.5 s"
    )
    assert "raise timeout_seconds to 99, or lower openai_timeout_seconds or openai_max_retries" in problem


def test_a_call_that_no_function_outlives_can_only_be_shortened() -> None:
    (problem,) = problems({"timeout_seconds": 900, "openai_timeout_seconds": 300})
    assert "raise timeout_seconds" not in problem
    assert "lower openai_timeout_seconds or openai_max_retries" in problem


def test_the_queue_starts_no_more_than_is_reserved() -> None:
    settings = embedding(reserved_concurrency=5, queue={"maximum_concurrency": 5})
    assert settings.queue.maximum_concurrency == 5
    (problem,) = problems({"reserved_concurrency": 4, "queue": {"maximum_concurrency": 5}})
    assert problem.startswith("strata:embedding.queue.maximum_concurrency is 5, above reserved_concurrency, 4")


def test_a_large_batch_needs_a_window() -> None:
    assert embedding(queue={"batch_size": 11, "batching_window_seconds": 1}).queue.batch_size == 11
    assert embedding(queue={"batch_size": 10}).queue.batching_window_seconds == 0
    (problem,) = problems({"queue": {"batch_size": 11}})
    assert problem.startswith("strata:embedding.queue.batching_window_seconds is 0 with batch_size 11")


def test_the_models_are_those_that_the_function_knows() -> None:
    for model in (*contract.MODELS, *contract.ALIASES):
        assert embedding(openai_embedding_model=model).openai_embedding_model == model
    (problem,) = problems({"openai_embedding_model": "text-embeding-3-small"})
    assert "is text-embeding-3-small: it should be 'text-embedding-ada-002', 'text-embedding-ada-002-v2'" in problem


def test_the_addresses_are_used_as_they_are_checked() -> None:
    assert (
        embedding(openai_base_url="https://models.example.com/v1/").openai_base_url == "https://models.example.com/v1"
    )


def test_dimensions_are_for_models_that_shorten() -> None:
    assert embedding(openai_embedding_model="text-embedding-3-small", dimensions=1_536).dimensions == 1_536
    (problem,) = problems({"openai_embedding_model": "text-embedding-3-small", "dimensions": 1_537})
    assert "text-embedding-3-small gives 1536 at most" in problem


def test_plain_http_is_for_this_machine() -> None:
    settings = embedding(openai_base_url="http://127.0.0.1:8080/v1", pinecone_index_host="http://localhost:1")
    assert settings.openai_base_url == "http://127.0.0.1:8080/v1"


def test_a_rule_is_tried_although_another_key_is_bad() -> None:
    assert len(problems({"memory_mb": 1, "timeout_seconds": 10})) == 2


def test_a_rule_is_not_tried_on_a_bad_key() -> None:
    assert len(problems({"timeout_seconds": 0})) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"openai_api_key": CANARY},
        {"openai_api_key": {"secret_arn": CANARY}},
        {"openai_api_key": {"value": CANARY}},
        {"environment": {"OPENAI_API_KEY": CANARY}},
        {"environment": {"DATABASE_PASSWORD": CANARY}},
        {"environment": CANARY},
        {"environment": {"OPENAI_TIMEOUT": CANARY}},
        {CANARY[:3]: CANARY},
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(values: dict[str, Any]) -> None:
    assert CANARY not in "\n".join(problems(values))


def test_a_url_with_a_password_is_refused() -> None:
    (problem,) = problems({"openai_base_url": f"https://user:{CANARY}@api.example.com/v1"})
    assert "carries a user name or password" in problem
    assert CANARY not in problem


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "api_key", "GITHUB_TOKEN", "DB_PASSWORD", "CLIENT_SECRET"])
def test_a_variable_that_looks_like_a_secret_is_refused(name: str) -> None:
    (problem,) = problems({"environment": {name: "x"}})
    assert f"{name} looks like a secret" in problem


def test_an_encrypted_value_is_refused_without_being_read() -> None:
    config = {"strata:embedding": json.dumps({"pinecone_index_host": HOST, "environment": {"X": CANARY}})}
    with pytest.raises(SettingsError) as refused:
        load_settings(config, MODELS, stack="dev", encrypted={"strata:embedding"})
    (problem,) = refused.value.problems
    assert problem.startswith("strata:embedding holds an encrypted value")
    assert CANARY not in problem


def test_other_people_s_namespaces_are_left_alone() -> None:
    config = {"strata:embedding": json.dumps({"pinecone_index_host": HOST}), "aws:region": "x", "other:key": CANARY}
    settings = load_settings({**config, "aws:profile": "team"}, MODELS, stack="dev", encrypted={"other:key"})
    assert settings.profile == "team"


def test_an_empty_stack_is_refused() -> None:
    with pytest.raises(SettingsError, match="no system is configured"):
        load_settings({}, MODELS, stack="dev")


@pytest.mark.parametrize("stack", ["Prod", "a" * 17, "two_words", "-x", "x-", "org/dev", "bootstrap", "bootstrap-prod"])
def test_a_stack_name_that_names_cannot_hold_is_refused(stack: str) -> None:
    (problem,) = problems(stack=stack)
    assert "1 to 16 lower-case letters, digits and hyphens" in problem


@pytest.mark.parametrize("stack", ["d", "pr-1234", "a" * 16, "bootstrapped"])
def test_ordinary_stack_names_pass(stack: str) -> None:
    assert load(stack=stack)


def test_the_running_python_compiles_only_its_own_minor_version() -> None:
    config = {
        "strata:layers": '{"compiler": "running"}',
        "strata:embedding": json.dumps({"pinecone_index_host": HOST, "runtime": "python3.12"}),
    }
    assert load_settings(config, MODELS, stack="dev", python="3.12.9").layers.compiler == "running"
    with pytest.raises(
        SettingsError, match=r"Python 3\.13\.1 cannot compile for strata:embedding\.runtime python3\.12"
    ):
        load_settings(config, MODELS, stack="dev", python="3.13.1")


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("layers", {"bucket": "Not_A_Bucket"}, "strata:layers.bucket is Not_A_Bucket: it must be a bucket's name"),
        ("secrets", {"kms_key_arn": "alias/mine"}, "a policy cannot grant an alias"),
        (
            "secrets",
            {"recovery_window_days": 3},
            "Secrets Manager accepts 0 (deleted at once, for good) or 7 to 30 days",
        ),
        ("observability", {"alarm_topic_arn": "alarms"}, "it must be an SNS topic's ARN"),
        ("roles", {"permissions_boundary_arn": "team-boundary"}, "it must be a managed policy's ARN"),
        ("observability", {"log_retention_days": 31}, "CloudWatch Logs accepts one of 1, 3, 5"),
    ],
)
def test_the_common_sections_have_rules_too(section: str, values: dict[str, Any], message: str) -> None:
    (problem,) = problems(**{section: values})
    assert message in problem


@pytest.mark.parametrize(
    ("key", "sections"),
    [
        ("observability.alarm_topic_arn", {"observability": {"alarm_topic_arn": f"arn:aws:sns:us-east-1:{ACCOUNT}:a"}}),
        ("secrets.kms_key_arn", {"secrets": {"kms_key_arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234"}}),
        ("embedding.openai_api_key.secret_arn", {"embedding": {"openai_api_key": {"secret_arn": SECRET_ARN}}}),
        (
            "roles.permissions_boundary_arn",
            {"roles": {"permissions_boundary_arn": f"arn:aws-cn:iam::{ACCOUNT}:policy/boundary"}},
        ),
    ],
)
def test_what_is_of_another_region_is_refused(key: str, sections: dict[str, Any]) -> None:
    region = "eu-west-1" if "embedding" in sections else REGION
    (problem,) = problems(**sections, aws={"region": region})
    assert problem.startswith(f"strata:{key} is arn:aws")
    assert f"which is not of aws:region {region} (partition aws)" in problem
    assert load(**sections), "without aws:region the region is the environment's, and unknown here"


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-isob-east-1", "aws-iso-b"),
    ],
)
def test_what_is_of_the_stack_s_region_passes(region: str, partition: str) -> None:
    topic = f"arn:{partition}:sns:{region}:{ACCOUNT}:alarms"
    boundary = f"arn:{partition}:iam::{ACCOUNT}:policy/boundary"
    sections: dict[str, Any] = {
        "observability": {"alarm_topic_arn": topic},
        "roles": {"permissions_boundary_arn": boundary},
    }
    assert load(**sections, aws={"region": region}).observability.alarm_topic_arn == topic


@pytest.mark.parametrize("project", ["Strata", "strata-2", "my_company_ai_platform", "", "strata\n"])
def test_another_project_s_name_is_refused_before_aws_refuses_or_cuts_its_resources_names(project: str) -> None:
    config = {"strata:embedding": json.dumps({"pinecone_index_host": HOST})}
    with pytest.raises(SettingsError) as raised:
        load_settings(config, MODELS, stack="dev", project=project)
    (problem,) = raised.value.problems
    assert problem.startswith("Pulumi.yaml's name is ")
    assert "has to be strata" in problem


def test_every_region_that_boto3_knows_is_of_its_partition() -> None:
    session = boto3.Session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("ec2", partition_name=partition):
            boundary = f"arn:{partition}:iam::{ACCOUNT}:policy/boundary"
            assert load(roles={"permissions_boundary_arn": boundary}, aws={"region": region}), region


@pytest.mark.parametrize("profile", ["two words", "a;rm", "$(id)", "-x", "a'b", "", "acme/Admin"])
def test_a_profile_that_a_shell_would_read_otherwise_is_refused(profile: str) -> None:
    (problem,) = problems(aws={"profile": profile})
    assert problem.startswith("aws:profile is ")
    assert "it goes into a command line" in problem


def test_pulumi_s_texts_for_numbers_pass() -> None:
    assert embedding(memory_mb="512", openai_timeout_seconds="2.5").openai_timeout_seconds == 2.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"snapstart": True, "runtime": "python3.11"}, "snapstart is true on python3.11: SnapStart needs python3.12"),
        ({"snapstart": True, "provisioned_concurrency": 1}, "together with provisioned_concurrency"),
        ({"snapstart": True, "ephemeral_storage_mb": 1_024}, "with ephemeral_storage_mb 1024: SnapStart takes 512 MB"),
        ({"provisioned_concurrency": 6, "reserved_concurrency": 5}, "is 6, above reserved_concurrency, 5"),
        ({"ephemeral_storage_mb": 511}, "ephemeral_storage_mb is 511: it must be from 512 to 10240"),
        (
            {"vpc": {"subnet_ids": [], "security_group_ids": ["sg-01234567"]}},
            "vpc.subnet_ids is []: it must be 1 to 16",
        ),
        ({"vpc": {"subnet_ids": ["subnet-01234567"]}}, "strata:embedding.vpc.security_group_ids is missing"),
        ({"vpc": {"subnet_ids": ["vpc-1"], "security_group_ids": ["sg-01234567"]}}, "'vpc-1' is not a valid id"),
        ({"function_url": {"auth": "NONE"}}, "strata:embedding.function_url.auth is NONE without a reason"),
        ({"function_url": {"auth": "NONE", "reason": "x", "cors_origins": ["*"]}}, "'*' is not a valid origin"),
        *(
            (
                {"function_url": {"auth": "NONE", "reason": "x", "cors_origins": [origin]}},
                f"so it would never match: write {sent}" if sent else f"{origin!r} is not a valid origin",
            )
            for origin, sent in (
                ("https://App.Example.com", "https://app.example.com"),
                ("HTTPS://app.example.com", "https://app.example.com"),
                ("https://app.example.com:443", "https://app.example.com"),
                ("http://localhost:80", "http://localhost"),
                ("http://localhost:03000", "http://localhost:3000"),
                ("https://app.example.com/", ""),
                ("https://app.example.com?x", ""),
                ("https://me@app.example.com", ""),
                ("https://app.example.com:", ""),
                ("https://app.example.com:99999", ""),
                ("https://bücher.example", ""),
                ("https://*.example.com", ""),
                ("null", ""),
                ("app.example.com", ""),
                (" https://app.example.com", ""),
            )
        ),
        ({"function_url": {"auth": "OPEN"}}, "strata:embedding.function_url.auth is OPEN: it should be 'AWS_IAM'"),
        ({"queue": {"batch": 1}}, "strata:embedding.queue.batch is not a key that Strata reads"),
    ],
)
def test_what_every_function_may_have_keeps_to_aws_s_rules(values: dict[str, Any], message: str) -> None:
    (problem,) = problems(values)
    assert message in problem


def test_what_every_function_may_have_passes() -> None:
    vpc = {"subnet_ids": ["subnet-01234567"], "security_group_ids": ["sg-01234567"]}
    assert embedding(snapstart=True, vpc=vpc, function_url={"auth": "AWS_IAM"}).snapstart
    assert embedding(provisioned_concurrency=5, reserved_concurrency=5).provisioned_concurrency == 5


def test_a_rule_inside_a_section_is_tried_although_its_neighbour_is_bad() -> None:
    assert len(problems({"memory_mb": 1, "queue": {"batch_size": 11, "max_receive_count": 1}})) == 3


class Reads(FunctionSettings):
    """A system that is told of objects."""

    bucket: BucketKeys = key("Where from.", default=BucketKeys)


class Writes(Reads):
    """One that also writes in its bucket."""

    def bucket_uses(self) -> Iterator[BucketUse]:
        yield from super().bucket_uses()
        yield BucketUse(bucket=self.bucket.name, writes_under="results/")


@pytest.mark.parametrize(
    ("writes", "reads", "message"),
    [
        ({"prefix": "in/"}, {"prefix": "in/pdf/"}, "bucket documents (strata:reader, strata:writer): two consumers"),
        ({"prefix": "in/"}, {"prefix": ""}, "two consumers would be told of the same objects"),
        ({"prefix": "in/"}, {"prefix": "results/a/"}, "which prefix 'results/a/', suffix '' takes in"),
    ],
)
def test_consumers_of_a_bucket_that_s3_would_refuse_are_a_problem(
    writes: dict[str, Any], reads: dict[str, Any], message: str
) -> None:
    models = {"writer": Writes, "reader": Reads}
    config = {"strata:writer": json.dumps({"bucket": writes}), "strata:reader": json.dumps({"bucket": reads})}
    with pytest.raises(SettingsError) as refused:
        load_settings(config, models, stack="dev")
    assert message in str(refused.value)
    elsewhere = {**config, "strata:reader": json.dumps({"bucket": {**reads, "name": "others"}})}
    if not reads["prefix"].startswith("results"):
        assert load_settings(elsewhere, models, stack="dev").systems.keys() == {"writer", "reader"}


def outcome(values: Mapping[str, Any]) -> Settings | tuple[str, ...]:
    try:
        return load(values)
    except SettingsError as refused:
        return refused.problems


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(EmbeddingSettings.model_fields)) | st.text(), anything, max_size=6))
def test_any_object_is_settings_or_a_list_of_problems(values: dict[str, Any]) -> None:
    found = outcome(values)
    assert isinstance(found, Settings) or (found and not any("\n" in problem for problem in found))


@given(st.dictionaries(st.sampled_from(["embedding", "layers", "secrets", "observability"]), st.text(), max_size=4))
def test_any_text_is_settings_or_a_list_of_problems(sections: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        load_settings({f"strata:{name}": text for name, text in sections.items()}, MODELS, stack="dev")
