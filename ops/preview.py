"""What a change would do, from two plans or from the engine's own preview. Standard library only.

Values of properties are never read, only their names.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from ops.checked import LONGEST_TEXT, mapping, read_bytes, sequence, text
from ops.plan import LONGEST_ERROR, MOST_RESOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ops.plan import Plan

SHOWN_OPS = ("create", "import", "update", "replace", "delete")
"""Steps that people decide about. A replacement's own two halves, and reads, are left out."""
DOCUMENT = re.compile(r"^\{", re.MULTILINE)
COLOURS = re.compile(r"<\{%[^%]*%\}>")
"""The engine's marks in the messages of its events; the CLI turns them into a terminal's colours."""
CUT_OFF = (
    "`pulumi preview` ended before it had an answer, so what would change is not known. What it said instead is in the "
    "log of the run."
)
REPLACING: Mapping[str, tuple[str, ...]] = {
    "aws:lambda/layerVersion:LayerVersion": ("",),
    "command:local:Command": ("triggers",),
}
"""Type → inputs whose change makes a new resource ("": any). The mock engine has no provider to ask."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that changes."""

    op: str
    name: str
    type: str
    properties: tuple[str, ...] = ()
    """Names of the inputs that differ."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What changes."""

    changes: tuple[Change, ...]
    unchanged: int
    errors: tuple[str, ...] = ()


def compare(base: Plan, head: Plan) -> Preview:
    """What differs between two plans.

    A plan of a program that stopped half-way is not compared: it would look like deletes.
    """
    errors = tuple(
        f"{which}: {plan.error}" for which, plan in (("base", base), ("pull request", head)) if plan.error is not None
    )
    if errors:
        return Preview(changes=(), unchanged=0, errors=errors)
    changes: list[Change] = []
    for urn in sorted(base.resources.keys() | head.resources.keys()):
        before, after = base.resources.get(urn), head.resources.get(urn)
        if before is None and after is not None:
            changes.append(Change("create", after[0], after[1]))
        elif before is not None and after is None:
            changes.append(Change("delete", before[0], before[1]))
        elif before is not None and after is not None and before[2] != after[2]:
            properties = different(json.loads(before[2]), json.loads(after[2]))
            changes.append(Change(operation(after[1], properties), after[0], after[1], properties))
    unchanged = len(base.resources.keys() & head.resources.keys()) - sum(
        change.op in {"update", "replace"} for change in changes
    )
    return Preview(changes=tuple(changes), unchanged=unchanged)


def different(before: Any, after: Any) -> tuple[str, ...]:
    """Names of the inputs that differ."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return ("inputs",)
    old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
    return tuple(sorted(key[:LONGEST_TEXT] for key in old.keys() | new.keys() if old.get(key) != new.get(key)))


def operation(kind: str, properties: tuple[str, ...]) -> str:
    """Whether a change of these inputs replaces the resource, as far as it is known."""
    replacing = REPLACING.get(kind, ())
    return "replace" if "" in replacing or any(name in replacing for name in properties) else "update"


def read_preview(file: Path) -> Preview:
    """Output of `pulumi preview --json`, whole or as a stream of events (PULUMI_ENABLE_STREAMING_JSON_PREVIEW).

    A CLI that fails before the engine has an answer (no such stack, no credentials, killed) prints none, or half of
    one: that is a failed preview, not one without changes.
    """
    documents = documents_in(read_bytes(file).decode(errors="replace"))
    if any("sequence" in document for document in documents):
        found = preview_of_events(documents)
        whole = any("summaryEvent" in document for document in documents)
    else:
        answer = documents[0] if documents else {}
        found = preview_of_answer(answer)
        whole = not answer.keys().isdisjoint({"steps", "changeSummary"})
    return found if whole or found.errors else replace(found, errors=(CUT_OFF,))


def documents_in(output: str) -> list[dict[str, Any]]:
    """The JSON objects that begin a line, up to one that is cut off.

    Around them is what the CLI says of its own: https://github.com/pulumi/pulumi/issues/19775, …/issues/11453.
    """
    decoder = json.JSONDecoder()
    found: list[dict[str, Any]] = []
    end = 0
    while (start := DOCUMENT.search(output, end)) is not None:
        try:
            document, end = decoder.raw_decode(output, start.start())
        except (ValueError, RecursionError):
            break
        found.append(mapping(document, "the preview"))
    return found


def preview_of_answer(answer: Mapping[str, Any]) -> Preview:
    """What changes, from the engine's one answer."""
    changes: list[Change] = []
    unchanged = 0
    steps = [mapping(step, "a step") for step in sequence(answer.get("steps") or [], "steps")[:MOST_RESOURCES]]
    for step in steps:
        change, same = change_of(step, kind_of(step))
        changes += [] if change is None else [change]
        unchanged += same
    # The steps leave most unchanged resources out; the summary counts them, with the stack itself.
    counted = mapping(answer.get("changeSummary") or {}, "changeSummary").get("same")
    if isinstance(counted, int):
        stack = sum(step.get("op") == "same" and change_of(step, kind_of(step)) == (None, 0) for step in steps)
        unchanged = max(counted - stack, unchanged)
    errors = [mapping(message, "a message") for message in sequence(answer.get("diagnostics") or [], "diagnostics")]
    return Preview(changes=tuple(changes), unchanged=unchanged, errors=errors_of(errors))


def kind_of(step: Mapping[str, Any]) -> str:
    """The type of a step's resource."""
    state = mapping(step.get("newState") or step.get("oldState") or {}, "a state")
    return text(state.get("type", ""), "type")


def preview_of_events(events: Sequence[dict[str, Any]]) -> Preview:
    """The same from the engine's events."""
    changes: list[Change] = []
    unchanged = 0
    for event in events:
        if "resourcePreEvent" not in event:
            continue
        step = mapping(mapping(event["resourcePreEvent"], "an event").get("metadata"), "metadata")
        change, same = change_of(step, text(step.get("type", ""), "type"))
        changes += [] if change is None else [change]
        unchanged += same
    messages = [mapping(event["diagnosticEvent"], "a message") for event in events if "diagnosticEvent" in event]
    return Preview(changes=tuple(changes), unchanged=unchanged, errors=errors_of(messages))


def change_of(step: Mapping[str, Any], kind: str) -> tuple[Change | None, int]:
    """A step's change, and whether it is an unchanged resource. The stack itself is neither."""
    operation_ = text(step.get("op"), "op")
    if kind == "pulumi:pulumi:Stack" or kind.startswith("pulumi:providers:"):
        return None, 0
    if operation_ not in SHOWN_OPS:
        return None, int(operation_ == "same")
    urn = text(step.get("urn"), "urn", 2_000)
    names: list[Any] = [*(step.get("detailedDiff") or {}), *(step.get("diffReasons") or []), *(step.get("diffs") or [])]
    properties = sorted({text(name, "property").split("[")[0].split(".")[0] for name in names})
    return Change(operation_, urn.rsplit("::", 1)[-1], kind, tuple(properties)), 0


def errors_of(messages: list[dict[str, Any]]) -> tuple[str, ...]:
    """What the engine reported as errors."""
    found = [
        COLOURS.sub("", text(message.get("message", ""), "message", LONGEST_ERROR))
        for message in messages
        if message.get("severity") == "error"
    ]
    return tuple(message.removeprefix("error: ").strip() for message in found)
