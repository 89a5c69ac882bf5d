"""The layer builder's numbers, measured: `python -m benchmarks.layers [build|size|import|preview ...] [--json|--page]`.

build       seconds of a native build with uv's cache warm, everything else from nothing
size        openai and pinecone as a layer, against `pip install -t` of the same versions, unzipped
import      the first import of both in a new process, from a read-only tree: against `pip install -t --no-compile`
preview     seconds that a new process needs for the digest and the budget of every layer and target
again       seconds of the command for a layer that is built
publish     seconds of the command for an archive that the bucket has
everything  seconds of the command for every layer and target: archives gone, and nothing changed

Both sides of a ratio are measured in one run, in turn; figures are medians. Exits with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks import page
from benchmarks.layer_commands import TARGET, measure_again, measure_everything, measure_publish
from benchmarks.layers_measured import measure_build, measure_import, measure_preview, measure_size
from benchmarks.layers_page import ROWS, markdown
from layer_builds.host.folders import BUILD_DIR_VARIABLE, build_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MEASUREMENTS: dict[str, Callable[[int, Path], dict[str, Any]]] = {
    "build": measure_build,
    "size": measure_size,
    "import": measure_import,
    "preview": measure_preview,
    "again": measure_again,
    "publish": measure_publish,
    "everything": measure_everything,
}


def main() -> int:
    """Measure what is asked for, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*MEASUREMENTS, []], help="all by default")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    if given.page and given.what:
        parser.error("--page writes all of the section: leave out what to measure")
    found = measure(given.what or list(MEASUREMENTS), given.runs, Console(stderr=True, quiet=given.json))
    print(json.dumps(found, indent=1) if given.json else markdown(found))
    if given.page:
        versions = {"Python": TARGET.facts.compiler, "uv": importlib.metadata.version("uv")}
        page.section("layers", "python -m benchmarks.layers --page", markdown(found), versions)
    return 0 if found["ok"] else 1


def measure(what: Sequence[str], runs: int, console: Console) -> dict[str, Any]:
    """Run measurements; the figures."""
    # A cache of uv's of our own: the user's may be cold, and files in it may have been changed through hard links.
    home = build_dir() / "benchmark"
    home.mkdir(parents=True, exist_ok=True)
    os.environ["UV_CACHE_DIR"] = str(home / "uv-cache")
    for tool in ("python", "qemu"):  # interpreters that are no cache of builds
        with suppress(FileExistsError):
            (home / tool).symlink_to(build_dir() / tool)
    os.environ[BUILD_DIR_VARIABLE] = str(home)
    before = page.load_average()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=home) as folder:
        for name in what:
            console.print(f"{ROWS[name][0]} …")
            results[name] = MEASUREMENTS[name](runs, Path(folder))
    shutil.rmtree(home / "layers", ignore_errors=True)
    return {
        "results": results,
        "runs": runs,
        "load_average": {"before": before, "after": page.load_average()},
        "ok": all(one["ok"] for one in results.values()),
    }


if __name__ == "__main__":
    raise SystemExit(main())
