"""The JSON of GitHub's API: users, repositories, commits, files, pull requests."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pygit2 import Tree
from pygit2.enums import DeltaStatus, ObjectType

from sandbox.standins.github.problems import invalid
from sandbox.standins.github.repository import node_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pygit2 import Commit, Diff, Object, Patch, Signature

    from sandbox.standins.github.access import User
    from sandbox.standins.github.repository import Pull, Repository

STATUSES: Final = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "removed",
    DeltaStatus.MODIFIED: "modified",
    DeltaStatus.RENAMED: "renamed",
    DeltaStatus.COPIED: "copied",
    DeltaStatus.TYPECHANGE: "changed",
}
LARGEST_PATCH_BYTES: Final = 100_000
"""Larger patches are left out, as GitHub leaves out those of files that are too large to show."""
KINDS: Final = {ObjectType.BLOB: "blob", ObjectType.TREE: "tree", ObjectType.COMMIT: "commit"}
UNSIGNED: Final = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def instant(seconds: float) -> str:
    """A time as the API writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds(text: Any) -> tuple[int, int]:
    """A time as clients write it: seconds since the epoch, and minutes east of UTC.

    Raises:
        GitHubError: 422: it is not ISO 8601.
    """
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise invalid(f"Invalid request.\n\n{text} is not a valid ISO 8601 timestamp.") from None
    offset = found.utcoffset()
    aware = found if offset is not None else found.replace(tzinfo=UTC)
    return int(aware.timestamp()), int(offset.total_seconds() // 60) if offset is not None else 0


def user(account: User, api: str) -> dict[str, Any]:
    """A simple user."""
    url = f"{api}/users/{quote(account.login)}"
    page = f"https://github.com/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("U", account.id),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{account.id}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": page.replace("[bot]", "")
        if account.type != "Bot"
        else f"https://github.com/apps/{account.login[:-5]}",
        "type": account.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def repository(repo: Repository) -> dict[str, Any]:
    """A repository, with the addresses that its clients follow."""
    url = repo.url
    return {
        "id": repo.id,
        "node_id": node_id("R", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
        "owner": user(repo.owner, repo.api),
        "html_url": repo.html_url,
        "description": None,
        "fork": False,
        "url": url,
        "branches_url": f"{url}/branches{{/branch}}",
        "commits_url": f"{url}/commits{{/sha}}",
        "compare_url": f"{url}/compare/{{base}}...{{head}}",
        "contents_url": f"{url}/contents/{{+path}}",
        "git_commits_url": f"{url}/git/commits{{/sha}}",
        "git_refs_url": f"{url}/git/refs{{/sha}}",
        "pulls_url": f"{url}/pulls{{/number}}",
        "trees_url": f"{url}/git/trees{{/sha}}",
        "created_at": instant(repo.created),
        "updated_at": instant(repo.pushed),
        "pushed_at": instant(repo.pushed),
        "clone_url": f"{repo.html_url}.git",
        "size": 0,
        "archived": repo.archived,
        "disabled": False,
        "visibility": "private" if repo.private else "public",
        "default_branch": repo.default_branch,
    }


def person(signature: Signature) -> dict[str, str]:
    """An author or committer of a git commit."""
    return {"name": signature.name, "email": signature.email, "date": instant(signature.time)}


def with_offset(signature: Signature) -> str:
    """A signature's time, in its own zone, as events write it."""
    zone = timezone(timedelta(minutes=signature.offset)) if signature.offset else UTC
    text = datetime.fromtimestamp(signature.time, zone).isoformat()
    return text.replace("+00:00", "Z") if zone is UTC else text


def git_commit(repo: Repository, commit: Commit) -> dict[str, Any]:
    """A commit of the git database."""
    sha = str(commit.id)
    return {
        "sha": sha,
        "node_id": node_id("C", repo.id, sha),
        "url": f"{repo.url}/git/commits/{sha}",
        "html_url": f"{repo.html_url}/commit/{sha}",
        "author": person(commit.author),
        "committer": person(commit.committer),
        "tree": {"sha": str(commit.tree_id), "url": f"{repo.url}/git/trees/{commit.tree_id}"},
        "message": commit.message.removesuffix("\n"),
        "parents": [
            {
                "sha": str(parent),
                "url": f"{repo.url}/git/commits/{parent}",
                "html_url": f"{repo.html_url}/commit/{parent}",
            }
            for parent in commit.parent_ids
        ],
        "verification": dict(UNSIGNED),
    }


def commit(repo: Repository, found: Commit) -> dict[str, Any]:
    """A commit as the list of commits shows it. Which account an address belongs to is not known here: null."""
    inner, sha = git_commit(repo, found), str(found.id)
    parents = [{**parent, "url": f"{repo.url}/commits/{parent['sha']}"} for parent in inner["parents"]]
    return {
        "sha": sha,
        "node_id": inner["node_id"],
        "commit": {
            **{name: inner[name] for name in ("author", "committer", "message", "tree", "url")},
            "comment_count": 0,
            "verification": inner["verification"],
        },
        "url": f"{repo.url}/commits/{sha}",
        "html_url": inner["html_url"],
        "comments_url": f"{repo.url}/commits/{sha}/comments",
        "author": None,
        "committer": None,
        "parents": parents,
    }


def files(repo: Repository, diff: Diff, head: str, start: int, stop: int) -> list[dict[str, Any]]:
    """Some of the files of a difference."""
    patches = (diff[number] for number in range(start, min(stop, len(diff))))
    return [_file(repo, patch, head) for patch in patches if patch is not None]


def _file(repo: Repository, patch: Patch, head: str) -> dict[str, Any]:
    delta = patch.delta
    path = (delta.old_file if delta.status == DeltaStatus.DELETED else delta.new_file).path
    _, added, removed = patch.line_stats
    blob = (delta.old_file if delta.status == DeltaStatus.DELETED else delta.new_file).id
    place = quote(path)
    found: dict[str, Any] = {
        "sha": str(blob),
        "filename": path,
        "status": STATUSES[delta.status],
        "additions": added,
        "deletions": removed,
        "changes": added + removed,
        "blob_url": f"{repo.html_url}/blob/{head}/{place}",
        "raw_url": f"{repo.html_url}/raw/{head}/{place}",
        "contents_url": f"{repo.url}/contents/{place}?ref={head}",
    }
    if delta.status == DeltaStatus.RENAMED:
        found["previous_filename"] = delta.old_file.path
    if not delta.is_binary and len(data := patch.data) <= LARGEST_PATCH_BYTES and b"\n@@" in data:
        found["patch"] = data[data.index(b"\n@@") + 1 :].decode("utf-8", "replace").removesuffix("\n")
    return found


def tree_entry(repo: Repository, path: str, item: Any) -> dict[str, Any]:
    """One entry of a tree."""
    kind = KINDS[item.type]
    entry: dict[str, Any] = {"path": path, "mode": f"{item.filemode:06o}", "type": kind, "sha": str(item.id)}
    if kind == "blob":
        entry["size"] = item.size
    if kind != "commit":
        entry["url"] = f"{repo.url}/git/{kind}s/{item.id}"
    return entry


def walk(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Object]]:
    """Yield every entry of a tree and of the trees below it, each folder before what is in it."""
    for item in tree:
        path = f"{prefix}{item.name}"
        yield path, item
        if isinstance(item, Tree):
            yield from walk(item, f"{path}/")


def reference(repo: Repository, name: str, target: Any) -> dict[str, Any]:
    """A git reference."""
    item = repo.store.git[target]
    kind = "tag" if item.type == ObjectType.TAG else KINDS[item.type]
    return {
        "ref": name,
        "node_id": node_id("REF", repo.id, name),
        "url": f"{repo.url}/git/{name}",
        "object": {"type": kind, "sha": str(item.id), "url": f"{repo.url}/git/{kind}s/{item.id}"},
    }


def _end(repo: Repository, branch: str) -> dict[str, Any]:
    target = repo.store.target(f"refs/heads/{branch}")
    return {
        "label": f"{repo.owner.login}:{branch}",
        "ref": branch,
        "sha": str(target) if target is not None else None,
        "user": user(repo.owner, repo.api),
        "repo": repository(repo),
    }


def pull(repo: Repository, found: Pull) -> dict[str, Any]:
    """A pull request."""
    url = f"{repo.url}/pulls/{found.number}"
    return {
        "url": url,
        "id": repo.id * 10 + found.number,
        "node_id": node_id("PR", repo.id, found.number),
        "html_url": f"{repo.html_url}/pull/{found.number}",
        "commits_url": f"{url}/commits",
        "number": found.number,
        "state": found.state,
        "locked": False,
        "title": found.title,
        "user": user(found.user, repo.api),
        "body": found.body,
        "created_at": instant(found.created),
        "updated_at": instant(found.updated),
        "closed_at": None if found.state == "open" else instant(found.updated),
        "merged_at": None,
        "draft": found.draft,
        "head": _end(repo, found.head),
        "base": _end(repo, found.base),
        "author_association": "CONTRIBUTOR",
        "merged": False,
        "maintainer_can_modify": False,
    }
