"""The layers of a folder, and the order that `after` gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.paths import LAYERS_DIR
from layer_builds.plan.reader import read_layer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from layer_builds.plan.spec import LayerSpec
    from layer_builds.plan.targets import Target


def load_layer(name: str, root: Path = LAYERS_DIR) -> LayerSpec:
    """Read one layer's folder.

    Args:
        name: The folder's name.
        root: The folder of layers.

    Returns:
        The layer; what `after` names is checked to exist and to have no cycle.

    Raises:
        LayerBuildError: naming the file and the key that is wrong.
    """
    layer = read_layer(name, root)
    for other in _ordered(layer, lambda other: read_layer(other, root)):
        lacking = [str(target) for target in layer.targets if target not in other.targets]
        if lacking:
            raise LayerBuildError(
                f"{layer.directory / 'layer.toml'}: it comes after {other.name}, which is not made for "
                f"{', '.join(lacking)}: give it the `runtimes` and `architectures` of {other.name}, or fewer"
            )
    return layer


def layer_names(root: Path = LAYERS_DIR) -> tuple[str, ...]:
    """Names of all layers below a folder, sorted."""
    return tuple(sorted(path.parent.name for path in root.glob("*/layer.toml")))


def layers_before(layer: LayerSpec) -> tuple[LayerSpec, ...]:
    """Layers that come before this one, the first attached first; each once."""
    return tuple(_ordered(layer, lambda name: read_layer(name, layer.root))[:-1])


def joined_layers(layer: LayerSpec, target: Target | None = None) -> tuple[LayerSpec, ...]:
    """All layers that `after` joins with this one, in either direction: they are resolved together. Sorted by name.

    Args:
        layer: One of them.
        target: Leaves out those that are not made for it; None leaves out none.
    """
    everything = {name: read_layer(name, layer.root) for name in layer_names(layer.root)}
    everything[layer.name] = layer
    group = {layer.name}
    while True:
        grown = group | {
            name
            for name, other in everything.items()
            if group & set(other.after) or any(name in everything[member].after for member in group)
        }
        if grown == group:
            return tuple(everything[name] for name in sorted(group) if target in {None, *everything[name].targets})
        group = grown


def _ordered(layer: LayerSpec, read: Callable[[str], LayerSpec]) -> list[LayerSpec]:
    done: dict[str, LayerSpec] = {}

    def visit(current: LayerSpec, trail: tuple[str, ...]) -> None:
        if current.name in trail:
            raise LayerBuildError(
                f"{current.directory / 'layer.toml'}: `after` goes in a circle: {' → '.join((*trail, current.name))}"
            )
        if current.name in done:
            return
        for name in current.after:
            visit(read(name), (*trail, current.name))
        done[current.name] = current

    visit(layer, ())
    return list(done.values())
