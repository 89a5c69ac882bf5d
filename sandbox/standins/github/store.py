"""One repository of the stand-in: a real bare git repository, written and read with libgit2.

Owns git only: objects, references, differences. What GitHub says about them is in `shapes.py`; who may do what, in
`access.py`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, TypeVar, cast

import pygit2
from pygit2.enums import DeltaStatus, FileMode, ObjectType, SortMode

from sandbox.standins.github.problems import GitHubError, invalid, not_found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set
    from pathlib import Path

    from pygit2 import Commit, Diff, Object, Oid, Tree

SHA: Final = re.compile(r"[0-9a-f]{40}")
T = TypeVar("T")
ZERO: Final = "0" * 40
MODES: Final = {
    "100644": FileMode.BLOB,
    "100755": FileMode.BLOB_EXECUTABLE,
    "120000": FileMode.LINK,
    "040000": FileMode.TREE,
    "160000": FileMode.COMMIT,
}


@dataclass(frozen=True, slots=True)
class Person:
    """An author or committer."""

    name: str
    email: str
    when: int | None = None
    """Seconds since the epoch; None is now."""
    offset: int = 0
    """Minutes east of UTC."""

    def signature(self) -> pygit2.Signature:
        """As git writes it."""
        when = int(time.time()) if self.when is None else self.when
        return pygit2.Signature(self.name, self.email, when, self.offset)


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of one path: a blob of a mode, or nothing."""

    mode: int
    id: Oid | None


class Store:
    """A bare repository in a folder, made if it is not there."""

    def __init__(self, folder: Path, default_branch: str = "main") -> None:
        if not (folder / "HEAD").is_file():
            pygit2.init_repository(str(folder), bare=True, initial_head=default_branch)
        self.git = pygit2.Repository(str(folder))

    # --- objects ---

    def object(self, sha: object, kind: type[T]) -> T | None:
        """An object by its whole name; None when there is none, or it is of another kind."""
        found = self.git.get(sha) if isinstance(sha, str) and SHA.fullmatch(sha) else None
        return found if isinstance(found, kind) else None

    def commit(self, name: str) -> Commit:
        """A commit by a branch's, a tag's or its own name.

        Raises:
            GitHubError: 404 or 422: there is none.
        """
        for reference in (f"refs/heads/{name}", f"refs/tags/{name}", name if name.startswith("refs/") else ""):
            if reference and pygit2.reference_is_valid_name(reference) and reference in self.git.references:
                return self.git.references[reference].peel(pygit2.Commit)
        if name == "HEAD" and not self.git.head_is_unborn:
            return self.git.head.peel(pygit2.Commit)
        if re.fullmatch(r"[0-9a-f]{7,40}", name):
            try:
                return self.git[name].peel(pygit2.Commit)
            except (KeyError, ValueError, pygit2.InvalidSpecError):
                raise invalid(f"No commit found for SHA: {name}") from None
        raise not_found()

    def at(self, commit: Commit, path: str) -> Object | None:
        """The file or folder at a path of a commit; None when there is none."""
        if not path:
            return commit.tree
        try:
            return commit.tree[path]
        except (KeyError, ValueError):
            return None

    def blob(self, content: bytes) -> Oid:
        """Store a file's content."""
        return self.git.create_blob(content)

    def write_tree(self, base: Tree | None, edits: Mapping[str, Edit]) -> Oid:
        """A tree with these paths set or removed.

        Raises:
            GitHubError: 422: a path is not one that git can hold, or lies under a file.
        """
        _check_folders({path for path, edit in edits.items() if edit.id is not None})
        index = pygit2.Index()
        if base is not None:
            index.read_tree(base)
        for path, edit in edits.items():
            _check_path(path)
            if edit.id is None:
                _removed(index, path)
            elif edit.mode == FileMode.TREE:
                _grafted(index, path, self.git[edit.id].peel(pygit2.Tree))
            else:
                if self._is_folder(base, path):
                    index.remove_directory(path)
                index.add(pygit2.IndexEntry(path, edit.id, FileMode(edit.mode)))
        try:
            return index.write_tree(self.git)
        except pygit2.GitError as error:
            raise invalid(f"tree.path contains a malformed path component ({error})") from None

    @staticmethod
    def _is_folder(base: Tree | None, path: str) -> bool:
        return base is not None and path in base and base[path].type == ObjectType.TREE

    def write_commit(
        self, tree: Oid, parents: list[Oid], message: str, author: Person, committer: Person | None = None
    ) -> Commit:
        """Store a commit; no branch moves."""
        by, applied = author.signature(), (committer or author).signature()
        return self.git[self.git.create_commit(None, by, applied, message, tree, parents)].peel(pygit2.Commit)

    # --- references ---

    def target(self, reference: str) -> Oid | None:
        """What a reference points to; None when there is none."""
        if not pygit2.reference_is_valid_name(reference) or reference not in self.git.references:
            return None
        return self.git.references[reference].peel().id

    def move(self, reference: str, new: Oid, *, force: bool = False) -> None:
        """Create or move a reference.

        Raises:
            GitHubError: 422: the move is not a fast-forward.
        """
        old = self.target(reference)
        if old is not None and not force and not self.contains(new, old):
            raise invalid("Update is not a fast forward")
        self.git.references.create(reference, new, force=True)

    def contains(self, descendant: Oid, ancestor: Oid) -> bool:
        """Whether a commit is another, or comes after it."""
        return descendant == ancestor or self.git.descendant_of(descendant, ancestor)

    def references(self, prefix: str) -> list[str]:
        """All references whose name starts so, sorted."""
        return sorted(name for name in self.git.references if name.startswith(prefix))

    # --- history ---

    def history(self, start: Oid, without: Oid | None = None, path: str = "") -> Iterator[Commit]:
        """Yield a commit and those before it, newest first; only those that touch a path, when one is given."""
        walker = self.git.walk(start, SortMode.TOPOLOGICAL | SortMode.TIME)
        if without is not None:
            walker.hide(without)
        for commit in walker:
            if not path or self._touches(commit, path):
                yield commit

    def _touches(self, commit: Commit, path: str) -> bool:
        here = self.at(commit, path)
        before = [self.at(parent, path) for parent in commit.parents] or [None]
        name = None if here is None else here.id
        return all(name != (None if other is None else other.id) for other in before)

    def difference(self, old: Tree | None, new: Tree) -> Diff:
        """Between two trees, renamed files found as GitHub finds them."""
        found = new.diff_to_tree(swap=True) if old is None else old.diff_to_tree(new)
        found.find_similar()
        return found

    def changes(self, commit: Commit) -> Diff:
        """What a commit changes against its first parent."""
        return self.difference(commit.parents[0].tree if commit.parents else None, commit.tree)

    def base(self, one: Oid, other: Oid) -> Commit:
        """The commit that two lines of history have in common.

        Raises:
            GitHubError: 404: there is none.
        """
        found = cast("Oid | None", self.git.merge_base(one, other))
        if found is None:
            raise GitHubError(404, f"No common ancestor between {one} and {other}.")
        return self.git[found].peel(pygit2.Commit)


def touched(diff: Diff) -> dict[str, list[str]]:
    """The paths of a difference as a push tells them: added, removed, modified. A renamed file is both of the first."""
    found: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    for delta in diff.deltas:
        if delta.status in {DeltaStatus.DELETED, DeltaStatus.RENAMED}:
            found["removed"].append(delta.old_file.path)
        if delta.status in {DeltaStatus.ADDED, DeltaStatus.RENAMED, DeltaStatus.COPIED}:
            found["added"].append(delta.new_file.path)
        elif delta.status != DeltaStatus.DELETED:
            found["modified"].append(delta.new_file.path)
    return found


def _check_path(path: str) -> None:
    parts = PurePosixPath(path).parts
    wrong = not path or path != "/".join(parts) or any(part in {"..", "."} or part.lower() == ".git" for part in parts)
    if wrong or path.startswith("/") or "\0" in path:
        raise invalid("tree.path contains a malformed path component")


def _check_folders(paths: Set[str]) -> None:
    """One path of a request may not be a file and hold another: libgit2 would drop the first without a word."""
    for path in paths:
        if any(str(folder) in paths for folder in PurePosixPath(path).parents):
            raise invalid("GitRPC::BadObjectState")


def _removed(index: pygit2.Index, path: str) -> None:
    if path in index:
        index.remove(path)
    else:
        index.remove_directory(path)


def _grafted(index: pygit2.Index, path: str, tree: Tree) -> None:
    """Put a whole tree at a path, instead of what is there."""
    index.remove_directory(path)
    part = pygit2.Index()
    part.read_tree(tree)
    for entry in cast("Iterable[pygit2.IndexEntry]", part):
        index.add(pygit2.IndexEntry(f"{path}/{entry.path}", entry.id, entry.mode))
