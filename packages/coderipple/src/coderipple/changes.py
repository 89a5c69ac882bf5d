"""What a push changed: paths, commits, patches; and whether it was CodeRipple's own.

Owns the ways to find it: a comparison, and the difference of two trees where that does not tell all (more than 300
files, a commit that is gone, a branch that is new).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from coderipple.errors import GoneError
from coderipple.github_client import ConflictError, NotFoundError
from coderipple.repository import COMPARED_FILES, Comparison

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coderipple.repository import Commit, RepositoryReader, Tree
    from lambdas.orchestrator.contract import Message

AUTHOR: Final = {"name": "CodeRipple", "email": "coderipple@users.noreply.github.com"}
TRAILER: Final = "CodeRipple-Source"
"""Of commits that CodeRipple makes: the commit that they document."""
_trailer = re.compile(rf"^{TRAILER}: ([0-9a-f]{{40,64}})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Change:
    """One path that a push changed."""

    path: str
    status: str
    """added, modified, removed or renamed."""
    previous: str = ""
    """Of a renamed one."""
    patch: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What a push changed."""

    commit: str
    """The pushed one."""
    changes: tuple[Change, ...]
    complete: bool
    """Whether it is known to be all."""
    commits: tuple[Commit, ...] = ()
    """Those of the range that are known."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths, sorted; of renamed ones both."""
        names = {name for change in self.changes for name in (change.path, change.previous) if name}
        return tuple(sorted(names))


def source_of(message: str) -> str | None:
    """The commit that a commit of CodeRipple's documents, by its trailer; None for others'."""
    found = _trailer.findall(message)
    return found[-1] if found else None


def is_own(commit: Commit) -> bool:
    """Whether a commit says that CodeRipple made it. Anyone can say so: it counts for documentation alone."""
    return commit.author_email == AUTHOR["email"] and source_of(commit.message) is not None


def find_changes(reader: RepositoryReader, message: Message) -> ChangeSet:
    """What a push changed, by GitHub's account of it.

    Raises:
        GoneError: the pushed commit is not there.
        NotFoundError: the repository is not, or the token may not see it.
    """
    after = message["after"]
    try:
        tree = reader.tree(after)
    except (NotFoundError, ConflictError):  # also of a repository that is empty now
        reader.default_branch()  # raises where the repository itself is not to be seen: nothing is gone then
        raise GoneError(f"commit {after} is not in {message['repository']}: it was replaced meanwhile") from None
    before = _known(reader, message["before"], after)
    comparison = _compared(reader, before, after)
    commits = comparison.commits if comparison else ()
    if comparison is not None and len(comparison.files) < COMPARED_FILES:
        return ChangeSet(after, tuple(map(_listed, comparison.files)), complete=True, commits=commits)
    earlier = reader.tree(before) if before is not None else None
    changes = difference(earlier, tree)
    patches = {str(file["filename"]): str(file.get("patch") or "") for file in (comparison.files if comparison else ())}
    return ChangeSet(
        after,
        tuple(Change(change.path, change.status, patch=patches.get(change.path, "")) for change in changes),
        complete=tree.complete and (earlier is None or earlier.complete),
        commits=commits,
    )


def difference(before: Tree | None, after: Tree) -> tuple[Change, ...]:
    """The files that differ between two trees."""
    old: Mapping[str, str] = {path: entry.sha for path, entry in before.entries.items()} if before else {}
    new = {path: entry.sha for path, entry in after.entries.items()}
    changed = {path: "modified" if path in old else "added" for path, sha in new.items() if old.get(path) != sha}
    removed = dict.fromkeys(old.keys() - new.keys(), "removed")
    return tuple(Change(path, status) for path, status in sorted({**changed, **removed}.items()))


def _known(reader: RepositoryReader, before: str, after: str) -> str | None:
    """The commit that a push began at: of a new branch, where its first commit came from."""
    if before.strip("0"):
        try:
            reader.commit(before)
        except NotFoundError:  # after a force push, when GitHub has removed it
            pass
        else:
            return before
    _, parents = reader.commit(after)
    return parents[0] if parents else None


def _compared(reader: RepositoryReader, before: str | None, after: str) -> Comparison | None:
    if before is None:
        return None
    try:
        return reader.compare(before, after)
    except NotFoundError:  # nothing in common
        return None


def _listed(file: Mapping[str, object]) -> Change:
    return Change(
        str(file["filename"]),
        str(file["status"]),
        str(file.get("previous_filename") or ""),
        str(file.get("patch") or ""),
    )
