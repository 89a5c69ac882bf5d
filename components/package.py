"""What a function is shipped as: a zip beside its layers, or a container image of the same folders.

Owns code, layers and handler of a system, read and checked before anything is registered. What an image's tag is a
digest of is said by the layer builder's plan; how an image gets into a registry belongs to `container_image.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.code_package import CodePackage, code_package
from layer_builds.plan import (
    LAYERS_DIR,
    REPOSITORY,
    Folder,
    ImageSpec,
    LayerSpec,
    ListedFolder,
    check_function_budget,
    check_image,
    load_layer,
    read_folder,
    root_files,
)

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.plan import Target

__all__ = ["Folder", "Image", "Kind", "Package", "Zip", "read_package"]

Kind = Literal["zip", "image"]


@dataclass(frozen=True, slots=True)
class Zip:
    """Our code in a zip, and published layers."""

    layers: tuple[str, ...]
    """Their names, in the order in which they are unpacked over each other in /opt. The first one holds Powertools."""
    handler: str = ""
    """Unset is `lambdas.<system>.handler.handler`. A module outside `lambdas` is the file of that name in the system's
    folder, and lies at the root of the zip."""
    kind: Kind = "zip"


@dataclass(frozen=True, slots=True)
class Image:
    """The same code and the same layers' contents, on Lambda's base image: for what is larger than layers may be."""

    layers: tuple[str, ...]
    """As for a zip, of any number. Those that are `for_images` may be larger than a layer."""
    handler: str = ""
    folders: tuple[Folder, ...] = ()
    """What else goes to /opt: models."""
    kind: Kind = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A system's code and layers for one runtime and architecture, as they are in the repository."""

    system: str
    kind: Kind
    handler: str
    code: CodePackage
    layers: tuple[LayerSpec, ...]
    folders: tuple[tuple[Folder, ListedFolder], ...] = ()
    """Of an image."""
    target: Target

    def __post_init__(self) -> None:
        module = f"{self.handler.rpartition('.')[0].replace('.', '/')}.py"
        if module not in self.code.files:
            raise ValueError(f"the handler is {self.handler}, and there is no {module} in the package of {self.system}")
        if self.kind == "zip":
            check_function_budget(self.system, self.code.bytes, self.layers, self.target)
        else:
            check_image(self.image)

    @property
    def layer_variables(self) -> dict[str, str]:
        """The variables that the layers ask for: where their assets are."""
        return {key: value for layer in self.layers for key, value in layer.environment.items()}

    @property
    def image(self) -> ImageSpec:
        """The parts of the image that it is shipped as."""
        return ImageSpec(
            system=self.system,
            handler=self.handler,
            code=self.code.files,
            layers=self.layers,
            folders=tuple(listed for _, listed in self.folders),
            target=self.target,
        )


def read_package(
    system: str,
    package: Zip | Image,
    target: Target,
    *,
    repository: Path = REPOSITORY,
    layers_root: Path = LAYERS_DIR,
) -> Package:
    """Read a system's code and layers from the repository.

    Args:
        system: The folder in `lambdas/`.
        package: What it is shipped as.
        target: Runtime and architecture.
        repository: Where the code is.
        layers_root: Where the layers are.

    Raises:
        LayerBuildError: a layer is not locked or built for this target, or the function would be too large.
        ValueError: there is no such handler.
    """
    handler = package.handler or f"lambdas.{system}.handler.handler"
    folders = package.folders if isinstance(package, Image) else ()
    return Package(
        system=system,
        kind=package.kind,
        handler=handler,
        code=code_package(system, repository, at_root=root_files(handler)),
        layers=tuple(load_layer(layer, root=layers_root) for layer in package.layers),
        folders=tuple((folder, read_folder(folder, repository)) for folder in folders),
        target=target,
    )
