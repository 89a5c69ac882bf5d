"""A new layer: its declaration, its smoke call, and, by the layer builder, locks, module lists and manifest.

Everything is made in a copy of the repository first: locked, built and verified for every runtime and CPU, with the
layers that it is locked together with, then taken over. What is built stays in `.build` under its digest.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from layer_builds.host.compilers import get_interpreters
from layer_builds.plan import LAYERS_DIR, joined_layers, layer_names, load_layer, map_lines
from scripts.scaffold.functions import POWERTOOLS, Made
from scripts.scaffold.names import layer_name
from scripts.scaffold.templates import rendered_folder
from scripts.staging import ROOT, StagingError, stage
from scripts.upgrade import entries, moved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from scripts.staging import Stage

FIRST_REQUIREMENT = f"{POWERTOOLS}>=3.37,<4"
"""Of a layer that comes after none: the first layer of a function holds Powertools."""
POWERTOOLS_MODULES = ("logging", "metrics", "utilities.batch", "utilities.parameters", "utilities.data_classes")
"""What the functions' handlers use of it, and loads lazily."""
EDIT_IT = (
    "`--no-build` (with make: `ARGS=--no-build`) writes the layer's files without locking and building it, so you can "
    "edit its smoke.py first"
)
LAYERS = LAYERS_DIR.relative_to(ROOT).as_posix()


def new_layer(
    text: str,
    requirements: Sequence[str],
    after: Sequence[str],
    *,
    runtimes: Sequence[str] = (),
    architectures: Sequence[str] = (),
    build: bool = True,
    root: Path = ROOT,
    say: Callable[[str], None] = lambda _: None,
) -> Made:
    """Make a layer.

    Args:
        text: Its name.
        requirements: As in requirements.in, `pypdf>=6`. Powertools is added unless it comes after another layer.
        after: Layers that functions attach before this one.
        runtimes: Those it is made for; every one by default.
        architectures: The same.
        build: Lock and build it for every runtime and CPU; without, only what people write is written.
        root: The repository.
        say: Progress callback.

    Raises:
        StagingError: and nothing is written.
        LayerBuildError: a requirement or a name in `after` is wrong; nothing is written.
    """
    known = layer_names(root / LAYERS)
    name = layer_name(text, known)
    if missing := [one for one in after if one not in known]:
        raise StagingError(f"AFTER names {missing[0]!r}, and there is no such layer; there are {', '.join(known)}")
    lines = list(requirements)
    names = {line.name for line in map_lines("\n".join(lines), "REQUIREMENTS")}
    if not after and POWERTOOLS not in names:
        lines.insert(0, FIRST_REQUIREMENT)
    if not names and after:
        raise StagingError(
            "REQUIREMENTS is empty: a layer that comes after another one is there for what that one lacks, such as "
            'REQUIREMENTS="pypdf>=6"'
        )
    made_for = {"runtimes": runtimes, "architectures": architectures}
    with stage(root) as copy:
        for path, content in rendered_folder("layer", _values(name, lines, after, made_for), name).items():
            copy.write(f"{LAYERS}/{name}/{path}", content)
        layer = load_layer(name, root=copy.path / LAYERS)
        if build:
            get_interpreters(target.facts.compiler for target in layer.targets)
        # They are locked together: the new layer's requirements can move a pin of any of them.
        group = [one.name for one in joined_layers(layer)]
        smoke = f"{LAYERS}/{name}/smoke.py"
        copy.python("ruff", "format", "--quiet", "--no-cache", smoke, what="format smoke.py")
        copy.python(
            "ruff", "check", "--quiet", "--no-cache", smoke, what="write a smoke.py without a finding of ruff's"
        )
        if build:
            _build(copy, name, group, say)
        others = _moved(root, copy, [one for one in group if one != name])
        created, changed = copy.apply()
    commands = [] if build else [f"lock {name}", f"build {' '.join(group)} --all"]
    return Made(
        name=name,
        created=created,
        changed=changed,
        next=[f"python -m layer_builds {command}" for command in (*commands, f"report {name}")],
        moved=others,
    )


def _build(copy: Stage, name: str, group: Sequence[str], say: Callable[[str], None]) -> None:
    try:
        say("lock")
        copy.python("layer_builds", "lock", name, what="lock the layer", shown=True)
        say("build and verify, for every runtime and CPU")
        copy.python("layer_builds", "build", *group, "--all", what=f"build {', '.join(group)}", shown=True)
    except StagingError as error:
        raise StagingError(f"{error}\n{EDIT_IT}" if "smoke call" in str(error) else str(error)) from None


def _moved(root: Path, copy: Stage, layers: Sequence[str]) -> dict[str, dict[str, tuple[str, str]]]:
    before, now = entries(root / LAYERS, layers), entries(copy.path / LAYERS, layers)
    versions = {f"{layer} {target}": moved(before.get((layer, target)), one) for (layer, target), one in now.items()}
    return {where: packages for where, packages in versions.items() if packages}


def _values(
    name: str, requirements: Sequence[str], after: Sequence[str], made_for: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    names = [line.name for line in map_lines("\n".join(requirements), "REQUIREMENTS")]
    used = POWERTOOLS_MODULES if POWERTOOLS in names else ()
    return {
        "description": f"{name}: {', '.join(names)}",
        "made_for": "".join(f"{key} = {json.dumps(list(names))}\n" for key, names in made_for.items() if names),
        "after": f"after = {json.dumps(list(after))}\n" if after else "",
        "requirements": "\n".join(requirements),
        "modules": _tuple([f"aws_lambda_powertools.{module}" for module in used]),
    }


def _tuple(texts: Sequence[str]) -> str:
    inner = ", ".join(json.dumps(text) for text in texts)
    return f"({inner},)" if len(texts) == 1 else f"({inner})"
