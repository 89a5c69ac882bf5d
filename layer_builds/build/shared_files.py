"""Files that several packages of a layer hold: what is the same, what is one namespace, and what is a conflict."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from layer_builds.build.records import Fingerprint

NAMESPACE = re.compile(rb"pkgutil\b.*\bextend_path\b|\bpkg_resources\b.*\bdeclare_namespace\b", re.DOTALL)
"""Both older ways to have one package in several distributions:
https://packaging.python.org/en/latest/guides/packaging-namespace-packages/."""
_TOP_TESTS = re.compile(r"(tests?)/.*")


def settle(
    packages: Mapping[str, Mapping[str, Fingerprint]],
    content: Callable[[str, str], bytes],
    say: Callable[[str], None],
) -> dict[str, list[str]]:
    """Decide which package's copy of each file is in the layer.

    Args:
        packages: Package → its files, each with its fingerprint.
        content: Reads a package's file.
        say: Takes a note on what was left out.

    Returns:
        Package → the files that are taken from it.

    Raises:
        LayerBuildError: two packages hold different files under one name.
    """
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for package, files in packages.items():
        for file in files:
            holders[file].append(package)
    left_out: dict[str, list[str]] = {}
    taken = {file: names[0] for file, names in holders.items()}
    for file, names in sorted(holders.items()):
        if len({packages[name][file] for name in names}) == 1 or file.startswith("bin/"):
            continue
        tests = _TOP_TESTS.fullmatch(file)
        if tests is not None:
            left_out.setdefault(tests[1], names)
        elif not (file.endswith("__init__.py") and all(NAMESPACE.search(content(name, file)) for name in names)):
            raise LayerBuildError(
                f"packages {' and '.join(names)} both hold {file}, and not the same: one would overwrite the other's. "
                "Leave one of the packages out (`without` in layer.toml), or require a version of one that does not"
            )
    for folder, names in left_out.items():
        say(f"{folder}/ is left out: packages {' and '.join(names)} each bring a top-level folder of that name")
    gone = tuple(f"{folder}/" for folder in left_out)
    return {
        package: [file for file in files if taken[file] == package and not file.startswith(gone)]
        for package, files in packages.items()
    }
