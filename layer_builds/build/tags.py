"""Which wheels a runtime can load: names of wheel files against the tags of a target."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from layer_builds.plan import Target

_OLDEST_GLIBC = {"arm64": 17, "x86_64": 5}
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def platforms(target: Target, glibc: tuple[int, int]) -> list[str]:
    """Wheel platforms that a glibc can load on a target's CPU, the best first."""
    names: list[str] = []
    for minor in range(glibc[1], _OLDEST_GLIBC[target.architecture] - 1, -1):
        names.append(f"manylinux_2_{minor}_{target.machine}")
        if minor in _LEGACY:
            names.append(f"{_LEGACY[minor]}_{target.machine}")
    return [*names, f"linux_{target.machine}"]


@cache
def supported_tags(target: Target) -> dict[Tag, int]:
    """Every wheel tag that installs for a target, with its rank (0 is best).

    The host has no part in it. The platforms are those uv is told, so what is locked is what uv picks.
    """
    major, minor = (int(part) for part in target.facts.python.split("."))
    names = platforms(target, target.facts.wheel_glibc)
    interpreter = f"cp{major}{minor}"
    tags = [
        *cpython_tags((major, minor), abis=[interpreter], platforms=names),
        *compatible_tags((major, minor), interpreter=interpreter, platforms=names),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def best_wheel(files: Iterable[str], target: Target) -> str | None:
    """The wheel, of several of one release, that a target installs; None when it can load none of them."""
    ranks = supported_tags(target)
    found: list[tuple[int, tuple[int, str], str]] = []
    for file in files:
        try:
            _, _, build, tags = parse_wheel_filename(file)
        except InvalidWheelFilename:
            continue
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            number, suffix = build or (-1, "")
            found.append((rank, (-number, suffix), file))
    return min(found)[2] if found else None


def check_tags(package: str, tags: Iterable[str], target: Target) -> None:
    """Refuse an installed wheel none of whose `Tag:` lines the target can load.

    Raises:
        LayerBuildError: naming the package, its tags and the target.
    """
    listed = list(tags)
    newest = {*supported_tags(target), *(Tag("py3", "none", name) for name in platforms(target, target.facts.glibc))}
    supported = {str(tag) for tag in newest}
    if not supported & set(listed):
        raise LayerBuildError(
            f"package {package} is a wheel for {', '.join(sorted(listed)) or 'nothing'}, which {target} cannot load "
            f"(glibc {'.'.join(map(str, target.facts.glibc))}, {target.machine}): "
            "run `python -m layer_builds lock` again, or pin a version that has a wheel for it"
        )
