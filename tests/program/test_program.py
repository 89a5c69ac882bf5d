"""The whole program under a mock engine: what it registers, under which names, and what it must never hold."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
import yaml

from components import limits
from components.code import code_package
from components.settings import SYSTEM_SECTIONS, load_settings
from components.systems.embedding import planned_environment
from components.systems.embedding_settings import EMBEDDING_VARIABLES
from components.systems.registry import SYSTEMS
from lambdas.embedding.settings import Settings as FunctionSettings
from lambdas.shared.secrets import Secret
from layer_builds import load_layer
from tests.harness import plain, secrets_in, strings_in
from tests.program.conftest import ROOT, STACKS, stack_config

if TYPE_CHECKING:
    from tests.harness import Program, Registered
    from tests.program.conftest import Runner

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "STRATA_UPDATE_GOLDEN"


def urns(program: Program) -> str:
    """The names that a stack's resources are known by; a change of one replaces the resource."""
    running = f"py{sys.version_info[0]}{sys.version_info[1]}"
    lines = sorted(one.urn for one in program.resources)
    return "".join(
        f"{line.replace(running, '<running>') if line.startswith('urn:pulumi:local::') else line}\n" for line in lines
    )


@pytest.mark.parametrize("stack", STACKS)
def test_every_name_is_what_it_was(run: Runner, stack: str) -> None:
    found = urns(run(stack))
    path = GOLDEN / f"{stack}.txt"
    if os.environ.get(UPDATE):
        path.write_text(found)
    assert found == path.read_text(), f"a new name replaces a resource; when it is meant: {UPDATE}=1 pytest {__file__}"


@pytest.mark.parametrize("stack", STACKS)
def test_the_outputs_are_what_ops_and_the_sandbox_read(run_embedding: Runner, stack: str) -> None:
    exports = run_embedding(stack).exports
    assert set(exports) == {"artifact_bucket", "layers", "functions"}
    assert set(exports["layers"]["openai-pinecone"]) == {"arn", "name", "digest", "bucket", "key"}
    embedding = exports["functions"]["embedding"]
    assert set(embedding) == {
        *("name", "arn", "alias_arn", "version", "role_arn", "log_group", "queue_url", "queue_arn", "dlq_url"),
        *("dlq_arn", "secrets", "layers", "runtime", "architecture"),
    }
    assert set(embedding["secrets"]) == {"OPENAI_API_KEY", "PINECONE_API_KEY"}
    assert embedding["layers"] == [exports["layers"]["openai-pinecone"]["arn"]]
    assert embedding["alias_arn"].endswith(":live")


@pytest.mark.parametrize("stack", STACKS)
def test_everything_belongs_to_a_component_and_every_component_is_finished(run: Runner, stack: str) -> None:
    program = run(stack)
    components = {one.urn for one in program.resources if one.component}
    assert all(one.parent in components for one in program.resources if not one.component)
    assert components <= set(program.outputs)
    names = {one.urn: one.name for one in program.resources}
    for one in program.resources:
        if not one.component:
            assert one.name.startswith(f"{names[one.parent]}-"), one.urn


@pytest.mark.parametrize("stack", STACKS)
def test_no_trigger_and_no_permission_goes_past_the_alias(run: Runner, stack: str) -> None:
    program = run(stack)
    assert "$LATEST" not in list(strings_in([one.inputs for one in program.resources]))
    assert all(one.inputs["functionName"].endswith(":live") for one in program.all("EventSourceMapping"))
    assert all(one.inputs["endpoint"].endswith(":live") for one in program.all("TopicSubscription"))
    assert all(":live/" in one.inputs["integrationUri"] for one in program.all("Integration"))
    assert all(
        target["lambdaFunctionArn"].endswith(":live")
        for one in program.all("BucketNotification")
        for target in one.inputs.get("lambdaFunctions", [])
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
    assert not [action for _, one in granted for action in one["Action"] if "*" in action]
    everywhere = {(name, one["Sid"]) for name, one in granted if "*" in one["Resource"]}
    assert {sid for _, sid in everywhere} == {"SendTraces"}
    assert ("embedding-policy", "SendTraces") in everywhere


def test_every_role_has_the_boundary_that_config_names(run: Runner) -> None:
    arn = "arn:aws:iam::123456789012:policy/team/boundary"
    roles = run("dev", {"strata:roles": {"permissions_boundary_arn": arn}}).all("Role")
    assert roles
    assert [one.inputs["permissionsBoundary"] for one in roles] == [arn] * len(roles)
    assert not [one.name for one in run("dev").all("Role") if "permissionsBoundary" in one.inputs]


@pytest.mark.parametrize("stack", STACKS)
def test_the_environment_holds_references_and_no_secret(run_embedding: Runner, stack: str) -> None:
    variables = run_embedding(stack).one("Function").inputs["environment"]["variables"]
    assert set(variables) <= EMBEDDING_VARIABLES
    assert {"OPENAI_API_KEY_SECRET_ARN", "PINECONE_API_KEY_SECRET_ARN"} <= set(variables)
    assert not {"OPENAI_API_KEY", "PINECONE_API_KEY"} & set(variables)
    assert variables["POWERTOOLS_SERVICE_NAME"] == f"strata-{stack}-embedding"
    assert variables["TIKTOKEN_CACHE_DIR"] == "/opt/tiktoken"


@pytest.mark.parametrize("stack", STACKS)
def test_the_function_understands_its_environment(run_embedding: Runner, stack: str) -> None:
    variables = run_embedding(stack).one("Function").inputs["environment"]["variables"]
    settings = FunctionSettings.load(variables)
    asked = json.loads(stack_config(stack)["strata:embedding"])
    assert asked["pinecone_index_host"] == settings.PINECONE_INDEX_HOST
    assert asked.get("openai_timeout_seconds", 20.0) == settings.OPENAI_TIMEOUT
    assert asked.get("dimensions") == settings.OPENAI_EMBEDDING_DIMENSIONS
    for secret in ("OPENAI_API_KEY", "PINECONE_API_KEY"):
        Secret(secret, {**variables, "AWS_LAMBDA_FUNCTION_NAME": "embedding"}, function="embedding")


def test_optional_variables_appear_with_their_keys(run_embedding: Runner) -> None:
    changes = {
        "openai_embedding_model": "text-embedding-3-large",
        "dimensions": 1024,
        "pinecone_namespace": "",
        "openai_timeout_seconds": 2.5,
        "environment": {"POWERTOOLS_LOG_LEVEL": "DEBUG"},
    }
    variables = run_embedding("dev", {"strata:embedding": changes}).one("Function").inputs["environment"]["variables"]
    assert variables["OPENAI_EMBEDDING_DIMENSIONS"] == "1024"
    assert variables["OPENAI_TIMEOUT"] == "2.5"
    assert variables["POWERTOOLS_LOG_LEVEL"] == "DEBUG"
    assert "PINECONE_NAMESPACE" not in variables


def test_given_secrets_and_a_given_bucket_make_none(run_embedding: Runner) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/openai-AbCdEf"
    program = run_embedding(
        "dev",
        {
            "strata:layers": {"bucket": "shared-artifacts"},
            "strata:embedding": {"openai_api_key": {"secret_arn": arn}, "pinecone_api_key": {"parameter": "/pinecone"}},
        },
    )
    assert not program.all("Secret")
    assert not program.all("Bucket")
    assert program.exports["artifact_bucket"] == "shared-artifacts"
    assert program.exports["functions"]["embedding"]["secrets"] == {
        "OPENAI_API_KEY": arn,
        "PINECONE_API_KEY": "/pinecone",
    }
    variables = program.one("Function").inputs["environment"]["variables"]
    assert variables["OPENAI_API_KEY_SECRET_ARN"] == arn
    assert variables["PINECONE_API_KEY_PARAMETER"] == "/pinecone"


def test_rollback_is_a_key_of_the_stack(run_embedding: Runner) -> None:
    assert run_embedding("dev", {"strata:embedding": {"live_version": 3}}).one("Alias").inputs["functionVersion"] == "3"


@pytest.mark.parametrize("stack", STACKS)
def test_no_value_is_a_secret_or_looks_like_one(run: Runner, stack: str) -> None:
    program = run(stack)
    inputs = [one.inputs for one in program.resources]
    assert not list(secrets_in(inputs)), "there is no secret input to wrap; a new one needs its own test"
    assert not [text for text in strings_in(plain(inputs)) if re.search(r"\bsk-|pcsk_|AKIA[A-Z0-9]{16}", text)]


@pytest.mark.parametrize("stack", STACKS)
def test_no_path_of_this_machine_gets_into_the_state(run_embedding: Runner, stack: str) -> None:
    texts = list(strings_in([one.inputs for one in run_embedding(stack).resources]))
    assert not [text[:100] for text in texts if str(ROOT) in text or str(Path.home()) in text]
    assert [text for text in texts if text.startswith("/")] == ["/opt/tiktoken"]


@pytest.mark.parametrize("stack", STACKS)
def test_only_the_provider_is_asked(run: Runner, stack: str) -> None:
    assert sorted(run(stack).calls) == [
        "aws:index/getCallerIdentity:getCallerIdentity",
        "aws:index/getRegion:getRegion",
    ]


def test_a_bad_config_is_one_message_and_registers_nothing(run: Runner) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run("dev", {"strata:embedding": {"memory_mb": 1, "runtime": "python3.14"}})
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


def test_what_is_planned_of_an_environment_is_at_least_what_is_deployed(run_embedding: Runner) -> None:
    longest = "s" * limits.STACK_NAME_LENGTH
    deployed = run_embedding("dev", name=longest).one("Function").inputs["environment"]["variables"]
    settings = load_settings(stack_config("dev"), stack=longest).embedding
    assert settings is not None
    planned = planned_environment(settings)
    assert set(planned) <= set(deployed)
    assert all(len(value) >= len(deployed[key]) for key, value in planned.items() if isinstance(value, str))


def test_a_stale_layer_is_one_message_and_registers_nothing(
    run_embedding: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    layers = tmp_path / "layers"
    shutil.copytree(ROOT / "layer_builds" / "layers", layers)
    requirements = layers / "openai-pinecone" / "requirements.in"
    requirements.write_text(requirements.read_text() + "certifi\n")
    monkeypatch.setattr("components.system.load_layer", lambda name, root: load_layer(name, root=layers))
    with pytest.raises(pulumi.RunError, match="python -m layer_builds lock openai-pinecone"):
        run_embedding("dev")
    assert run_embedding.build.last.resources == []


def physical_name(one: Registered, stack: str, pattern: str) -> str:
    """What `pulumi:autonaming` makes of a logical name."""
    name = pattern.replace("${project}", "strata").replace("${stack}", stack).replace("${name}", one.name)
    return re.sub(r"\$\{hex\((\d+)\)\}", lambda found: "0" * int(found[1]), name)


@pytest.mark.parametrize("stack", STACKS)
def test_the_longest_physical_name_fits_aws_s_limits(run: Runner, stack: str) -> None:
    longest = "s" * limits.STACK_NAME_LENGTH
    pattern = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["pulumi:autonaming"]["value"]["pattern"]
    checked: set[str] = set()
    for one in run(stack, name=longest).resources:
        limit = limits.PHYSICAL_NAME_LENGTHS.get(one.type, math.inf)
        if one.type in limits.PHYSICAL_NAME_LENGTHS and "name" not in one.inputs:
            name = physical_name(one, longest, pattern)
            assert len(name) <= limit, name
            assert name == name.lower()
            checked.add(one.type)
    assert {"aws:lambda/function:Function", "aws:iam/role:Role", "aws:s3/bucket:Bucket"} <= checked
    # The longest system to come.
    role = f"strata-{longest}-embedding-processor-function-000000"
    assert len(role) <= limits.PHYSICAL_NAME_LENGTHS["aws:lambda/function:Function"]


def test_running_the_code_changes_no_preview(run_embedding: Runner) -> None:
    before = code_package("embedding")
    subprocess.run([sys.executable, "-m", "compileall", "-q", "lambdas"], cwd=ROOT, check=True)
    assert list((ROOT / "lambdas").rglob("*.pyc"))
    assert code_package("embedding") == before
    code: dict[str, Any] = run_embedding("dev").one("Function").inputs["code"]["assets"]
    assert set(code) == set(before.files)
    assert all(path.startswith("lambdas/") and path.endswith(".py") for path in code)
    assert not [path for path in code if "test" in path or "__pycache__" in path]


def test_the_handler_is_in_the_package(run_embedding: Runner) -> None:
    inputs = run_embedding("dev").one("Function").inputs
    module, _, function = inputs["handler"].rpartition(".")
    text = inputs["code"]["assets"][f"{module.replace('.', '/')}.py"]["text"]
    assert f"def {function}(" in text


def test_every_section_of_the_config_has_its_system() -> None:
    assert SYSTEMS.keys() == SYSTEM_SECTIONS.keys()
    assert {name: one.model for name, one in SYSTEMS.items()} == SYSTEM_SECTIONS


def test_the_program_has_no_logic_to_speak_of() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 60


def test_stacks_differ_where_their_files_do(run_embedding: Runner) -> None:
    assert run_embedding("prod").one("LayerVersion").request.retainOnDelete is True
    assert not run_embedding("dev").one("LayerVersion").request.retainOnDelete
    local = run_embedding("local")
    assert " --compiler running " in local.one("Command").inputs["create"]
    assert {one.inputs["recoveryWindowInDays"] for one in local.all("Secret")} == {0}
    assert {one.inputs["recoveryWindowInDays"] for one in run_embedding("prod").all("Secret")} == {30}


@pytest.mark.parametrize("stack", STACKS)
def test_stack_files_hold_no_encrypted_values(stack: str) -> None:
    assert "secure:" not in (ROOT / f"Pulumi.{stack}.yaml").read_text()
    assert all(key.startswith(("aws:", "strata:")) for key in stack_config(stack))
