"""Parts of the sandbox that are found by their name: a stand-in for each service, a demonstration for each system.

To add one is to add its folder or file; no list names them.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from typing import TYPE_CHECKING, Any

from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from types import ModuleType


def names(package: ModuleType, part: str = "") -> list[str]:
    """The modules of a package that have this part (`service`, say, of the folder `openai`), sorted."""
    found = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]
    return sorted(name for name in found if find(package, name, part))


def find(package: ModuleType, name: str, part: str = "") -> str | None:
    """The full name of a part's module; None where there is none."""
    full = ".".join([package.__name__, name, *([part] if part else [])])
    try:
        return full if name.isidentifier() and importlib.util.find_spec(full) else None
    except ModuleNotFoundError:  # `name` is a module and not a folder, or is not there at all
        return None


def load(package: ModuleType, name: str, attribute: str, part: str = "") -> Any:
    """What a part declares.

    Raises:
        SandboxError: there is no such part; names those that there are.
    """
    full = find(package, name, part)
    if full is None:
        known = ", ".join(names(package, part)) or "none"
        folder = package.__name__.replace(".", "/")
        raise SandboxError(f"there is no {name!r} in {folder}: there is {known}")
    return getattr(importlib.import_module(full), attribute)
