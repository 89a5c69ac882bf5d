"""Packages that are imported without what they import: for generated ones that load a thousand modules to offer one.

Owns the way in only. Whatever is asked of such a package is there as before: from the one module that it takes it from,
else by running what was left out.
"""

from __future__ import annotations

import importlib
import re
import sys
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder, SourceLoader
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_imports = re.compile(r"^from \.(\w+) import (\([^)]*\)|.*)$", re.MULTILINE)
_names = re.compile(r"(?:\w+ as )?(\w+)(?:,|\s*$)", re.MULTILINE)


@contextmanager
def lazy_packages(root: str) -> Generator[None]:
    """Within, the package `root` and those below it are imported without running their `__init__`.

    Args:
        root: such as `openai.types`.
    """
    finder = _LazyFinder(root)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _LazyFinder(MetaPathFinder):
    """Finds what the usual finder does, and puts off packages."""

    def __init__(self, root: str) -> None:
        self._root = root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._root and not fullname.startswith(f"{self._root}."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.submodule_search_locations is not None and isinstance(spec.loader, SourceLoader):
            spec.loader = _LazyLoader(spec.loader)
        return spec


class _LazyLoader(Loader):
    """Runs a package when something is asked of it that none of its modules answers."""

    def __init__(self, real: SourceLoader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        offers: dict[str, str] = {}

        def attribute(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            if not offers:
                offers.update(_offers(self._real.get_source(module.__name__) or ""))
            try:
                found = importlib.import_module(f"{module.__name__}.{offers.get(name, name)}")
            except ModuleNotFoundError:
                del vars(module)["__getattr__"]
                self._real.exec_module(module)
                return getattr(module, name)
            return getattr(found, name) if name in offers else found

        vars(module)["__getattr__"] = attribute


def _offers(source: str) -> dict[str, str]:
    """Name to module, of what a package takes from its own modules."""
    return {
        name: module
        for module, names in _imports.findall(source)
        for name in _names.findall(names.replace("(", "").replace(")", ""))
    }
