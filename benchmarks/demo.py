"""How long `make demo` takes: from a fresh clone with empty caches, and again.

    python benchmarks/demo.py [--again 3] [--json] [--keep]

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


def main() -> int:
    """Print the times; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--again", type=int, default=3, help="how many further runs (median)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the clone and its caches")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="strata-benchmark-"))
    try:
        clone(folder / "clone")
        variables = environment(folder / "caches")
        first, report = run(folder / "clone", variables)
        again = [run(folder / "clone", variables) for _ in range(given.again)]
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    median = statistics.median([seconds for seconds, _ in again]) if again else 0.0
    later: dict[str, float] = again[-1][1]["steps"] if again else {}
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "fresh_seconds": round(first, 1),
        "fresh_target": FRESH_SECONDS,
        "fresh_steps": report["steps"],
        "again_seconds": round(median, 1),
        "again_runs": [round(seconds, 1) for seconds, _ in again],
        "again_target": AGAIN_SECONDS,
        "again_steps": later,
        "ok": first < FRESH_SECONDS and median < AGAIN_SECONDS,
    }
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        print(f"make demo, {found['machine']}")
        print(f"  fresh clone, empty caches  {first:6.1f} s   (target {FRESH_SECONDS:.0f} s)")
        print(f"  again, median of {len(again)}         {median:6.1f} s   (target {AGAIN_SECONDS:.0f} s)")
        for title, seconds in report["steps"].items():
            print(f"    {title:<28} {seconds:6.1f} s → {later.get(title, 0.0):6.1f} s")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
