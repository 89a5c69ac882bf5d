"""docs/config.md and the README's tables, from the models: `python -m components.config_docs`; `--check` compares.

Owns the page's form. What the keys mean is said where they are declared.
"""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

from components import alarms, limits
from components.fields import facts
from components.function_settings import FunctionSettings, SecretReference
from components.names import PROJECT
from components.queue_trigger import QueueKeys, stuck_after, visibility_timeout
from components.section import Section, section_of
from components.stack_sections import COMMON_SECTIONS
from components.systems import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "config.md"
README: Final = PAGE.parent.parent / "README.md"
README_TABLE: Final = re.compile(
    r"(?s)(<!-- config table of (\w+): python -m components\.config_docs -->\n).*?(<!-- end of the config table -->)"
)
"""The README shows the systems that it names, not all."""
INTRODUCTION: Final = """# Stack config

<!-- Written by `python -m components.config_docs`; a test compares. Change the models in components/ instead. -->

Every key of `Pulumi.<stack>.yaml` that the program reads. A wrong one stops the preview, all of them in one message.
Set one with `pulumi config set --path strata:<section>.<key> <value>`.

Secrets are not among them: a function gets a reference, and `python -m ops secret set` stores the value. An encrypted
value (`--secret`) in one of these sections is refused, since it would end in plain text in a function's environment.
"""


def page() -> str:
    """Return the whole page."""
    parts = [INTRODUCTION]
    for name, model in COMMON_SECTIONS.items():
        parts += [f"## {PROJECT}:{name}\n", _summary(model), _table(model)]
    parts += ["## Every function\n", "These keys are in the section of each system, beside its own.\n"]
    parts += [_table(FunctionSettings), *_inner_tables(FunctionSettings)]
    for name, system in SYSTEMS.items():
        parts += [f"## {PROJECT}:{name}\n", _summary(system.settings), _own_table(system.settings)]
    parts += _triggers()
    parts += ["### A secret's reference\n", _summary(SecretReference), _table(SecretReference)]
    parts += [_timeouts(), _alarms(), _others()]
    return "\n".join(parts)


def readme(text: str) -> str:
    """Return the README's text with the table of each system that it names."""

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}`{PROJECT}:{found[2]}`:\n\n{_own_table(SYSTEMS[found[2]].settings)}{found[3]}"

    return README_TABLE.sub(table, text)


def main(arguments: list[str]) -> int:
    """Write the page and the README's tables, or compare them."""
    wanted = {PAGE: page(), README: readme(README.read_text(encoding="utf-8"))}
    if arguments == ["--check"]:
        drifted = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
        for path in drifted:
            print(f"{path.name} is not what the models say: run `python -m components.config_docs`", file=sys.stderr)
        return 1 if drifted else 0
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return 0


def _summary(model: type[Section]) -> str:
    return f"{(model.__doc__ or '').strip()}\n"


def _table(model: type[Section]) -> str:
    return _rows(model.model_fields)


def _own_table(model: type[FunctionSettings]) -> str:
    """Return a system's own keys, and those of every function that it gives another default."""
    common = FunctionSettings.model_fields
    return _rows(
        {
            name: field
            for name, field in model.model_fields.items()
            if name not in common or _default(field) != _default(common[name])
        }
    )


def _rows(fields: dict[str, FieldInfo]) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, field in fields.items():
        default = "**required**" if field.is_required() else _default(field)
        rows.append(f"| `{key}` | {_value(field)} | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _inner_tables(model: type[Section]) -> Iterator[str]:
    """Yield the tables of the sections inside one."""
    for key, field in model.model_fields.items():
        if (inner := section_of(field)) is not None:
            yield from (f"### {key}\n", _summary(inner), _table(inner))


def _triggers() -> list[str]:
    """Return the keys of each kind of trigger that a system has, once."""
    kinds = {
        model: key
        for system in SYSTEMS.values()
        for key, field in system.settings.model_fields.items()
        if key not in FunctionSettings.model_fields
        and (model := section_of(field)) is not None
        and model is not SecretReference
    }
    parts: list[str] = []
    for model, key in kinds.items():
        parts += [f"### {key}\n", _summary(model), _table(model)]
    return parts


def _value(field: FieldInfo) -> str:
    """Return type and bounds in words."""
    text = _type(field.annotation)
    bounds = {kind: getattr(each, kind) for each in field.metadata for kind in ("ge", "le") if hasattr(each, kind)}
    if "le" in bounds:
        text += f", {bounds['ge']:,} to {bounds['le']:,}"
    elif "ge" in bounds:
        text += f", from {bounds['ge']:,}"
    link = facts(field).link
    return f"[{text}]({link})" if link else text


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in {types.UnionType, Union}:
        return _type(next(argument for argument in get_args(annotation) if argument is not type(None)))
    if hasattr(annotation, "__metadata__"):
        return _type(get_args(annotation)[0])
    if get_origin(annotation) is list:
        return "list"
    names = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}
    return names.get(annotation, "object")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return "unset"
    if isinstance(value, Section):
        return "its defaults"
    return "none" if value in ({}, []) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _queues() -> Iterator[tuple[str, int, int]]:
    """Yield each system with a queue, its default timeout, and the visibility timeout that follows, in seconds."""
    for name, system in SYSTEMS.items():
        fields = system.settings.model_fields
        keys = [default for field in fields.values() if isinstance(default := _given(field), QueueKeys)]
        timeout = fields["timeout_seconds"].default
        for queue in keys:
            yield name, timeout, visibility_timeout(timeout, queue.batching_window_seconds)


def _given(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True)


def _timeouts() -> str:
    """Return what follows from the defaults of the systems behind a queue."""
    introduction = (
        f"In seconds, by default. The visibility timeout is {limits.VISIBILITY_FACTOR} function timeouts, but at least "
        f"{limits.FUNCTION_TIMEOUT.high} s ([ADR 0009](adr/0009-visibility-for-any-version.md)), and the batching "
        "window; the oldest-message alarm fires after two of them. A dead-letter queue keeps messages for "
        f"{limits.DLQ_RETENTION_SECONDS // 86_400} days.\n"
    )
    rows = [
        "## Timeouts of the queues\n",
        introduction,
        "| system | function timeout | visibility timeout | oldest-message alarm |",
        "|---|---|---|---|",
        *(f"| {name} | {timeout} | {hidden} | {stuck_after(hidden)} |" for name, timeout, hidden in _queues()),
    ]
    return "\n".join(rows) + "\n"


def _alarms() -> str:
    """Return what each alarm means, by the end of its name."""
    timeout = FunctionSettings.model_fields["timeout_seconds"].default
    groups = {
        "every function": alarms.function_alarms("", timeout),
        "queue": alarms.queue_alarms("", "", "", stuck_after(visibility_timeout(timeout, 0))),
        "topic, bucket": alarms.async_alarms("", ""),
        "HTTP API": alarms.api_alarms(""),
    }
    rows = [
        "## Alarms\n",
        f"All look at {alarms.PERIOD_SECONDS // 60} minutes; missing data does not breach. Numbers: the defaults.\n",
        "| of | name ends in | metric | from | means |",
        "|---|---|---|---|---|",
        *(
            f"| {owner} | `{alarm.role}` | {alarm.statistic} of `{alarm.metric}` | {alarm.threshold:,} "
            f"| {alarm.meaning} |"
            for owner, members in groups.items()
            for alarm in members
        ),
    ]
    return "\n".join(rows) + "\n"


def _others() -> str:
    return (
        "## Other namespaces\n\n"
        "`aws:region`, `aws:profile` and `aws:defaultTags` belong to Pulumi's AWS provider; the layers are published "
        "with the same\nprofile and region. `pulumi:autonaming` in `Pulumi.yaml` makes the physical names: a stack's "
        f"name has at most {limits.STACK_NAME_LENGTH}\ncharacters, so the longest of them fits.\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
