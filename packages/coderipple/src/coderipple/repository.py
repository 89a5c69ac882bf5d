"""What is read of a repository, and the requests that write to it.

Owns GitHub's endpoints and the shapes of their answers. Reading and writing are two classes: what serves the agents
holds the first only.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from coderipple.errors import RefusedError
from coderipple.github_client import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coderipple.github_client import GitHubClient

MAX_COMPARE_PAGES: Final = 10
"""Of 100 commits each."""
COMPARED_FILES: Final = 300
"""What a comparison lists at most, without saying that there are more."""
MAX_TEXT_BYTES: Final = 1024 * 1024
"""A larger file is not fetched."""
PLAIN_MODES: Final = frozenset({"100644", "100755"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a tree."""

    sha: str
    mode: str
    size: int

    @property
    def is_plain(self) -> bool:
        """Whether it is a file with content: no link, no submodule."""
        return self.mode in PLAIN_MODES


@dataclass(frozen=True, slots=True)
class Tree:
    """All files of a commit."""

    sha: str
    entries: Mapping[str, Entry]
    """By path; folders are not in it."""
    complete: bool
    """GitHub lists 100,000 entries or 7 MB at most."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the pushed range."""

    sha: str
    author_email: str
    message: str


@dataclass(frozen=True, slots=True)
class Made:
    """A commit as git has it."""

    parents: tuple[str, ...]
    people: tuple[tuple[str, str], ...]
    """Name and address of its author, then of its committer."""
    message: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is between two commits."""

    commits: tuple[Commit, ...]
    files: tuple[dict[str, Any], ...] = field(default=())
    """As GitHub lists them: filename, status, previous_filename, patch."""
    contains_base: bool = False
    """Whether the later commit is the earlier one, or comes after it."""


class RepositoryReader:
    """Reads one repository."""

    def __init__(self, client: GitHubClient, name: str) -> None:
        self._client = client
        self.name = name
        self._at = f"/repos/{name}"
        self._trees: dict[str, Tree] = {}

    def default_branch(self) -> str:
        """The name of the branch that the repository shows first."""
        return str(self._client.get(self._at)["default_branch"])

    def head(self, branch: str) -> str | None:
        """The commit that a branch is at; None when there is no such branch."""
        try:
            return str(self._client.get(f"{self._at}/git/ref/heads/{quote(branch)}")["object"]["sha"])
        except NotFoundError:
            return None

    def commit(self, sha: str) -> tuple[str, tuple[str, ...]]:
        """The tree and the parents of a commit.

        Raises:
            NotFoundError: there is no such commit.
        """
        found = self._client.get(f"{self._at}/git/commits/{sha}")
        return str(found["tree"]["sha"]), tuple(str(parent["sha"]) for parent in found["parents"])

    def made(self, sha: str) -> Made:
        """Who made a commit, and of what."""
        found = self._client.get(f"{self._at}/git/commits/{sha}")
        people = tuple((str(found[one]["name"]), str(found[one]["email"])) for one in ("author", "committer"))
        return Made(tuple(str(parent["sha"]) for parent in found["parents"]), people, str(found["message"]))

    def tree(self, commit: str) -> Tree:
        """All files of a commit; asked for once."""
        if commit not in self._trees:
            sha, _ = self.commit(commit)
            found = self._client.get(f"{self._at}/git/trees/{sha}", {"recursive": 1})
            entries = {
                str(entry["path"]): Entry(str(entry["sha"]), str(entry["mode"]), int(entry.get("size") or 0))
                for entry in found["tree"]
                if entry["type"] != "tree"
            }
            self._trees[commit] = Tree(sha, entries, complete=not found.get("truncated"))
        return self._trees[commit]

    def blob(self, sha: str) -> bytes:
        """The content of a file, by its hash."""
        found = self._client.get(f"{self._at}/git/blobs/{sha}")
        try:
            return base64.b64decode(str(found["content"]))
        except (KeyError, binascii.Error):
            raise RefusedError(f"blob {sha} is not one that can be read") from None

    def text(self, entry: Entry) -> str | None:
        """The content of a text file; None when it is binary."""
        content = self.blob(entry.sha)
        try:
            return None if b"\0" in content else content.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def compare(self, before: str, after: str) -> Comparison:
        """What `after` has since it parted from `before`.

        Raises:
            NotFoundError: one of them is gone, or they have nothing in common.
        """
        commits: list[Commit] = []
        files: tuple[dict[str, Any], ...] = ()
        status = ""
        for page in range(1, MAX_COMPARE_PAGES + 1):
            found = self._client.get(f"{self._at}/compare/{before}...{after}", {"per_page": 100, "page": page})
            commits += [
                Commit(str(commit["sha"]), _author(commit), str(commit["commit"]["message"]))
                for commit in found["commits"]
            ]
            if page == 1:
                files, status = tuple(found.get("files") or ()), str(found["status"])
            if not found["commits"] or len(commits) >= int(found["total_commits"]):
                break
        return Comparison(tuple(commits), files, contains_base=status in ("ahead", "identical"))

    def pull_request(self, branch: str, base: str) -> str | None:
        """The address of the newest pull request from a branch to another: open, merged or closed."""
        owner = self.name.partition("/")[0]
        asked = {"head": f"{owner}:{branch}", "base": base, "state": "all"}
        found = self._client.get(f"{self._at}/pulls", asked)
        return str(found[0]["html_url"]) if found else None


class RepositoryWriter(RepositoryReader):
    """Writes to one repository. The publisher's, and nobody else's."""

    def reader(self) -> RepositoryReader:
        """One that cannot write, for those who serve agents; it has read what this one has."""
        reader = RepositoryReader(self._client, self.name)
        reader._trees.update(self._trees)  # noqa: SLF001 - of the same class
        return reader

    def create_tree(self, base: str, files: Sequence[tuple[str, str, str]]) -> str:
        """Make a tree from another one and files of (path, mode, text)."""
        entries = [{"path": path, "mode": mode, "type": "blob", "content": content} for path, mode, content in files]
        return str(self._post("git/trees", {"base_tree": base, "tree": entries})["sha"])

    def create_commit(self, message: str, tree: str, parent: str, author: Mapping[str, str]) -> str:
        """Make a commit; no branch holds it yet."""
        made = self._post(
            "git/commits",
            {"message": message, "tree": tree, "parents": [parent], "author": author, "committer": author},
        )
        return str(made["sha"])

    def advance(self, branch: str, commit: str) -> None:
        """Move a branch to a commit whose parent it is at.

        Raises:
            ConflictError: the branch has moved, or is protected.
        """
        path = f"{self._at}/git/refs/heads/{quote(branch)}"
        self._client.request("PATCH", path, body={"sha": commit, "force": False})

    def create_branch(self, branch: str, commit: str) -> bool:
        """Make a branch; whether there was none.

        Raises:
            ConflictError: it may not be made: a ruleset of the repository forbids it.
        """
        try:
            self._post("git/refs", {"ref": f"refs/heads/{branch}", "sha": commit})
        except ConflictError:
            if self.head(branch) is None:
                raise
            return False
        return True

    def open_pull_request(self, branch: str, base: str, title: str, body: str) -> str:
        """Open a pull request; its address, also of one that is there."""
        request = {"title": title, "head": branch, "base": base, "body": body, "maintainer_can_modify": True}
        try:
            return str(self._post("pulls", request)["html_url"])
        except ConflictError:
            opened = self.pull_request(branch, base)
            if opened is None:
                raise
            return opened

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._client.request("POST", f"{self._at}/{path}", body=body)


def _author(commit: Mapping[str, Any]) -> str:
    author: Mapping[str, Any] = commit["commit"].get("author") or {}
    return str(author.get("email") or "")
