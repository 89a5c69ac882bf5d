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
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import page

ROOT = Path(__file__).resolve().parent.parent
FRESH_SECONDS = 180.0
AGAIN_SECONDS = 45.0
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


def run(folder: Path, variables: dict[str, str]) -> tuple[float, dict[str, Any]]:
    """One `make demo`: its wall-clock seconds, and the demonstration's own report."""
    python = str(Path(sys.executable).resolve())
    started = time.monotonic()
    done = subprocess.run(
        ["make", "--no-print-directory", "demo", f"PYTHON={python}", "ARGS=--json"],
        cwd=folder,
        env=variables,
        check=False,
        capture_output=True,
        text=True,
    )
    seconds = time.monotonic() - started
    if done.returncode != 0:
        sys.exit(f"make demo failed ({done.returncode}) after {seconds:.0f} s:\n{(done.stdout + done.stderr)[-3000:]}")
    return seconds, json.loads(done.stdout[done.stdout.index("{") :])


def measure(again: int, *, keep: bool) -> dict[str, Any]:
    """Run the demonstrations; the figures."""
    folder = Path(tempfile.mkdtemp(prefix="strata-benchmark-"))
    before = page.load_average()
    try:
        clone(folder / "clone")
        variables = environment(folder / "caches")
        first, report = run(folder / "clone", variables)
        later = [run(folder / "clone", variables) for _ in range(again)]
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    median = statistics.median([seconds for seconds, _ in later])
    return {
        "fresh_seconds": round(first, 1),
        "fresh_target": FRESH_SECONDS,
        "fresh_steps": report["steps"],
        "again_seconds": round(median, 1),
        "again_runs": [round(seconds, 1) for seconds, _ in later],
        "again_target": AGAIN_SECONDS,
        "again_steps": later[-1][1]["steps"],
        "load_average": {"before": before, "after": page.load_average()},
        "ok": first < FRESH_SECONDS and median < AGAIN_SECONDS,
    }


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    load = found["load_average"]
    rows = [
        [title, f"{seconds:.1f} s", f"{found['again_steps'].get(title, 0.0):.1f} s"]
        for title, seconds in found["fresh_steps"].items()
    ]
    rows += [
        ["**`make demo` in all**", f"**{found['fresh_seconds']:.0f} s**", f"**{found['again_seconds']:.0f} s**"],
        ["wanted: under", f"{found['fresh_target']:.0f} s", f"{found['again_target']:.0f} s"],
    ]
    return (
        "## `make demo`\n"
        "*Fresh*: from a new clone with empty caches of uv and pip, so that everything is downloaded, the environment "
        "made and the layer built first; its time depends on the index. *Again*: the median of "
        f"{len(found['again_runs'])} further runs, the steps of the last one. Load average of the machine "
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
