"""The workflows' promises: pinned actions, least permissions, and a stranger's code that never meets a token."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from layer_builds.plan import RUNTIMES
from ops.doctor import name_of
from ops.doctor.artifacts import ARTIFACTS
from ops.doctor.live import LIVE

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
SCRIPTS = ROOT / ".github" / "scripts"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
PINNED = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "astral-sh/setup-uv": ("20cfd1bf945f4377ade1205e4dbc17946fc9a30d", "v10.0.1"),
    "aws-actions/configure-aws-credentials": ("e6de054238d6b7531b4efff3b6587d9aade6a06c", "v6.2.3"),
    "pulumi/actions": ("8e5e406f4007fca908480587cb9893c07090f58d", "v7.0.0"),
}
"""Read from the tags of the actions' own repositories."""


def workflow(name: str) -> dict[Any, Any]:
    return yaml.safe_load((FOLDER / name).read_text())


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(file.read_text())["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_action_is_pinned_to_a_commit_that_is_known_to_exist(file: Path) -> None:
    used = re.findall(r"uses: (\S+?)@(\S+)(?: # (\S+))?$", file.read_text(), re.MULTILINE)
    assert len(used) == file.read_text().count("uses:")
    for action, commit, version in used:
        assert (commit, version) == PINNED[action]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_permissions_are_none_at_the_top_and_named_in_each_job(file: Path) -> None:
    document = yaml.safe_load(file.read_text())
    assert document["permissions"] == {}
    for job in document["jobs"].values():
        assert "contents" in job["permissions"]
        assert job["timeout-minutes"] <= 45
        writes = {name for name, level in job["permissions"].items() if level == "write"}
        assert writes <= {"id-token", "pull-requests"}
        assert len(writes) <= 1, "a job that may ask for a role may not write comments, and the other way round"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_event_text_is_pasted_into_a_script(file: Path) -> None:
    for step in steps(file):
        assert "${{" not in str(step.get("run", "")), "an expression in a script is code that somebody else wrote"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_checkout_leaves_its_token_behind_and_none_asks_for_the_unsafe_one(file: Path) -> None:
    for step in steps(file):
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
            assert "allow-unsafe-pr-checkout" not in step["with"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_pull_request_target_is_not_used(file: Path) -> None:
    document = yaml.safe_load(file.read_text())
    # YAML 1.1 reads the key `on` as true.
    assert "pull_request_target" not in document[True]


def test_a_forks_code_runs_without_any_right_or_secret() -> None:
    text = (FOLDER / "fork-preview.yml").read_text()
    [job] = workflow("fork-preview.yml")["jobs"].values()
    assert job["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    assert "id-token" not in text
    assert "vars." not in text


def test_the_job_that_comments_on_forks_runs_nothing_of_theirs() -> None:
    document = workflow("fork-comment.yml")
    assert list(document[True]) == ["workflow_run"]
    [job] = document["jobs"].values()
    [checkout] = [step for step in job["steps"] if "checkout" in str(step.get("uses", ""))]
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    assert [step["uses"].split("@")[0] for step in job["steps"] if "uses" in step] == ["actions/checkout"]
    scripts = " ".join(str(step.get("run", "")) for step in job["steps"])
    assert not re.search(r"\b(uv|pip|npm|unzip|pulumi|make)\b", scripts), "nothing is installed, unpacked or built"


def test_the_comment_on_a_pull_request_has_what_a_preview_does_not_see() -> None:
    """Who writes it by hand gets the same."""
    scripts = [str(step.get("run", "")) for job in workflow("preview.yml")["jobs"].values() for step in job["steps"]]
    [asked] = [re.findall(r"--only (\S+)", script) for script in scripts if "ops doctor" in script]
    assert asked == ["code", "pinned-versions", "kept-versions"]
    known = {name_of(check) for check in (*LIVE, *ARTIFACTS)}
    assert set(asked) <= known
    by_hand = re.search(r"ops doctor (.*) > doctor\.json", (ROOT / "docs" / "deploy.md").read_text())
    assert by_hand
    assert re.findall(r"--only (\S+)", by_hand[1]) == asked


def test_a_deployment_comes_after_the_checks_of_its_very_commit() -> None:
    """They ran side by side: what failed its tests was live already."""
    document = workflow("deploy.yml")
    assert document[True]["workflow_run"] == {"workflows": ["check"], "types": ["completed"], "branches": ["main"]}
    assert document[True].keys() == {"workflow_run", "workflow_dispatch"}
    [job] = document["jobs"].values()
    assert "workflow_run.conclusion == 'success'" in job["if"]
    assert "workflow_run.event == 'push'" in job["if"], "the checks of a fork's branch main are not ours"
    first, checkout = job["steps"][:2]
    assert '--workflow check --commit "$COMMIT"' in first["run"], "by hand too"
    assert checkout["with"]["ref"] == "${{ env.COMMIT }}"
    assert job["env"]["COMMIT"] == "${{ github.event.workflow_run.head_sha || github.sha }}"
    scripts = [str(step.get("run", "")) for step in job["steps"]]
    order = ["ops doctor", "ops deploy"]
    assert [name for script in scripts for name in order if name in script] == order
    assert not any("pulumi up" in script for script in scripts), "it would move traffic to what nobody has called"


def test_after_a_failed_deployment_a_rollback_is_not_the_first_advice() -> None:
    """Traffic was on the good version already, and the summary sent people to the one before it."""
    [job] = workflow("deploy.yml")["jobs"].values()
    first, second, _ = [line for line in job["steps"][-1]["run"].splitlines() if "echo" in line]
    assert "nothing is to be rolled back" in first
    assert re.search("Only if .* all traffic was moved.*ops rollback", second)


def test_the_cli_is_of_the_same_version_as_the_sdk() -> None:
    found = re.search(r'name = "pulumi"\nversion = "([^"]+)"', (ROOT / "uv.lock").read_text())
    assert found
    for file in WORKFLOWS:
        for step in steps(file):
            if str(step.get("uses", "")).startswith("pulumi/actions@"):
                assert step["with"]["pulumi-version"] == found[1]


def test_the_interpreters_are_those_that_compile_layers() -> None:
    pinned = " ".join(runtime.compiler for runtime in RUNTIMES.values())
    for name in ("check.yml", "engine.yml", "deploy.yml"):
        assert f"uv python install {pinned}" in (FOLDER / name).read_text()
    assert workflow("check.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == pinned.split()


def test_the_layers_are_compared_with_their_manifests() -> None:
    (command,) = (step["run"] for step in steps(FOLDER / "check.yml") if "make layers" in str(step.get("run", "")))
    assert "ARGS=--check" in command.split(), "without it a build would write the manifest anew"


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(["actionlint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    files = [str(file) for file in SCRIPTS.glob("*.sh")]
    done = subprocess.run(["shellcheck", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


REPORT = '<testsuites><testsuite tests="{tests}" skipped="{skipped}" failures="0" errors="0"/></testsuites>'


@pytest.mark.parametrize(("tests", "skipped", "code"), [(3, 0, 0), (3, 2, 0), (3, 3, 1), (0, 0, 1)])
def test_a_run_in_which_no_test_ran_fails(tmp_path: Path, tests: int, skipped: int, code: int) -> None:
    file = tmp_path / "report.xml"
    file.write_text(REPORT.format(tests=tests, skipped=skipped))
    done = subprocess.run([sys.executable, SCRIPTS / "tests_ran.py", file], capture_output=True, check=False)
    assert done.returncode == code
