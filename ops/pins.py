"""`live_version` in the config, against the versions that there are.

A preview asks Lambda for neither: it is green for a version that does not exist, and the update fails half-way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.names import PROJECT
from ops.live_version import KEY
from ops.values import as_object
from ops.versions import published_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ops.stack import Stack

SHOWN = 5


def pins(config: Mapping[str, Any]) -> dict[str, str]:
    """Function → the version that the config gives all traffic; without those that it leaves to Pulumi."""
    sections = {key.removeprefix(f"{PROJECT}:"): as_object(value) for key, value in config.items()}
    return {
        key: str(section[KEY])
        for key, section in sections.items()
        if section is not None and section.get(KEY) is not None
    }


def missing_pins(stack: Stack | None, config: Mapping[str, Any]) -> dict[str, str]:
    """Function → what is wrong with its `live_version`; those that exist are left out.

    Args:
        stack: None is one that is not deployed.
    """
    functions = {} if stack is None else stack.functions
    found: dict[str, str] = {}
    for key, wanted in pins(config).items():
        if stack is None or key not in functions:
            found[key] = f"live_version is {wanted}, and the function is not deployed: it has no version"
            continue
        versions = published_versions(stack.client("lambda"), functions[key])
        if wanted not in map(str, versions):
            found[key] = f"live_version is {wanted}, which does not exist; {newest_of(versions)}"
    return found


def newest_of(versions: Sequence[int]) -> str:
    """`the newest are 7, 8`."""
    return f"the newest are {', '.join(map(str, versions[-SHOWN:])) or 'none'}"
