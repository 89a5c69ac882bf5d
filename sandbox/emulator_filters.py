"""FilterLogEvents by a field of JSON records: `{ $.level = "ERROR" }`, which ministack takes for "everything".

One comparison of a field's text, `=` or `!=`, the field at a path of any length. The rest of CloudWatch's syntax for
JSON (numbers, `*`, `%…%`, `[0]`, EXISTS, `&&`, `||`) is refused and not ignored: what only looks filtered misleads.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lambdas.shared.json_values import is_object

if TYPE_CHECKING:
    from collections.abc import Callable

    Matcher = Callable[[str], bool]
    Answer = tuple[int, dict[str, str], bytes]

COMPARISON = re.compile(r'\{\s*\$((?:\.[A-Za-z0-9_-]+)+)\s*(!?=)\s*"([^"*\\]*)"\s*\}')
REFUSED = 'the local cloud filters records only by a quoted text, { $.field = "value" } or !=, and not by '


def amend(logs: dict[str, Any]) -> None:
    """Put both replacements into the namespace of the emulator's module for CloudWatch Logs."""
    logs["_filter_log_events"] = refusing(logs["_filter_log_events"], logs["error_response_json"])
    logs["_compile_filter_pattern"] = compiling(logs["_compile_filter_pattern"])


def refusing(original: Callable[..., Answer], answer: Callable[..., Answer]) -> Callable[..., Answer]:
    """FilterLogEvents, without the patterns that are not modelled."""

    def filter_log_events(data: dict[str, Any]) -> Answer:
        pattern = str(data.get("filterPattern") or "")
        if is_json(pattern) and matcher(pattern) is None:
            return answer("InvalidParameterException", REFUSED + pattern, 400)
        return original(data)

    return filter_log_events


def compiling(original: Callable[[str], Matcher]) -> Callable[[str], Matcher]:
    """The emulator's compiler of patterns, with those for JSON."""

    def compiled(pattern: str) -> Matcher:
        return matcher(pattern) or original(pattern)

    return compiled


def is_json(pattern: str) -> bool:
    """Whether a pattern is about fields and not about words."""
    return pattern.lstrip().startswith("{")


def matcher(pattern: str) -> Matcher | None:
    """What decides about a message; None for a pattern that is not modelled.

    A message without a text at the path matches neither `=` nor `!=`.
    """
    found = COMPARISON.fullmatch(pattern.strip())
    if found is None:
        return None
    path, operator, wanted = found[1][1:].split("."), found[2], found[3]

    def matches(message: str) -> bool:
        value = text_at(message, path)
        return value is not None and (value == wanted) == (operator == "=")

    return matches


def text_at(message: str, path: list[str]) -> str | None:
    """The text at a path of a JSON record; None where there is none."""
    try:
        value: Any = json.loads(message)
    except ValueError:
        return None
    for name in path:
        value = value.get(name) if is_object(value) else None
    return value if isinstance(value, str) else None
