"""A new function: its page, code, config and tests, and the lists that name every resource.

Owns which templates make it and where it is registered. Everything is made in a copy of the repository first:
formatted, linted and previewed for every stack, then taken over.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layer_builds.plan import (
    DEFAULT_RUNTIME,
    LAYERS_DIR,
    LayerSpec,
    Target,
    check_function_budget,
    load_layer,
    load_manifest,
)
from scripts.scaffold.edits import with_entry, with_section
from scripts.scaffold.names import FunctionName, function_name
from scripts.scaffold.templates import FOLDER, rendered, rendered_folder
from scripts.staging import ROOT, StagingError, stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scripts.staging import Stage

TRIGGERS = ("queue", "topic", "bucket", "http")
POWERTOOLS = "aws-lambda-powertools"
SYSTEMS = "components/systems/__init__.py"
STACKS = ("dev",)
LOCAL = "local"
"""Always has the new function: its demonstration deploys it there."""
LOCAL_ARCHITECTURE = "x86_64"
"""What Pulumi.local.yaml says; the sandbox sets the machine's own."""
DEFAULT_TARGET = Target(DEFAULT_RUNTIME, "arm64")


@dataclass(frozen=True, slots=True)
class Made:
    """What the command did."""

    name: str
    created: list[str]
    changed: list[str]
    next: list[str]
    """Commands."""
    moved: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict[str, dict[str, tuple[str, str]]])
    """Versions in other layers that changed with it: `layer target` → package → before and after."""


def new_function(
    text: str,
    trigger: str,
    layers: Sequence[str],
    stacks: Sequence[str],
    *,
    root: Path = ROOT,
    say: Callable[[str], None] = lambda _: None,
) -> Made:
    """Make a function.

    Args:
        text: Its name.
        trigger: One of `TRIGGERS`.
        layers: In the order in which they are attached; the first holds Powertools.
        stacks: Whose config gets its section; `local` always does.
        root: The repository.
        say: Progress callback.

    Raises:
        StagingError: and nothing is written.
        LayerBuildError: a layer is not there, or not built; nothing is written.
    """
    taken = {path.name for path in (root / "lambdas").iterdir() if path.is_dir()}
    name = function_name(text, taken)
    chosen = sorted({LOCAL, *stacks})
    _check_stacks(chosen, root)
    _check_layers(name, layers, chosen, root)
    with stage(root) as copy:
        files = _files(name, trigger, layers)
        for path, content in files.items():
            copy.write(path, content)
        _register(copy, name)
        for stack in chosen:
            _configure(copy, name, stack)
        say("format")
        _format(copy, [path for path in (*files, SYSTEMS) if path.endswith(".py")])
        say("docs/config.md")
        copy.python("components.config_docs", what="write docs/config.md")
        say("preview every stack")
        copy.python(
            *("pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider", "-k", "every_name_and_every_grant"),
            "tests/program/test_program.py",
            what="run the program with the new system",
            environment={"STRATA_UPDATE_GOLDEN": "1"},
        )
        created, changed = copy.apply()
    return Made(
        name=name.snake,
        created=created,
        changed=changed,
        next=[f"python -m pytest tests/lambdas/{name.snake} tests/program", f"make demo SYSTEM={name.snake}"],
    )


def target_of(stack: str) -> Target:
    """Return what a stack's new function is made for; the local one runs on the Python that runs this."""
    if stack != LOCAL:
        return DEFAULT_TARGET
    return Target(f"python{'.'.join(platform.python_version_tuple()[:2])}", LOCAL_ARCHITECTURE)


def _check_stacks(stacks: Sequence[str], root: Path) -> None:
    known = sorted(path.name.split(".")[1] for path in root.glob("Pulumi.*.yaml"))
    if missing := [stack for stack in stacks if stack not in known]:
        raise StagingError(
            f"STACKS names {missing[0]!r}, and there is no Pulumi.{missing[0]}.yaml: there are {', '.join(known)}"
        )


def _check_layers(name: FunctionName, layers: Sequence[str], stacks: Sequence[str], root: Path) -> None:
    folder = root / LAYERS_DIR.relative_to(ROOT)
    specs = [load_layer(layer, root=folder) for layer in layers]
    if not specs:
        raise StagingError(f"LAYER is empty: the handler imports {POWERTOOLS}, which the first layer has to hold")
    for stack in stacks:
        target = target_of(stack)
        check_function_budget(name.snake, 0, specs, target)
        _check_powertools(specs[0], target)


def _check_powertools(first: LayerSpec, target: Target) -> None:
    if POWERTOOLS not in load_manifest(first).entry(target).distributions:
        raise StagingError(
            f"LAYER is {first.name!r}: the first layer of a function holds {POWERTOOLS}, which its handler imports; "
            f"add it to layer_builds/layers/{first.name}/requirements.in, or name a layer that has it first"
        )


def _files(name: FunctionName, trigger: str, layers: Sequence[str]) -> dict[str, str]:
    """Return path → text; a trigger's own template takes the place of the common one."""
    tuple_of_layers = ", ".join(f'"{layer}"' for layer in layers) + ("," if len(layers) == 1 else "")
    values = {"name": name.snake, "kebab": name.kebab, "Class": name.title, "layers": f"({tuple_of_layers})"}
    tests_of_logic = (FOLDER / "function/tests_of_logic.py.tmpl").read_text(encoding="utf-8")
    values["tests_of_logic"] = rendered(tests_of_logic, values).rstrip()
    return {
        path: content
        for folder in ("function/common", f"function/{trigger}")
        for path, content in rendered_folder(folder, values, name.snake).items()
    }


def _register(copy: Stage, name: FunctionName) -> None:
    entry, import_line = f'"{name.snake}": {name.snake}.SYSTEM,', f"from components.systems import {name.snake}"
    added = with_entry(copy.read(SYSTEMS), SYSTEMS, table="SYSTEMS", entry=entry, import_line=import_line)
    copy.edit(SYSTEMS, added)


def _configure(copy: Stage, name: FunctionName, stack: str) -> None:
    path = f"Pulumi.{stack}.yaml"
    section = rendered((FOLDER / "stack.yaml.tmpl").read_text(encoding="utf-8"), {"name": name.snake})
    if stack == LOCAL:
        section += f"    architecture: {LOCAL_ARCHITECTURE}\n"
    copy.edit(path, with_section(copy.read(path), path, section))


def _format(copy: Stage, paths: Sequence[str]) -> None:
    """Names differ in length and order, and with them the lines that ruff would write."""
    copy.python("ruff", "check", "--quiet", "--no-cache", "--fix", "--select", "I", *paths, what="sort the imports")
    copy.python("ruff", "format", "--quiet", "--no-cache", *paths, what="format the new files")
    copy.python("ruff", "check", "--quiet", "--no-cache", *paths, what="write files without a finding of ruff's")
