"""What a pull request would change, read from what the engine or the mock engine wrote. Standard library only.

Input may come from a fork, so nothing in it is trusted: sizes are limited, types are checked, text is cut. Everything
that is shown goes through `ops.markdown`, which escapes it. Values of properties are never read, only their names.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST_FILE = 20_000_000
"""Bytes of one input file."""
MOST_RESOURCES = 5_000
LONGEST_TEXT = 300
"""Characters of a name, a type, a version."""
LONGEST_ERROR = 4_000
SHOWN_OPS = {"create": "create", "update": "update", "replace": "replace", "delete": "delete"}
"""Steps that people decide about. A replacement's own two halves, and reads, are left out."""
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
class LayerSize:
    """A layer as the committed manifest counts it."""

    name: str
    digest: str
    zip_bytes: int
    unzipped_bytes: int
    packages: tuple[tuple[str, str, int], ...] = ()
    """Name, version and unzipped bytes, the largest first."""


@dataclass(frozen=True, slots=True)
class FunctionSize:
    """What a function unzips to in Lambda."""

    name: str
    target: str
    """Runtime and architecture."""
    code_bytes: int
    layers: tuple[LayerSize, ...] = ()

    @property
    def unzipped_bytes(self) -> int:
        """Code and layers together."""
        return self.code_bytes + sum(layer.unzipped_bytes for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Plan:
    """A checkout's resources under the mock engine."""

    resources: Mapping[str, tuple[str, str, str]]
    """URN → name, type, inputs as JSON."""
    functions: tuple[FunctionSize, ...] = ()
    error: str | None = None
    """Why the program refused to run; the resources are then those it declared before."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What changes."""

    changes: tuple[Change, ...]
    unchanged: int
    errors: tuple[str, ...] = ()


def read_plan(file: Path) -> Plan:
    """A plan that `mock-plan` wrote."""
    return plan_of(load_json(read_bytes(file), file.name))


def read_artifact(file: Path) -> tuple[Plan, Plan]:
    """Base and head from the zip of an untrusted run, read in place: nothing in it is written to disk."""
    plans: list[Plan] = []
    try:
        with zipfile.ZipFile(file) as archive:
            for name in ("base.json", "head.json"):
                with archive.open(name) as member:
                    # The size in the header is the sender's word; what comes out is what counts.
                    data = member.read(LARGEST_FILE + 1)
                if len(data) > LARGEST_FILE:
                    raise OpsError(f"{name} in {file.name} is larger than {LARGEST_FILE:,} bytes")
                plans.append(plan_of(load_json(data, name)))
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise OpsError(f"{file.name} is not a zip with base.json and head.json: {type(error).__name__}") from None
    return plans[0], plans[1]


def read_bytes(file: Path) -> bytes:
    """A file of at most LARGEST_FILE bytes."""
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise OpsError(f"{file} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_FILE:
        raise OpsError(f"{file} is larger than {LARGEST_FILE:,} bytes")
    return data


def load_json(data: bytes, name: str) -> Any:
    """The file's JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise OpsError(f"{name} is not JSON") from None


def plan_of(document: Any) -> Plan:
    """A plan, each part checked."""
    whole = mapping(document, "the plan")
    resources: dict[str, tuple[str, str, str]] = {}
    for one in sequence(whole.get("resources"), "resources")[:MOST_RESOURCES]:
        found = mapping(one, "a resource")
        inputs = json.dumps(found.get("inputs"), sort_keys=True)
        resources[text(found.get("urn"), "urn")] = (
            text(found.get("name"), "name"),
            text(found.get("type"), "type"),
            inputs,
        )
    functions = tuple(function_of(one) for one in sequence(whole.get("functions", []), "functions")[:MOST_RESOURCES])
    error = whole.get("error")
    return Plan(
        resources=resources, functions=functions, error=None if error is None else text(error, "error", LONGEST_ERROR)
    )


def function_of(document: Any) -> FunctionSize:
    """A function's sizes."""
    found = mapping(document, "a function")
    return FunctionSize(
        name=text(found.get("name"), "name"),
        target=text(found.get("target"), "target"),
        code_bytes=count(found.get("code_bytes"), "code_bytes"),
        layers=tuple(layer_of(one) for one in sequence(found.get("layers"), "layers")[:10]),
    )


def layer_of(document: Any) -> LayerSize:
    """A layer's sizes."""
    found = mapping(document, "a layer")
    packages = [mapping(one, "a package") for one in sequence(found.get("packages", []), "packages")[:20]]
    return LayerSize(
        name=text(found.get("name"), "name"),
        digest=text(found.get("digest"), "digest"),
        zip_bytes=count(found.get("zip_bytes"), "zip_bytes"),
        unzipped_bytes=count(found.get("unzipped_bytes"), "unzipped_bytes"),
        packages=tuple(
            (text(one.get("name"), "name"), text(one.get("version"), "version"), count(one.get("bytes"), "bytes"))
            for one in packages
        ),
    )


def mapping(value: Any, what: str) -> dict[str, Any]:
    """An object, or an error that shows nothing of what came instead."""
    if not isinstance(value, dict):
        raise OpsError(f"{what} is not an object")
    return cast("dict[str, Any]", value)


def sequence(value: Any, what: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise OpsError(f"{what} is not a list")
    return cast("list[Any]", value)


def text(value: Any, what: str, longest: int = LONGEST_TEXT) -> str:
    """Text, cut to what is shown at most."""
    if not isinstance(value, str):
        raise OpsError(f"{what} is not text")
    return value[:longest]


def count(value: Any, what: str) -> int:
    """A number of bytes."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 50:
        raise OpsError(f"{what} is not a number of bytes")
    return value


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
    """Output of `pulumi preview --json`, whole or as a stream of events (PULUMI_ENABLE_STREAMING_JSON_PREVIEW)."""
    data = read_bytes(file)
    try:
        document = json.loads(data)
    except ValueError:
        lines = [line for line in data.splitlines() if line.strip()]
        return preview_of_events([mapping(load_json(line, file.name), "an event") for line in lines])
    whole = mapping(document, file.name)
    if "sequence" in whole:
        return preview_of_events([whole])
    changes: list[Change] = []
    unchanged = 0
    steps = [mapping(one, "a step") for one in sequence(whole.get("steps") or [], "steps")[:MOST_RESOURCES]]
    for step in steps:
        change, same = change_of(step, kind_of(step))
        changes += [] if change is None else [change]
        unchanged += same
    # The steps leave most unchanged resources out; the summary counts them, with the stack itself.
    counted = mapping(whole.get("changeSummary") or {}, "changeSummary").get("same")
    if isinstance(counted, int):
        stack = sum(step.get("op") == "same" and change_of(step, kind_of(step)) == (None, 0) for step in steps)
        unchanged = max(counted - stack, unchanged)
    errors = [mapping(one, "a message") for one in sequence(whole.get("diagnostics") or [], "diagnostics")]
    return Preview(changes=tuple(changes), unchanged=unchanged, errors=errors_of(errors))


def kind_of(step: Mapping[str, Any]) -> str:
    """The type of a step's resource."""
    state = mapping(step.get("newState") or step.get("oldState") or {}, "a state")
    return text(state.get("type", ""), "type")


def preview_of_events(events: list[dict[str, Any]]) -> Preview:
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
    names = [*(step.get("detailedDiff") or {}), *(step.get("diffReasons") or []), *(step.get("diffs") or [])]
    properties = sorted({text(name, "property").split("[")[0].split(".")[0] for name in names})
    return Change(SHOWN_OPS[operation_], urn.rsplit("::", 1)[-1], kind, tuple(properties)), 0


def errors_of(messages: list[dict[str, Any]]) -> tuple[str, ...]:
    """What the engine reported as errors."""
    found = [
        text(one.get("message", ""), "message", LONGEST_ERROR) for one in messages if one.get("severity") == "error"
    ]
    return tuple(one.removeprefix("error: ").strip() for one in found)
