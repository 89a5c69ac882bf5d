"""The licence that a package declares, understood as far as it can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layer_builds.ship.licence_names import classified, named, of_file
from layer_builds.ship.spdx import KINDS, kind_of, spdx_expression

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.metadata import RawMetadata

_LONGEST_NAME = 100
"""Characters; a `License` field that is longer holds the text of a licence and not its name."""


@dataclass(frozen=True, slots=True)
class Licence:
    """What a package says about itself, understood as far as it can be."""

    name: str
    """SPDX expression where `spdx`, else the words that were found."""
    spdx: bool
    kind: str
    """One of `KINDS`."""
    source: str
    """`License-Expression`, `License`, `classifiers`, `License-File`, or `nothing`."""


def parse_licence(metadata: RawMetadata) -> Licence:
    """The licence of one package's metadata: the expression, else the free text, the classifiers, names of its files.

    https://packaging.python.org/en/latest/specifications/core-metadata/#license-expression
    """
    line = metadata.get("license", "").strip()
    found = _expression(metadata) or _free_text(line) or _classifiers(metadata) or _files(metadata)
    if found is not None:
        return found
    if line and len(line) <= _LONGEST_NAME:
        return Licence(line.splitlines()[0].strip(), spdx=False, kind="unknown", source="License")
    return Licence("(none given)", spdx=False, kind="unknown", source="nothing")


def _expression(metadata: RawMetadata) -> Licence | None:
    expression = metadata.get("license_expression", "")
    if not expression:
        return None
    spdx = spdx_expression(expression)
    if spdx is not None:
        return Licence(spdx, spdx=True, kind=kind_of(spdx), source="License-Expression")
    return Licence(expression[:_LONGEST_NAME], spdx=False, kind="unknown", source="License-Expression")


def _free_text(written: str) -> Licence | None:
    line = written.splitlines()[0].strip() if written else ""
    found = named(line) if len(line) <= _LONGEST_NAME else None
    return None if found is None else Licence(*found, source="License")


def _classifiers(metadata: RawMetadata) -> Licence | None:
    found = sorted({one for name in metadata.get("classifiers", []) if (one := classified(name)) is not None})
    if not found:
        return None
    # Several can mean "and" or "or": nobody says which, so the strictest counts.
    kind = max((kind for _, _, kind in found), key=KINDS.index)
    return Licence(" AND ".join(name for name, _, _ in found), all(spdx for _, spdx, _ in found), kind, "classifiers")


def _files(metadata: RawMetadata) -> Licence | None:
    found = sorted({name for path in metadata.get("license_files", []) if (name := of_file(path)) is not None})
    if not found:
        return None
    whole = " AND ".join(found)
    return Licence(whole, spdx=True, kind=kind_of(whole), source="License-File")


def component_licence(found: Iterable[str]) -> Licence:
    """The licence of a component in an SBOM; several count together."""
    names = sorted(found)
    if not names:
        return Licence("(the package's SBOM gives none)", spdx=False, kind="unknown", source="nothing")
    # Cargo's older form of "or".
    spdx = [spdx_expression(name.replace("/", " OR ")) for name in names]
    known = [one for one in spdx if one is not None]
    if len(known) != len(names):
        return Licence(" AND ".join(names), spdx=False, kind="unknown", source="SBOM")
    whole = known[0] if len(known) == 1 else " AND ".join(f"({one})" for one in known)
    return Licence(whole, spdx=True, kind=kind_of(whole), source="SBOM")
