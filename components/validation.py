"""From a stack's config to models, or to one message that lists everything wrong with it.

Owns the reading: all problems at once, and rules tried on whatever is valid. The wording is in `problems.py`; which
keys exist and which rules hold is said where the keys are declared.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from components.problems import describe
from components.section import Section, section_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class SettingsError(Exception):
    """The stack's config is not usable. `problems` holds one sentence or more per bad key."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{count} in the stack's config; nothing was deployed. docs/config.md lists every key.{lines}")


S = TypeVar("S", bound=Section)


def read_section(model: type[S], name: str, text: str | None, problems: list[str]) -> S | None:
    """Read one section, adding what is wrong with it to `problems`.

    Args:
        model: The section's model.
        name: Its Pulumi name, `strata:<section>`.
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
        bad = {".".join(map(str, error["loc"])) for error in errors}
        problems.extend(describe(model, name, error) for error in errors)
        section = _valid_part(model, values, bad)
    problems.extend(f"{name}.{key} {wrong}" for key, wrong in _broken_rules(section, bad))
    return section if len(problems) == before else None


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


def _broken_rules(section: Section, bad: set[str]) -> Iterator[tuple[str, str]]:
    """Yield key and problem of each rule that can be tried and is broken, those of the sections inside included."""
    tainted = {key.split(".")[0] for key in bad}
    for rule in section.all_rules():
        if tainted.isdisjoint(rule.keys) and (wrong := rule.problem(section)) is not None:
            yield rule.keys[0], wrong
    for key in type(section).model_fields:
        inner = getattr(section, key, None)
        if not isinstance(inner, Section):
            continue
        tainted_inside = {name.split(".")[1] for name in bad if name.startswith(f"{key}.")}
        for rule in inner.all_rules():
            usable = tainted_inside.isdisjoint(rule.keys) and tainted.isdisjoint(rule.outer)
            if usable and (wrong := rule.problem(inner, section)) is not None:
                yield f"{key}.{rule.keys[0]}", wrong


def _valid_part(model: type[S], values: Mapping[str, object], bad: set[str]) -> S:
    """Return the section without its bad keys, for the rules that do not look at them."""
    valid: dict[str, Any] = {}
    for key, field in model.model_fields.items():
        if key in bad:
            continue
        inner, inside = section_of(field), {name.partition(".")[2] for name in bad if name.startswith(f"{key}.")}
        if inside and (inner is None or not isinstance(values.get(key), dict)):
            continue
        if inside and inner is not None:
            valid[key] = _valid_part(inner, cast("dict[str, object]", values[key]), inside)
            continue
        declared: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        valid[key] = (
            TypeAdapter(declared).validate_python(values[key])
            if key in values
            else field.get_default(call_default_factory=True)
        )
    return model.model_construct(**valid)
