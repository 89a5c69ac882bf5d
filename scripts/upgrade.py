"""Take a newer version of one package in every layer that holds it: `python -m scripts.upgrade PACKAGE`.

Owns the order (forget the pin, lock, build everything that changed, compare) and the account of what changed. All of it
happens in a copy of the repository: a resolution, a build or a smoke call that fails leaves locks and manifests as they
were.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from layer_builds.plan import (
    LAYERS_DIR,
    LayerSpec,
    ManifestEntry,
    joined_layers,
    layer_names,
    load_layer,
    load_manifest,
    locked_targets,
    normal_name,
)
from scripts.staging import ROOT, StagingError, in_words, report, stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.table import Table

    from scripts.staging import Stage

LAYERS = LAYERS_DIR.relative_to(ROOT).as_posix()
ENTRY = "(?m)^(?:# [^\n]*\n)*{}==[^\n]*\n\n?"
"""A package in a lock: the comments above its pin, and the pin."""


@dataclass(frozen=True, slots=True)
class Row:
    """One layer for one target, before and after."""

    layer: str
    target: str
    versions: tuple[str, str]
    """Of the package; empty where the layer does not hold it."""
    zip_bytes: tuple[int, int]
    unzipped_bytes: tuple[int, int]
    others: dict[str, tuple[str, str]]
    """Other packages whose version changed with it."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What the command did."""

    package: str
    rows: list[Row]
    changed: list[str]


def upgrade(text: str, *, root: Path = ROOT) -> Upgrade:
    """Lock and build every layer that holds a package anew, with the newest version that its requirements allow.

    Args:
        text: The package, as anybody writes it.
        root: The repository.

    Raises:
        StagingError: no layer holds it, or something failed; everything is as it was.
        LayerBuildError: a layer cannot be read.
    """
    package = normal_name(text.strip())
    layers = {name: load_layer(name, root=root / LAYERS) for name in layer_names(root / LAYERS)}
    holding = [name for name, layer in layers.items() if package in pinned(layer)]
    if not holding:
        raise StagingError(_nowhere(text, package, layers))
    group = sorted({one.name for name in holding for one in joined_layers(layers[name])})
    with stage(root) as copy:
        before = entries(root / LAYERS, group)
        for name in group:
            _forget(copy, layers[name], package)
        copy.python("layer_builds", "lock", *group, what=f"lock {', '.join(group)}", shown=True)
        if _relocked(copy):
            copy.python("layer_builds", "build", *group, "--all", what=f"build {', '.join(group)}", shown=True)
        after = entries(copy.path / LAYERS, group)
        created, changed = copy.apply()
    rows = [
        _row(package, layer, target, before.get((layer, target)), entry) for (layer, target), entry in after.items()
    ]
    return Upgrade(package, [row for row in rows if row.layer in holding or row.others], [*created, *changed])


def pinned(layer: LayerSpec) -> set[str]:
    """Return the packages in a layer's locks."""
    return {
        found
        for target in locked_targets(layer)
        for found in re.findall(r"(?m)^([a-z0-9-]+)==", layer.lock_path(target).read_text(encoding="utf-8"))
    }


def _nowhere(text: str, package: str, layers: Mapping[str, LayerSpec]) -> str:
    known = sorted({name for layer in layers.values() for name in pinned(layer)})
    close = difflib.get_close_matches(package, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"they hold {', '.join(known)}"
    return f"PACKAGE is {text!r}, and no layer's lock holds it: {hint}"


def _forget(copy: Stage, layer: LayerSpec, package: str) -> None:
    """Take a package out of the locks: what is not pinned is resolved anew, and all else is kept where it fits."""
    for target in layer.targets:
        path = f"{LAYERS}/{layer.name}/{layer.lock_path(target).relative_to(layer.directory).as_posix()}"
        if (copy.path / path).is_file():
            copy.edit(path, re.sub(ENTRY.format(re.escape(package)), "", copy.read(path)))


def _relocked(copy: Stage) -> bool:
    """Whether any lock or list of modules is another than before."""
    return bool(copy.changes())


def entries(folder: Path, layers: Sequence[str]) -> dict[tuple[str, str], ManifestEntry]:
    """Return what the manifests of some layers have, by (layer, target)."""
    return {
        (name, target): entry
        for name in layers
        for target, entry in sorted(load_manifest(load_layer(name, root=folder)).entries.items())
    }


def moved(before: ManifestEntry | None, after: ManifestEntry) -> dict[str, tuple[str, str]]:
    """Return the packages of a layer whose version is another than before; empty where it did not hold one."""
    old = {} if before is None else {name: one.version for name, one in before.distributions.items()}
    new = {name: one.version for name, one in after.distributions.items()}
    return {
        name: (old.get(name, ""), new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    }


def _row(package: str, layer: str, target: str, before: ManifestEntry | None, after: ManifestEntry) -> Row:
    return Row(
        layer=layer,
        target=target,
        versions=(_version(before, package), _version(after, package)),
        zip_bytes=(0 if before is None else before.zip_bytes, after.zip_bytes),
        unzipped_bytes=(0 if before is None else before.unzipped_bytes, after.unzipped_bytes),
        others={name: versions for name, versions in moved(before, after).items() if name != package},
    )


def _version(entry: ManifestEntry | None, package: str) -> str:
    found = None if entry is None else entry.distributions.get(package)
    return "" if found is None else found.version


def table(done: Upgrade) -> Table:
    """Return the account for people."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("layer", "target", done.package):
        shown.add_column(name)
    for name in ("zip bytes before", "after", "unzipped bytes before", "after", "change"):
        shown.add_column(name, justify="right")
    shown.add_column("with it")
    for row in done.rows:
        old, new = row.unzipped_bytes
        shown.add_row(
            row.layer,
            row.target,
            arrow(row.versions),
            *(f"{size:,}" for size in (*row.zip_bytes, old, new)),
            f"{new - old:+,}",
            ", ".join(f"{name} {arrow(versions)}" for name, versions in row.others.items()),
        )
    return shown


def arrow(versions: tuple[str, str]) -> str:
    """Return two versions, or the one that they are."""
    old, new = versions
    return (old or "-") if old == new else f"{old or '-'} → {new or '-'}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; what is wrong goes to stderr in words, and gives 1."""
    about = "Take a newer version of one package in every layer that holds it."
    parser = argparse.ArgumentParser(prog="python -m scripts.upgrade", description=about)
    parser.add_argument("package", metavar="PACKAGE", help="such as openai")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args(arguments)
    return in_words(lambda: _run(options), kept="locks and manifests are as they were")


def _run(options: argparse.Namespace) -> int:
    from rich.console import Console  # so that Ctrl-C is answered in words from the start

    done = upgrade(options.package)
    if options.json:
        print(json.dumps(asdict(done)))
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 170).print(table(done))
        print(report([], done.changed) or "nothing changed: the requirements allow nothing newer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
