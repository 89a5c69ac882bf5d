"""Pull requests: made, listed, read, changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from sandbox.standins.github import payloads, shapes
from sandbox.standins.github.calls import PAGING, Answer, Call, Operation
from sandbox.standins.github.problems import invalid, not_found, not_implemented

if TYPE_CHECKING:
    from pygit2 import Diff

    from sandbox.standins.github.repository import Pull

MOST_FILES: Final = 3_000
STATES: Final = {"open", "closed", "all"}


def _found(call: Call) -> Pull:
    number = call.params["number"]
    pull = call.repo.pulls.get(int(number)) if number.isascii() and number.isdigit() else None
    if pull is None:
        raise not_found()
    return pull


def _make(call: Call) -> Answer:
    head, base = call.text("head"), call.text("base")
    owner, colon, branch = head.partition(":")
    if colon and owner.lower() != call.repo.owner.login.lower():
        raise not_implemented("pull requests from forks")
    pull = call.state.open_pull(
        call.repo,
        call.text("title"),
        branch if colon else head,
        base,
        by=call.by,
        body=call.body.get("body"),
        draft=call.body.get("draft") is True,
    )
    made = shapes.pull(call.repo, pull)
    return Answer(201, made, {"location": made["url"]})


def _list(call: Call) -> Answer:
    state, owner = call.query.get("state", "open"), f"{call.repo.owner.login.lower()}:"
    if state not in STATES:
        raise invalid("Validation Failed", {"resource": "PullRequest", "field": "state", "code": "invalid"})
    head = call.query.get("head", "")
    branch = head[len(owner) :] if head.lower().startswith(owner) else head
    pulls = [
        pull
        for pull in reversed(call.repo.pulls.values())
        if state in {"all", pull.state} and branch in {"", pull.head} and call.query.get("base", pull.base) == pull.base
    ]
    return call.listed(pulls, lambda pull: shapes.pull(call.repo, pull))


def _get(call: Call) -> dict[str, Any]:
    pull, store = _found(call), call.repo.store
    diff = _difference(call, pull)
    base, head = store.commit(pull.base), store.commit(pull.head)
    return shapes.pull(call.repo, pull) | {
        "commits": len(list(store.history(head.id, base.id))),
        "changed_files": len(diff),
        "additions": diff.stats.insertions,
        "deletions": diff.stats.deletions,
    }


def _difference(call: Call, pull: Pull) -> Diff:
    store = call.repo.store
    base, head = store.commit(pull.base), store.commit(pull.head)
    return store.difference(store.base(base.id, head.id).tree, head.tree)


def _files(call: Call) -> Answer:
    pull = _found(call)
    diff, head = _difference(call, pull), str(call.repo.store.commit(pull.head).id)
    numbers, headers = call.page(range(min(len(diff), MOST_FILES)))
    shown = shapes.files(call.repo, diff, head, numbers[0], numbers[-1] + 1) if numbers else []
    return Answer(200, shown, headers)


def _commits(call: Call) -> Answer:
    pull, store = _found(call), call.repo.store
    commits = list(store.history(store.commit(pull.head).id, store.commit(pull.base).id))[::-1]
    return call.listed(commits[:250], lambda commit: shapes.commit(call.repo, commit))


def _update(call: Call) -> dict[str, Any]:
    pull, state = _found(call), call.body.get("state")
    if state not in {None, "open", "closed"}:
        raise invalid("Validation Failed", {"resource": "PullRequest", "field": "state", "code": "invalid"})
    if "title" in call.body:
        pull.title = call.text("title")
    if "body" in call.body:
        pull.body = call.body["body"]
    action = "edited"
    if state is not None and state != pull.state:
        pull.state, action = state, "closed" if state == "closed" else "reopened"
    pull.updated = time.time()
    payload = payloads.pull_request(call.repo, pull, action, call.by)
    call.state.tell(call.repo, "pull_request", payload)
    return shapes.pull(call.repo, pull)


_PULLS: Final = "/repos/{owner}/{repo}/pulls"
_ONE: Final = f"{_PULLS}/{{number}}"


def _operation(method: Any, path: str, run: Any, **rest: Any) -> Operation:
    level = "read" if method == "GET" else "write"
    return Operation(method=method, path=path, run=run, permission="pull_requests", level=level, **rest)


OPERATIONS: Final = (
    _operation("POST", _PULLS, _make, body=("title", "head", "base", "body", "draft", "maintainer_can_modify")),
    _operation("GET", _PULLS, _list, query=("state", "head", "base", *PAGING)),
    _operation("GET", _ONE, _get),
    _operation("PATCH", _ONE, _update, body=("title", "body", "state")),
    _operation("GET", f"{_ONE}/files", _files, query=PAGING),
    _operation("GET", f"{_ONE}/commits", _commits, query=PAGING),
)
