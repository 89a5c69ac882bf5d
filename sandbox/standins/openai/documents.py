"""What the chat model writes: sections about the files that it read, put into the document as it is.

It reads Python with Python's own parser, and other languages by their words for functions. Nothing is invented.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FUNCTION: Final = re.compile(
    r"^\s*(?:export\s+|pub\s+|async\s+)*(?:function|func|fn|def)\s+(\w+)\s*\(([^)]*)\)", re.MULTILINE
)
COMMIT: Final = re.compile(r"\b[0-9a-f]{40}\b")
SUBJECTS: Final = re.compile(r"<commit-subjects>\n(.+?)\n</commit-subjects>", re.DOTALL)
PART: Final = re.compile(r"^### `([^`\n]+)`\n(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS: Final = {"readme": "What it offers", "history": "", "": "Modules"}


@dataclass(frozen=True, slots=True)
class Offer:
    """Something public of a file."""

    signature: str
    about: str


def content(result: str) -> str:
    """The file in a tool's result: the result itself, or the `content` of the object that it is."""
    try:
        found = json.loads(result)
    except ValueError:
        return result
    if isinstance(found, dict):
        for name in ("content", "text"):
            if isinstance(value := cast("dict[str, Any]", found).get(name), str):
                return value
    return result


def written(path: str, current: str, sources: Mapping[str, str], task: str) -> str:
    """The next text of a document.

    Args:
        path: the document's.
        current: its text now; empty for a new one.
        sources: what was read, path to text.
        task: what was asked, with the commit and its message.
    """
    name = PurePosixPath(path).stem.lower()
    kind = next((kind for kind in ("readme", "history") if kind in name), "")
    if kind == "history":
        return _appended(current, sources, task)
    parts = {source: _module(text) for source, text in sources.items()}
    title = "README" if kind == "readme" else PurePosixPath(path).stem.replace("-", " ").capitalize()
    return _replaced(
        current.strip() or f"# {title}", SECTIONS[kind], {name: part for name, part in parts.items() if part}
    )


def _replaced(current: str, title: str, parts: Mapping[str, str]) -> str:
    """The document with a section that has these parts, one a file; it keeps those of other files."""
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    found = pattern.search(current)
    kept = dict(PART.findall(found.group())) if found else {}
    body = "\n\n".join(f"### `{path}`\n\n{part.strip()}" for path, part in sorted({**kept, **parts}.items()))
    section = f"## {title}\n\n{body or 'Nothing that is public has changed.'}\n"
    if found:
        return pattern.sub(lambda _: f"{section}\n", f"{current}\n").rstrip() + "\n"
    return f"{current}\n\n{section}"


def _appended(current: str, sources: Mapping[str, str], task: str) -> str:
    commit, subjects = COMMIT.findall(task), SUBJECTS.findall(task)
    subject = subjects[-1].splitlines()[-1] if subjects else "Latest change"
    title = " ".join([subject, *(f"({sha[:7]})" for sha in commit[-1:])])
    purposes = {path: _purpose(text) for path, text in sources.items()}
    files = "\n".join(f"- `{path}`{f': {about}' if about else ''}" for path, about in purposes.items())
    head = current.rstrip() or "# History\n\nDecisions, oldest first. Entries are added and never changed."
    return f"{head}\n\n## {title}\n\nThese files changed, and with them what the system promises:\n\n{files}\n"


def _module(text: str) -> str:
    """What a file is for and what it offers; empty for one that says neither."""
    offers = "\n".join(f"- `{offer.signature}`{f': {offer.about}' if offer.about else ''}" for offer in _offers(text))
    return "\n\n".join(filter(None, (_purpose(text), offers)))


def _purpose(text: str) -> str:
    """The first sentence of a file about itself; empty where it has none."""
    try:
        about = ast.get_docstring(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError):
        about = None
    if about is None:
        comments = re.findall(r"^\s*(?:#|//|/\*\*?|\*)\s*(\w.*)$", text, re.MULTILINE)
        about = comments[0] if comments else ""
    return _sentence(about)


def _sentence(about: str | None) -> str:
    first = " ".join((about or "").split("\n\n")[0].split())
    return first if not first or first.endswith((".", "!", "?")) else f"{first}."


def _offers(text: str) -> list[Offer]:
    try:
        return list(_python(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError):
        return [Offer(f"{name}({' '.join(given.split())})", "") for name, given in FUNCTION.findall(text)]


def _python(tree: ast.Module) -> Iterator[Offer]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield Offer(f"{node.name}({ast.unparse(node.args)})", _sentence(ast.get_docstring(node)))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield Offer(node.name, _sentence(ast.get_docstring(node)))
