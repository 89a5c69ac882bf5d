"""A repository, its branches, its commits, and how two of them compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sandbox.standins.github import shapes
from sandbox.standins.github.calls import PAGING, Answer, Call, Operation
from sandbox.standins.github.problems import GitHubError, not_found

if TYPE_CHECKING:
    from pygit2 import Commit

COMPARED_FILES: Final = 300
"""Of a whole comparison, and on its first page only."""
COMPARED_COMMITS: Final = 250
COMMIT_FILES: Final = 300
"""On a page; 3,000 in all. https://docs.github.com/rest/commits/commits#get-a-commit"""
MOST_COMMIT_FILES: Final = 3_000


def _repository(call: Call) -> dict[str, Any]:
    caller = call.caller
    may = {
        "admin": False,
        "maintain": False,
        "push": caller.may("contents", "write"),
        "triage": False,
        "pull": caller.may("contents", "read"),
    }
    return {**shapes.repository(call.repo), "permissions": may}


def _branch(call: Call, name: str, *, whole: bool) -> dict[str, Any]:
    commit = call.repo.store.commit(f"refs/heads/{name}")
    short = {"sha": str(commit.id), "url": f"{call.repo.url}/commits/{commit.id}"}
    shown = shapes.commit(call.repo, commit) if whole else short
    return {"name": name, "commit": shown, "protected": False}


def _branches(call: Call) -> Answer:
    names = [name.removeprefix("refs/heads/") for name in call.repo.store.references("refs/heads/")]
    return call.listed(names, lambda name: _branch(call, name, whole=False))


def _one_branch(call: Call) -> dict[str, Any]:
    name = call.params["branch"]
    if call.repo.store.target(f"refs/heads/{name}") is None:
        raise GitHubError(404, "Branch not found")
    return _branch(call, name, whole=True)


def _commits(call: Call) -> Answer:
    store, name = call.repo.store, call.query.get("sha") or call.repo.default_branch
    if not store.references("refs/heads/"):
        raise GitHubError(409, "Git Repository is empty.")
    found = store.history(store.commit(name).id, path=call.query.get("path", "").strip("/"))
    since, until = (shapes.seconds(call.query[key])[0] if key in call.query else None for key in ("since", "until"))
    kept = [
        commit
        for commit in found
        if (since is None or commit.commit_time >= since) and (until is None or commit.commit_time <= until)
    ]
    return call.listed(kept, lambda commit: shapes.commit(call.repo, commit))


def _commit(call: Call) -> Answer:
    """One commit with what it changes, 300 files a page."""
    commit = call.repo.store.commit(call.params["ref"])
    if "application/vnd.github.sha" in call.accept:
        return Answer(200, str(commit.id).encode(), {"content-type": "application/vnd.github.sha; charset=utf-8"})
    diff = call.repo.store.changes(commit)
    numbers, headers = call.page(range(min(len(diff), MOST_COMMIT_FILES)), COMMIT_FILES, COMMIT_FILES)
    stats = {"additions": diff.stats.insertions, "deletions": diff.stats.deletions}
    body = shapes.commit(call.repo, commit) | {
        "stats": {"total": sum(stats.values()), **stats},
        "files": shapes.files(call.repo, diff, str(commit.id), numbers[0], numbers[-1] + 1) if numbers else [],
    }
    return Answer(200, body, headers)


def _sides(call: Call) -> tuple[Commit, Commit]:
    base, dots, head = call.params["basehead"].partition("...")
    if not dots or not base or not head:
        raise not_found()
    owner = f"{call.repo.owner.login.lower()}:"
    names = [name[len(owner) :] if name.lower().startswith(owner) else name for name in (base, head)]
    store = call.repo.store
    try:
        return store.commit(names[0]), store.commit(names[1])
    except GitHubError:
        raise not_found() from None


def _compare(call: Call) -> Answer:
    store, repo = call.repo.store, call.repo
    base, head = _sides(call)
    common = store.base(base.id, head.id)
    ahead, behind = store.git.ahead_behind(head.id, base.id)
    commits = list(store.history(head.id, base.id))[::-1]
    page, headers = call.page(commits, COMPARED_COMMITS, COMPARED_COMMITS)
    diff = store.difference(common.tree, head.tree)
    first = call.whole("page", 1) == 1
    status = ("diverged" if behind else "ahead") if ahead else "behind" if behind else "identical"
    span = f"{base.id}...{head.id}"
    body = {
        "url": f"{repo.url}/compare/{call.params['basehead']}",
        "html_url": f"{repo.html_url}/compare/{call.params['basehead']}",
        "permalink_url": f"{repo.html_url}/compare/{span}",
        "diff_url": f"{repo.html_url}/compare/{span}.diff",
        "patch_url": f"{repo.html_url}/compare/{span}.patch",
        "base_commit": shapes.commit(repo, base),
        "merge_base_commit": shapes.commit(repo, common),
        "status": status,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": len(commits),
        "commits": [shapes.commit(repo, commit) for commit in page],
        "files": shapes.files(repo, diff, str(head.id), 0, COMPARED_FILES) if first else [],
    }
    return Answer(200, body, headers)


_REPO: Final = "/repos/{owner}/{repo}"
OPERATIONS: Final = (
    Operation(method="GET", path=_REPO, run=_repository, permission="metadata"),
    Operation(method="GET", path=f"{_REPO}/branches", run=_branches, query=PAGING),
    Operation(method="GET", path=f"{_REPO}/branches/{{branch:path}}", run=_one_branch),
    Operation(method="GET", path=f"{_REPO}/commits", run=_commits, query=("sha", "path", "since", "until", *PAGING)),
    Operation(method="GET", path=f"{_REPO}/commits/{{ref:path}}", run=_commit, query=PAGING),
    Operation(method="GET", path=f"{_REPO}/compare/{{basehead:path}}", run=_compare, query=PAGING),
)
