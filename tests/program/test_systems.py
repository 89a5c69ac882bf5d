"""What holds for every system that a stack configures, whatever it does: its role, its environment, its package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from components.code_package import REVISION_FILE, code_package
from components.fields import facts
from components.names import logical_name
from components.settings import load_settings
from components.system import registration_order
from components.systems import SYSTEMS
from components.validation import SettingsError
from layer_builds.plan.code_files import SUFFIXES
from tests.harness import Build, strings_in
from tests.program.conftest import ROOT, STACKS, Runner, stack_config

if TYPE_CHECKING:
    from tests.harness import Program

IN_LAMBDA = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}
"""What Lambda itself sets, as far as the functions' settings need it."""
ASK = """
import glob, json, os, sys
from importlib import import_module
from tests.lambdas.events import invoke
sys.path += glob.glob("packages/*/src")  # in Lambda, from a layer
for name, (path, variables) in json.load(sys.stdin).items():
    sys.path.append(f"lambdas/{name}")  # of a handler at the root of its zip
    os.environ.clear()
    os.environ.update(variables)
    module, _, function = path.rpartition(".")
    answer = invoke(getattr(import_module(module), function), {"test": True})
    problems = [problem for problem in answer["problems"] if problem.startswith("settings: ")]
    print(json.dumps([name, answer["checks"].get("settings"), problems]))
"""
"""In a process of its own: no variable of this one, and of no other system, is there to help out."""
MODELS = {name: system.settings for name, system in SYSTEMS.items()}
CONFIGURED = [(stack, name) for stack in STACKS for name in SYSTEMS if f"strata:{name}" in stack_config(stack)]


def functions(program: Program) -> dict[str, dict[str, Any]]:
    """The inputs of each system's function."""
    by_name = {each.name: each.inputs for each in program.all("Function")}
    return {name: by_name[f"{logical_name(name)}-function"] for name in program.exports["functions"]}


def secrets(name: str) -> dict[str, str]:
    """A system's secrets: config key → the contract's name."""
    fields = SYSTEMS[name].settings.model_fields
    return {key: facts(field).secret for key, field in fields.items() if facts(field).secret}


def named_by(name: str, secret: str) -> set[str]:
    """The variable of its own that says where a secret is, where it has one."""
    return {fact.variable for fact in map(facts, SYSTEMS[name].settings.model_fields.values()) if fact.secret == secret}


def needed(stack: str, name: str, changes: dict[str, Any] | None = None) -> dict[str, str]:
    """Those that it needs as a stack configures it."""
    section = {**json.loads(stack_config(stack)[f"strata:{name}"]), **(changes or {})}
    wanted = {variable for variable, _ in SYSTEMS[name].settings.model_validate(section).secrets()}
    return {key: variable for key, variable in secrets(name).items() if variable in wanted}


def test_every_system_is_configured_somewhere() -> None:
    """What follows sees no other."""
    assert {name for _, name in CONFIGURED} == set(SYSTEMS)


@pytest.mark.parametrize("stack", STACKS)
def test_each_function_understands_the_environment_that_it_gets(run: Runner, stack: str) -> None:
    found = functions(run(stack))
    asked: dict[str, Any] = {
        name: (
            inputs.get("handler") or inputs["imageConfig"]["commands"][0],
            {**inputs["environment"]["variables"], **IN_LAMBDA, "AWS_LAMBDA_FUNCTION_NAME": name},
        )
        for name, inputs in found.items()
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK], input=json.dumps(asked), capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert [name for name, *_ in answers] == list(found)
    for name, settings, problems in answers:
        assert not problems, name
        assert settings, f"{name}: the health report says what the settings are"


@pytest.mark.parametrize(("stack", "name"), CONFIGURED)
def test_the_environment_is_what_the_fields_declare_and_holds_no_secret(run: Runner, stack: str, name: str) -> None:
    model = SYSTEMS[name].settings
    program = run(stack)
    inputs = functions(program)[name]
    variables = inputs["environment"]["variables"]
    from_config = {facts(field).variable for field in model.model_fields.values() if field.is_required()} - {""}
    layers = {key for key, value in variables.items() if value.startswith("/opt/")}
    assert from_config <= set(variables) <= model.own_variables() | layers
    assert variables["POWERTOOLS_SERVICE_NAME"] == f"strata-{stack}-{logical_name(name)}"
    wanted = set(needed(stack, name).values())
    for secret in secrets(name).values():
        assert secret not in variables
        names = {f"{secret}_SECRET_ARN", f"{secret}_PARAMETER", *named_by(name, secret)}
        assert len(names & set(variables)) == (secret in wanted)
    assert set(program.exports["functions"][name].get("secrets", {})) == wanted


@pytest.mark.parametrize(("stack", "name"), CONFIGURED)
def test_an_extra_variable_does_not_take_the_place_of_one_of_ours(stack: str, name: str) -> None:
    config = stack_config(stack)
    for variable in sorted(SYSTEMS[name].settings.own_variables()):
        section = {**json.loads(config[f"strata:{name}"]), "environment": {variable: "x"}}
        with pytest.raises(SettingsError, match=rf"strata:{name}\.environment .*\b{variable}\b"):
            load_settings({**config, f"strata:{name}": json.dumps(section)}, MODELS, stack=stack)


@pytest.mark.parametrize("name", [name for name in SYSTEMS if secrets(name)])
def test_given_secrets_make_none_and_are_all_that_the_role_may_read(name: str) -> None:
    stack = next(stack for stack, configured in CONFIGURED if configured == name)
    given = {
        key: f"/team/{key}" if named_by(name, secret) - {""} else {"parameter": f"/team/{key}"}
        for key, secret in secrets(name).items()
    }
    program = Runner(Build(), name)(stack, {f"strata:{name}": given})
    assert not program.all("Secret")
    names = {secret: f"/team/{key}" for key, secret in needed(stack, name, given).items()}
    assert program.exports["functions"][name]["secrets"] == names
    # `ops` knows by these whether an older version looks where its role may no longer.
    declared = program.exports["functions"][name]["secret_variables"]
    variables = functions(program)[name]["environment"]["variables"]
    says_where = {variable for variable, value in variables.items() if value in names.values()}
    assert len(says_where) == len(names)
    assert says_where <= {variable for secret in names for variable in declared[secret]}
    statements = [
        statement
        for policy in program.all("RolePolicy")
        for statement in json.loads(policy.inputs["policy"])["Statement"]
    ]
    (read,) = [statement for statement in statements if statement["Sid"] == "ReadParameters"]
    assert {arn.partition(":parameter")[2] for arn in read["Resource"]} == set(names.values())
    assert "ReadSecrets" not in {statement["Sid"] for statement in statements}


@pytest.mark.parametrize("stack", STACKS)
def test_the_outputs_are_what_ops_and_the_sandbox_read(run: Runner, stack: str) -> None:
    exports = run(stack).exports
    assert {"artifact_bucket", "layers", "functions"} <= set(exports)
    for layer in exports["layers"].values():
        assert set(layer) == {"arn", "name", "digest", "bucket", "key", "kept"}
    always = {"name", "arn", "alias_arn", "role_arn", "log_group", "layers", "runtime", "architecture"}
    for name, outputs in exports["functions"].items():
        assert always <= set(outputs), name
        assert outputs["alias_arn"].endswith(":live")
        assert set(outputs["layers"]) <= {layer["arn"] for layer in exports["layers"].values()}
        if "queue_url" in outputs:
            assert {"queue_arn", "dlq_url", "dlq_arn"} <= set(outputs)


@pytest.mark.parametrize("stack", STACKS)
def test_rollback_is_a_key_of_every_system(run: Runner, stack: str) -> None:
    versions = {name: number for number, (where, name) in enumerate(CONFIGURED, start=3) if where == stack}
    program = run(
        stack, {f"strata:{name}": {"live_version": number, "snapstart": False} for name, number in versions.items()}
    )
    for name, number in versions.items():
        assert program.one("Alias", f"{logical_name(name)}-live").inputs["functionVersion"] == str(number)


@pytest.mark.parametrize("stack", STACKS)
def test_no_path_of_this_machine_gets_into_the_state(run: Runner, stack: str) -> None:
    program = run(stack)
    texts = list(strings_in([each.inputs for each in program.resources]))
    named = {name for each in program.exports["functions"].values() for name in each.get("secrets", {}).values()}
    assert not [text[:100] for text in texts if str(ROOT) in text or str(Path.home()) in text]
    # In a function's file system, CloudWatch's own names, and Parameter Store's.
    others = [text for text in texts if text.startswith("/") and "\n" not in text and text not in named]
    assert not [text for text in others if not text.startswith(("/opt/", "/aws/vendedlogs/"))]


def test_running_the_code_changes_no_preview(run: Runner) -> None:
    before = {name: code_package(name) for name in SYSTEMS}
    subprocess.run([sys.executable, "-m", "compileall", "-q", "lambdas"], cwd=ROOT, check=True)
    assert list((ROOT / "lambdas").rglob("*.pyc"))
    assert {name: code_package(name) for name in SYSTEMS} == before
    for name, inputs in functions(run("local", {})).items():
        if "code" not in inputs:
            continue
        code = inputs["code"]["assets"]
        sources = set(code) - {REVISION_FILE}
        assert sources <= set(before[name].files) | {Path(path).name for path in before[name].files}
        assert all(path.endswith(SUFFIXES) and "test" not in path for path in sources)


def test_no_two_systems_ask_for_each_other() -> None:
    assert set(registration_order(SYSTEMS)) == set(SYSTEMS)
    for system in SYSTEMS.values():
        assert set(system.needs) | set(system.uses) <= set(SYSTEMS)
