"""doctor: every check is tried, and each finding says what to do."""

from __future__ import annotations

import datetime as dt
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from components.systems import SYSTEMS
from layer_builds.plan import host_architecture
from ops.cli import main
from ops.doctor import account, doctor
from ops.doctor.account import concurrency
from ops.doctor.machine import check_program, check_runtimes, check_tools, pulumi_tool
from ops.doctor.patient import Patient
from ops.errors import UsageError
from ops.load_stack import load_stack
from sandbox.lambda_code import running_runtime
from tests.ops.checkout import write_checkout

if TYPE_CHECKING:
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


def patient(config: dict[str, Any] | None = None, **plan: Any) -> Patient:
    """What the checks look at when they are tried by themselves."""
    whole = {"functions": [], "resources": [], "error": None, **plan}
    return Patient("dev", Path(), config or {}, whole, None)


def test_a_running_sandbox_is_examined_like_an_account(deployed: Deployed, tmp_path: Path) -> None:
    report = doctor("local", root=local(deployed, tmp_path))
    found = findings(report)
    assert found["python"]["state"] == "ok"
    assert found["config and layers"]["found"] == "7 resources declared"
    assert found["size of embedding"]["found"] == "1 of 5 layers, 44.2 MB unzipped, 17% of the limit"
    assert found["stack"]["found"] == "deployed: embedding"
    assert found["credentials"]["state"] == "ok"
    assert found["region"]["found"] == deployed.account.region
    assert found["code storage"]["state"] == "ok"
    assert found["concurrent executions"]["found"] == f"{limit(deployed)} in the account, 5 at most for queues"
    assert not report.ok, "its secrets are empty"
    command = "python -m ops secret set --stack local embedding OPENAI_API_KEY"
    assert found["secret OPENAI_API_KEY of embedding"]["remedy"] == f"`{command}`"


def test_a_reservation_that_the_account_cannot_give_is_a_failure(deployed: Deployed, tmp_path: Path) -> None:
    most = limit(deployed)
    asked = f"memory_mb: 512\nreserved_concurrency: {most - 50}\nmaximum_concurrency: {most + 1}"
    root = local(deployed, tmp_path, config=asked)
    found = findings(doctor("local", root=root))
    assert found["reserved concurrency"]["state"] == "fail"
    assert f"{most - 50} requested (embedding), {most - 100} available" in found["reserved concurrency"]["found"]
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
    first = next(iter(concurrency(patient(functions=[function]), 10, 10)))
    assert (first.state, first.found[:41]) == ("fail", "5 requested (embedding), 0 available: the")


@pytest.mark.parametrize(("room", "state"), [(1, "warn"), (2, "warn"), (3, "ok")])
def test_alarms_that_the_region_has_no_room_for_are_a_warning(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, room: int, state: str
) -> None:
    """What others have counts, and what the program declares; what the stack has already is not counted twice."""
    client = deployed.client("cloudwatch")
    alarm = {"Namespace": "n", "MetricName": "m", "Period": 60, "Statistic": "Sum", "EvaluationPeriods": 1}
    alarm |= {"Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    names = ["of-another-stack", "strata-dev-embedding-errors-0a1b2c"]
    for name in names:
        client.put_metric_alarm(AlarmName=name, **alarm)
    known = [each["AlarmName"] for each in client.describe_alarms()["MetricAlarms"]]
    others = [name for name in known if not name.startswith("strata-dev-")]
    monkeypatch.setattr(account, "ALARMS", len(others) + room)
    monkeypatch.setattr(account, "NEARLY_FULL", 1.0)
    declared = {"type": "aws:cloudwatch/metricAlarm:MetricAlarm", "name": "a", "inputs": {}}
    examined = patient(resources=[declared, declared])
    examined.account = deployed.stack
    [found] = account.check_alarm_quota(examined)
    assert (found.state, found.found.startswith(f"2 of this stack and {len(others)} others")) == (state, True)
    client.delete_alarms(AlarmNames=names)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_stack_of_all_systems_says_how_full_each_function_is(stack: str) -> None:
    found = findings(doctor(stack, offline=True, only=["program"]))
    sizes = {name: each for name, each in found.items() if name.startswith("size of ")}
    assert sizes.keys() == {f"size of {name.replace('_', '-')}" for name in SYSTEMS}
    assert {each["state"] for each in sizes.values()} <= {"ok", "warn"}
    assert sizes["size of knowledge-base"]["found"].startswith("5 of 5 layers, ")


def test_a_bad_config_is_a_failure_in_the_programs_own_words(tmp_path: Path) -> None:
    report = doctor("dev", root=write_checkout(tmp_path, config="memory_mb: 1"), offline=True)
    assert not report.ok
    assert findings(report)["config and layers"]["found"] == "strata:embedding.memory_mb is too small"


def test_a_program_that_refused_to_run_asks_for_no_concurrency(deployed: Deployed, tmp_path: Path) -> None:
    found = findings(doctor("local", root=local(deployed, tmp_path, config="memory_mb: 1")))
    assert found["code storage"]["state"] == "ok"
    assert not {"reserved concurrency", "concurrent executions"} & found.keys()


def test_one_check_alone_can_be_asked_for(deployed: Deployed, tmp_path: Path) -> None:
    root = local(deployed, tmp_path)
    assert findings(doctor("local", root=root, only=["code"])) == {}
    deployed.publish_by_hand("edited")
    assert findings(doctor("local", root=root, only=["code"])).keys() == {"code of embedding"}
    with pytest.raises(UsageError, match="there is no check cod; there are: account, alarm-quota, alarms, "):
        doctor("local", root=root, only=["cod"])


def test_the_local_stack_is_well_on_any_python_that_runs_it() -> None:
    found = findings(doctor("local", offline=True))
    assert found["config and layers"]["state"] == "ok", found["config and layers"]["found"]
    assert found[f"{running_runtime()}-{host_architecture()}"]["state"] == "ok"


@pytest.mark.parametrize(("size", "state"), [(200_000_000, "ok"), (230_000_000, "warn"), (262_144_000, "fail")])
def test_a_function_over_the_limit_is_a_failure_and_one_near_it_a_warning(size: int, state: str) -> None:
    function = {"name": "f", "code_bytes": 1, "layers": [{"unzipped_bytes": size}]}
    [_, found] = check_program(patient(functions=[function]))
    assert (found.state, "layer_builds report" in found.remedy) == (state, state != "ok")


@pytest.mark.parametrize(("today", "state"), [((2029, 1, 1), "ok"), ((2029, 3, 1), "warn"), ((2029, 7, 1), "fail")])
def test_a_runtime_near_its_end_is_a_warning_and_past_it_a_failure(today: tuple[int, int, int], state: str) -> None:
    on_that_day = replace(patient(functions=[{"target": "python3.13-arm64"}]), today=dt.date(*today))
    assert next(iter(check_runtimes(on_that_day))).state == state


def test_without_a_sandbox_the_other_checks_are_still_tried(tmp_path: Path) -> None:
    root = write_checkout(tmp_path)
    (root / "Pulumi.dev.yaml").rename(root / "Pulumi.local.yaml")
    report = doctor("local", root=root)
    assert not report.ok
    assert "make up" in findings(report)["stack"]["found"]
    assert findings(report)["config and layers"]["state"] == "ok"


def test_missing_tools_say_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    docker = {"strata:layers": {"builder": "docker"}}
    found = {finding.check: finding for finding in check_tools(patient(docker))}
    assert {name: finding.state for name, finding in found.items()} == {
        "uv": "fail",
        "pulumi": "fail",
        "docker": "fail",
    }
    assert "https://docs.astral.sh/uv/" in found["uv"].remedy
    assert "docker" not in {finding.check for finding in check_tools(patient())}, "only a stack that builds with it"
    image = patient(resources=[{"inputs": {"packageType": "Image"}}])
    (warned,) = [finding for finding in check_tools(image) if finding.check == "docker"]
    assert (warned.state, "not needed where the registry has them" in warned.remedy) == ("warn", True)


@pytest.mark.parametrize(("version", "state"), [("v3.218.0", "fail"), ("v3.272.0", "ok"), ("gibberish", "fail")])
def test_an_old_pulumi_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str) -> None:
    fake = tmp_path / "bin" / "pulumi"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho {version}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    assert pulumi_tool().state == state


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
    assert "set AWS_PROFILE" in found["credentials"]["remedy"]
