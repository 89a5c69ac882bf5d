"""doctor: every check is tried, and each finding says what to do."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds import host_architecture
from ops import doctor as module
from ops.cli import main
from ops.doctor import check_runtimes, concurrency, doctor
from ops.stack import load_stack
from sandbox.lambda_code import running_runtime
from tests.ops.checkout import write_checkout

if TYPE_CHECKING:
    from pathlib import Path

    from ops.report import Report
    from tests.ops.conftest import Deployed


def local(deployed: Deployed, root: Path, **kind: Any) -> Path:
    """A checkout whose sandbox is running: the emulator, with the stack in it."""
    write_checkout(root, **kind)
    (root / "Pulumi.dev.yaml").rename(root / "Pulumi.local.yaml")
    (root / ".sandbox").mkdir()
    account = deployed.account
    state = {
        "endpoint": account.endpoint,
        "account": account.account,
        "region": account.region,
        "outputs": deployed.outputs,
    }
    (root / ".sandbox" / "state.json").write_text(json.dumps(state))
    return root


def limit(deployed: Deployed) -> int:
    """Concurrent executions of the emulator's account: it makes them depend on the machine."""
    return int(deployed.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"])


def findings(report: Report) -> dict[str, dict[str, str]]:
    found: list[dict[str, str]] = report.data["checks"]  # type: ignore[assignment]
    return {one["check"]: one for one in found}


def test_a_running_sandbox_is_examined_like_an_account(deployed: Deployed, tmp_path: Path) -> None:
    found = findings(doctor("local", root=local(deployed, tmp_path)))
    assert found["python"]["state"] == "ok"
    assert found["config and layers"]["found"] == "7 resources declared"
    assert found["size of embedding"]["found"] == "44.2 MB unzipped, 17% of the limit"
    assert found["stack"]["found"] == "deployed: embedding"
    assert found["credentials"]["state"] == "ok"
    assert found["region"]["found"] == deployed.account.region
    assert found["code storage"]["state"] == "ok"
    assert found["concurrent executions"]["found"] == f"{limit(deployed)} in the account, 5 at most for queues"


def test_an_empty_secret_is_a_failure_with_the_command_that_fills_it(deployed: Deployed, tmp_path: Path) -> None:
    report = doctor("local", root=local(deployed, tmp_path))
    assert not report.ok
    one = findings(report)["secret OPENAI_API_KEY of embedding"]
    assert one["way_out"] == "`python -m ops secret set --stack local embedding OPENAI_API_KEY`"


def test_a_reservation_that_the_account_cannot_give_is_a_failure(deployed: Deployed, tmp_path: Path) -> None:
    most = limit(deployed)
    asked = f"memory_mb: 512\nreserved_concurrency: {most - 50}\nmaximum_concurrency: {most + 1}"
    root = local(deployed, tmp_path, config=asked)
    found = findings(doctor("local", root=root))
    assert found["reserved concurrency"]["state"] == "fail"
    assert f"{most - 50} asked for (embedding), {most - 100} can be had" in found["reserved concurrency"]["found"]
    assert found["concurrent executions"]["state"] == "warn"


def test_what_the_stack_holds_already_counts_as_free(deployed: Deployed, tmp_path: Path) -> None:
    deployed.client("lambda").put_function_concurrency(
        FunctionName=deployed.function["name"], ReservedConcurrentExecutions=50
    )
    root = local(deployed, tmp_path, config=f"memory_mb: 512\nreserved_concurrency: {limit(deployed) - 100}")
    try:
        assert findings(doctor("local", root=root))["reserved concurrency"]["state"] == "ok"
    finally:
        deployed.client("lambda").delete_function_concurrency(FunctionName=deployed.function["name"])


def test_a_new_account_with_ten_executions_can_reserve_none() -> None:
    function = {"name": "embedding", "reserved_concurrency": 5}
    patient = module.Patient("dev", None, {}, {"functions": [function], "resources": []}, None)  # type: ignore[arg-type]
    first = next(iter(concurrency(patient, 10, 10)))
    assert (first.state, first.found[:41]) == ("fail", "5 asked for (embedding), 0 can be had: th")


def test_a_bad_config_is_a_failure_in_the_programs_own_words(tmp_path: Path) -> None:
    report = doctor("dev", root=write_checkout(tmp_path, config="memory_mb: 1"), offline=True)
    assert not report.ok
    assert findings(report)["config and layers"]["found"] == "strata:embedding.memory_mb is too small"


def test_a_program_that_refused_to_run_asks_for_no_concurrency(deployed: Deployed, tmp_path: Path) -> None:
    found = findings(doctor("local", root=local(deployed, tmp_path, config="memory_mb: 1")))
    assert found["code storage"]["state"] == "ok"
    assert not {"reserved concurrency", "concurrent executions"} & found.keys()


def test_the_local_stack_is_well_on_any_python_that_runs_it() -> None:
    found = findings(doctor("local", offline=True))
    assert found["config and layers"]["state"] == "ok", found["config and layers"]["found"]
    assert found[f"{running_runtime()}-{host_architecture()}"]["state"] == "ok"


def test_a_function_over_the_limit_is_a_failure_and_one_near_it_a_warning(tmp_path: Path) -> None:
    near = doctor("dev", root=write_checkout(tmp_path, unzipped=230_000_000), offline=True)
    assert findings(near)["size of embedding"]["state"] == "warn"
    over = doctor("dev", root=write_checkout(tmp_path, unzipped=262_144_000), offline=True)
    assert findings(over)["size of embedding"]["state"] == "fail"
    assert "layer_builds report" in findings(over)["size of embedding"]["way_out"]


@pytest.mark.parametrize(("today", "state"), [((2029, 1, 1), "ok"), ((2029, 3, 1), "warn"), ((2029, 7, 1), "fail")])
def test_a_runtime_near_its_end_is_a_warning_and_past_it_a_failure(today: tuple[int, int, int], state: str) -> None:
    plan = {"functions": [{"target": "python3.13-arm64"}], "resources": []}
    patient = module.Patient("dev", None, {}, plan, None, today=dt.date(*today))  # type: ignore[arg-type]
    assert next(iter(check_runtimes(patient))).state == state


def test_without_a_sandbox_the_other_checks_are_still_tried(tmp_path: Path) -> None:
    root = write_checkout(tmp_path)
    (root / "Pulumi.dev.yaml").rename(root / "Pulumi.local.yaml")
    report = doctor("local", root=root)
    assert not report.ok
    assert "make up" in findings(report)["stack"]["found"]
    assert findings(report)["config and layers"]["state"] == "ok"


def test_missing_tools_say_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_checkout(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings(doctor("dev", root=root, offline=True))
    assert found["uv"]["state"] == found["pulumi"]["state"] == "fail"
    assert "https://docs.astral.sh/uv/" in found["uv"]["way_out"]


@pytest.mark.parametrize(("version", "state"), [("v3.145.0", "fail"), ("v3.272.0", "ok"), ("gibberish", "fail")])
def test_an_old_pulumi_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str) -> None:
    fake = tmp_path / "bin" / "pulumi"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho {version}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    assert module.pulumi_tool().state == state


def test_docker_is_asked_for_only_by_a_stack_that_builds_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_checkout(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert "docker" not in findings(doctor("dev", root=root, offline=True))
    with (root / "Pulumi.dev.yaml").open("a") as file:
        file.write("  strata:layers:\n    builder: docker\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert findings(doctor("dev", root=root, offline=True))["docker"]["state"] == "fail"


def test_an_account_that_cannot_be_reached_is_a_finding_and_not_a_crash(deployed: Deployed, tmp_path: Path) -> None:
    root = local(deployed, tmp_path)
    file = root / ".sandbox" / "state.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps({**state, "endpoint": "http://127.0.0.1:9"}))
    report = doctor("local", root=root)
    assert not report.ok
    assert "Could not connect" in findings(report)["credentials"]["found"]
    assert load_stack("local", root=root).endpoint == "http://127.0.0.1:9"


def test_a_mistyped_stack_is_wrong_use_and_the_known_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--stack", "nope", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "there is no Pulumi.nope.yaml: there are dev, local, prod"


def test_the_program_is_examined_with_the_config_file_that_was_named(tmp_path: Path) -> None:
    root = write_checkout(tmp_path, config="memory_mb: 1")
    other = tmp_path / "other.yaml"
    other.write_text((root / "Pulumi.dev.yaml").read_text().replace("memory_mb: 1", "memory_mb: 512"))
    report = doctor("nope", root=root, config_file=other, offline=True)
    assert findings(report)["config and layers"]["state"] == "ok"


def test_without_credentials_it_says_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = findings(doctor("dev", root=write_checkout(tmp_path / "checkout")))
    assert found["credentials"]["found"] == "no AWS credentials"
    assert "set AWS_PROFILE" in found["credentials"]["way_out"]
