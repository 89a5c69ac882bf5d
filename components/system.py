"""A system as the program sees it: its settings, its component, its package, its neighbours.

Owns the way from the config's sections to registrations: everything is read and checked first, for all systems, and
then registered, neighbours before those who ask for them. What a system is made of is said on its page in `systems/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from components import limits
from components.function_settings import FunctionSettings
from components.house import House, SystemArgs, plain_variables
from components.layer import physical_layer_name
from components.names import PROJECT, logical_name
from components.package import Image, Package, Zip, read_package
from components.secret import planned_secret, variables_of
from components.validation import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from components.settings import Settings

S = TypeVar("S", bound=FunctionSettings)
Packaging = Zip | Image


@dataclass(frozen=True, slots=True)
class System(Generic[S]):
    """One system, as `systems/__init__.py` lists it."""

    settings: type[S]
    """Of its config section."""
    component: Callable[[str, SystemArgs[S], House], object]
    package: Packaging | Callable[[S], Packaging]
    """What the function is shipped as, where that is config: from the section."""
    needs: tuple[str, ...] = ()
    """Neighbours without which it cannot work: the stack has to configure them too."""
    uses: tuple[str, ...] = ()
    """Neighbours that it works with where the stack has them."""

    def packaging(self, settings: S) -> Packaging:
        """Return what the function is shipped as."""
        return self.package if isinstance(self.package, Zip | Image) else self.package(settings)


def prepare(systems: Mapping[str, System[Any]], settings: Settings) -> Callable[[House], None]:
    """Check everything that can be checked without registering anything.

    Args:
        systems: All systems by name.
        settings: The stack's config.

    Returns:
        What registers the systems that the stack configures.

    Raises:
        LayerBuildError: a layer is not locked or built for a target, or a function would be too large.
        SettingsError: with all problems at once: neighbours that are missing, variables that are too large or taken.
    """
    chosen = {name: systems[name] for name in settings.systems}
    problems = [problem for name, system in chosen.items() for problem in _missing(name, system, chosen)]
    prepared: dict[str, SystemArgs[Any]] = {}
    for name, system in chosen.items():
        section = settings.systems[name]
        try:
            package = read_package(name, system.packaging(section), section.target)
            _check(name, section, package, settings)
        except ValueError as wrong:
            problems.append(f"{PROJECT}:{name}: {wrong}")
        else:
            prepared[name] = SystemArgs(name=name, settings=section, package=package)
    if problems:
        raise SettingsError(problems)

    def register(house: House) -> None:
        for name in registration_order(chosen):
            chosen[name].component(logical_name(name), prepared[name], house)
        house.finish()

    return register


def registration_order(systems: Mapping[str, System[Any]]) -> list[str]:
    """Return the systems, each after the neighbours that it asks for.

    Raises:
        graphlib.CycleError: two systems ask for each other; a queue between them would have to be made by a third.
    """
    graph = {
        name: [neighbour for neighbour in (*system.needs, *system.uses) if neighbour in systems]
        for name, system in systems.items()
    }
    return list(TopologicalSorter(graph).static_order())


def _missing(name: str, system: System[Any], chosen: Mapping[str, System[Any]]) -> list[str]:
    return [
        f"{PROJECT}:{name} needs the system {neighbour}, which this stack does not have: add a {PROJECT}:{neighbour} "
        f"section, or remove {PROJECT}:{name}."
        for neighbour in system.needs
        if neighbour not in chosen
    ]


def _check(name: str, section: FunctionSettings, package: Package, settings: Settings) -> None:
    """Refuse with ValueError what AWS would refuse in the middle of a deployment, or silently do wrong."""
    if package.kind == "image" and package.target.runtime not in settings.images.bases:
        raise ValueError(
            f"it is shipped as an image, and {PROJECT}:images.bases has no {package.target.runtime}: set it to "
            "Lambda's base image by its digest, which `python -m ops images pin --stack <stack> --runtime "
            f"{package.target.runtime}` reads from AWS's registry and writes."
        )
    if taken := sorted(section.environment.keys() & package.layer_variables.keys()):
        raise ValueError(f"environment sets {', '.join(taken)}, which its layers set. Remove it.")
    if package.kind == "zip":
        for layer in package.layers:
            physical_layer_name(layer.name, package.target)
    secrets = [planned_secret(variable, given) for variable, given in section.secrets()]
    wired = dict.fromkeys(section.wired, "?" * limits.REFERENCE_BYTES)
    limits.check_environment(
        {
            **package.layer_variables,
            **variables_of(secrets),
            **wired,
            **plain_variables(logical_name(name), section),
        }
    )
