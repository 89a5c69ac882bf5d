"""Runs in the container that `docker.py` starts: does what was asked for, and leaves the result in a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layer_builds.build.builder import build_layer
from layer_builds.build.docker import LAYERS, OUT
from layer_builds.host.processes import Log, Processes
from layer_builds.lock.imported import imported_modules
from layer_builds.plan import LayerBuildError, Target, load_layer

if TYPE_CHECKING:
    from collections.abc import Mapping


def _do(job: Mapping[str, Any]) -> dict[str, Any]:
    """Build in the container what was asked for outside, or list its modules."""
    target = Target(job["runtime"], job["architecture"])
    layer = load_layer(str(job["layer"]), root=Path(LAYERS))
    if job.get("modules"):
        run = Processes(Log(Path(OUT) / "modules.log"))
        return {"modules": imported_modules(layer, target.runtime, run, _say)}
    built = build_layer(layer, target, compiler=str(job["compiler"]), progress=_say)
    if built.digest != job["digest"]:
        raise LayerBuildError(
            f"the builder in the image makes digest {built.digest}, and {job['digest']} was asked for"
        )
    return {"entry": built.entry.document(), "notes": list(built.notes)}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _main() -> None:
    out = Path(OUT)
    try:
        answer = _do(json.loads(sys.stdin.read()))
    except LayerBuildError as error:
        answer = {"error": str(error).partition("\nThe full log: ")[0]}
    # The log in the container goes with it: its lines become part of the one outside.
    for log in sorted(out.glob("*.log")):
        print(log.read_text(encoding="utf-8"), file=sys.stderr)
    (out / "result.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    _main()
