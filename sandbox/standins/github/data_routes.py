"""The git database: blobs, trees, commits and references, `/repos/{owner}/{repo}/git/…`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pygit2 import Blob, Commit, Tree

from lambdas.shared.json_values import is_list
from sandbox.standins.github import shapes
from sandbox.standins.github.calls import Answer, Call, Operation
from sandbox.standins.github.content_routes import RAW, decoded, encoded, person
from sandbox.standins.github.problems import invalid, not_found
from sandbox.standins.github.repository import node_id
from sandbox.standins.github.store import MODES, SHA, ZERO, Edit, T

if TYPE_CHECKING:
    from pygit2 import Oid

_GIT: Final = "/repos/{owner}/{repo}/git"


def _known(call: Call, sha: object, kind: type[T], message: str) -> T:
    found = call.repo.store.object(sha, kind)
    if found is None:
        raise invalid(message)
    return found


# --- blobs ---


def _get_blob(call: Call) -> Any:
    blob = call.repo.store.object(call.params["sha"], Blob)
    if blob is None:
        raise not_found()
    if any(kind in call.accept for kind in RAW):
        return Answer(200, blob.data, {"content-type": "application/vnd.github.raw+json; charset=utf-8"})
    return {**_blob(call, blob.id), "size": blob.size, "content": encoded(blob.data), "encoding": "base64"}


def _blob(call: Call, sha: Oid) -> dict[str, Any]:
    return {
        "sha": str(sha),
        "node_id": node_id("B", call.repo.id, str(sha)),
        "url": f"{call.repo.url}/git/blobs/{sha}",
    }


def _make_blob(call: Call) -> Answer:
    content, kind = call.body.get("content"), call.body.get("encoding", "utf-8")
    if not isinstance(content, str) or kind not in {"utf-8", "base64"}:
        raise invalid('Invalid request.\n\n"content" or "encoding" is not valid.')
    data = decoded(content) if kind == "base64" else content.encode("utf-8", "replace")
    made = {name: value for name, value in _blob(call, call.repo.store.blob(data)).items() if name != "node_id"}
    return Answer(201, made, {"location": made["url"]})


# --- trees ---


def _get_tree(call: Call) -> dict[str, Any]:
    store, name = call.repo.store, call.params["sha"]
    tree = store.object(name, Tree) or store.commit(name).tree
    recursive = call.query.get("recursive") is not None
    found = list(shapes.walk(tree)) if recursive else [(str(item.name), item) for item in tree]
    most = call.state.largest_tree
    return {
        "sha": str(tree.id),
        "url": f"{call.repo.url}/git/trees/{tree.id}",
        "tree": [shapes.tree_entry(call.repo, path, item) for path, item in found[:most]],
        "truncated": len(found) > most,
    }


def _make_tree(call: Call) -> Answer:
    items, base = call.body.get("tree"), None
    if not is_list(items) or not items:
        raise invalid("Invalid tree info")
    if (named := call.body.get("base_tree")) is not None:
        base = _known(call, named, Tree, "base_tree is not a valid tree oid")
    edits = {str(item.get("path", "")): _edit(call, item) for item in items}
    tree = call.repo.store.git[call.repo.store.write_tree(base, edits)].peel(Tree)
    entries = [shapes.tree_entry(call.repo, str(item.name), item) for item in tree]
    url = f"{call.repo.url}/git/trees/{tree.id}"
    return Answer(201, {"sha": str(tree.id), "url": url, "tree": entries, "truncated": False})


def _edit(call: Call, item: Any) -> Edit:
    """One entry of a request: a blob by its name, or its content; `sha: null` removes the path."""
    mode = MODES.get(str(item.get("mode")))
    if mode is None:
        raise invalid("tree.mode must be one of 100644, 100755, 040000, 160000, 120000")
    if "content" in item:
        return Edit(mode, call.repo.store.blob(str(item["content"]).encode("utf-8", "replace")))
    if item.get("sha") is None:
        return Edit(mode, None)
    if not SHA.fullmatch(str(item["sha"])) or call.repo.store.git.get(item["sha"]) is None:
        raise invalid(f"tree.sha {item['sha']} is not a valid blob")
    return Edit(mode, call.repo.store.git[item["sha"]].id)


# --- commits ---


def _get_commit(call: Call) -> dict[str, Any]:
    commit = call.repo.store.object(call.params["sha"], Commit)
    if commit is None:
        raise not_found()
    return shapes.git_commit(call.repo, commit)


def _make_commit(call: Call) -> Answer:
    message = call.text("message")
    tree = _known(call, call.body.get("tree"), Tree, "Tree SHA does not exist")
    wrong = "Parent SHA does not exist or is not a commit object"
    named: list[Any] = call.body.get("parents") or []
    parents = [_known(call, sha, Commit, wrong).id for sha in named]
    author = person(call.body.get("author"), call.author)
    committer = person(call.body.get("committer"), author)
    commit = call.repo.store.write_commit(tree.id, parents, message, author, committer)
    made = shapes.git_commit(call.repo, commit)
    return Answer(201, made, {"location": made["url"]})


# --- references ---


def _get_ref(call: Call) -> dict[str, Any]:
    name = f"refs/{call.params['ref']}"
    target = call.repo.store.target(name)
    if target is None:
        raise not_found()
    return shapes.reference(call.repo, name, target)


def _matching(call: Call) -> Answer:
    names = call.repo.store.references(f"refs/{call.params.get('ref', '')}")
    return call.listed(names, lambda name: shapes.reference(call.repo, name, call.repo.store.target(name)))


def _make_ref(call: Call) -> Answer:
    name, sha, store = call.text("ref"), call.text("sha"), call.repo.store
    if not name.startswith("refs/") or name.count("/") < 2:  # noqa: PLR2004 - refs/heads/x
        raise invalid("Reference name must start with 'refs/' and have at least two slashes.")
    commit = _known(call, sha, Commit, "Object does not exist")
    if store.target(name) is not None:
        raise invalid("Reference already exists")
    _move(call, name, ZERO, commit.id)
    made = shapes.reference(call.repo, name, commit.id)
    return Answer(201, made, {"location": made["url"]})


def _update_ref(call: Call) -> dict[str, Any]:
    name, sha = f"refs/{call.params['ref']}", call.text("sha")
    before = call.repo.store.target(name)
    if before is None:
        raise invalid("Reference does not exist")
    commit = _known(call, sha, Commit, "Object does not exist")
    _move(call, name, str(before), commit.id, force=call.body.get("force") is True)
    return shapes.reference(call.repo, name, commit.id)


def _move(call: Call, name: str, before: str, after: Oid, *, force: bool = False) -> None:
    call.repo.store.move(name, after, force=force)
    if before != str(after):
        call.state.moved(call.repo, name, before, str(after), call.by)


def _delete_ref(call: Call) -> Answer:
    name = f"refs/{call.params['ref']}"
    before = call.repo.store.target(name)
    if before is None:
        raise invalid("Reference does not exist")
    if name == f"refs/heads/{call.repo.default_branch}":
        raise invalid("Cannot delete the default branch")
    call.repo.store.git.references.delete(name)
    call.state.moved(call.repo, name, str(before), ZERO, call.by)
    return Answer(204)


_WHO: Final = ("author", "committer")
OPERATIONS: Final = (
    Operation(method="GET", path=f"{_GIT}/blobs/{{sha}}", run=_get_blob),
    Operation(method="POST", path=f"{_GIT}/blobs", run=_make_blob, level="write", body=("content", "encoding")),
    Operation(method="GET", path=f"{_GIT}/trees/{{sha:path}}", run=_get_tree, query=("recursive",)),
    Operation(method="POST", path=f"{_GIT}/trees", run=_make_tree, level="write", body=("tree", "base_tree")),
    Operation(method="GET", path=f"{_GIT}/commits/{{sha}}", run=_get_commit),
    Operation(
        method="POST",
        path=f"{_GIT}/commits",
        run=_make_commit,
        level="write",
        body=("message", "tree", "parents", *_WHO),
    ),
    Operation(method="GET", path=f"{_GIT}/ref/{{ref:path}}", run=_get_ref),
    Operation(method="GET", path=f"{_GIT}/matching-refs/{{ref:path}}", run=_matching, query=("per_page", "page")),
    Operation(method="POST", path=f"{_GIT}/refs", run=_make_ref, level="write", body=("ref", "sha")),
    Operation(method="PATCH", path=f"{_GIT}/refs/{{ref:path}}", run=_update_ref, level="write", body=("sha", "force")),
    Operation(method="DELETE", path=f"{_GIT}/refs/{{ref:path}}", run=_delete_ref, level="write"),
)
