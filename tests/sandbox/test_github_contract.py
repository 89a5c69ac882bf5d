"""The GitHub stand-in answers as another player of GitHub's API does: the same requests to both, and the same facts.

What `emulate` is known to do otherwise than github.com (any token may write, deliveries are numbered, pushes lack
`head_commit`, a branch may have two open pull requests, `parents` of a commit may not be left out, a pull request lists
no files) is not compared.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.standins.github.server import create_app
from sandbox.standins.github.state import DEFAULT_KEY, GitHubState
from sandbox.standins.serving import Server
from tests import emulate
from tests.sandbox.github_api import Api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

emulate.require()

REPO = "ada/kettle"
SEED = f"""
tokens:
  {DEFAULT_KEY}:
    login: ada
    scopes: [repo]
github:
  users: [{{login: ada, name: Ada, email: ada@example.com}}]
  repos: [{{owner: ada, name: kettle, private: true, auto_init: true, default_branch: main}}]
"""
WHO = {"name": "Ada", "email": "ada@example.com", "date": "2026-01-02T03:04:05Z"}


class Pair:
    """Both servers, asked the same."""

    def __init__(self, ours: Api, theirs: Api) -> None:
        self.apis = (ours, theirs)

    def same(self, *facts: str, ask: Callable[[Api], tuple[str, str, dict[str, Any] | None]]) -> list[Any]:
        """Ask both, compare status and facts (paths into the JSON); the two bodies."""
        answers = []
        for api in self.apis:
            method, path, body = ask(api)
            answers.append(api.ask(method, f"/repos/{REPO}/{path}".rstrip("/"), **({"json": body} if body else {})))
        ours, theirs = answers
        assert ours.status_code == theirs.status_code, (ours.text[:500], theirs.text[:500])
        bodies = [answer.json() if answer.content else None for answer in answers]
        for fact in facts:
            assert dig(bodies[0], fact) == dig(bodies[1], fact), fact
        return bodies


def dig(value: Any, path: str) -> Any:
    """A part of an answer: `tree.sha`, `files[].filename`."""
    for name in path.split("."):
        if name.endswith("[]"):
            found = value[name[:-2]] if name != "[]" else value
            rest = path.partition(f"{name}.")[2]
            return [dig(item, rest) for item in found]
        value = value[name]
    return value


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    state = GitHubState()
    state.add_repository(REPO, {"README.md": "# kettle\n"})
    with Server(create_app(state)) as server, emulate.served(tmp_path_factory.mktemp("emulate"), SEED) as url:
        yield Pair(Api(server.url), Api(url))
    state.close()


def tip(api: Api, branch: str = "main") -> str:
    return api.get(f"/repos/{REPO}/git/ref/heads/{branch}")["object"]["sha"]


def commit(api: Api, parent: str, files: dict[str, str], message: str) -> str:
    """By way of the git database."""
    base = api.get(f"/repos/{REPO}/git/commits/{parent}")["tree"]["sha"]
    tree = [{"path": path, "mode": "100644", "type": "blob", "content": text} for path, text in files.items()]
    made = api.make(f"/repos/{REPO}/git/trees", base_tree=base, tree=tree)["sha"]
    body = {"message": message, "tree": made, "parents": [parent], "author": WHO}
    return api.make(f"/repos/{REPO}/git/commits", **body)["sha"]


def branch(api: Api, name: str, files: dict[str, str]) -> str:
    """A branch with one commit more than the default one."""
    sha = commit(api, tip(api), files, f"On {name}")
    api.make(f"/repos/{REPO}/git/refs", ref=f"refs/heads/{name}", sha=sha)
    return sha


def test_files_are_read_alike(pair: Pair) -> None:
    facts = ("type", "path", "name", "sha", "size", "encoding")
    bodies = pair.same(*facts, ask=lambda _: ("GET", "contents/README.md", None))
    assert [base64.b64decode(body["content"]) for body in bodies] == [b"# kettle\n"] * 2
    pair.same("[].path", "[].type", ask=lambda _: ("GET", "contents", None))
    pair.same("message", ask=lambda _: ("GET", "contents/none.md", None))


def test_git_s_objects_get_git_s_names(pair: Pair) -> None:
    pair.same("sha", ask=lambda _: ("POST", "git/blobs", {"content": "x\n", "encoding": "utf-8"}))
    entries = [
        {"path": "docs/a.md", "mode": "100644", "type": "blob", "content": "a\n"},
        {"path": "run.sh", "mode": "100755", "type": "blob", "content": "echo\n"},
    ]
    (ours, _) = pair.same("sha", "tree[].path", "tree[].mode", ask=lambda _: ("POST", "git/trees", {"tree": entries}))
    pair.same(
        "tree.sha",
        "message",
        ask=lambda _: ("POST", "git/commits", {"message": "m", "tree": ours["sha"], "parents": [], "author": WHO}),
    )
    pair.same("tree[].path", "truncated", ask=lambda _: ("GET", f"git/trees/{ours['sha']}?recursive=1", None))


def test_branches_move_by_the_same_rules(pair: Pair) -> None:
    names: dict[Api, tuple[str, str]] = {}
    for api in pair.apis:
        names[api] = (branch(api, "moving", {"a.md": "a\n"}), commit(api, tip(api), {"b.md": "b\n"}, "Elsewhere"))
    pair.same(ask=lambda api: ("PATCH", "git/refs/heads/moving", {"sha": names[api][1], "force": False}))
    pair.same("ref", ask=lambda api: ("PATCH", "git/refs/heads/moving", {"sha": names[api][1], "force": True}))
    pair.same(ask=lambda api: ("POST", "git/refs", {"ref": "refs/heads/moving", "sha": names[api][1]}))
    pair.same(ask=lambda api: ("POST", "git/refs", {"ref": "refs/heads/x", "sha": "0" * 40}))
    pair.same(ask=lambda _: ("GET", "git/ref/heads/none", None))


def test_comparisons_say_the_same(pair: Pair) -> None:
    for api in pair.apis:
        branch(api, "compared", {"README.md": "# kettle\n\nIt boils.\n", "docs/new.md": "new\n"})
    facts = ("status", "ahead_by", "behind_by", "total_commits", "commits[].commit.message")
    pair.same(*facts, ask=lambda _: ("GET", "compare/main...compared", None))
    found = [api.get(f"/repos/{REPO}/compare/main...compared")["files"] for api in pair.apis]
    told = [sorted((file["filename"], file["status"]) for file in files) for files in found]
    assert told[0] == told[1]


def test_pull_requests_are_opened_and_listed_alike(pair: Pair) -> None:
    for api in pair.apis:
        branch(api, "docs", {"docs/pull.md": "pull\n"})
    asked = {"title": "Docs", "head": "docs", "base": "main", "body": "b"}
    facts = ("number", "state", "title", "head.ref", "base.ref", "draft")
    pair.same(*facts, ask=lambda _: ("POST", "pulls", asked))
    pair.same("[].number", ask=lambda _: ("GET", "pulls?head=ada:docs&state=open", None))


def test_what_may_not_be_seen_is_not_seen(pair: Pair) -> None:
    for api in pair.apis:
        wrong = Api(str(api.http.base_url), "wrong").ask("GET", "/repos/ada/nothing")
        assert wrong.status_code in {401, 404}
    pair.same(ask=lambda _: ("PUT", "contents/README.md", {"message": "m", "content": "eA==", "sha": "0" * 40}))
