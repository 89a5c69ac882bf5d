"""A checkout's resources and sizes, read from what `mock-plan` wrote. Standard library only.

The file may come from a fork, so nothing in it is trusted (`ops.checked`), and everything that is shown goes through
`ops.markdown`, which escapes it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops.checked import LARGEST_FILE, count, load_json, mapping, read_bytes, sequence, text
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_RESOURCES = 5_000
LONGEST_ERROR = 4_000
"""Characters."""


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


def read_plan(file: Path) -> Plan:
    """A plan that `mock-plan` wrote."""
    return plan_of(load_json(read_bytes(file), file.name))


def read_artifact(file: Path) -> tuple[Plan, Plan]:
    """Base and head from the zip of an untrusted run, read in place: nothing in it is written to disk."""
    plans: list[Plan] = []
    try:
        with zipfile.ZipFile(file) as archive:
            for name in ("base.json", "head.json"):
                if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise OpsError(f"{name} in {file.name} is compressed in a way that GitHub does not use")
                with archive.open(name) as member:
                    # The size in the header is the sender's word; what comes out is what counts.
                    data = member.read(LARGEST_FILE + 1)
                if len(data) > LARGEST_FILE:
                    raise OpsError(f"{name} in {file.name} is larger than {LARGEST_FILE:,} bytes")
                plans.append(plan_of(load_json(data, name)))
    except (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise OpsError(f"{file.name} is not a zip with base.json and head.json: {type(error).__name__}") from None
    return plans[0], plans[1]


def plan_of(document: Any) -> Plan:
    """A plan, each part checked."""
    whole = mapping(document, "the plan")
    resources: dict[str, tuple[str, str, str]] = {}
    for resource in sequence(whole.get("resources"), "resources")[:MOST_RESOURCES]:
        found = mapping(resource, "a resource")
        inputs = json.dumps(found.get("inputs"), sort_keys=True)
        resources[text(found.get("urn"), "urn")] = (
            text(found.get("name"), "name"),
            text(found.get("type"), "type"),
            inputs,
        )
    functions = tuple(
        function_of(function) for function in sequence(whole.get("functions", []), "functions")[:MOST_RESOURCES]
    )
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
        layers=tuple(layer_of(layer) for layer in sequence(found.get("layers"), "layers")[:10]),
    )


def layer_of(document: Any) -> LayerSize:
    """A layer's sizes."""
    found = mapping(document, "a layer")
    packages = [mapping(package, "a package") for package in sequence(found.get("packages", []), "packages")[:20]]
    return LayerSize(
        name=text(found.get("name"), "name"),
        digest=text(found.get("digest"), "digest"),
        zip_bytes=count(found.get("zip_bytes"), "zip_bytes"),
        unzipped_bytes=count(found.get("unzipped_bytes"), "unzipped_bytes"),
        packages=tuple(
            (
                text(package.get("name"), "name"),
                text(package.get("version"), "version"),
                count(package.get("bytes"), "bytes"),
            )
            for package in packages
        ),
    )
