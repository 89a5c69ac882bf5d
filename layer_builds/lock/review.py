"""A finished resolution, looked at: what nobody asked for is said, what cannot work as a layer is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from layer_builds.plan import LayerBuildError, LayerSpec, Pin, Target, layers_before

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IN_THE_RUNTIME = frozenset({"boto3", "botocore", "s3transfer", "jmespath"})
"""What every Python runtime of Lambda has: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html."""


def surprises(layer: LayerSpec, held: Mapping[str, Pin], via: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What is in a lock although nobody asked for it, in words."""
    asked = {line.name: line.text for line in layer.requirements()}
    notes: list[str] = []
    for pin in held.values():
        if Version(pin.version).is_prerelease and pin.version not in asked.get(pin.name, ""):
            wanted = ", ".join(via.get(pin.name, ())) or "requirements.in"
            notes.append(
                f"{pin.name} {pin.version} is a pre-release, since no release that {wanted} allows has a wheel: name "
                "the version in requirements.in to say that it is meant, or bound it"
            )
    unasked = sorted(IN_THE_RUNTIME.intersection(held) - set(asked))
    if unasked:
        names = ", ".join(f'"{name}"' for name in unasked)
        wanted = ", ".join(sorted({parent for name in unasked for parent in via.get(name, ())} - IN_THE_RUNTIME))
        notes.append(
            f"{', '.join(unasked)} came with {wanted}, and would be found before the runtime's own: "
            f"`without = [{names}]` in layer.toml leaves them out"
        )
    return notes


def check_held(layer: LayerSpec, target: Target, held: Mapping[str, Pin], closure: Mapping[str, Pin]) -> None:
    """Refuse a file that requirements.in does not allow, and a layer with nothing in it.

    Raises:
        LayerBuildError: naming the requirement, or what took all of it.
    """
    for line in layer.requirements():
        pin = closure.get(line.name)
        if pin is not None and line.hashes and pin.sha256 not in line.hashes:
            raise LayerBuildError(
                f"{layer.requirements_path} allows {len(line.hashes)} file(s) of {line.name} by hash, and not the one "
                f"for {target}: {pin.file} ({pin.version}) has SHA-256 {pin.sha256}. Find out where the hash is from "
                "before adding this one"
            )
    if not held and not layer.assets and not layer.local:
        left_out = ", ".join(sorted(closure)) or "nothing is required"
        raise LayerBuildError(
            f"layer {layer.name} would be empty for {target}, and Lambda refuses an empty layer: the layers it comes "
            f"after, or `without`, take all of it ({left_out}). Do without this layer, or require something else"
        )


def check_apart(group: Sequence[LayerSpec], held: Mapping[str, Mapping[str, Pin]]) -> None:
    """Refuse two layers that are attached together and hold one package twice.

    Raises:
        LayerBuildError: naming both, and what makes one of them leave it to the other.
    """
    # Only layers that some layer joins are attached together; two that merely share a neighbour need not be, but a
    # function that does attach both is refused at preview by `budget.check_overlap`.
    for one in group:
        earlier = layers_before(one)
        for index, first in enumerate(earlier):
            for second in earlier[index + 1 :]:
                both = sorted(set(held[first.name]) & set(held[second.name]))
                if both:
                    raise LayerBuildError(
                        f"layer {one.name} comes after {first.name} and {second.name}, and both hold "
                        f"{', '.join(both)}: "
                        f'add `after = ["{first.name}"]` to layer.toml of {second.name}'
                    )
