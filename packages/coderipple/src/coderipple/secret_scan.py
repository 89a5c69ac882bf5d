"""Whether a text holds a secret: known ones by their value, others by their form.

Owns how a text is read for it: as it is, as it reads without what masks it, and across line ends. What is said about a
find names its kind and its line, never what was found.
"""

from __future__ import annotations

import base64
import re
from itertools import chain
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from coderipple.hidden import seen
from coderipple.secret_forms import WITHOUT_SPACES, find_assigned, find_forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MIN_SECRET: Final = 8
"""Characters of a known value; a shorter one would be found in words."""
MIN_BARE: Final = 12
"""Letters and digits of a known value that is looked for without anything else."""
_comment: Final = re.compile(r"<!--[^<>]{0,200}-->")
_emphasis: Final = re.compile(r"(?<=[A-Za-z0-9])(?:\*{1,3}|`{1,3}|~~)(?=[A-Za-z0-9])")
_line_end: Final = re.compile(r"(?<=[A-Za-z0-9_.-])\\?[ \t]{0,100}\n[ \t>*#/|-]{0,100}(?=[A-Za-z0-9_.-])")


def find_secrets(text: str, known: Sequence[str], before: str = "") -> list[str]:
    """Return what was found, as `kind, line n`; empty when there is nothing.

    Args:
        text: of a document.
        known: values that must not be in it, in any of the forms in which they might be hidden.
        before: the document as it was: what it already shows is no secret any more (examples, mostly).
    """
    found = ["a value of this function's own secrets"] if _has_known(text, known) else []
    shown = before + "\n" + _read(before)
    read = _read(text)
    readings = (text, read, _read(unquote(text)))
    finds = dict.fromkeys(find for reading in readings for find in _finds(reading))
    new = [(kind, line) for kind, value, line in finds if value not in shown]
    joined = _line_end.sub("", read)
    shown_joined = _line_end.sub("", shown)
    split = {kind for kind, value, _ in find_forms(joined) if _is_split(kind, value) and value not in shown_joined}
    lines = [f"{kind}, line {line}" for kind, line in dict.fromkeys(new)]
    return found + lines + [f"{kind}, over several lines" for kind in sorted(split - {kind for kind, _ in new})]


def _is_split(kind: str, value: str) -> bool:
    """Words that come together at a line's end have no digits."""
    return kind in WITHOUT_SPACES and re.search(r"\d", value) is not None


def _read(text: str) -> str:
    """A text as it reads, without what may be put within a word."""
    return _emphasis.sub("", _comment.sub("", seen(text)))


def _finds(text: str) -> Iterator[tuple[str, str, int]]:
    for kind, value, place in chain(find_forms(text), find_assigned(text)):
        yield kind, value, text.count("\n", 0, place) + 1


def _has_known(text: str, known: Sequence[str]) -> bool:
    values = [value for value in known if len(value) >= MIN_SECRET]
    if not values:
        return False
    readings = [_compact(text), _compact(seen(text)), _compact(seen(unquote(unquote(text))))]
    if any(form in reading for value in values for form in _hidden(value) for reading in readings):
        return True
    bare = [_bare(reading) for reading in readings]
    return any(form in reading for value in values for form in _bare_forms(value) for reading in bare)


def _compact(text: str) -> str:
    """Without what could be put between a value's characters."""
    return re.sub(r"\s+", "", unquote(text))


def _bare(text: str) -> str:
    """Letters and digits alone, in one case."""
    return re.sub(r"[\W_]+", "", text).casefold()


def _hidden(value: str) -> list[str]:
    """A value as it is, reversed and in base64."""
    compact = _compact(value)
    raw = value.encode()
    encoded = [base64.b64encode(raw[start:]).decode().rstrip("=")[:-1] for start in range(3)]
    # Within a longer text, base64 depends on where the value begins; the middle of each of the three is the same.
    return [compact, compact[::-1], *(part for part in encoded if len(part) >= MIN_SECRET)]


def _bare_forms(value: str) -> list[str]:
    """A value as it is, reversed and in hex, whatever is put between its characters."""
    bare = _bare(value)
    forms = [bare, bare[::-1]] if len(bare) >= MIN_BARE else []
    return [*forms, value.encode().hex()]
