"""What webhooks carry: `ping`, `push` and `pull_request`, whole, as github.com sends them.

https://docs.github.com/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sandbox.standins.github import shapes
from sandbox.standins.github.hooks import hook_shape
from sandbox.standins.github.repository import node_id
from sandbox.standins.github.store import ZERO, touched

if TYPE_CHECKING:
    from pygit2 import Commit, Signature

    from sandbox.standins.github.access import Actor, User
    from sandbox.standins.github.repository import Hook, Pull, Repository

COMMITS: Final = 2_048
"""A push tells of this many commits at most; older servers (GitHub Enterprise Server before 3.8) of 20."""
FILES: Final = 3_000
"""Of one commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A reference that was created, moved or deleted."""

    reference: str
    before: str
    after: str
    by: Actor
    most_commits: int = COMMITS


def push(repo: Repository, move: Move) -> dict[str, Any]:
    """The payload of a `push` event."""
    created, deleted = move.before == ZERO, move.after == ZERO
    news = _new_commits(repo, move)
    forced = not created and not deleted and not _follows(repo, move)
    head = None if deleted else _commit(repo, repo.store.commit(move.after))
    span = f"{move.before[:12]}...{move.after[:12]}"
    address = (move.after if deleted else move.after[:12]) if created or deleted else span
    return {
        "ref": move.reference,
        "before": move.before,
        "after": move.after,
        "repository": _repository(repo),
        "pusher": {"name": move.by.user.login, "email": move.by.user.email},
        "sender": shapes.user(move.by.user, repo.api),
        **_installation(move.by),
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "base_ref": None,
        "compare": f"{repo.html_url}/compare/{address}",
        "commits": [_commit(repo, commit) for commit in news],
        "head_commit": head,
    }


def _follows(repo: Repository, move: Move) -> bool:
    store = repo.store
    return store.contains(store.commit(move.after).id, store.commit(move.before).id)


def _new_commits(repo: Repository, move: Move) -> list[Commit]:
    """Those that the push brings, oldest first. Of a new branch: those that the default branch lacks."""
    if move.after == ZERO:
        return []
    store = repo.store
    before = None if move.before == ZERO else store.commit(move.before).id
    if before is None and move.reference != f"refs/heads/{repo.default_branch}":
        before = store.target(f"refs/heads/{repo.default_branch}")
    newest_first = list(store.history(store.commit(move.after).id, before))
    return newest_first[::-1][-move.most_commits :]


def _repository(repo: Repository) -> dict[str, Any]:
    """In a push, times are numbers, and the owner has a name."""
    owner = {"name": repo.owner.login, "email": repo.owner.email, **shapes.user(repo.owner, repo.api)}
    return {
        **shapes.repository(repo),
        "owner": owner,
        "url": repo.html_url,
        "created_at": int(repo.created),
        "pushed_at": int(repo.pushed),
        "stargazers": 0,
        "master_branch": repo.default_branch,
    }


def _commit(repo: Repository, commit: Commit) -> dict[str, Any]:
    changed = touched(repo.store.changes(commit))
    return {
        "id": str(commit.id),
        "tree_id": str(commit.tree_id),
        "distinct": True,
        "message": commit.message.removesuffix("\n"),
        "timestamp": shapes.with_offset(commit.committer),
        "url": f"{repo.html_url}/commit/{commit.id}",
        "author": _person(commit.author),
        "committer": _person(commit.committer),
        **{kind: paths[:FILES] for kind, paths in changed.items()},
    }


def _person(signature: Signature) -> dict[str, str]:
    person = {"name": signature.name, "email": signature.email, "date": shapes.with_offset(signature)}
    name, _, domain = signature.email.partition("@")
    if domain == "users.noreply.github.com":
        person["username"] = name.partition("+")[2] or name
    return person


def _installation(by: Actor) -> dict[str, Any]:
    if (app := by.app) is None:
        return {}
    return {"installation": {"id": app.installation.id, "node_id": node_id("I", app.installation.id)}}


def pull_request(
    repo: Repository,
    pull: Pull,
    action: str,
    by: Actor,
    moved: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """The payload of a `pull_request` event; `moved` are the heads of a `synchronize`."""
    payload: dict[str, Any] = {"action": action, "number": pull.number, "pull_request": shapes.pull(repo, pull)}
    if moved is not None:
        payload |= {"before": moved[0], "after": moved[1]}
    return payload | {
        "repository": shapes.repository(repo),
        "sender": shapes.user(by.user, repo.api),
        **_installation(by),
    }


def ping(repo: Repository, hook: Hook, sender: User) -> dict[str, Any]:
    """The payload of the `ping` that a new webhook is sent."""
    return {
        "zen": "Keep it logically awesome.",
        "hook_id": hook.id,
        "hook": hook_shape(repo, hook),
        "repository": shapes.repository(repo),
        "sender": shapes.user(sender, repo.api),
    }
