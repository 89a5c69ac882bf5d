"""What a layer can be built for: the facts about each Lambda runtime and architecture, as inert tables.

Owns the names (`python3.13`, `arm64`) and what follows from them (glibc, wheel platform, compiling interpreter).
It does not look at the machine it runs on, except in `host_architecture`.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING

from layer_builds.plan.errors import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHITECTURES: Mapping[str, str] = MappingProxyType({"arm64": "aarch64", "x86_64": "x86_64"})
"""Lambda's name of an architecture → the machine's, as in wheel tags and `uname -m`."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """One Lambda runtime. Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html."""

    name: str
    """As the Lambda API spells it, for example `python3.13`."""
    python: str
    """Minor version, for example `3.13`."""
    glibc: tuple[int, int]
    """Of the operating system below it: Amazon Linux 2 has 2.26, Amazon Linux 2023 has 2.34."""
    manylinux: str
    """The newest wheel platform that this glibc runs and uv can be told, without the architecture."""
    wheel_glibc: tuple[int, int]
    """The glibc that `manylinux` stands for: what a wheel's tag may ask for at most."""
    libstdcxx: Mapping[str, tuple[int, ...]]
    """Newest symbol versions of the operating system's C++ library, by prefix."""
    compiler: str
    """CPython patch release that makes the bytecode: .pyc files can differ between patch releases of one minor. Another
    one may stand in for it where it makes the same bytes (docs/adr/0007)."""
    deprecated: date
    """When AWS stops patching it."""


# Amazon Linux 2 has gcc 7.3, Amazon Linux 2023 gcc 11: https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html says
# which symbol versions each gcc brought.
_GCC_7 = MappingProxyType({"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11)})
_GCC_11 = MappingProxyType({"GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13)})
_AL2 = ((2, 26), "manylinux2014", (2, 17), _GCC_7)
_AL2023 = ((2, 34), "manylinux_2_34", (2, 34), _GCC_11)

RUNTIMES: Mapping[str, Runtime] = MappingProxyType(
    {
        "python3.11": Runtime("python3.11", "3.11", *_AL2, "3.11.7", date(2027, 6, 30)),
        "python3.12": Runtime("python3.12", "3.12", *_AL2023, "3.12.1", date(2028, 10, 31)),
        "python3.13": Runtime("python3.13", "3.13", *_AL2023, "3.13.0", date(2029, 6, 30)),
        "python3.14": Runtime("python3.14", "3.14", *_AL2023, "3.14.8", date(2029, 6, 30)),
    }
)
"""Oldest first."""
DEFAULT_RUNTIME = "python3.13"
"""Of a function whose config names none. Not the newest until every layer is locked and built for that."""
REFUSED_RUNTIMES: Mapping[str, str] = MappingProxyType(
    {
        "python3.10": "AWS no longer patches it",
        "python3.15": "it is a preview at AWS, without a service level, and onnxruntime has no wheel for it",
    }
)
"""Runtimes that Lambda has and this project does not take, and why."""


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A runtime and an architecture: what one lock, one digest and one archive are for."""

    runtime: str
    architecture: str

    def __post_init__(self) -> None:
        """Refuse what no layer has been locked and tested for.

        Raises:
            LayerBuildError: the runtime or the architecture is not in the tables above.
        """
        if self.runtime not in RUNTIMES:
            known = ", ".join(RUNTIMES)
            why = f" ({REFUSED_RUNTIMES[self.runtime]})" if self.runtime in REFUSED_RUNTIMES else ""
            raise LayerBuildError(f"runtime {self.runtime!r} is not one of {known}{why}")
        if self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise LayerBuildError(f"architecture {self.architecture!r} is not one of {known}, as Lambda names them")

    def __str__(self) -> str:
        return f"{self.runtime}-{self.architecture}"

    @property
    def tag(self) -> str:
        """Short form for physical names: `py313-arm64`."""
        return f"py{self.facts.python.replace('.', '')}-{self.architecture}"

    @property
    def facts(self) -> Runtime:
        """The runtime's row of the table."""
        return RUNTIMES[self.runtime]

    @property
    def machine(self) -> str:
        """The CPU as wheel tags and ELF tools name it: `aarch64` or `x86_64`."""
        return ARCHITECTURES[self.architecture]

    @property
    def platform(self) -> str:
        """As Docker names it: `linux/arm64` or `linux/amd64`."""
        return f"linux/{'amd64' if self.architecture == 'x86_64' else self.architecture}"

    @property
    def uv_platform(self) -> str:
        """Value of uv's `--python-platform`; plain `linux` would pick wheels that Lambda's glibc cannot load."""
        return f"{self.machine}-{self.facts.manylinux}"


ALL_TARGETS: tuple[Target, ...] = tuple(
    Target(runtime, architecture) for runtime in RUNTIMES for architecture in ARCHITECTURES
)


def host_architecture() -> str:
    """Lambda's name for this machine's CPU.

    Raises:
        LayerBuildError: the CPU is neither of Lambda's two.
    """
    machine = platform.machine().lower()
    for architecture, names in {"arm64": {"aarch64", "arm64"}, "x86_64": {"x86_64", "amd64"}}.items():
        if machine in names:
            return architecture
    raise LayerBuildError(f"this machine's CPU is {machine!r}; Lambda has arm64 and x86_64 only")
