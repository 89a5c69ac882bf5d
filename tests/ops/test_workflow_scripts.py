"""The scripts of the comment jobs, against a `gh` that records what it is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / ".github" / "scripts"
SHA = "a" * 40
MARKER = "<!-- strata-preview dev -->"
FAKE = """#!/bin/sh
printf '%s\\n' "$*" >> "$GH_CALLS"
case "$*" in
  *comments?per_page*) cat "$GH_ANSWERS/comments" ;;
  *"/pulls "*) cat "$GH_ANSWERS/pulls" ;;
  *"/artifacts -f"*) cat "$GH_ANSWERS/artifacts" ;;
  *zip*) printf PK ;;
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


class GitHub:
    """What `gh` answers, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.output = folder / "output"
        tool = folder / "bin" / "gh"
        tool.parent.mkdir()
        tool.write_text(FAKE)
        tool.chmod(0o755)

    def answers(self, what: str, *pages: Any) -> None:
        (self.folder / what).write_text("".join(json.dumps(page) for page in pages))

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "GH_CALLS": str(self.calls),
            "GH_ANSWERS": str(self.folder),
            "GITHUB_REPOSITORY": "owner/strata",
            "GITHUB_OUTPUT": str(self.output),
        }
        command = [str(SCRIPTS / script), *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    return GitHub(tmp_path)


def comment(number: int, user: str, body: str) -> dict[str, Any]:
    return {"id": number, "user": {"login": user}, "body": body}


def posted(github: GitHub, *pages: Any) -> str:
    (github.folder / "comment.md").write_text(f"{MARKER}\ntext\n")
    github.answers("comments", *pages)
    done = github.run("post_comment.sh", "7", "comment.md")
    assert done.returncode == 0, done.stderr
    return github.calls.read_text().splitlines()[-1]


def test_a_first_comment_is_added(github: GitHub) -> None:
    call = posted(github, [])
    assert call == "api --silent -X POST repos/owner/strata/issues/7/comments -F body=@comment.md"


def test_the_next_one_replaces_it_wherever_it_is(github: GitHub) -> None:
    pages = [[comment(1, "somebody", "hello")], [comment(22, "github-actions[bot]", f"{MARKER}\nold")]]
    assert "-X PATCH repos/owner/strata/issues/comments/22" in posted(github, *pages)


def test_another_stacks_comment_and_a_strangers_copy_of_the_marker_are_left_alone(github: GitHub) -> None:
    others = [
        comment(1, "stranger", f"{MARKER}\nfake"),
        comment(2, "github-actions[bot]", "<!-- strata-preview prod -->\n"),
    ]
    assert "-X POST" in posted(github, others)


@pytest.mark.parametrize("number", ["", "7; rm -rf /", "$(id)", "7/../8"])
def test_what_is_no_number_is_refused(github: GitHub, number: str) -> None:
    (github.folder / "comment.md").write_text(MARKER + "\n")
    assert github.run("post_comment.sh", number, "comment.md").returncode == 2
    assert not github.calls.exists()


def test_a_file_without_the_marker_is_not_posted(github: GitHub) -> None:
    (github.folder / "comment.md").write_text("anything\n")
    assert github.run("post_comment.sh", "7", "comment.md").returncode == 2
    assert not github.calls.exists()


def test_the_pull_request_is_the_one_at_this_very_commit(github: GitHub) -> None:
    github.answers("pulls", [{"number": 3, "head": {"sha": "b" * 40}}, {"number": 4, "head": {"sha": SHA}}])
    assert github.run("find_pull_request.sh", "stranger", "patch-1", SHA).returncode == 0
    assert github.output.read_text() == "number=4\n"


def test_a_pull_request_that_has_moved_on_gets_no_comment(github: GitHub) -> None:
    github.answers("pulls", [{"number": 3, "head": {"sha": "b" * 40}}])
    assert github.run("find_pull_request.sh", "stranger", "patch-1", SHA).returncode == 0
    assert github.output.read_text() == "number=\n"


@pytest.mark.parametrize("branch", ['"; touch pwned; "', "$(touch pwned)", "`touch pwned`", "a&state=all", "a\nb"])
def test_a_branchs_name_is_data(github: GitHub, branch: str) -> None:
    github.answers("pulls", [])
    assert github.run("find_pull_request.sh", "stranger", branch, SHA).returncode == 0
    assert not (github.folder / "pwned").exists()
    assert f"head=stranger:{branch}" in github.calls.read_text()


def test_an_artifact_is_stored_as_it_came(github: GitHub) -> None:
    github.answers("artifacts", {"artifacts": [{"id": 9, "size_in_bytes": 2}]})
    assert github.run("fetch_artifact.sh", "5", "fork-plans", "plans.zip").returncode == 0
    assert (github.folder / "plans.zip").read_text() == "PK"


@pytest.mark.parametrize("found", [[], [{"id": 9, "size_in_bytes": 20_000_001}]])
def test_a_missing_or_huge_artifact_is_refused_before_it_is_fetched(github: GitHub, found: list[Any]) -> None:
    github.answers("artifacts", {"artifacts": found})
    assert github.run("fetch_artifact.sh", "5", "fork-plans", "plans.zip").returncode == 1
    assert "zip" not in github.calls.read_text()
