"""What was done for a commit before: an own commit on its branch, a pull request, or a branch that waits for one.

Owns the names of own branches and how one is known to be own. A branch's name, an author and a trailer can be made by
anyone who may push: so what is on the branch is looked at, and no text of it is used.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coderipple.changes import AUTHOR, TRAILER, difference, is_own, source_of
from coderipple.documents import path_problem
from coderipple.errors import RefusedError
from coderipple.github_client import NotFoundError
from coderipple.webhook_parser import OWN_BRANCHES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderipple.repository import RepositoryReader

MAX_SLUG: Final = 40
MAX_TITLE: Final = 72
"""What git's own tools show of a commit's first line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where documents go."""

    branch: str
    source: str
    """The commit that they document."""
    changed: Sequence[str]
    """Its paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What there is for a target."""

    gone: bool = False
    """The branch is not there, or the commit is not on it."""
    reference: str = ""
    """The commit or the pull request that documents it; empty where there is none."""


def own_branch(target: Target) -> str:
    """The branch on which the documents of a commit are proposed: another one for each target."""
    slug = re.sub(r"[^a-z0-9]+", "-", target.branch.lower())[:MAX_SLUG].strip("-")
    digest = hashlib.sha256(target.branch.encode()).hexdigest()[:8]
    return OWN_BRANCHES + "-".join(filter(None, (target.source[:12], slug, digest)))


def find_earlier(reader: RepositoryReader, target: Target, head: str | None) -> Earlier:
    """Look for what was done, whichever event asked for it.

    Args:
        reader: of the repository.
        target: branch and commit.
        head: the commit that the branch is at; None where there is no such branch.
    """
    if head is None:
        return Earlier(gone=True)
    if head != target.source:
        try:
            since = reader.compare(target.source, head)
        except NotFoundError:
            return Earlier(gone=True)
        if not since.contains_base:
            return Earlier(gone=True)
        own = (commit for commit in since.commits if is_own(commit))
        if made := next((commit.sha for commit in own if source_of(commit.message) == target.source), None):
            return Earlier(reference=made)
    return Earlier(reference=reader.pull_request(own_branch(target), target.branch) or "")


def documents_of(
    reader: RepositoryReader, made: str, target: Target, head: str, allowed: Sequence[str]
) -> tuple[str, ...]:
    """The documents that an earlier try committed to its own branch, and then was cut off.

    Args:
        reader: of the repository.
        made: the commit that the own branch is at.
        target: what the branch is for.
        head: the commit of the target's branch.
        allowed: paths that may be written.

    Raises:
        RefusedError: CodeRipple did not make what is on the branch.
    """
    commit = reader.made(made)
    if len(commit.parents) == 1 and commit.people == _people() and source_of(commit.message) == target.source:
        parent = commit.parents[0]
        paths = _written(reader, parent, made, allowed)
        if paths and _is_on(reader, parent, head):
            return paths
    raise RefusedError(
        f"the branch {own_branch(target)} holds {made}, which CodeRipple did not make: delete that branch"
    )


def _people() -> tuple[tuple[str, str], ...]:
    """Author and committer of an own commit."""
    return ((AUTHOR["name"], AUTHOR["email"]),) * 2


def _written(reader: RepositoryReader, parent: str, made: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """The paths that a commit writes; none where one of them is not a document that may be written."""
    before, after = reader.tree(parent), reader.tree(made)
    if not (before.complete and after.complete):
        return ()
    paths = tuple(change.path for change in difference(before, after))
    for path in paths:
        entry = after.entries.get(path)
        if entry is None or not entry.is_plain or path_problem(path, allowed, after.entries) is not None:
            return ()
    return paths


def _is_on(reader: RepositoryReader, commit: str, head: str) -> bool:
    try:
        return commit == head or reader.compare(commit, head).contains_base
    except NotFoundError:
        return False


def title_of(paths: Sequence[str]) -> str:
    """The first line of a commit, and a pull request's title."""
    names = ", ".join(path.rpartition("/")[2] for path in paths)
    title = f"docs: update {names}"
    return title if len(title) <= MAX_TITLE else f"docs: update {len(paths)} documents"


def text_of(source: str, lines: Sequence[str]) -> str:
    """What a commit or a pull request says below its title: a line for each document, and the trailer."""
    listed = "\n".join(f"- {line}" for line in lines)
    return f"Documents what {source[:12]} changed:\n{listed}\n\n{TRAILER}: {source}\n"
