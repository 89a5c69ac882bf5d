"""`licences`: under which licence each package of a built layer is, and which of them oblige somebody to something."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from layer_builds.plan import normal_name
from layer_builds.ship.spdx import FLAGGED, KINDS, REFUSED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from layer_builds.ship.declared import Licence
    from layer_builds.ship.packaged import Packaged


def group_equal(
    reports: Iterable[tuple[str, str, Sequence[Packaged]]],
) -> list[tuple[str, list[str], Sequence[Packaged]]]:
    """Reports of (layer, target, packages), those of one layer that say the same joined: (layer, targets, packages)."""
    joined: list[tuple[str, list[str], Sequence[Packaged]]] = []
    for layer, target, packages in reports:
        for known, targets, rows in joined:
            if known == layer and document(rows) == document(packages):
                targets.append(target)
                break
        else:
            joined.append((layer, [target], packages))
    return joined


def text(layer: str, targets: Sequence[str], packages: Sequence[Packaged]) -> str:
    """The report for people: what asks most first, then by name."""
    rows = [(one.name, one.version, one.licence.name, one.licence.kind, one.licence.source) for one in packages]
    rows.sort(key=lambda row: (-KINDS.index(row[3]), row[0]))
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else [0] * 4
    lines = [f"{layer} ({', '.join(targets)}): {len(rows)} packages"]
    for row in rows:
        shown = "".join(f"{cell:<{width + 2}}" for cell, width in zip(row, widths, strict=False))
        lines.append(f"  {'!' if row[3] in FLAGGED else ' '} {shown}{row[4]}")
    for one in packages:
        flagged = [inner for inner in one.embedded if inner.licence.kind in FLAGGED]
        if one.embedded:
            rest = "; flagged:" if flagged else ", none of them flagged"
            lines.append(f"  compiled into {one.name} {one.version}: {len(one.embedded)} components{rest}")
        lines += [
            f"  ! {inner.name} {inner.version}: {inner.licence.name} ({inner.licence.kind})"
            for inner in sorted(flagged, key=lambda inner: (-KINDS.index(inner.licence.kind), inner.name))
        ]
    without = [one.name for one in packages if not one.texts]
    if without:
        lines.append(f"  without the text of their licence in the layer: {', '.join(without)}")
    return "\n".join(lines)


def document(packages: Sequence[Packaged]) -> list[dict[str, Any]]:
    """The same for programs."""

    def licence(one: Licence) -> dict[str, Any]:
        return {"licence": one.name, "spdx": one.spdx, "kind": one.kind, "source": one.source}

    return [
        {
            "name": one.name,
            "version": one.version,
            **licence(one.licence),
            "texts": list(one.texts),
            "embedded": [
                {"name": inner.name, "version": inner.version, **licence(inner.licence)} for inner in one.embedded
            ],
        }
        for one in packages
    ]


def refused(
    packages: Iterable[Packaged], kinds: Collection[str] = REFUSED, accepted: Collection[str] = ()
) -> list[str]:
    """What fails the command, in words: packages, and what is compiled into them, of those kinds and not accepted."""
    found: list[str] = []
    names = {normal_name(name) for name in accepted}
    for one in packages:
        if one.name in names:
            continue
        if one.licence.kind in kinds:
            found.append(f"{one.name} {one.version}: {one.licence.name} ({one.licence.kind})")
        found += [
            f"{inner.name} {inner.version}, compiled into {one.name}: {inner.licence.name} ({inner.licence.kind})"
            for inner in one.embedded
            if inner.licence.kind in kinds and normal_name(inner.name) not in names
        ]
    return found


def show(
    reports: Sequence[tuple[str, str, Sequence[Packaged]]],
    *,
    fail_on: Collection[str] | None,
    accepted: Collection[str],
    as_json: bool,
) -> int:
    """Print the reports of (layer, target, packages); 1 when something in them is of a kind that is refused.

    Args:
        reports: Of finished layers.
        fail_on: First words of kinds (`weak`, `network`); None is `REFUSED`.
        accepted: Packages that somebody has looked at.
        as_json: For programs.
    """
    kinds = REFUSED if fail_on is None else [kind for kind in KINDS if kind.split()[0] in fail_on]
    found = {one: None for _, _, packages in reports for one in refused(packages, kinds, accepted)}
    if as_json:
        rows = [
            {"layer": layer, "target": target, "packages": document(packages)} for layer, target, packages in reports
        ]
        print(json.dumps({"layers": rows, "refused": list(found)}, indent=1))
        return 1 if found else 0
    for layer, targets, packages in group_equal(reports):
        print(text(layer, targets, packages) + "\n")
    for one in found:
        print(f"refused: {one}")
    if found:
        print(
            "Replace the package, or have somebody who may decide look at it: then `--accept PACKAGE`. Fails: "
            + ", ".join(kinds)
        )
    return 1 if found else 0
