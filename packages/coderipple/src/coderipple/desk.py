"""What an agent's calls are answered with: the repository at the pushed commit, and what it proposes, kept.

Owns what an agent may see and how much of it. It reads only: it holds no writer. What it refuses here the publisher
refuses again: this is where an agent learns of it and can do better.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from coderipple.documents import path_problem
from coderipple.proposals import MAX_AGENT_BYTES, MAX_DOCUMENT_BYTES, MAX_DOCUMENTS, Proposal
from coderipple.repository import MAX_TEXT_BYTES
from coderipple.rules import MAX_ENTRY_BYTES
from coderipple.texts import is_lfs_pointer, plain, unfenced
from lambdas.orchestrator.contract import HISTORY_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coderipple.changes import ChangeSet
    from coderipple.repository import RepositoryReader, Tree

MAX_CALLS: Final = 150
"""Of one agent."""
MAX_READ_BYTES: Final = 100_000
"""Of one answer."""
MAX_ALL_BYTES: Final = 2_000_000
"""Of all answers to one agent."""
MAX_LISTED: Final = 2_000


class DeskError(Exception):
    """A call is refused; says why, for the agent."""


@dataclass
class Desk:
    """Serves one agent."""

    agent: str
    reader: RepositoryReader
    changes: ChangeSet
    head: str
    """The commit that documents are read at."""
    doc_paths: Sequence[str]
    proposals: dict[str, Proposal] = field(default_factory=dict[str, Proposal])
    """By path."""
    refused: list[str] = field(default_factory=list[str])
    """Paths that it wanted to write and may not."""
    nothing: str = ""
    """Its reason, when it said that there is nothing to do."""
    _calls: int = 0
    _bytes: int = 0

    def answer(self, name: str, arguments: dict[str, Any]) -> str:
        """Serve one call.

        Raises:
            DeskError: it is refused.
        """
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise DeskError(f"that was call {self._calls}, and an agent has {MAX_CALLS}: end now")
        known: dict[str, Callable[..., str]] = {
            "list_files": self._list_files,
            "changed_files": self._changed_files,
            "read_patch": self._read_patch,
            "read_file": self._read_file,
            "read_document": self._read_document,
            "propose_document": self._propose,
            "append_history": self._append,
            "nothing_to_do": self._nothing,
        }
        if name not in known or not all(isinstance(value, str) for value in arguments.values()):
            raise DeskError(f"there is no {name[:40]} with such arguments")
        try:
            text = known[name](**arguments)
        except TypeError:
            raise DeskError(f"{name} takes other arguments") from None
        self._bytes += len(text.encode("utf-8", "replace"))
        if self._bytes > MAX_ALL_BYTES:
            raise DeskError("that is more than one agent may read: end now")
        return text

    def _list_files(self, pattern: str = "") -> str:
        paths = sorted(self.reader.tree(self.changes.commit).entries)
        found = [path for path in paths if not pattern or fnmatch.fnmatch(path, pattern)]
        return _lines(found) or "no such file"

    def _changed_files(self) -> str:
        lines = [f"{change.status} {change.path}" for change in self.changes.changes]
        return _lines(lines) + ("" if self.changes.complete else "\n(and more: GitHub does not list all)")

    def _read_patch(self, path: str) -> str:
        change = next((change for change in self.changes.changes if change.path == path), None)
        if change is None:
            raise DeskError(f"{path} did not change: `changed_files` lists what did")
        return _cut(change.patch or f"{change.status}; there is no patch to show: read_file shows the file")

    def _read_file(self, path: str) -> str:
        return _cut(self._text(path, self.reader.tree(self.changes.commit)))

    def _read_document(self, path: str) -> str:
        return _cut(self._text(path, self.reader.tree(self.head)))

    def _text(self, path: str, tree: Tree) -> str:
        entry = tree.entries.get(path)
        if entry is None:
            raise DeskError(f"there is no file {path}")
        if not entry.is_plain:
            raise DeskError(f"{path} is a link or a submodule")
        if entry.size > MAX_TEXT_BYTES:
            raise DeskError(f"{path} has {entry.size:,} bytes, too many to read")
        text = self.reader.text(entry)
        if text is None:
            raise DeskError(f"{path} is no text")
        if is_lfs_pointer(text):
            raise DeskError(f"{path} is kept in Git LFS, and cannot be read or written here")
        return plain(text)

    def _propose(self, path: str, content: str, reason: str) -> str:
        tree = self.reader.tree(self.head)
        problem = path_problem(path, self.doc_paths, {*tree.entries, *self.proposals})
        if path == HISTORY_PATH:
            problem = "the history grows at its end: the historian adds to it"
        if problem is not None:
            self.refused.append(path[:200])
            raise DeskError(f"{path} may not be written: {problem}")
        if self.agent == "historian":
            raise DeskError(f"the historian writes {HISTORY_PATH} alone: use append_history")
        entry = tree.entries.get(path)
        self._keep(path, unfenced(plain(content)), reason, entry.sha if entry else None, appends=False)
        return f"proposed {path}"

    def _append(self, content: str, path: str = HISTORY_PATH) -> str:
        if self.agent != "historian":
            raise DeskError("the history is the historian's")
        if path != HISTORY_PATH:
            self.refused.append(path[:200])
            raise DeskError(f"the historian writes {HISTORY_PATH} alone")
        entry = self._new_end(content)
        if len(entry.encode("utf-8", "replace")) > MAX_ENTRY_BYTES:
            raise DeskError(f"an entry has {MAX_ENTRY_BYTES:,} bytes at most")
        self._keep(HISTORY_PATH, entry, "", None, appends=True)
        return f"proposed an entry for {HISTORY_PATH}"

    def _new_end(self, content: str) -> str:
        """What is added by a text that repeats the history before it."""
        content = unfenced(plain(content))
        held = self.reader.tree(self.head).entries.get(HISTORY_PATH)
        readable = held is not None and held.is_plain and held.size <= MAX_TEXT_BYTES
        before = plain(self.reader.text(held) or "").rstrip() if held is not None and readable else ""
        return content.removeprefix(before).strip() if before else content

    def _keep(self, path: str, content: str, reason: str, base: str | None, *, appends: bool) -> None:
        size = len(content.encode("utf-8", "replace"))
        others = [proposal for proposal in self.proposals.values() if proposal.path != path]
        total = size + sum(len(proposal.content.encode("utf-8", "replace")) for proposal in others)
        if size > MAX_DOCUMENT_BYTES or total > MAX_AGENT_BYTES or len(others) >= MAX_DOCUMENTS:
            raise DeskError(
                f"an agent may propose {MAX_DOCUMENTS} documents of {MAX_DOCUMENT_BYTES:,} bytes each and "
                f"{MAX_AGENT_BYTES:,} in all"
            )
        self.proposals[path] = Proposal(
            agent=self.agent, path=path, content=content, appends=appends, reason=reason[:500], base=base
        )

    def _nothing(self, reason: str) -> str:
        self.nothing = reason[:500] or "no reason was given"
        return "noted"


def _lines(lines: Sequence[str]) -> str:
    more = f"\n(and {len(lines) - MAX_LISTED} more: give a pattern)" if len(lines) > MAX_LISTED else ""
    return _cut("\n".join(lines[:MAX_LISTED]) + more)


def _cut(text: str) -> str:
    raw = text.encode("utf-8", "replace")
    if len(raw) <= MAX_READ_BYTES:
        return text
    return raw[:MAX_READ_BYTES].decode("utf-8", "ignore") + f"\n(cut after {MAX_READ_BYTES:,} of {len(raw):,} bytes)"
