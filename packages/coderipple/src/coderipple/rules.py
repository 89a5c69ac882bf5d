"""What a document may hold, whoever wrote it: size, form, no secret, nothing that runs, a history that only grows.

Owns the rules about content. They are the same for every agent, and none of them reads a prompt.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from coderipple.proposals import MAX_DOCUMENT_BYTES
from coderipple.secret_scan import find_secrets
from coderipple.texts import is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_HISTORY_BYTES: Final = 1024 * 1024
"""Of the whole history: it has to be read, and written, with each entry."""
MAX_ENTRY_BYTES: Final = 8 * 1024
HISTORY_HEADING: Final = "# History\n"
"""Of a history that is begun."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""Characters that hide or turn around what is shown; tabs and line ends are none."""
# Repetitions are bounded in all of these: who proposes a text must not be able to make reading it take for ever.
ACTIVE: Final = {
    "a script": r"<\s{0,100}script\b|javascript:|data:text/html|vbscript:",
    "an embedded page": r"<\s{0,100}(?:iframe|object|embed|form|meta|link|base)\b",
    "an event handler": r"<[^<>]{0,2000}\son[a-z]{1,40}\s{0,100}=",
    "an image that is fetched with data in its address": (
        r"!\[[^\[\]]{0,1000}\]\(\s{0,100}<?https?://[^)\s?]{0,2000}\?[^)\s]{0,2000}"
        r"|<\s{0,100}img[^<>]{0,2000}https?://[^<>?]{0,2000}\?"
    ),
    "a directive that reads files or runs code": (
        r"^[ \t]{0,100}\.\.[ \t]{1,100}(?:include|literalinclude|raw|csv-table|graphviz|plantuml|program-output"
        r"|command-output|exec|jupyter-execute)::"
    ),
    "a template that is filled in when pages are built": (
        r"\{%|--8<--|\{\{[^{}]{0,500}(?:env|secret|config|include)[^{}]{0,500}\}\}"
    ),
}
_active: Final = {kind: re.compile(form, re.IGNORECASE | re.MULTILINE) for kind, form in ACTIVE.items()}
_MDX_CODE: Final = re.compile(r"^[ \t]{0,100}(?:import|export)\b.*|\{[^{}\n]{0,2000}\}", re.MULTILINE)


def content_problems(path: str, text: str, before: str, known_secrets: Sequence[str]) -> list[str]:
    """Why a text may not be a document; empty when it may.

    Args:
        path: of the document.
        text: the whole of it, or what is added to it.
        before: what is there now; what it already has is not held against the new text.
        known_secrets: values that must not be in it.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_DOCUMENT_BYTES:
        return [f"it has {size:,} bytes, and a document {MAX_DOCUMENT_BYTES:,} at most"]
    problems: list[str] = []
    if not text.strip():
        problems.append("it is empty")
    if not is_whole(text) or _CONTROL.search(text):
        problems.append("it has characters that are no text, or hide it")
    problems += [f"it holds a secret: {found}" for found in find_secrets(text, known_secrets, before)]
    problems += [f"it holds {kind}" for kind, form in _active.items() if _more(form, text, before)]
    if path.lower().endswith(".mdx") and _more(_MDX_CODE, text, before):
        problems.append("it holds code, which .mdx files run")
    return problems


def grown_history(before: str | None, entry: str) -> str:
    """The history with one more entry at its end."""
    start = before if before is not None else HISTORY_HEADING
    return f"{start.rstrip(chr(10))}\n\n{entry.strip()}\n"


def history_problems(entry: str, before: str | None) -> list[str]:
    """Why an entry may not be added to the history; empty when it may."""
    size = len(entry.encode("utf-8", "surrogatepass"))
    problems: list[str] = []
    if size > MAX_ENTRY_BYTES:
        problems.append(f"the entry has {size:,} bytes, and one {MAX_ENTRY_BYTES:,} at most")
    if before is not None and len(before.encode()) + size > MAX_HISTORY_BYTES:
        problems.append(
            f"the history would have more than {MAX_HISTORY_BYTES:,} bytes: move old years to a file of theirs"
        )
    return problems


def _more(form: re.Pattern[str], text: str, before: str) -> bool:
    """Whether a text has finds that were not there before."""
    return any(match.group() not in before for match in form.finditer(text))
