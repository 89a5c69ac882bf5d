"""Whether a text holds a secret: known ones by their value, others by their form.

Owns the forms. What is said about a find names its kind and its line, never what was found.
"""

from __future__ import annotations

import base64
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Repetitions are bounded wherever something must follow: one long line must not take for ever.
FORMS: Final = {
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}",
    "an AWS access key": r"(?:AKIA|ASIA)[A-Z2-7]{16}",
    "a private key": r"-----BEGIN (?:[A-Z]{1,40} ){0,4}PRIVATE KEY",
    "an API key": r"(?:sk|rk|pk)[-_](?:live|test|proj|ant|or|svcacct)?[-_]?[A-Za-z0-9_-]{20,}",
    "a Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Google key": r"AIza[A-Za-z0-9_-]{30,}",
    "a JSON web token": r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8}",
    "a password in an address": r"[a-z0-9+.-]{1,40}://[^/\s:@<>{}$*]{1,500}:[^/\s:@<>{}$*]{3,500}@",
}
_forms: Final = {kind: re.compile(form) for kind, form in FORMS.items()}
_assigned: Final = re.compile(
    r"(?i)(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)[\"']?\s{0,100}[:=]\s{0,100}[\"']?([^\s\"'`<>]{12,})"
)
MIN_ENTROPY: Final = 3.5
"""Bits for each character of an assigned value: words have less, generated keys more."""
MIN_SECRET: Final = 8
"""Characters of a known value; a shorter one would be found in words."""


def find_secrets(text: str, known: Sequence[str], before: str = "") -> list[str]:
    """Return what was found, as `kind, line n`; empty when there is nothing.

    Args:
        text: of a document.
        known: values that must not be in it, in any of the forms in which they might be hidden.
        before: the document as it was: what it already shows is no secret any more (examples, mostly).
    """
    found: list[str] = []
    compact = _compact(text)
    if any(form in compact for value in known if len(value) >= MIN_SECRET for form in _hidden(value)):
        found.append("a value of this function's own secrets")
    for number, line in enumerate(text.splitlines(), 1):
        found += [f"{kind}, line {number}" for kind, value in _finds(line) if value not in before]
    return found


def _finds(line: str) -> Iterator[tuple[str, str]]:
    for kind, form in _forms.items():
        for match in form.finditer(line):
            yield kind, match.group()
    for match in _assigned.finditer(line):
        if _entropy(match.group(1)) >= MIN_ENTROPY and re.search(r"\d", match.group(1)):
            yield "an assigned secret", match.group(1)


def _compact(text: str) -> str:
    """Without what could be put between a value's characters."""
    return re.sub(r"[\s\u200b-\u200f\u2060\ufeff]+", "", unquote(text))


def _hidden(value: str) -> list[str]:
    """A value as it is, reversed, in base64 and in hex."""
    compact = _compact(value)
    raw = value.encode()
    encoded = [base64.b64encode(raw[start:]).decode().rstrip("=")[:-1] for start in range(3)]
    # Within a longer text, base64 depends on where the value begins; the middle of each of the three is the same.
    return [
        compact,
        compact[::-1],
        raw.hex(),
        raw.hex().upper(),
        *(part for part in encoded if len(part) >= MIN_SECRET),
    ]


def _entropy(value: str) -> float:
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
