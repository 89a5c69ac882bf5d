"""Which modules a package is there for: what has to import, whatever a layer's own smoke call does.

They are read from the package's RECORD, below namespace packages too: of `google-cloud-storage` it is
`google.cloud.storage`, and not `google`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from layer_builds.build.shared_files import NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.build.tree import Package

_MODULE = re.compile(r"([A-Za-z_]\w*)(\.(?:cpython-\w+-[\w-]+|abi3))?\.(py|so)")
_NO_PRODUCT = frozenset(
    {"test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "bin"}
)


def importable_roots(package: Package, python: Path) -> list[str]:
    """The public modules of a package that no other module of it contains; dotted, sorted.

    Empty for a package of stubs, data or programs alone.

    Args:
        package: Of the layer.
        python: The folder of packages.
    """
    inits = [file for file in package.files if file.endswith("/__init__.py") or "/__init__." in file]
    namespaces = {file for file in inits if is_namespace(python / file)}
    files = [file.split("/") for file in package.files if _is_code(file) and file not in namespaces]
    packages = {tuple(file.split("/")[:-1]) for file in inits if file not in namespaces}
    roots: set[str] = set()
    for parts in files:
        folders, name = tuple(parts[:-1]), parts[-1]
        inside = next((folders[:depth] for depth in range(1, len(folders) + 1) if folders[:depth] in packages), None)
        found = _MODULE.fullmatch(name)
        if inside is not None:
            roots.add(".".join(inside))
        elif found is not None:
            roots.add(".".join((*folders, found[1])))
    return sorted(root for root in roots if _is_public(root))


def is_namespace(init: Path) -> bool:
    """Whether an `__init__` only makes one package of several distributions, the older way."""
    return init.suffix == ".py" and init.is_file() and bool(NAMESPACE.search(init.read_bytes()))


def _is_code(file: str) -> bool:
    return bool(_MODULE.fullmatch(file.rpartition("/")[2])) and ".dist-info/" not in file


def _is_public(root: str) -> bool:
    names = root.split(".")
    return all(name.isidentifier() and not name.startswith("_") for name in names) and names[0] not in _NO_PRODUCT
