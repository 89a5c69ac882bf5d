"""How long people wait for the builder's command line: the same again, publishing what is there, everything at once.

Measured by `benchmarks.layers`, as whole processes, Python's start included.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layer_builds.host.folders import BUILD_DIR_VARIABLE, build_dir
from layer_builds.plan import REPOSITORY, Target, host_architecture, layer_names, load_layer
from sandbox.emulator import Emulator
from sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAYER = "openai-pinecone"
TARGET = Target("python3.13", host_architecture())
AGAIN_SECONDS, PUBLISH_SECONDS, UNCHANGED_SECONDS, WARM_SECONDS = 0.3, 1.0, 3.0, 60.0
"""What the project promises."""
_BUCKET = "artifacts"
_KEPT = ("assets", "listing", "made.sqlite", "python", "qemu", "runtime", "wheels")
"""What is no archive in the folder of builds, of which the benchmarks' own is a subfolder."""
_CHOSEN = (LAYER, "--runtime", TARGET.runtime, "--architecture", TARGET.architecture)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """The median, the least and the most."""
    return {"median": round(statistics.median(values), 3), "min": min(values), "max": max(values), "runs": len(values)}


def _seconds(words: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "layer_builds", *words],
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
        check=True,
        capture_output=True,
        timeout=1800,
    )
    return round(time.perf_counter() - started, 3)


def measure_again(runs: int, _: Path) -> dict[str, Any]:
    """Seconds of `build` for a layer that is built; the first run, which builds it, does not count."""
    seconds = [_seconds(["build", *_CHOSEN]) for _ in range(runs + 1)][1:]
    return {
        "seconds": spread(seconds),
        "goal": f"under {AGAIN_SECONDS} s",
        "ok": statistics.median(seconds) < AGAIN_SECONDS,
    }


def measure_publish(runs: int, _: Path) -> dict[str, Any]:
    """Seconds of `publish` for an archive that the bucket has, against the local AWS; the first run uploads it."""
    with tempfile.TemporaryDirectory() as folder, Workspace("benchmark", Path(folder)) as workspace:
        emulator = Emulator(workspace)
        account = emulator.start()
        try:
            location = {"LocationConstraint": account.region}
            account.client("s3").create_bucket(Bucket=_BUCKET, CreateBucketConfiguration=location)
            where = ["--bucket", _BUCKET, "--account", account.account, "--region", account.region]
            words = ["publish", *_CHOSEN, *where]
            seconds = [_seconds(words, account.environment()) for _ in range(runs + 1)][1:]
        finally:
            emulator.stop()
    return {
        "seconds": spread(seconds),
        "goal": f"under {PUBLISH_SECONDS:.0f} s",
        "ok": statistics.median(seconds) < PUBLISH_SECONDS,
    }


def measure_everything(runs: int, _: Path) -> dict[str, Any]:
    """Seconds of `build --all --check`: with finished archives gone, and with nothing changed.

    With what builds of this checkout keep for each other: from nothing, the calls under emulation take many minutes.
    """
    words = ["build", "--all", "--check"]
    with tempfile.TemporaryDirectory(dir=build_dir()) as folder:
        home = {BUILD_DIR_VARIABLE: folder}
        for kept in filter(Path.exists, (build_dir().parent / name for name in _KEPT)):
            (Path(folder) / kept.name).symlink_to(kept)
        _seconds(words, home)
        warm: list[float] = []
        for _number in range(min(runs, 2)):
            shutil.rmtree(Path(folder) / "layers")
            warm.append(_seconds(words, home))
        unchanged = [_seconds(words, home) for _ in range(runs)]
    return {
        "builds": sum(len(layer.targets) for layer in map(load_layer, layer_names()) if not layer.for_images),
        "warm_seconds": spread(warm),
        "unchanged_seconds": spread(unchanged),
        "goal": f"under {WARM_SECONDS:.0f} s, {UNCHANGED_SECONDS:.0f} s",
        "ok": statistics.median(warm) < WARM_SECONDS and statistics.median(unchanged) < UNCHANGED_SECONDS,
    }
