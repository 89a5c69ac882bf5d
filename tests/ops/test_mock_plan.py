"""mock-plan: a checkout's resources and sizes, with nothing behind it."""

from __future__ import annotations

import json
import platform
import re
from typing import TYPE_CHECKING, Any

import pytest

from components.systems import SYSTEMS
from layer_builds.plan import host_architecture
from ops.cli import main
from ops.errors import OpsError
from ops.load_stack import ROOT
from ops.mock_plan import make_plan
from ops.plan import read_plan
from ops.preview import compare
from sandbox.lambda_code import running_runtime
from tests.engine.pulumi_cli import copy_checkout
from tests.ops.checkout import DIGESTS, write_checkout

if TYPE_CHECKING:
    from pathlib import Path

    from ops.plan import Plan


def plan(folder: Path, **kind: Any) -> Plan:
    """The plan of a checkout, through its file."""
    write_checkout(folder, **kind)
    output = folder / "plan.json"
    main(["mock-plan", "--json", "--program", str(folder), "--stack", "dev", "--output", str(output)])
    return read_plan(output)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the others are compared with."""
    return plan(tmp_path_factory.mktemp("base"))


def test_a_plan_holds_resources_in_their_tree_functions_with_their_sizes_and_no_secret(tmp_path: Path) -> None:
    write_checkout(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    found = make_plan(tmp_path, "dev")
    assert found["error"] is None
    assert sorted(tmp_path.rglob("*")) == before, "running the program leaves nothing in the checkout"
    assert not re.search("s3cr3t|v1:x:y", json.dumps(found))
    assert "urn:pulumi:dev::strata::strata:components:Thing$aws:sqs/queue:Queue::embedding-queue" in {
        one["urn"] for one in found["resources"]
    }
    [function] = found["functions"]
    [layer] = function.pop("layers")
    assert function == {
        "name": "embedding",
        "target": "python3.13-arm64",
        "memory_mb": 512,
        "reserved_concurrency": None,
        "code_bytes": 4,
    }
    assert layer["digest"] == DIGESTS["old"]
    assert [one["name"] for one in layer["packages"]] == ["openai", "tiktoken/x", "six"]


def test_the_program_sees_none_of_the_callers_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "token")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    extra = '\nimport os\nraise pulumi.RunError(" ".join(sorted(os.environ)))\n'
    error = plan(tmp_path, extra=extra).error
    assert error is not None
    assert "PATH" in error
    assert "GITHUB_TOKEN" not in error
    assert "AWS" not in error


def test_the_same_checkout_in_another_folder_has_the_same_plan(base: Plan, tmp_path: Path) -> None:
    preview = compare(base, plan(tmp_path))
    assert (preview.changes, preview.unchanged) == ((), 7)


def test_a_code_change_touches_the_function_only(base: Plan, tmp_path: Path) -> None:
    [change] = compare(base, plan(tmp_path, code="return")).changes
    assert (change.op, change.name, change.properties) == ("update", "embedding-function", ("code",))


def test_a_code_change_of_any_system_is_seen(tmp_path: Path) -> None:
    """A function that is told what AWS names it had 0 bytes of code, and its change was no difference."""
    before = make_plan(ROOT, "dev")
    copy_checkout(tmp_path)
    for system in SYSTEMS:
        contract = tmp_path / "lambdas" / system / "contract.py"
        contract.write_text(f"{contract.read_text()}# Another line.\n")
    after = make_plan(tmp_path, "dev")
    assert after["error"] is None
    assert {function["name"]: function["code_bytes"] for function in after["functions"]} == {
        function["name"]: function["code_bytes"] + len("# Another line.\n") for function in before["functions"]
    }
    code = [{one["name"]: one["inputs"].get("code") for one in each["resources"]} for each in (before, after)]
    assert {name for name in code[0] if code[0][name] != code[1][name]} == {
        f"{system.replace('_', '-')}-function" for system in SYSTEMS
    }


def test_another_digest_replaces_the_layer_and_its_command(base: Plan, tmp_path: Path) -> None:
    changes = compare(base, plan(tmp_path, digest="new")).changes
    assert {(one.op, one.name, one.properties) for one in changes} == {
        ("replace", "embedding-layer", ("s3Key",)),
        ("replace", "embedding-publish", ("triggers",)),
    }


def test_new_and_missing_resources_are_creates_and_deletes(base: Plan, tmp_path: Path) -> None:
    more = plan(tmp_path, extra='\naws.sqs.Queue("second")\n')
    assert [(change.op, change.name) for change in compare(base, more).changes] == [("create", "second")]
    assert [(change.op, change.name) for change in compare(more, base).changes] == [("delete", "second")]


def test_a_program_that_refuses_its_config_is_an_error_and_not_a_list_of_deletes(base: Plan, tmp_path: Path) -> None:
    preview = compare(base, plan(tmp_path, config="memory_mb: 1"))
    assert preview.changes == ()
    assert preview.errors == ("pull request: strata:embedding.memory_mb is too small",)


@pytest.mark.parametrize("extra", ["\nraise ValueError('boom')\n", "\nimport no_such_module\n", "\n)\n"])
def test_a_program_that_breaks_is_an_error(tmp_path: Path, extra: str) -> None:
    assert plan(tmp_path, extra=extra).error is not None


def test_a_program_that_ends_the_process_is_an_error(tmp_path: Path) -> None:
    found = plan(tmp_path, extra="\nimport os; os._exit(3)\n")
    assert found.error is not None
    assert "could not be run" in found.error


def test_a_folder_without_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"no Pulumi\.yaml"):
        make_plan(tmp_path, "dev")


def test_the_local_stack_is_planned_for_this_machine_and_with_every_queue() -> None:
    found = make_plan(ROOT, "local")
    assert found["error"] is None
    assert {one["target"] for one in found["functions"]} == {f"{running_runtime()}-{host_architecture()}"}
    assert "aws:lambda/eventSourceMapping:EventSourceMapping" in {one["type"] for one in found["resources"]}


def test_on_a_cpu_that_lambda_does_not_have_there_is_no_local_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OpsError, match="Lambda has no riscv64"):
        make_plan(ROOT, "local")


def test_a_stack_that_the_checkout_does_not_have_is_an_error_that_names_those_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "plan.json"
    arguments = ["--program", str(write_checkout(tmp_path)), "--stack", "nope", "--output", str(output)]
    assert main(["mock-plan", *arguments]) == 1
    assert "there is no Pulumi.nope.yaml: there are dev" in capsys.readouterr().out
    assert read_plan(output).error == "there is no Pulumi.nope.yaml: there are dev"


def test_an_output_in_a_folder_that_does_not_exist_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "missing" / "plan.json"
    arguments = ["--program", str(write_checkout(tmp_path)), "--stack", "dev", "--output", str(output)]
    assert main(["mock-plan", "--json", *arguments]) == 2
    assert f"--output {output}: No such file" in json.loads(capsys.readouterr().out)["error"]
