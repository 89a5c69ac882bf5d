"""The sentences about bad config: the key under its Pulumi name, the value, the rule, the consequence and the remedy.

Owns the wording. No value of a key that may hold a secret is ever repeated.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Final, get_origin

from components.fields import facts
from components.section import Section, holds, section_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

LONGEST_VALUE: Final = 60
KINDS: Final = {
    "string_type": "it must be text: write it in quotes, as YAML takes what looks like a number or a yes for one.",
    "int_type": "it must be a whole number.",
    "int_parsing": "it must be a whole number.",
    "int_from_float": "it must be a whole number.",
    "float_type": "it must be a number.",
    "float_parsing": "it must be a number.",
    "bool_type": "it must be true or false.",
    "bool_parsing": "it must be true or false.",
    "list_type": "it must be a list: {set}.",
    "dict_type": "it must be an object with keys of its own.",
    "too_short": "it must hold one item or more: {set}.",
}
"""What is said of a value of another kind, by pydantic's name for that."""


def unknown_key(name: str, known: Sequence[str]) -> str:
    """Return the sentence about a key that nothing reads."""
    by_last_part = {re.split(r"[.:]", key)[-1]: key for key in known}
    close = difflib.get_close_matches(re.split(r"[.:]", name)[-1], by_last_part, n=1)
    hint = f"did you mean {by_last_part[close[0]]}?" if close else f"there are {', '.join(sorted(by_last_part))}."
    return f"{shown(name)} is not a key that Strata reads, so it would have no effect: {hint}"


def shown(value: object) -> str:
    """Return a value as a message shows it: short, on one line, without the password of a URL."""
    try:
        text = value if isinstance(value, str) and value.isprintable() and value else json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    text = re.sub(r"//[^/@\s]*@", "//…@", text)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def describe(model: type[Section], name: str, error: ErrorDetails) -> str:
    """Return one of pydantic's errors in our words."""
    path = name + "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in error["loc"])
    owner, field, hidden = _find(model, error["loc"])
    match error["type"]:
        case "extra_forbidden" if owner is not None:
            above = path.rpartition(".")[0]
            return unknown_key(path, [f"{above}.{known}" for known in owner.model_fields])
        case "missing" if field is not None:
            return f"{path} is missing: {field.description} Set it with {_command(path, field)}."
        case _:
            value = "(not shown)" if hidden else shown(error["input"])
            return f"{path} is {value}: {_rule(path, field, error)}{_remedy(field)}"


def _find(model: type[Section], location: Sequence[int | str]) -> tuple[type[Section] | None, FieldInfo | None, bool]:
    """Return the section that a place is in, its field when it is one, and whether the value may be shown."""
    owner: type[Section] | None = model
    field: FieldInfo | None = None
    hidden = False
    for part in location:
        if isinstance(part, int):  # of a list: its field says what each item is
            continue
        field = owner.model_fields.get(str(part)) if owner is not None else field
        hidden = hidden or (field is not None and facts(field).hidden)
        if part != location[-1]:
            owner = section_of(field) if field is not None else None
    return owner, field, hidden


def _command(path: str, field: FieldInfo | None) -> str:
    lists = field is not None and get_origin(field.annotation) is list
    return f"`pulumi config set --path '{path}[0]' <value>`" if lists else f"`pulumi config set --path {path} <value>`"


def _rule(path: str, field: FieldInfo | None, error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if field is not None and error["type"] in {"model_type", "model_attributes_type"}:
        return _object_rule(field)
    if error["type"] in KINDS:
        return KINDS[error["type"]].format(set=_command(path, field))
    if error["type"] in {"greater_than_equal", "less_than_equal"} and field is not None:
        bounds = {
            kind: getattr(constraint, kind)
            for constraint in field.metadata
            for kind in ("ge", "le")
            if hasattr(constraint, kind)
        }
        link = facts(field).link
        return f"it must be from {bounds.get('ge')} to {bounds.get('le')}{f' ({link})' if link else ''}."
    if "error" in context:
        return f"{context['error']}."
    return f"{error['msg'].removeprefix('Input ').replace('should', 'it should', 1)}."


def _object_rule(field: FieldInfo) -> str:
    if facts(field).secret:
        return (
            "it must be {secret_arn: …} or {parameter: …}, where the value is. The value itself is no config: "
            "`python -m ops secret set` stores it."
        )
    inside = section_of(field)
    keys = f": {', '.join(inside.model_fields)}" if inside is not None else ""
    return f"it must be an object with keys of its own{keys}."


def _remedy(field: FieldInfo | None) -> str:
    if field is None or field.is_required():
        return ""
    default = field.get_default(call_default_factory=True)
    if default is None or holds(default, Section):
        return " Leave the key out for the default."
    return f" Leave the key out for the default, {shown(default)}."
