"""Native code in a layer: is it for the right CPU, and do the runtime's C and C++ libraries have what it asks for?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from layer_builds.plan import Target

MACHINES = {"EM_AARCH64": "arm64", "EM_X86_64": "x86_64"}
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")
_GLIBC_MARKS = {"GLIBC_ABI_DT_RELR": (2, 36)}
"""Versions that stand for what glibc's loader can do → the glibc that brought it; this one: packed relocations
(https://sourceware.org/glibc/wiki/Release/2.36)."""
_GLIBC_LIBRARIES = (
    r"(ld-linux.*|linux-vdso|lib(c|m|dl|rt|pthread|util|resolv|anl|mvec|crypt|nsl|nss_\w+|BrokenLocale|thread_db))"
)
PROVIDED = re.compile(rf"({_GLIBC_LIBRARIES}|libgcc_s|libstdc\+\+|libz|libpython3(\.\d+)?)\.so(\.\d+)*")
"""Libraries that a Lambda runtime certainly has."""


@dataclass(frozen=True, slots=True)
class NativeFile:
    """What one ELF file asks for."""

    glibc: tuple[int, int] | None
    """The newest version of a symbol that it takes from glibc; None when it takes none."""
    needed: tuple[str, ...]
    """Libraries it is linked with."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is in one ELF file, whatever it is to run on."""

    machine: str
    versions: tuple[tuple[str, str], ...]
    """Symbol versions that it needs, each with the library it is to be in."""
    needed: tuple[str, ...]

    def document(self) -> list[Any]:
        """As JSON holds it."""
        return [self.machine, self.versions, self.needed]

    @classmethod
    def parse(cls, document: list[Any]) -> Asked:
        """What `document` gave."""
        machine, versions, needed = document
        return cls(machine, tuple((library, name) for library, name in versions), tuple(needed))


def read_elf(path: Path, package: str) -> Asked:
    """Read one ELF file.

    Raises:
        LayerBuildError: it is damaged; naming the package.
    """
    from layer_builds.build.elf_reader import READING, read  # its library takes a while to load, and facts are kept

    try:
        return Asked(*read(path))
    except READING as error:
        raise LayerBuildError(
            f"package {package}: {path.name} is a damaged or truncated library ({type(error).__name__}: {error}): its "
            "wheel is broken, or the disk was full. Clear uv's cache (`uv cache clean "
            + package.split(maxsplit=1)[0]
            + "`) and build again"
        ) from None


def check_native(
    path: Path, package: str, target: Target, beside: Collection[str] = (), asked: Asked | None = None
) -> NativeFile:
    """Check one ELF file against a target.

    Args:
        path: The file.
        package: What it came with, for the message.
        target: What it will run on.
        beside: Names of the files that come with it: a library among them counts instead of the runtime's.
        asked: What is in it; None reads it.

    Raises:
        LayerBuildError: it is damaged, for another CPU, or needs a newer glibc or libstdc++; naming the package and the
            remedy.
    """
    asked = asked or read_elf(path, package)
    where = f"package {package}: {path.name}"
    found = MACHINES.get(asked.machine, asked.machine)
    if found != target.architecture:
        raise LayerBuildError(
            f"{where} is for {found}, and the layer is for {target}: its wheel carries a wrong tag, or was installed "
            "by other means. Pin another version of the package"
        )
    newest = max(filter(None, (_glibc(name) for _, name in asked.versions)), default=None)
    lacking = f"glibc {_dotted(newest)}" if newest is not None and newest > target.facts.glibc else ""
    for library, name in asked.versions:
        if not lacking and library not in beside and _lacks(target, name):
            lacking = f"{name} of {library}"
    if lacking:
        limits = {"glibc": target.facts.glibc, **target.facts.libstdcxx}
        has = ", ".join(f"{name} {_dotted(limit)}" for name, limit in limits.items())
        raise LayerBuildError(
            f"{where} needs {lacking}, and {target.runtime} has {has}: it would fail to load in Lambda. Pin an "
            "older version of the package, use a newer runtime, or build it in Docker (`source` in layer.toml)"
        )
    return NativeFile(newest, asked.needed)


def _glibc(name: str) -> tuple[int, int] | None:
    """The glibc that brought a symbol version; None when it is not one of glibc's, or a private one."""
    found = _GLIBC.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else _GLIBC_MARKS.get(name)


def _lacks(target: Target, name: str) -> bool:
    """Whether a symbol version is certainly not in the runtime's libraries, whatever their glibc."""
    prefix, _, version = name.partition("_")
    if prefix == "GLIBC":
        return _glibc(name) is None
    limit = target.facts.libstdcxx.get(prefix)
    numbered = re.fullmatch(r"\d+(\.\d+)*", version)
    return limit is not None and numbered is not None and tuple(map(int, version.split("."))) > limit


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def is_native(path: Path) -> bool:
    """Whether a file starts as ELF files do."""
    with path.open("rb") as file:
        return _magic(file) == b"\x7fELF"


def _magic(file: BinaryIO) -> bytes:
    return file.read(4)
