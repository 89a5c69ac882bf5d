"""docs/config.md and the README's table, from the models: `python -m components.config_docs` (`--check` compares only).

Owns the page's form. What the keys mean is said where they are declared.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

from components import alarms, limits
from components.function_settings import FunctionSettings, SecretReference
from components.queue_trigger import visibility_timeout
from components.settings import COMMON_SECTIONS, PROJECT, SYSTEM_SECTIONS
from components.systems.embedding_settings import EmbeddingSettings, openai_seconds

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from components.validation import Section

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "config.md"
README: Final = PAGE.parent.parent / "README.md"
README_MARKS: Final = ("<!-- config table: python -m components.config_docs -->\n", "<!-- end of the config table -->")
README_SECTION: Final = "embedding"
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
    for name, model in SYSTEM_SECTIONS.items():
        parts += [f"## {PROJECT}:{name}\n", _summary(model), _table(model)]
    parts += [
        "### A secret's reference\n",
        _summary(SecretReference),
        _table(SecretReference),
        _timeouts(),
        _alarms(),
        _others(),
    ]
    return "\n".join(parts)


def readme(text: str) -> str:
    """Return the README's text with the table of one system between its marks."""
    before, rest = text.split(README_MARKS[0], 1)
    after = rest.split(README_MARKS[1], 1)[1]
    table = f"`{PROJECT}:{README_SECTION}`:\n\n{_table(SYSTEM_SECTIONS[README_SECTION])}"
    return f"{before}{README_MARKS[0]}{table}{README_MARKS[1]}{after}"


def main(arguments: list[str]) -> int:
    """Write the page and the README's table, or compare them."""
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
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] in FunctionSettings.model_fields)
    for key, field in fields:
        default = "**required**" if field.is_required() else _default(field)
        rows.append(f"| `{key}` | {_value(field)} | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _value(field: FieldInfo) -> str:
    """Return type and bounds in words."""
    text = _type(field.annotation)
    bounds = {kind: getattr(one, kind) for one in field.metadata for kind in ("ge", "le") if hasattr(one, kind)}
    if "le" in bounds:
        text += f", {bounds['ge']:,} to {bounds['le']:,}"
    elif "ge" in bounds:
        text += f", from {bounds['ge']:,}"
    extra = field.json_schema_extra
    return f"[{text}]({extra['link']})" if isinstance(extra, dict) and "link" in extra else text


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in {types.UnionType, Union}:
        return _type(next(one for one in get_args(annotation) if one is not type(None)))
    if hasattr(annotation, "__metadata__"):
        return _type(get_args(annotation)[0])
    names = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}
    return names.get(annotation, "object")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "unset"
    return "none" if value == {} else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _timeouts() -> str:
    """Return what follows from the defaults of the embedding system."""
    fields = EmbeddingSettings.model_fields
    timeout, window = fields["timeout_seconds"].default, fields["batching_window_seconds"].default
    tries = openai_seconds(fields["openai_timeout_seconds"].default, fields["openai_max_retries"].default)
    visibility = visibility_timeout(timeout, window)
    rows = [
        "### Timeouts of the embedding system\n",
        "| | seconds, by default | from |",
        "|---|---|---|",
        f"| slowest embeddings call | {tries:g} | `openai_timeout_seconds` for each try, and the waits between them |",
        f"| function timeout | {timeout} | `timeout_seconds`; refused when it does not cover the call above |",
        f"| visibility timeout | {visibility} | {limits.VISIBILITY_FACTOR} function timeouts and the batching window |",
        f"| oldest-message alarm | {2 * visibility} | two visibility timeouts |",
        f"| retention of the failure queue | {limits.FAILURE_RETENTION_SECONDS:,} | 14 days |",
    ]
    return "\n".join(rows) + "\n"


def _alarms() -> str:
    """Return what each alarm means, by the end of its name."""
    timeout = EmbeddingSettings.model_fields["timeout_seconds"].default
    visibility = visibility_timeout(timeout, EmbeddingSettings.model_fields["batching_window_seconds"].default)
    groups = {
        "every function": alarms.function_alarms("", timeout),
        "queue": alarms.queue_alarms("", "", "", 2 * visibility),
        "topic, bucket": alarms.async_alarms("", ""),
        "HTTP API": alarms.api_alarms(""),
    }
    rows = [
        "## Alarms\n",
        f"All look at {alarms.PERIOD_SECONDS // 60} minutes; missing data does not breach. Numbers: the defaults.\n",
        "| of | name ends in | metric | from | means |",
        "|---|---|---|---|---|",
        *(
            f"| {owner} | `{one.role}` | {one.statistic} of `{one.metric}` | {one.threshold:,} | {one.meaning} |"
            for owner, members in groups.items()
            for one in members
        ),
    ]
    return "\n".join(rows) + "\n"


def _others() -> str:
    return (
        "## Other namespaces\n\n"
        "`aws:region`, `aws:profile` and `aws:defaultTags` belong to Pulumi's AWS provider; the layers are published "
        "with the same\nprofile and region. `pulumi:autonaming` in `Pulumi.yaml` makes the physical names: a stack's "
        f"name has at most {limits.STACK_NAME_LENGTH}\ncharacters, so that the longest of them fits.\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
