"""All systems in one table: cold starts, memory and package sizes, beside the figures that they began with.

    python -m benchmarks.systems [--runs 3] [--json] [--page]

Cold start, warm run and memory are those of a `make demo` on this machine, where memory does not decide the share of a
processor as in Lambda; sizes are those of the packages that the stack `prod` deploys. Then what the demonstration's
environment takes, how long the program itself works, and, with the pulumi CLI on PATH, what an `up` and a preview of
all systems take that change nothing (`benchmarks.engine`). Five minutes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks import engine, page, preview
from ops.mock_plan import make_plan
from tests.engine.machine import local_target

ROOT = Path(__file__).resolve().parent.parent
STACK: Final = "prod"
MB: Final = 1_000_000
PROGRAM_SECONDS: Final = engine.BUDGET[engine.OWN_CPU]
PREVIEW_SECONDS: Final = engine.BUDGET[engine.PREVIEW]
SAID: Final = {
    "embedding": "256 MB of memory at least",
    "embedding_processor": "layers of 500 and 300 MB, 3,008 MB of memory",
    "extract_text": "a layer of 45 MB zipped",
    "image_processor": "a layer of 240 MB, 2,048 MB of memory",
    "knowledge_base": "layers of 30, 50, 20, 15 and 25 MB; cold start 3 to 5 s; 3,008 MB of memory",
    "orchestrator": "28 MB in one package; as layers: 0.1 MB of own code, 1,536 MB of memory",
}
"""System → the figures of the description that it began with; none of them has more."""


def demonstration() -> dict[str, Any]:
    """The report of one `make demo` of everything, with the processor time of all its processes."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))}
    before = processor_of_children()
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "demo", "--json"],
        cwd=ROOT,
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"the demonstration failed ({done.returncode}):\n{(done.stdout + done.stderr)[-3000:]}")
    return {**json.loads(done.stdout), "processor_seconds": processor_of_children() - before}


def processor_of_children() -> float:
    """Seconds of processor that processes took which were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def packages() -> dict[str, dict[str, Any]]:
    """System → its layers' names, MB of its own code and of its layers, and what the stack gives it of memory."""
    plan = make_plan(ROOT, STACK)
    if plan["error"]:
        sys.exit(str(plan["error"]))
    return {
        function["name"].replace("-", "_"): {
            "layers": [layer["name"] for layer in function["layers"]],
            "code_mb": function["code_bytes"] / MB,
            "zip_mb": sum(layer["zip_bytes"] for layer in function["layers"]) / MB,
            "unzipped_mb": sum(layer["unzipped_bytes"] for layer in function["layers"]) / MB,
            "memory_mb": function["memory_mb"],
        }
        for function in plan["functions"]
    }


def installed(layers: dict[str, list[str]]) -> dict[str, Any]:
    """The demonstration's environment, made anew from a warm cache.

    Args:
        layers: of each system.

    Returns:
        MB and seconds of all of it; `systems`: the MB of it that each system's layers hold too.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "venv"
        variables = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(home), "UV_LINK_MODE": "copy"}
        command = [shutil.which("uv", path=ROOT / ".uv" / "bin") or "uv", "sync", "--frozen", "--quiet"]
        command += ["--no-default-groups", "--group", "sandbox", "--python", sys.executable]
        begun, before = time.monotonic(), processor_of_children()
        subprocess.run(command, cwd=ROOT, env=variables, check=True)
        seconds, processor = time.monotonic() - begun, processor_of_children() - before
        whole = sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_symlink())
        sizes = distributions(home)
    needed = {system: sum(sizes.get(name, 0) for name in held_by(names)) for system, names in layers.items()}
    return {
        "mb": whole / MB,
        "seconds": seconds,
        "processor_seconds": processor,
        "systems": {system: size / MB for system, size in needed.items()},
    }


def distributions(home: Path) -> dict[str, int]:
    """Bytes of each distribution of a virtual environment, by its normalised name."""
    folder = sysconfig.get_path("purelib", "venv", {"base": str(home), "installed_base": str(home)})
    found: dict[str, int] = {}
    for each in importlib.metadata.distributions(path=[folder]):
        paths = [Path(str(file.locate())) for file in each.files or ()]
        found[normalised(each.name)] = sum(path.stat().st_size for path in paths if path.is_file())
    return found


def held_by(layers: list[str]) -> set[str]:
    """The distributions that layers hold, by their manifests."""
    target = str(local_target())
    manifests = [json.loads((ROOT / f"layer_builds/layers/{layer}/manifest.json").read_text()) for layer in layers]
    return {normalised(name) for manifest in manifests for name in manifest[target]["distributions"]}


def normalised(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def program(runs: int) -> dict[str, float]:
    """Seconds of the program itself, from the start of Python to its end, without a socket: the median of some runs."""
    totals = [preview.in_a_process(STACK)["total"] for _ in range(runs + 1)][1:]
    return {
        "wall_seconds": statistics.median(wall for wall, _ in totals),
        "processor_seconds": statistics.median(processor for _, processor in totals),
    }


def with_engine(runs: int) -> dict[str, float]:
    """Row of `benchmarks.engine` → median seconds; empty without the pulumi CLI."""
    if shutil.which("pulumi") is None:
        return {}
    rows = engine.deployed(runs, lambda text: print(text, file=sys.stderr))
    return {row.name: row.median for row in rows}


def measure(runs: int) -> dict[str, Any]:
    """All of it."""
    load = page.load_average()
    demo, sizes = demonstration(), packages()
    environment = installed({name: row["layers"] for name, row in sizes.items()})
    rows = {
        name: {**sizes[name], **demo["functions"].get(name, {}), "memory_mb": sizes[name]["memory_mb"]}
        for name in sorted(sizes)
    }
    own, cli = program(runs), with_engine(runs)
    processor = max(own["processor_seconds"], cli.get(engine.OWN_CPU, 0.0))
    return {
        "systems": rows,
        "demo": {key: demo[key] for key in ("seconds", "processor_seconds")},
        "environment": environment,
        "program": own,
        "engine": cli,
        "runs": runs,
        "load_average": load,
        "ok": processor < PROGRAM_SECONDS and cli.get(engine.PREVIEW, 0.0) < PREVIEW_SECONDS,
    }


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    columns = ["", "cold start", "warm run", "memory used", "of", "own code", "layers, zipped", "unzipped", "here"]
    rows = [
        [
            name,
            *([f"{row['init_ms']:,} ms", f"{row['median_ms']:,} ms"] if row.get("invocations") else ["", ""]),
            f"{row.get('max_memory_mb', 0):,} MB",
            f"{row['memory_mb']:,} MB",
            *(f"{row[size]:.1f} MB" for size in ("code_mb", "zip_mb", "unzipped_mb")),
            f"{found['environment']['systems'][name]:.0f} MB",
            SAID.get(name, ""),
        ]
        for name, row in found["systems"].items()
    ]
    environment, demo = found["environment"], found["demo"]
    return (
        "## All systems\n"
        "*Cold start* is the slowest of the demonstration, in which all of them start beside each other on this "
        "machine: its function's process with everything that it loads. *Warm run* is the median of its runs, *memory "
        "used* the most of any, *of* what `prod` gives it. Own code is not packed. *Here* is what the demonstration's "
        "environment has of the same packages, each counted for every system that uses it. *Was to be*: the figures "
        "of the description that each began with.\n\n"
        f"{page.table([*columns, 'was to be'], rows)}\n\n"
        f"The demonstration of all of them took {demo['seconds']:.0f} s ({demo['processor_seconds']:.0f} s of "
        f"processor time). Its environment has {environment['mb']:,.0f} MB, and is made in "
        f"{environment['seconds']:.1f} s ({environment['processor_seconds']:.1f} s of processor time) when everything "
        "is in uv's cache.\n\n"
        f"{page.table(['all systems, nothing changes', 'wall', 'processor', 'wanted: under'], _times(found))}\n\n"
        f"Medians of {found['runs']} runs; load average before {found['load_average']:.1f}. *The program alone* is one "
        "process from the start of Python to its end, with sockets and processes forbidden. As part of an `up` it "
        "waits for the engine, which waits for the provider: its own time is its processor time. The emulator and the "
        "provider are on this machine, and nothing else is asked.\n"
    )


def _times(found: dict[str, Any]) -> list[list[str]]:
    own, cli = found["program"], found["engine"]
    alone = ["the program alone", f"{own['wall_seconds']:.2f} s", f"{own['processor_seconds']:.2f} s"]
    rows = [[*alone, f"{PROGRAM_SECONDS:.0f} s"]]
    if not cli:
        return [*rows, ["`pulumi preview`, `pulumi up`: there is no pulumi CLI here", "", "", ""]]
    program_cpu = f"{cli[engine.OWN_CPU]:.2f} s"
    return [
        *rows,
        ["`pulumi preview`", f"{cli[engine.PREVIEW]:.2f} s", "", f"{PREVIEW_SECONDS:.0f} s"],
        ["`pulumi up`", f"{cli[engine.IDLE]:.2f} s", "", ""],
        ["of it the program", f"{cli[engine.OWN_WALL]:.2f} s", program_cpu, f"{PROGRAM_SECONDS:.0f} s"],
        ["the first `pulumi up`, for comparison", f"{cli[engine.FIRST]:.0f} s", "", ""],
    ]


def main() -> int:
    """Measure, print, and with --page write the section; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of what is repeated (median); at least 1")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    found = measure(max(1, given.runs))
    print(json.dumps(found, indent=2) if given.json else markdown(found))
    if given.page:
        versions = {"Python": platform.python_version()}
        page.section("systems", "python -m benchmarks.systems --page", markdown(found), versions)
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
