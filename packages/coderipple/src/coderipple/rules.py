"""What a document may hold, whoever wrote it: size, form, no secret, nothing that runs, a history that only grows.

Owns the rules about content. They are the same for every agent, and none of them reads a prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coderipple.hidden import CONTROL, hidden_parts
from coderipple.markup import active_parts
from coderipple.proposals import MAX_DOCUMENT_BYTES
from coderipple.secret_scan import find_secrets
from coderipple.texts import appended, is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_HISTORY_BYTES: Final = 1024 * 1024
"""Of the whole history: it has to be read, and written, with each entry."""
MAX_ENTRY_BYTES: Final = 8 * 1024
HISTORY_HEADING: Final = "# History\n"
"""Of a history that is begun."""


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
    if not is_whole(text) or CONTROL.search(text):
        problems.append("it has characters that are no text, or hide it")
    problems += [f"it holds a secret: {found}" for found in find_secrets(text, known_secrets, before)]
    if any(part not in before for part in set(hidden_parts(text))):
        problems.append("it has characters that nobody sees")
    problems += [f"it holds {kind}" for kind in _active_kinds(path, text, before)]
    return problems


def grown_history(before: str | None, entry: str) -> str:
    """The history with one more entry at its end."""
    return appended(before if before is not None else HISTORY_HEADING, entry)


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


def _active_kinds(path: str, text: str, before: str) -> list[str]:
    """Each kind of active content that was not there before, once."""
    found = [find for find in dict.fromkeys(active_parts(path, text)) if find[1] not in before]
    # What is decoded before it is looked at does not stand in the text as it was found.
    known = set(active_parts(path, before)) if found else set[tuple[str, str]]()
    return list(dict.fromkeys(find[0] for find in found if find not in known))
