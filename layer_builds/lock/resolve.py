"""`lock`: from requirements.in to one exact wheel per package, for each runtime and architecture.

Owns the split of one resolution among layers that are attached together. What uv does is `resolver.py`'s; what is
refused or said of what it chose, `review.py`'s; which modules get bytecode, `imported.py`'s. Nothing is installed here.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.lock.resolver import Resolver
from layer_builds.lock.review import check_apart, check_held, surprises
from layer_builds.lock.sizes import check_sizes
from layer_builds.plan import LayerSpec, Lock, Pin, Target, joined_layers, layers_before, lock_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from layer_builds.host.processes import Runner


def lock_group(
    layer: LayerSpec,
    target: Target,
    run: Runner,
    *,
    upgrade: bool = False,
    say: Callable[[str], None] = lambda _: None,
    doubt: Callable[[LayerSpec], None] = lambda _: None,
) -> dict[str, Lock]:
    """Resolve a layer, and all that it is joined with, for one target.

    Args:
        layer: Any layer of the group.
        target: For which runtime and architecture.
        run: What starts uv.
        upgrade: Take the newest versions, instead of keeping those of today's locks where they still fit.
        say: Takes notes on what was chosen that nobody asked for.
        doubt: Told of a layer that is probably too large for Lambda.

    Returns:
        A lock for each layer of the group. Two layers in it never hold the same package.

    Raises:
        LayerBuildError: nothing satisfies the requirements, a package has no wheel for the target, a layer is too
            large, or two layers that are attached together hold a package and neither comes `after` the other.
    """
    group = joined_layers(layer, target)
    with tempfile.TemporaryDirectory(prefix="strata-lock-") as folder:
        resolver = Resolver(target, run, Path(folder))
        kept = {} if upgrade else _todays_pins(group, target)
        versions, via = resolver.together(group, kept)
        closures = {one.name: resolver.closure(one, versions) for one in group}
    for warning in sorted(resolver.warnings):
        say(f"{', '.join(one.name for one in group)} {target}: {warning}")
    held: dict[str, dict[str, Pin]] = {}
    for one in group:
        provided = {name for earlier in layers_before(one) for name in closures[earlier.name]}
        out = provided | set(one.without)
        held[one.name] = {name: pin for name, pin in closures[one.name].items() if name not in out}
    check_apart(group, held)
    for one in group:
        check_held(one, target, held[one.name], closures[one.name])
        if check_sizes(one, target, [resolver.artifacts[pin] for pin in held[one.name].values()]):
            doubt(one)
        for note in surprises(one, held[one.name], via):
            say(f"{one.name} {target}: {note}")
    return {
        one.name: Lock(
            lock_inputs(one, target),
            tuple(
                sorted(
                    Pin(pin.name, pin.version, pin.sha256, pin.file, via.get(pin.name, ()))
                    for pin in held[one.name].values()
                )
            ),
        )
        for one in group
    }


def _todays_pins(group: Sequence[LayerSpec], target: Target) -> dict[str, str]:
    pins: dict[str, str] = {}
    for one in group:
        path = one.lock_path(target)
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        for line in lines:
            found = re.match(r"([a-z0-9-]+)==(\S+) --hash=", line)
            if found:
                pins[found[1]] = found[2]
    return pins
