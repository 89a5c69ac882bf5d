"""From a stack's config to models, or to one message that lists everything wrong with it.

Owns the reporting: keys under their Pulumi names, the value, the rule, the consequence and the way out; no secret is
ever repeated. Which keys exist and which rules hold is in the settings' own files.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from components.limits import Limit

LONGEST_VALUE = 60


class SettingsError(Exception):
    """The stack's config is not usable. `problems` holds one sentence or more per bad key."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{count} in the stack's config; nothing was deployed. docs/config.md lists every key.{lines}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over several keys of one section. It is tried only when each of its keys is valid by itself."""

    keys: tuple[str, ...]
    """What it looks at; the first one is named in the message."""
    check: Callable[[Any], str | None]
    """From the section to what is wrong, or None. Starts with the value: `is 5: …`."""


class Section(BaseModel):
    """A `strata:<section>` object of the stack's config."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
    rules: ClassVar[tuple[Rule, ...]] = ()
    unshown: ClassVar[frozenset[str]] = frozenset()
    """Keys whose values are not repeated in messages, since a secret may have been put there by mistake."""


S = TypeVar("S", bound=Section)


def within(limit: Limit, description: str, *, default: int | None) -> Any:
    """Declare an integer that AWS bounds.

    Args:
        limit: The range, its unit and its source, for messages and for docs/config.md.
        description: What the key means.
        default: None when the key can be left out without a number taking its place.
    """
    return Field(
        default=default, ge=limit.low, le=limit.high, description=description, json_schema_extra={"link": limit.link}
    )


def read_section(model: type[S], name: str, text: str | None, problems: list[str]) -> S | None:
    """Read one section, adding what is wrong with it to `problems`.

    Args:
        model: The section's model.
        name: Its Pulumi name, `strata:embedding`.
        text: The JSON that Pulumi hands over for an object; None is an empty section.
        problems: Collects sentences.

    Returns:
        The section, or None when it has a problem.
    """
    values = _object(name, text, problems)
    if values is None:
        return None
    before = len(problems)
    bad: set[str] = set()
    try:
        section = model.model_validate(values)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=True, include_input=True)
        bad = {str(error["loc"][0]) for error in errors if error["loc"]}
        problems.extend(_describe(model, name, error) for error in errors)
        section = _valid_part(model, values, bad)
    broken = ((rule, rule.check(section)) for rule in model.rules if bad.isdisjoint(rule.keys))
    problems.extend(f"{name}.{rule.keys[0]} {wrong}" for rule, wrong in broken if wrong is not None)
    return section if len(problems) == before else None


def unknown_key(name: str, known: Sequence[str]) -> str:
    """Return the sentence about a key that nothing reads."""
    by_last_part = {re.split(r"[.:]", key)[-1]: key for key in known}
    close = difflib.get_close_matches(re.split(r"[.:]", name)[-1], by_last_part, n=1)
    hint = f"did you mean {by_last_part[close[0]]}?" if close else f"there are {', '.join(sorted(by_last_part))}."
    return f"{shown(name)} is not a key that Strata reads, so that it would have no effect: {hint}"


def shown(value: object) -> str:
    """Return a value as a message shows it: short, on one line, without the password of a URL."""
    try:
        text = value if isinstance(value, str) and value.isprintable() and value else json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    text = re.sub(r"//[^/@\s]*@", "//…@", text)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _object(name: str, text: str | None, problems: list[str]) -> dict[str, object] | None:
    """Return a section's raw values, None when they are no object."""
    if text is None:
        return {}
    try:
        values: object = json.loads(text)
    except (ValueError, RecursionError):
        values = text
    if isinstance(values, dict):
        return cast("dict[str, object]", values)
    problems.append(
        f"{name} must be an object of keys, not a single value: `pulumi config set --path {name}.<key> <value>`"
    )
    return None


def _valid_part(model: type[S], values: Mapping[str, object], bad: set[str]) -> S:
    """Return the section without its bad keys, for the rules that do not look at them."""
    valid: dict[str, Any] = {}
    for key, field in model.model_fields.items():
        if key in bad:
            continue
        declared: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        valid[key] = (
            TypeAdapter(declared).validate_python(values[key])
            if key in values
            else field.get_default(call_default_factory=True)
        )
    return model.model_construct(**valid)


def _describe(model: type[Section], name: str, error: ErrorDetails) -> str:
    """Return one of pydantic's errors in our words."""
    path = ".".join([name, *(shown(str(part)) for part in error["loc"])])
    key = str(error["loc"][0]) if error["loc"] else ""
    field = model.model_fields.get(key)
    match error["type"]:
        case "extra_forbidden" if len(error["loc"]) == 1:
            return unknown_key(path, [f"{name}.{known}" for known in model.model_fields])
        case "missing" if field is not None and len(error["loc"]) == 1:
            return f"{path} is missing: {field.description} Set it with `pulumi config set --path {path} <value>`."
        case _:
            value = "(not shown)" if key in model.unshown else shown(error["input"])
            return f"{path} is {value}: {_rule(field, error)}{_way_out(field)}"


def _rule(field: FieldInfo | None, error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] in {"greater_than_equal", "less_than_equal"} and field is not None:
        bounds = {
            kind: getattr(constraint, kind)
            for constraint in field.metadata
            for kind in ("ge", "le")
            if hasattr(constraint, kind)
        }
        extra = field.json_schema_extra
        link = f" ({extra['link']})" if isinstance(extra, dict) and "link" in extra else ""
        return f"it must be from {bounds.get('ge')} to {bounds.get('le')}{link}."
    if "error" in context:
        return f"{context['error']}."
    return f"{error['msg'].removeprefix('Input ').replace('should', 'it should', 1)}."


def _way_out(field: FieldInfo | None) -> str:
    if field is None or field.is_required():
        return ""
    default = field.get_default(call_default_factory=True)
    return (
        " Leave the key out for the default."
        if default is None
        else f" Leave the key out for the default, {shown(default)}."
    )
