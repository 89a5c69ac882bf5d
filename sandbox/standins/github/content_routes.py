"""Files by their path: `/repos/{owner}/{repo}/contents/{path}` and the readme."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pygit2 import Blob, Tree
from pygit2.enums import FileMode, ObjectType

from lambdas.shared.json_values import is_object
from sandbox.standins.github import shapes
from sandbox.standins.github.calls import Answer, Call, Operation
from sandbox.standins.github.problems import GitHubError, invalid, not_found
from sandbox.standins.github.store import Edit, Person

if TYPE_CHECKING:
    from pygit2 import Commit, Object

INLINE_BYTES: Final = 1024 * 1024
LARGEST_BYTES: Final = 100 * 1024 * 1024
LARGEST_FOLDER: Final = 1_000
RAW: Final = ("application/vnd.github.raw", "application/vnd.github.v3.raw")
LINE: Final = 60


def encoded(content: bytes) -> str:
    """Base64 in lines, as GitHub writes it."""
    text = base64.b64encode(content).decode()
    return "".join(f"{text[start : start + LINE]}\n" for start in range(0, len(text), LINE))


def decoded(text: Any) -> bytes:
    """What a client sends as base64.

    Raises:
        GitHubError: 422: it is not.
    """
    try:
        return base64.b64decode("".join(str(text).split()), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("content is not valid Base64") from None


def _shape(call: Call, path: str, item: Object, *, content: bool) -> dict[str, Any]:
    repo, place, ref = call.repo, quote(path), call.query.get("ref", call.repo.default_branch)
    kind = {ObjectType.BLOB: "file", ObjectType.TREE: "dir", ObjectType.COMMIT: "submodule"}[item.type]
    data = item.data if isinstance(item, Blob) and content else b""
    if item.filemode == FileMode.LINK:
        kind = "symlink"
    url, git = f"{repo.url}/contents/{place}?ref={quote(ref)}", f"{repo.url}/git/{shapes.KINDS[item.type]}s/{item.id}"
    view = "tree" if kind == "dir" else "blob"
    html = f"{repo.html_url}/{view}/{quote(ref)}/{place}"
    found: dict[str, Any] = {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": str(item.id),
        "size": item.size if isinstance(item, Blob) else 0,
        "url": url,
        "html_url": html,
        "git_url": git,
        "download_url": f"https://raw.githubusercontent.com/{repo.full_name}/{quote(ref)}/{place}"
        if kind == "file"
        else None,
        "type": kind,
        "_links": {"self": url, "git": git, "html": html},
    }
    if kind == "symlink" and content:
        found["target"] = data.decode("utf-8", "replace")
    elif isinstance(item, Blob) and content:
        inline = item.size <= INLINE_BYTES
        found |= {"content": encoded(data) if inline else "", "encoding": "base64" if inline else "none"}
    return found


def _get(call: Call) -> Any:
    path = call.params.get("path", "").strip("/")
    commit = call.repo.store.commit(call.query.get("ref") or call.repo.default_branch)
    item = call.repo.store.at(commit, path)
    if item is None:
        raise not_found()
    if isinstance(item, Tree):
        prefix = f"{path}/" if path else ""
        return [_shape(call, f"{prefix}{entry.name}", entry, content=False) for entry in list(item)[:LARGEST_FOLDER]]
    if isinstance(item, Blob) and item.size > LARGEST_BYTES:
        raise GitHubError(403, "This API returns blobs up to 100 MB in size. The requested blob is too large to fetch")
    if isinstance(item, Blob) and any(kind in call.accept for kind in RAW):
        return Answer(200, item.data, {"content-type": "application/vnd.github.raw+json; charset=utf-8"})
    return _shape(call, path, item, content=True)


def _readme(call: Call) -> Any:
    commit = call.repo.store.commit(call.query.get("ref") or call.repo.default_branch)
    names = [name for name in (str(entry.name) for entry in commit.tree) if name.lower().startswith("readme")]
    if not names:
        raise not_found()
    return _shape(call, min(names), commit.tree[min(names)], content=True)


def person(value: Any, default: Person) -> Person:
    """An author or committer of a request."""
    if value is None:
        return default
    if not is_object(value) or not value.get("name") or not value.get("email"):
        raise invalid("Invalid request.\n\nauthor and committer need a name and an email.")
    when, offset = shapes.seconds(value["date"]) if value.get("date") else (None, 0)
    return Person(str(value["name"]), str(value["email"]), when, offset)


def _current(call: Call, commit: Commit, path: str, *, needed: bool) -> Object | None:
    """The file that is to be replaced, if its `sha` is what the caller believes it to be."""
    item = call.repo.store.at(commit, path)
    given = call.body.get("sha")
    if item is None:
        if needed:
            raise not_found()
        return None
    if given is None:
        raise invalid('Invalid request.\n\n"sha" wasn\'t supplied.')
    if given != str(item.id):
        raise GitHubError(409, f"{path} does not match {given}")
    return item


def _change(call: Call, *, delete: bool) -> Answer:
    repo, path = call.repo, call.params["path"].strip("/")
    message = call.text("message")
    content = None if delete else decoded(call.text("content") if call.body.get("content") != "" else "")
    branch = call.body.get("branch") or repo.default_branch
    reference = f"refs/heads/{branch}"
    tip = repo.store.target(reference)
    if tip is None:
        raise GitHubError(404, f"Branch {branch} not found")
    parent = repo.store.commit(str(tip))
    item = _current(call, parent, path, needed=delete)
    edit = Edit(FileMode.BLOB if item is None else item.filemode, None if content is None else repo.store.blob(content))
    author = person(call.body.get("author") or call.body.get("committer"), call.author)
    committer = person(call.body.get("committer"), author)
    commit = repo.store.write_commit(
        repo.store.write_tree(parent.tree, {path: edit}), [parent.id], message, author, committer
    )
    repo.store.move(reference, commit.id)
    call.state.moved(repo, reference, str(tip), str(commit.id), call.by)
    written = None if delete else _shape(call, path, commit.tree[path], content=False)
    return Answer(200 if item is not None else 201, {"content": written, "commit": shapes.git_commit(repo, commit)})


def _put(call: Call) -> Answer:
    return _change(call, delete=False)


def _delete(call: Call) -> Answer:
    return _change(call, delete=True)


_PATH: Final = "/repos/{owner}/{repo}/contents/{path:path}"
_WRITTEN: Final = ("message", "content", "sha", "branch", "author", "committer")
OPERATIONS: Final = (
    Operation(method="GET", path="/repos/{owner}/{repo}/contents", run=_get, query=("ref",)),
    Operation(method="GET", path=_PATH, run=_get, query=("ref",)),
    Operation(method="PUT", path=_PATH, run=_put, level="write", body=_WRITTEN),
    Operation(method="DELETE", path=_PATH, run=_delete, level="write", body=_WRITTEN),
    Operation(method="GET", path="/repos/{owner}/{repo}/readme", run=_readme, query=("ref",)),
)
