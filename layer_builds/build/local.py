"""The step that puts packages of this repository into a layer, and the check that it holds what they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layer_builds.build.records import fingerprint
from layer_builds.plan import LayerBuildError, layers_before, load_lock, normal_name

if TYPE_CHECKING:
    from layer_builds.build.job import Job
    from layer_builds.plan import LayerSpec, LocalPackage, Target


@dataclass(frozen=True, slots=True)
class PlaceLocal:
    """Write a package of this repository, its metadata included."""

    name: str
    """As `local` in layer.toml has it."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"package {self.name} of this repository"

    def apply(self, job: Job) -> None:
        """Write its files."""
        package = next(one for one in job.layer.local_packages() if one.name == self.name)
        check_requires(job.layer, job.target, package)
        for file, content in package.files.items():
            place = job.python / file
            if place.exists():
                raise LayerBuildError(
                    f"package {package.name} of this repository holds {file}, and so does a package of the lock of "
                    f"layer {job.layer.name}: one would overwrite the other's. Give its modules another name"
                )
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            job.fingerprints[file] = fingerprint(content)


def check_requires(layer: LayerSpec, target: Target, package: LocalPackage) -> None:
    """Refuse a package that needs what neither its layer nor those before it hold.

    Raises:
        LayerBuildError: naming the requirement.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    held = {one.name: one.version for one in layer.local_packages()}
    for one in (*layers_before(layer), layer):
        held |= {pin.name: pin.version for pin in load_lock(one, target).pins}
        held |= {local.name: local.version for local in one.local_packages()}
    environment = {
        "python_version": target.facts.python,
        "python_full_version": target.facts.compiler,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": target.machine,
        "extra": "",
    }
    for text in package.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise LayerBuildError(f"package {package.name} of this repository requires {text!r}: {error}") from None
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        version = held.get(normal_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            raise LayerBuildError(
                f"package {package.name} of this repository requires {text}, and layer {layer.name} with those before "
                f"it holds {version or 'none'} for {target}: add it to requirements.in and run "
                f"`python -m layer_builds lock {layer.name}`"
            )
