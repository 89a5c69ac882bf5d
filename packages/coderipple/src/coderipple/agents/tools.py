"""The tools that agents have. Each is a question to the function, which decides what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strands import tool  # pyright: ignore[reportUnknownVariableType] (its types are partial)

from coderipple.agents.wire import ToolError

HISTORY_PATH = "docs/history.md"

if TYPE_CHECKING:
    from collections.abc import Callable

    from coderipple.agents.wire import Wire


def tools_for(agent: str, wire: Wire) -> list[Any]:
    """Return an agent's tools."""

    def ask(name: str, **arguments: Any) -> dict[str, Any]:
        try:
            return {"status": "success", "content": [{"text": wire.call(name, **arguments)}]}
        except ToolError as refusal:
            return {"status": "error", "content": [{"text": str(refusal)}]}

    proposing = _history_tools(ask) if agent == "historian" else _document_tools(ask)
    return [*_reading_tools(ask), *proposing]


def _reading_tools(ask: Callable[..., dict[str, Any]]) -> list[Any]:
    @tool
    def list_files(pattern: str = "") -> dict[str, Any]:
        """List the files of the repository at the pushed commit.

        Args:
            pattern: such as `src/*.py`; empty for all.
        """
        return ask("list_files", pattern=pattern)

    @tool
    def changed_files() -> dict[str, Any]:
        """List every path that the push changed, and how."""
        return ask("changed_files")

    @tool
    def read_patch(path: str) -> dict[str, Any]:
        """Read what changed in a file, as a patch.

        Args:
            path: one that `changed_files` lists.
        """
        return ask("read_patch", path=path)

    @tool
    def read_file(path: str) -> dict[str, Any]:
        """Read a file as it is at the pushed commit.

        Args:
            path: from the repository's root.
        """
        return ask("read_file", path=path)

    @tool
    def read_document(path: str) -> dict[str, Any]:
        """Read a document as it is on the branch now.

        Args:
            path: from the repository's root.
        """
        return ask("read_document", path=path)

    return [list_files, changed_files, read_file, read_patch, read_document]


def _document_tools(ask: Callable[..., dict[str, Any]]) -> list[Any]:
    @tool
    def propose_document(path: str, content: str, reason: str) -> dict[str, Any]:
        """Propose a document. A second proposal for a path replaces the first.

        Args:
            path: from the repository's root.
            content: the whole new text.
            reason: why it is needed, in one sentence.
        """
        return ask("propose_document", path=path, content=content, reason=reason)

    return [propose_document, _nothing(ask)]


def _history_tools(ask: Callable[..., dict[str, Any]]) -> list[Any]:
    @tool
    def append_history(content: str, path: str = HISTORY_PATH) -> dict[str, Any]:
        """Add an entry at the end of docs/history.md. A second one replaces the first.

        Args:
            content: the entry alone: Markdown, with a heading of its own.
            path: always docs/history.md.
        """
        return ask("append_history", content=content, path=path)

    return [append_history, _nothing(ask)]


def _nothing(ask: Callable[..., dict[str, Any]]) -> Any:
    @tool
    def nothing_to_do(reason: str) -> dict[str, Any]:
        """Say that no document has to be written.

        Args:
            reason: in one sentence.
        """
        return ask("nothing_to_do", reason=reason)

    return nothing_to_do
