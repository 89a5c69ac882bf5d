"""The GitHub stand-in: git's own answers over its REST API, asked over a socket."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox.standins.faults import Fault
from sandbox.standins.github.state import GitHubState
from tests.sandbox.github_api import FILES, REPO, Api, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.standins.serving import Server


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[GitHubState, Server]]:
    yield from serve(tmp_path)


@pytest.fixture
def state(running: tuple[GitHubState, Server]) -> GitHubState:
    return running[0]


@pytest.fixture
def api(running: tuple[GitHubState, Server]) -> Api:
    return Api(running[1].url)


def message(answer: httpx.Response, status: int) -> str:
    """What a refusal says."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["status"] == str(status)
    assert body["documentation_url"].startswith("https://docs.github.com/")
    return body["message"]


# --- files ---


def test_a_file_is_read_as_it_was_at_a_commit_and_a_folder_is_listed(api: Api, state: GitHubState) -> None:
    first = api.tip()
    state.push(REPO, {"README.md": "# Kettle 2\n"}, "Second")
    assert api.text("README.md", first) == FILES["README.md"]
    assert api.text("README.md") == "# Kettle 2\n"
    listed = api.get("contents/docs")
    assert [(entry["path"], entry["type"]) for entry in listed] == [("docs/guide.md", "file")]
    assert {entry["name"]: entry["type"] for entry in api.get("contents")}["src"] == "dir"
    raw = api.ask("GET", "contents/src/kettle.py", headers={"accept": "application/vnd.github.raw+json"})
    assert raw.text == FILES["src/kettle.py"]
    assert api.get("readme")["path"] == "README.md"
    assert message(api.ask("GET", "contents/docs/none.md"), 404) == "Not Found"
    assert message(api.ask("GET", "contents/README.md", params={"ref": "none"}), 404) == "Not Found"


def test_a_file_over_a_megabyte_comes_without_its_content_and_raw_with_it(api: Api, state: GitHubState) -> None:
    state.push(REPO, {"large.txt": b"x" * 1_048_577}, "Large")
    found = api.get("contents/large.txt")
    assert (found["content"], found["encoding"], found["size"]) == ("", "none", 1_048_577)
    blob = api.get(f"git/blobs/{found['sha']}")
    assert len(base64.b64decode(blob["content"])) == 1_048_577


def test_a_file_is_replaced_only_by_who_knows_what_it_was(api: Api) -> None:
    given = {"message": "Change", "content": base64.b64encode(b"new\n").decode()}
    before = api.get("contents/README.md")["sha"]
    assert "sha" in message(api.ask("PUT", "contents/README.md", json=given), 422)
    wrong = api.ask("PUT", "contents/README.md", json={**given, "sha": "0" * 40})
    assert message(wrong, 409) == f"README.md does not match {'0' * 40}"
    done = api.ask("PUT", "contents/README.md", json={**given, "sha": before})
    assert done.status_code == 200
    assert api.ask("PUT", "contents/docs/new.md", json=given).status_code == 201
    assert api.text("README.md") == api.text("docs/new.md") == "new\n"
    gone = api.ask(
        "DELETE", "contents/docs/new.md", params={}, json={"message": "Gone", "sha": done.json()["content"]["sha"]}
    )
    assert gone.status_code == 200
    assert api.ask("GET", "contents/docs/new.md").status_code == 404
    assert message(api.ask("PUT", "contents/x.md", json={**given, "content": "%%%"}), 422)


# --- the git database ---


def test_several_files_become_one_commit_that_git_itself_reads(api: Api, state: GitHubState, tmp_path: Path) -> None:
    parent = api.tip()
    sha = api.commit(parent, {"README.md": "# New\n", "docs/deep/a.md": "a\n", "src/kettle.py": None})
    assert api.move("main", sha).status_code == 200
    git = ["git", "-c", "safe.directory=*", "-C", str(state.repository(REPO).store.git.path)]
    listed = subprocess.run([*git, "ls-tree", "-r", "--name-only", "main"], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["README.md", "docs/deep/a.md", "docs/guide.md"]
    subprocess.run([*git, "fsck", "--strict"], check=True, capture_output=True)
    tree = api.get("git/trees/main", params={"recursive": "1"})
    assert [entry["path"] for entry in tree["tree"] if entry["type"] == "blob"] == listed.stdout.split()
    assert not tree["truncated"]
    state.largest_tree = 2
    assert api.get("git/trees/main", params={"recursive": "1"})["truncated"]


def test_a_branch_moves_forward_only_unless_it_is_forced(api: Api, state: GitHubState) -> None:
    first = api.tip()
    state.push(REPO, {"a.txt": "a"}, "Somebody else was quicker")
    mine = api.commit(first, {"README.md": "late\n"})
    assert message(api.move("main", mine), 422) == "Update is not a fast forward"
    assert api.get(f"compare/main...{mine}")["status"] == "diverged"
    assert api.move("main", mine, force=True).status_code == 200
    assert api.tip() == mine


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "git/refs", {"ref": "refs/heads/main", "sha": "TIP"}, "Reference already exists"),
        ("POST", "git/refs", {"ref": "main", "sha": "TIP"}, "Reference name must start with 'refs/'"),
        ("POST", "git/refs", {"ref": "refs/heads/x", "sha": "0" * 40}, "Object does not exist"),
        ("PATCH", "git/refs/heads/none", {"sha": "TIP"}, "Reference does not exist"),
        ("DELETE", "git/refs/heads/none", {}, "Reference does not exist"),
        ("DELETE", "git/refs/heads/main", {}, "Cannot delete the default branch"),
        ("POST", "git/commits", {"message": "m", "tree": "0" * 40}, "Tree SHA does not exist"),
        ("POST", "git/commits", {"message": "m", "tree": "TREE", "parents": ["0" * 40]}, "Parent SHA does not exist"),
        ("POST", "git/trees", {"tree": []}, "Invalid tree info"),
        ("POST", "git/trees", {"tree": [{"path": "a", "mode": "777", "content": ""}]}, "tree.mode must be one of"),
        ("POST", "git/trees", {"tree": [{"path": "a/../b", "mode": "100644", "content": ""}]}, "malformed path"),
        ("POST", "git/trees", {"tree": [{"path": ".git/config", "mode": "100644", "content": ""}]}, "malformed path"),
        ("POST", "git/trees", {"tree": [{"path": "a", "mode": "100644", "sha": "0" * 40}]}, "is not a valid blob"),
        (
            "POST",
            "git/trees",
            {"tree": [{"path": path, "mode": "100644", "content": ""} for path in ("a.md", "a.md/b/c.md")]},
            "BadObjectState",
        ),
        ("GET", f"commits/{'0' * 40}", None, "No commit found for SHA"),
    ],
)
def test_what_git_cannot_hold_is_refused_as_on_github(
    api: Api, method: str, path: str, body: dict[str, Any] | None, said: str
) -> None:
    places = {"TIP": api.tip(), "TREE": api.get(f"git/commits/{api.tip()}")["tree"]["sha"]}
    given = None if body is None else {k: places.get(v, v) if isinstance(v, str) else v for k, v in body.items()}
    assert said in message(api.ask(method, path, json=given), 422)


def test_references_are_listed_by_their_beginning(api: Api) -> None:
    for name in ("docs/one", "docs/two", "other"):
        api.make("git/refs", ref=f"refs/heads/{name}", sha=api.tip())
    found = api.get("git/matching-refs/heads/docs")
    assert [ref["ref"] for ref in found] == ["refs/heads/docs/one", "refs/heads/docs/two"]
    assert api.get("branches/docs/one")["commit"]["sha"] == api.tip()
    assert message(api.ask("GET", "git/ref/heads/docs"), 404) == "Not Found"


# --- history ---


def test_a_comparison_names_what_changed_since_the_two_parted(api: Api, state: GitHubState) -> None:
    base = api.tip()
    state.push(REPO, {"src/pot.py": FILES["src/kettle.py"], "src/kettle.py": None}, "Renamed")
    state.push(REPO, {"README.md": "# Pot\n", "b.bin": b"\0\1"}, "Changed")
    found = api.get(f"compare/{base}...main")
    assert (found["status"], found["ahead_by"], found["behind_by"]) == ("ahead", 2, 0)
    assert [commit["commit"]["message"] for commit in found["commits"]] == ["Renamed", "Changed"]
    files = {file["filename"]: file for file in found["files"]}
    assert {name: file["status"] for name, file in files.items()} == {
        "README.md": "modified",
        "b.bin": "added",
        "src/pot.py": "renamed",
    }
    assert files["src/pot.py"]["previous_filename"] == "src/kettle.py"
    assert files["README.md"]["patch"].startswith("@@ -1,3 +1 @@\n-# Kettle\n")
    assert "patch" not in files["b.bin"]
    assert api.get(f"compare/main...{base}")["status"] == "behind"
    assert api.get("compare/main...main")["status"] == "identical"


def test_a_comparison_shows_300_files_and_its_commits_page_by_page(api: Api, state: GitHubState) -> None:
    base = api.tip()
    state.push(REPO, {f"many/{number}.txt": str(number) for number in range(350)}, "Many")
    for number in range(4):
        state.push(REPO, {"README.md": f"# {number}\n"}, f"Change {number}")
    first = api.ask("GET", f"compare/{base}...main", params={"per_page": 3})
    assert len(first.json()["files"]) == 300
    assert first.json()["total_commits"] == 5
    assert len(first.json()["commits"]) == 3
    second = httpx.get(first.links["next"]["url"], headers=api.http.headers)
    assert [commit["commit"]["message"] for commit in second.json()["commits"]] == ["Change 2", "Change 3"]
    assert second.json()["files"] == []
    big = next(commit["sha"] for commit in api.get("commits") if commit["commit"]["message"] == "Many")
    one = api.ask("GET", f"commits/{big}")
    assert len(one.json()["files"]) == 300
    assert len(httpx.get(one.links["next"]["url"], headers=api.http.headers).json()["files"]) == 50


def test_commits_of_one_path_come_newest_first_and_in_pages(api: Api, state: GitHubState) -> None:
    for number in range(3):
        state.push(REPO, {"docs/guide.md": f"# {number}\n", "README.md": f"# {number // 2}\n"}, f"Change {number}")
    found = api.get("commits", params={"path": "docs/guide.md"})
    assert [commit["commit"]["message"] for commit in found] == ["Change 2", "Change 1", "Change 0", "Initial commit"]
    readme = api.get("commits", params={"path": "README.md"})
    assert [commit["commit"]["message"] for commit in readme] == ["Change 2", "Change 0", "Initial commit"]
    page = api.ask("GET", "commits", params={"per_page": 2, "page": 2})
    assert set(page.links) == {"prev", "first"}


# --- pull requests ---


def test_a_pull_request_is_opened_once_and_lists_its_files(api: Api) -> None:
    assert "Validation Failed" in message(
        api.ask("POST", "pulls", json={"title": "Docs", "head": "none", "base": "main"}), 422
    )
    api.make("git/refs", ref="refs/heads/docs", sha=api.commit(api.tip(), {"README.md": "# Docs\n"}))
    made = api.make("pulls", title="Docs", head="docs", base="main", body="New words")
    assert (made["number"], made["state"], made["head"]["ref"]) == (1, "open", "docs")
    again = api.ask("POST", "pulls", json={"title": "Docs", "head": "docs", "base": "main"})
    assert again.json()["errors"][0]["message"] == "A pull request already exists for acme:docs."
    assert [file["filename"] for file in api.get("pulls/1/files")] == ["README.md"]
    assert [pull["number"] for pull in api.get("pulls", params={"head": "acme:docs"})] == [1]
    assert api.get("pulls/1")["changed_files"] == 1
    assert api.ask("PATCH", "pulls/1", json={"state": "closed"}).json()["state"] == "closed"
    assert api.get("pulls") == []
    assert message(api.ask("GET", "pulls/9"), 404) == "Not Found"


# --- what is not there ---


def test_what_is_not_implemented_is_refused_and_not_guessed(api: Api) -> None:
    assert "does not implement GET" in message(api.ask("GET", "issues"), 501)
    assert "does not implement PUT" in message(api.ask("PUT", "pulls/1/merge"), 501)
    assert "the parameter author" in message(api.ask("GET", "commits", params={"author": "ada"}), 501)
    assert "the key signature" in message(api.ask("POST", "git/commits", json={"signature": "x"}), 501)
    assert message(api.ask("POST", "git/commits", content=b"{"), 400) == "Problems parsing JSON"


def test_it_forgets_nothing_when_it_is_started_again(api: Api, state: GitHubState, tmp_path: Path) -> None:
    state.push(REPO, {"README.md": "# Kept\n"}, "Kept")
    again = GitHubState(folder=tmp_path)
    repo = again.add_repository(REPO, {"README.md": "# Not this\n"})
    assert str(repo.store.target("refs/heads/main")) == api.tip()


def test_it_has_the_faults_that_every_stand_in_has(api: Api, state: GitHubState) -> None:
    state.faults.script(Fault(502), Fault(drop="after"), path=f"/repos/{REPO}/git/refs/heads/main")
    sha = api.commit(api.tip(), {"README.md": "# Faulty\n"})
    assert api.move("main", sha).status_code == 502
    with pytest.raises(httpx.RemoteProtocolError):
        api.move("main", sha)
    assert api.tip() == sha  # it was done, and never answered
