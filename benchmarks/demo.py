"""How long `make demo` takes: from a fresh clone with empty caches, and again.

    python -m benchmarks.demo [--again 3] [--json] [--keep] [--page]

The clone is a copy of this checkout's own files (what git tracks or would), in a new folder, with new and empty uv and
pip caches; nothing of this checkout's environments or builds is used. Needs the package index, as a user would.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import page

ROOT = Path(__file__).resolve().parent.parent
FRESH_SECONDS = 120.0
AGAIN_SECONDS = 40.0
ONE, ONE_SECONDS = "embedding", 20.0
"""A system that is shown alone, and its target."""
CACHES = {"UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip", "XDG_CACHE_HOME": "xdg"}


def clone(target: Path) -> None:
    """Copy the checkout's own files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in sorted(set(listed.stdout.decode().split("\0")) - {""}):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def environment(caches: Path) -> dict[str, str]:
    """This environment without what a virtual environment or a former run left in it, and with empty caches."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VIRTUAL_ENV", "PYTHON", "AWS_"))}
    own = {str(ROOT / ".venv" / "bin"), str(ROOT / ".uv" / "bin")}
    kept["PATH"] = os.pathsep.join(part for part in kept["PATH"].split(os.pathsep) if part not in own)
    return kept | {key: str(caches / name) for key, name in CACHES.items()}


@dataclass(frozen=True, slots=True)
class Run:
    """One `make demo`."""

    seconds: float
    """Of wall-clock time."""
    processor_seconds: float
    """Of all its processes."""
    report: dict[str, Any]
    """The demonstration's own."""


def run(folder: Path, variables: dict[str, str], system: str = "") -> Run:
    """One `make demo`, of all systems or of one."""
    python = str(Path(sys.executable).resolve())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    done = subprocess.run(
        ["make", "--no-print-directory", "demo", f"SYSTEM={system}", f"PYTHON={python}", "ARGS=--json"],
        cwd=folder,
        env=variables,
        check=False,
        capture_output=True,
        text=True,
    )
    seconds = time.monotonic() - started
    if done.returncode != 0:
        sys.exit(f"make demo failed ({done.returncode}) after {seconds:.0f} s:\n{(done.stdout + done.stderr)[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, processor, json.loads(done.stdout[done.stdout.index("{") :]))


def measure(again: int, *, keep: bool) -> dict[str, Any]:
    """Run the demonstrations; the figures."""
    folder = Path(tempfile.mkdtemp(prefix="strata-benchmark-"))
    before = page.load_average()
    try:
        clone(folder / "clone")
        variables = environment(folder / "caches")
        first = run(folder / "clone", variables)
        later = [run(folder / "clone", variables) for _ in range(again)]
        one = run(folder / "clone", variables, ONE)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    median = statistics.median([each.seconds for each in later])
    return {
        "fresh_seconds": round(first.seconds, 1),
        "fresh_target": FRESH_SECONDS,
        "fresh_steps": first.report["steps"],
        "again_seconds": round(median, 1),
        "again_runs": [round(each.seconds, 1) for each in later],
        "again_target": AGAIN_SECONDS,
        "again_steps": later[-1].report["steps"],
        "processor_seconds": {
            "fresh": round(first.processor_seconds, 1),
            "again": round(statistics.median([each.processor_seconds for each in later]), 1),
        },
        "one": {"system": ONE, "seconds": round(one.seconds, 1), "target": ONE_SECONDS},
        "load_average": {"before": before, "after": page.load_average()},
        "ok": first.seconds < FRESH_SECONDS and median < AGAIN_SECONDS and one.seconds < ONE_SECONDS,
    }


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    load, processor, one = found["load_average"], found["processor_seconds"], found["one"]
    rows = [
        [title, f"{seconds:.1f} s", f"{found['again_steps'].get(title, 0.0):.1f} s"]
        for title, seconds in found["fresh_steps"].items()
    ]
    rows += [
        ["**`make demo` in all**", f"**{found['fresh_seconds']:.0f} s**", f"**{found['again_seconds']:.0f} s**"],
        ["wanted: under", f"{found['fresh_target']:.0f} s", f"{found['again_target']:.0f} s"],
        ["processor time", *(f"{processor[which]:.0f} s" for which in ("fresh", "again"))],
        [f"`make demo SYSTEM={one['system']}`", "", f"{one['seconds']:.0f} s"],
        ["wanted: under", "", f"{one['target']:.0f} s"],
    ]
    return (
        "## `make demo`\n"
        "*Fresh*: from a new clone with empty caches of uv and pip, so everything is downloaded, the environment "
        "made and the layer built first; its time depends on the index. *Again*: the median of "
        f"{len(found['again_runs'])} further runs, the steps of the last one; systems are shown side by side, so their "
        "steps overlap. Load average of the machine "
        f"{load['before']:.1f} before, {load['after']:.1f} after.\n\n"
        f"{page.table(['', 'fresh', 'again'], rows)}\n"
    )


def main() -> int:
    """Measure, print, and with --page write the section; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--again", type=int, default=3, help="how many further runs (median); at least 1")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the clone and its caches")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    found = measure(max(1, given.again), keep=given.keep)
    print(json.dumps(found, indent=2) if given.json else markdown(found))
    if given.page:
        versions = {"Python": platform.python_version()}
        page.section("demo", "python -m benchmarks.demo --page", markdown(found), versions)
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
