"""A document's score, 0 to 100, and what it lost points for: checks that anyone can repeat by hand.

Owns the checks and their weights. It does not ask a model: a text that persuades a model would persuade it here, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

FENCE: Final = re.compile(r"^(```|~~~)", re.MULTILINE)
HEADING: Final = re.compile(r"^(?:#{1,6}[ \t]{1,100}\S[^\n]*|[^\n]+\n[=\-~^]{3,}[ \t]*+)$", re.MULTILINE)
LINK: Final = re.compile(r"(?<!!)\[[^\[\]\n]{1,500}\]\(([^()\[\s#]{1,500})(?:#[^()\[\s]{0,500})?\)")
"""Bounded, and no part of it takes in the beginning of another link: any number of beginnings is read in one pass."""
PLACEHOLDER: Final = re.compile(
    r"\b(TODO|TBD|FIXME|lorem ipsum|coming soon|insert .{1,30} here)\b|\[your[ -]", re.IGNORECASE
)
CHATTER: Final = re.compile(
    r"\b(as an ai|i (?:can(?:no|')t|am unable|apologi[sz]e)|here(?:'s| is) the (?:updated|revised|new)|certainly[!,]|"
    r"ignore (?:all |any )?(?:previous|prior) instructions|system prompt)",
    re.IGNORECASE,
)
LEAST_WORDS: Final = 20
LONG_LINES: Final = 3
"""Lines that stand there again, of some length, are repetition from so many on."""


@dataclass(frozen=True, slots=True)
class Score:
    """How good a document is."""

    points: int
    reasons: tuple[str, ...]
    """What each loss of points was for."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is looked at."""

    path: str
    text: str
    before: str | None
    paths: Collection[str]
    """Of the repository, the proposed documents included."""
    changed: Sequence[str]


def score(document: Judged) -> Score:
    """Judge a document."""
    losses = [loss for check in CHECKS for loss in check(document)]
    return Score(max(0, 100 - sum(points for points, _ in losses)), tuple(reason for _, reason in losses))


def _is_a_document(document: Judged) -> Iterator[tuple[int, str]]:
    words = len(document.text.split())
    if words < LEAST_WORDS:
        yield 40, f"it has {words} words"
    if not HEADING.search(document.text) and not document.path.lower().endswith(".txt"):
        yield 20, "it has no heading"
    if len(FENCE.findall(document.text)) % 2:
        yield 35, "a code block is not closed"


def _is_finished(document: Judged) -> Iterator[tuple[int, str]]:
    before = document.before or ""
    if found := _new(PLACEHOLDER, document.text, before):
        yield 35, f"it has a placeholder ({found})"
    if _new(CHATTER, document.text, before):
        yield 50, "it talks to a reader of the conversation, not of the document"


def _new(form: re.Pattern[str], text: str, before: str) -> str | None:
    """The first find that was not there before."""
    return next(
        (part for part in dict.fromkeys(found.group() for found in form.finditer(text)) if part not in before), None
    )


def _keeps_what_was_there(document: Judged) -> Iterator[tuple[int, str]]:
    if not document.before:
        return
    old = [line.strip() for line in document.before.splitlines() if line.strip()]
    new = [line.strip() for line in document.text.splitlines() if line.strip()]
    if old == new:
        yield 100, "it says what the document says already"
        return
    kept = len(set(old) & set(new)) / max(1, len(set(old)))
    if len(new) < len(old) / 2:
        yield 50, f"it has {len(new)} lines, and the document has {len(old)}"
    elif kept < 1 / 4 and SequenceMatcher(None, document.before, document.text).quick_ratio() < 1 / 2:
        yield 35, f"{1 - kept:.0%} of the document's lines are gone"
    gone = set(HEADING.findall(document.before)) - set(HEADING.findall(document.text))
    if len(gone) > 2:  # noqa: PLR2004 - a section may be renamed, and one taken out
        yield 15, f"{len(gone)} of its headings are gone"


def _leads_somewhere(document: Judged) -> Iterator[tuple[int, str]]:
    folder = document.path.rpartition("/")[0]
    there = {*document.paths, *_folders(document.paths)}
    known = set(LINK.findall(document.before or ""))
    broken: list[str] = []
    for target in LINK.findall(document.text):
        if target in known or re.match(r"[a-z][a-z0-9+.-]*+:|//", target, re.IGNORECASE):
            continue
        path = _resolved("" if target.startswith("/") else folder, unquote(target))
        if path and path not in there:
            broken.append(target)
    if broken:
        yield min(40, 15 * len(broken)), f"{len(broken)} of its links lead nowhere ({broken[0]})"


def _is_about_the_change(document: Judged) -> Iterator[tuple[int, str]]:
    words = set(re.findall(r"[a-z0-9]{3,}", document.text.lower()))
    about = {word for path in document.changed for word in re.findall(r"[a-z0-9]{3,}", path.lower())}
    if about and not words & about:
        yield 20, "it names nothing that changed"


def _does_not_repeat_itself(document: Judged) -> Iterator[tuple[int, str]]:
    lines = [line.strip() for line in document.text.splitlines() if len(line.strip()) > 40]  # noqa: PLR2004
    repeated = len(lines) - len(set(lines))
    if repeated >= LONG_LINES and repeated > len(lines) / 10:
        yield 35, f"{repeated} of its lines stand there more than once"


CHECKS: Final[tuple[Callable[[Judged], Iterator[tuple[int, str]]], ...]] = (
    _is_a_document,
    _is_finished,
    _keeps_what_was_there,
    _leads_somewhere,
    _is_about_the_change,
    _does_not_repeat_itself,
)


def _folders(paths: Collection[str]) -> set[str]:
    """Every folder that has one of the paths below it."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _resolved(folder: str, target: str) -> str:
    parts: list[str] = [part for part in folder.split("/") if part]
    for part in target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
