"""The command line: stacks found through the pulumi CLI or the sandbox's file, exit codes, JSON."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from layer_builds.command import name_of
from ops import commands
from ops.cli import main
from ops.errors import OpsError
from ops.load_stack import load_deployed, load_local, load_stack

if TYPE_CHECKING:
    from tests.ops.conftest import Deployed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sandbox(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's root as the commands see it, with a sandbox running."""
    account = deployed.account
    state = {
        "endpoint": account.endpoint,
        "account": account.account,
        "region": account.region,
        "outputs": deployed.outputs,
    }
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox" / "state.json").write_text(json.dumps(state))
    monkeypatch.setenv("STRATA_SANDBOX_DIR", str(tmp_path / ".sandbox"))
    return tmp_path


@pytest.fixture
def pulumi(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `pulumi` on PATH that knows one stack, `dev`, and the environment that leads to its account."""
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(deployed.outputs))
    fake = tmp_path / "bin" / "pulumi"
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\nif [ "$*" = "stack output --json --stack dev --non-interactive" ]; then cat '
        f'{outputs}; else echo "error: no stack named" >&2; exit 255; fi\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    for name, value in deployed.account.environment().items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_the_sandbox_is_found_by_its_state_file(sandbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smoke", "--stack", "local", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert answer["functions"]["embedding"]["version"] == "1"


def test_people_get_a_table(sandbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smoke", "--stack", "local"]) == 0
    assert "embedding" in capsys.readouterr().out


def test_a_deployed_stack_is_found_through_pulumi(
    pulumi: Path, deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    (pulumi / "Pulumi.dev.yaml").write_text("config:\n  aws:region: eu-central-1\n")
    found = load_deployed("dev", root=pulumi)
    assert found.function("embedding").name == deployed.function["name"]
    assert found.client("sts").get_caller_identity()["Account"] == deployed.account.account
    assert found.client("lambda").meta.region_name == "eu-central-1"


def test_pulumis_own_words_are_shown_when_it_does_not_know_the_stack(pulumi: Path) -> None:
    with pytest.raises(OpsError, match="no stack named"):
        load_deployed("prod", root=pulumi)


def test_without_the_cli_it_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpsError, match="the pulumi CLI is not on PATH"):
        load_stack("dev", root=tmp_path)


def test_a_stack_that_was_never_deployed_says_how_to(pulumi: Path, tmp_path: Path) -> None:
    (tmp_path / "outputs.json").write_text("{}")
    with pytest.raises(OpsError, match="deploy it with `python -m ops deploy --stack dev`"):
        _ = load_deployed("dev", root=pulumi).functions


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"account": 1}'])
def test_a_broken_state_file_is_an_error_in_words(tmp_path: Path, content: str) -> None:
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox" / "state.json").write_text(content)
    with pytest.raises(OpsError, match="could not be read"):
        load_local(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["smoke", "--stack", "local", "nothing"], 2, "it has: embedding"),
        (["invoke", "--stack", "local", "embedding", "--event", '{"raise": true}'], 1, "no such thing"),
        (["invoke", "--stack", "local", "embedding", "--event", "{"], 2, "not JSON"),
        (["rollback", "--stack", "local", "embedding", "--to", "9"], 2, "no version"),
        (["tail", "--stack", "local", "embedding", "--since", "soon"], 2, "--since"),
        (["redrive", "--stack", "local", "embedding", "--dry-run"], 0, "none moved"),
        (["prune", "--stack", "local", "--keep", "2", "--dry-run"], 0, "would delete 0"),
        (["secret", "list", "--stack", "local"], 1, "has no value"),
    ],
)
def test_exit_codes(
    sandbox: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert main(arguments) == code
    said = capsys.readouterr()
    assert words in said.out + said.err


def test_errors_are_json_too(sandbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smoke", "--stack", "local", "--json", "nothing"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], "it has: embedding" in answer["error"]) == (False, True)


@pytest.mark.parametrize("source", ["@binary", "-", "\udcff"])
@pytest.mark.parametrize("command", [["send", "embedding", "--body"], ["invoke", "embedding", "--event"]])
def test_bytes_that_are_no_text_are_wrong_use_wherever_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], source: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.chdir(tmp_path)
    # As Python reads stdin in the locales C and POSIX.
    stdin = io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main([*command, source, "--stack", "local", "--json"]) == 2
    assert f"{command[-1]} {source!r} is not UTF-8 text" in json.loads(capsys.readouterr().out)["error"]


def test_an_event_from_a_file_may_begin_as_windows_writes_it(sandbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = sandbox / "event.json"
    file.write_bytes('\ufeff{"text": "x"}'.encode())
    assert main(["invoke", "--stack", "local", "embedding", "--event", f"@{file}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["payload"] == {"echo": {"text": "x"}}


def test_what_aws_refuses_is_a_sentence_and_not_a_traceback(
    sandbox: Path, deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.client("lambda").delete_alias(FunctionName=deployed.function["name"], Name="live")
    assert main(["rollback", "--stack", "local", "embedding"]) == 1
    assert "ResourceNotFoundException" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_versions_to_keep_is_at_least_one(capsys: pytest.CaptureFixture[str], number: str) -> None:
    with pytest.raises(SystemExit):
        main(["prune", "--stack", "local", "--keep", number])
    assert f"argument --keep: '{number}' is not a number of at least 1" in capsys.readouterr().err


def test_a_missing_stack_name_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STRATA_STACK", raising=False)
    assert main(["smoke"]) == 2
    assert "--stack dev" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(commands.smoke, "run", broken)
    with pytest.raises(ZeroDivisionError):
        main(["smoke", "--stack", "local"])


def test_help_lists_every_command_with_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    said = capsys.readouterr().out
    assert raised.value.code == 0
    assert all(name_of(command) in said for command in commands.COMMANDS)
    assert "exit codes: 0 all is well, 1 a finding or a failure, 2 a usage error" in said


def test_a_reader_that_has_seen_enough_ends_tail_quietly(sandbox: Path, deployed: Deployed) -> None:
    logs, group = deployed.client("logs"), deployed.function["log_group"]
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now - 1000 + number, "message": "x" * 2_000} for number in range(200)]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    command = f"{sys.executable} -m ops tail --stack local embedding | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={"STRATA_SANDBOX_DIR": str(sandbox / ".sandbox"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.endswith("x\n")
