"""One build of several, in this process or another: what came of it is described in what can be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layer_builds.build.builder import build_layer
from layer_builds.build.finished import BuiltLayer
from layer_builds.plan import LayerBuildError, Target, load_layer, parse_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from layer_builds.build.tasks import Task, Ways


def build_described(name: str, root: Path, target: Target, ways: Ways, say: Callable[[str], None]) -> dict[str, Any]:
    """Build, and describe what came of it in what can be sent to another process."""
    prefix = f"{name} {target}: "
    try:
        built = build_layer(
            load_layer(name, root=root),
            target,
            builder=ways.builder,
            compiler=ways.compiler,
            progress=lambda text: say(text.removeprefix(prefix)),
            force=True,  # it was looked for before
        )
    except LayerBuildError as error:
        return {"error": str(error)}
    except KeyboardInterrupt:
        return {"error": "stopped"}
    return {
        "path": built.path,
        "digest": built.digest,
        "entry": built.entry.document(),
        "hit": built.hit,
        "seconds": built.seconds,
        "log": built.log,
        "notes": built.notes,
    }


def note_answer(task: Task, answer: dict[str, Any], built: dict[Task, BuiltLayer], failed: dict[Task, str]) -> None:
    """Note what came of a build."""
    if "error" in answer:
        failed[task] = str(answer["error"])
    else:
        answer["entry"] = parse_entry(answer["entry"])
        built[task] = BuiltLayer(layer=task[0], target=task[1], **answer)
