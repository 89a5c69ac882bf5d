"""Many layers and targets: what is there already is found at once, without the rest of the builder; see `pool.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layer_builds.build.finished import finished_layer
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layer_builds.build.finished import BuiltLayer
    from layer_builds.build.tasks import Task, Watcher, Ways
    from layer_builds.plan import LayerSpec, Target


def build_many(
    pairs: Sequence[tuple[LayerSpec, Target]], ways: Ways, watcher: Watcher
) -> tuple[dict[Task, BuiltLayer], dict[Task, str]]:
    """Build layers, or find them built.

    Args:
        pairs: What to build.
        ways: How.
        watcher: Told what happens.

    Returns:
        What was built, in the order of `pairs`; and what failed, with why.
    """
    layers = {(layer.name, target): layer for layer, target in pairs}
    built: dict[Task, BuiltLayer] = {}
    failed: dict[Task, str] = {}
    for task, layer in layers.items():
        finished = _finished(layer, task[1], ways, failed)
        if finished is not None:
            built[task] = finished
        if finished is not None or task in failed:
            watcher.done(task, finished)
    left = {task: layer for task, layer in layers.items() if task not in built and task not in failed}
    if left:
        from layer_builds.build.ready import without_python

        for task, why in without_python(left, ways).items():
            del left[task]
            failed[task] = why
            watcher.done(task, None)
    if left:
        _build(left, ways, watcher, built, failed)
    return {task: built[task] for task in layers if task in built}, failed


def _build(
    left: dict[Task, LayerSpec],
    ways: Ways,
    watcher: Watcher,
    built: dict[Task, BuiltLayer],
    failed: dict[Task, str],
) -> None:
    if len(left) == 1:  # another process would only have to load all of this again
        from layer_builds.build.one import build_described, note_answer

        task, layer = next(iter(left.items()))
        answer = build_described(layer.name, layer.root, task[1], ways, lambda text: watcher.doing(task, text))
        note_answer(task, answer, built, failed)
        watcher.done(task, built.get(task))
    else:
        from layer_builds.build.pool import Pool

        Pool(left, ways, watcher, built, failed).run()


def _finished(layer: LayerSpec, target: Target, ways: Ways, failed: dict[Task, str]) -> BuiltLayer | None:
    try:
        return None if ways.force else finished_layer(layer, target, ways.compiler)
    except LayerBuildError as error:
        failed[layer.name, target] = str(error)
        return None
