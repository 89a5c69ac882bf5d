"""Which paths are documentation, and which of them may be written.

Owns paths only: what may be in a document is `rules.py`'s.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from itertools import chain
from typing import TYPE_CHECKING, Final

from coderipple.hidden import BLANK_LETTERS, seen
from coderipple.names import DEVICES, READ_BY_AGENTS, READ_BY_GITHUB, READ_BY_TOOLS
from lambdas.orchestrator.contract import DEFAULT_DOC_PATHS, DOC_SUFFIXES, HISTORY_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_PATH: Final = 200
DECISIONS: Final = re.compile(r"(.*/)?(adr|adrs|decisions|rfcs?)/.+", re.IGNORECASE)
"""Records of decisions: people make them. The historian tells of them, and no agent writes them."""
_characters: Final = re.compile(rf"(?:(?![{BLANK_LETTERS}])[\w./-])+")
_MARKUP: Final = (".md", ".mdx", ".rst")


def is_documentation(path: str, allowed: Sequence[str]) -> bool:
    """Whether a change of this path is one of documentation: markup wherever it is, a text where documents are.

    Args:
        path: of the repository.
        allowed: as for `path_problem`: what CodeRipple may write is documentation.
    """
    if READ_BY_TOOLS.fullmatch(path):
        return False
    if path.lower().endswith(_MARKUP):
        return True
    return path.lower().endswith(DOC_SUFFIXES) and any(_matches(path, one) for one in (*allowed, *DEFAULT_DOC_PATHS))


def path_problem(path: str, allowed: Sequence[str], existing: Iterable[str]) -> str | None:
    """Why a path may not be written; None when it may.

    Args:
        path: as it was proposed.
        allowed: folders ending in `/`, and patterns for files at the root.
        existing: all paths of the tree that it is to be written to.
    """
    if problem := _form_problem(path):
        return problem
    if not any(_matches(path, one) for one in allowed):
        return f"it is not one of {', '.join(allowed)}"
    if not path.lower().endswith(DOC_SUFFIXES):
        return f"documents end in {', '.join(DOC_SUFFIXES)}"
    if any(names.fullmatch(path) for names in (READ_BY_TOOLS, READ_BY_AGENTS, READ_BY_GITHUB)):
        return "programs obey files of that name"
    if DECISIONS.fullmatch(path):
        return "decisions are recorded by people"
    return _clash(path, existing)


def _form_problem(path: str) -> str | None:
    if not path or len(path) > MAX_PATH:
        return f"a path has 1 to {MAX_PATH} characters"
    if unicodedata.normalize("NFKC", path) != path or not _characters.fullmatch(path):
        # A path is in the commit's message, where `#1`, `@name` and `[skip ci]` mean something.
        return "it has characters other than letters, digits, `.`, `_`, `-` and `/`"
    parts = path.split("/")
    if any(not part or part.startswith((".", "-")) or part.endswith(".") for part in parts):
        return "it has a part that is empty, hidden, an option, or leads elsewhere"
    if any(DEVICES.fullmatch(part) for part in parts):
        return "Windows has a device of that name"
    return None


def _matches(path: str, allowed: str) -> bool:
    """Folders and patterns are as they are written: on GitHub, `Docs/` is another folder than `docs/`."""
    if allowed.endswith("/"):
        return path.startswith(allowed)
    return "/" not in path and fnmatch.fnmatchcase(path, allowed)


def _clash(path: str, existing: Iterable[str]) -> str | None:
    """A file in the place of a folder or the other way round, or two that some system takes for one."""
    own = _key(path)
    folders = {own.rsplit("/", count)[0] for count in range(1, own.count("/") + 1)}
    for other in chain(existing, (HISTORY_PATH,)):
        if other == path:
            continue
        key = _key(other)
        if key == own:
            return f"there is {other}, which differs in case or spelling alone"
        if key in folders:
            return f"{other} is a file or a link, and not a folder"
        if key.startswith(f"{own}/"):
            return f"{path} is a folder"
    return None


def _key(path: str) -> str:
    """The same for paths that some file system, or a reader, takes for one."""
    return path.lower() if path.isascii() else unicodedata.normalize("NFKC", seen(path).casefold())
