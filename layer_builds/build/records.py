"""RECORD: what a package's own list of files says, made to match what is there, and held against what is packed."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from typing import TYPE_CHECKING

from layer_builds.build.archive import recorded, tree_files
from layer_builds.build.tree import PYTHON, Package, owners, packages, record_rows
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from layer_builds.build.archive import Entry

Fingerprint = tuple[str, str]
"""A file's hash and bytes, as the last two of RECORD's three columns have them:
https://packaging.python.org/en/latest/specifications/recording-installed-packages/."""


def fingerprints(python: Path) -> dict[str, Fingerprint]:
    """File below python/ → what RECORD says of it."""
    return {file: fingerprint_of(python / file) for file in tree_files(python)}


def write_records(python: Path, known: Mapping[str, Fingerprint]) -> dict[str, Fingerprint]:
    """Make every RECORD say what is there: rows of deleted files go, those of new bytecode come; sorted.

    Args:
        python: The folder of packages.
        known: Fingerprints of the files in it.

    Returns:
        Fingerprints of all that is there now.
    """
    files = set(known)
    found = {file: known[file] for file in files if not file.endswith("/RECORD")}
    compiled: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        folder, cached, name = file.rpartition("__pycache__/")
        if cached and name.endswith(".pyc"):
            compiled[f"{folder}{name.removesuffix('.pyc').rpartition('.')[0]}.py"].append(file)
    for package in packages(python):
        record = f"{package.info}/RECORD"
        kept = files.intersection((*package.files, *package.scripts))
        kept |= {one for file in kept for one in compiled.get(file, ())}
        rows = [(file, *(found.get(file) or known[file])) for file in sorted(kept - {record})]
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows([*rows, (record, "", "")])
        data = out.getvalue().encode()
        (python / record).unlink()  # it is a link to what every layer with this package has
        (python / record).write_bytes(data)
        found[record] = fingerprint(data)
    return found | {file: fingerprint_of(python / file) for file in files - set(found)}


def altered(python: Path, found: Mapping[str, Fingerprint]) -> list[tuple[Package, str]]:
    """Files that are not what their wheel's own RECORD says, fresh from installing: (package, file below python/).

    uv links files out of its cache into virtual environments. A program that changes one there in place (certificates
    added to certifi's list, a stripped library) has changed the cache, and uv does not look at it again.
    """
    return [
        (package, file)
        for package in packages(python)
        for file, digest, _ in record_rows(python / package.info / "RECORD")
        if digest.startswith("sha256=") and file in package.files and found.get(file, ("", ""))[0] != digest.rstrip("=")
    ]


def check_records(python: Path, installed: Iterable[Package], entries: Iterable[Entry]) -> None:
    """Check that every file of an archive belongs to a package and is as its RECORD says.

    Args:
        python: The folder of packages that was archived, or that the archive was unpacked to.
        installed: The packages in it.
        entries: What the archive holds.

    Raises:
        LayerBuildError: naming the package and the file.
    """
    packed = {entry.path.removeprefix(f"{PYTHON}/"): entry for entry in entries if entry.path.startswith(f"{PYTHON}/")}
    whose = owners(installed)
    for file in packed:
        if file not in whose:
            raise LayerBuildError(f"{PYTHON}/{file} is in no package's RECORD: something else wrote into the layer")
    for package in installed:
        for file, digest, size in record_rows(python / package.info / "RECORD"):
            if file.endswith(".dist-info/RECORD"):
                continue
            if file not in packed:
                raise LayerBuildError(f"package {package}: its RECORD lists {file}, which is not there")
            if (digest, size) != (recorded(bytes.fromhex(packed[file].sha256)), str(packed[file].size)):
                raise LayerBuildError(
                    f"package {package}: {file} is not what its RECORD says: it was changed after install"
                )


def fingerprint_of(path: Path) -> Fingerprint:
    """What RECORD says of a file."""
    return fingerprint(path.read_bytes())


def fingerprint(data: bytes) -> Fingerprint:
    """What RECORD says of a file's content."""
    return recorded(hashlib.sha256(data).digest()), str(len(data))
