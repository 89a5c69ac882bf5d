"""The layer builder's numbers, measured: `python -m benchmarks.layers [build|size|import|preview ...] [--json|--page]`.

build    seconds of a native build with uv's cache warm, everything else from nothing
size     openai and pinecone as a layer, against `pip install -t` of the same versions, unzipped
import   the first import of both in a new process, from a read-only tree: layer against `pip install -t --no-compile`
preview  seconds that a new process needs for the digest and the budget of every layer and target

Both sides of a ratio are measured in one run, in turn; figures are medians. Exits with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks import page
from layer_builds import LAYERS_DIR, Target, build_layer, find_interpreter, host_architecture, interpreters, load_layer
from layer_builds.archive import read_entries
from layer_builds.locks import Lock, load_lock, lock_inputs, modules_text
from layer_builds.processes import Log, Processes, find_uv
from layer_builds.record import record_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from layer_builds.spec import LayerSpec

LAYER = "openai-pinecone"
TARGET = Target("python3.13", host_architecture())
REPOSITORY = LAYERS_DIR.parent.parent
CLIENTS = ("openai", "pinecone")
BUILD_SECONDS, SIZE_SHARE, IMPORT_RATIO, PREVIEW_SECONDS = 8.0, 0.70, 2.0, 1.0
"""What the project promises."""
IMPORTS_A_RUN = 4
"""An import takes a second and varies by a tenth: a median needs more of them than of builds."""
IMPORT = "import openai, pinecone; openai.OpenAI; openai.resources.embeddings; pinecone.Pinecone; pinecone.Index"
SMOKE = f"""
def smoke():
    {IMPORT}
    openai.OpenAI(api_key="x").embeddings
    pinecone.Pinecone(api_key="x").Index(host="https://host.invalid")
    return {{}}
"""
PREVIEW = """
from layer_builds import ALL_TARGETS, check_function_budget, layer_digest, layer_names, load_layer
for name in layer_names():
    layer = load_layer(name)
    for target in ALL_TARGETS:
        layer_digest(layer, target)
        check_function_budget("benchmark", 100_000, [layer], target)
"""


def measure_build(runs: int, _: Path) -> dict[str, Any]:
    """Seconds of a build; the first one, which fills the caches, does not count."""
    layer = load_layer(LAYER)
    seconds = [round(build_layer(layer, TARGET, force=True).seconds, 2) for _ in range(runs + 1)][1:]
    return {
        "layer": LAYER,
        "target": str(TARGET),
        "cores": os.cpu_count(),
        "seconds": _spread(seconds),
        "goal": f"under {BUILD_SECONDS:.0f} s",
        "ok": statistics.median(seconds) < BUILD_SECONDS,
    }


def measure_size(_: int, folder: Path) -> dict[str, Any]:
    """Unzipped megabytes of the two clients with all that they need, both ways."""
    layer, versions = _clients_layer(folder)
    built = build_layer(layer, TARGET)
    (layer.directory / "layer.toml").write_text("")
    whole = build_layer(load_layer(layer.name, root=layer.root), TARGET)
    plain = _pip_install(folder / "pip", versions, compiled=True)
    bare = _pip_install(folder / "pip-no-compile", versions, compiled=False)
    pip_bytes, bare_bytes = _bytes(plain), _bytes(bare)
    share = built.unzipped_bytes / pip_bytes
    return {
        "what": f"{', '.join(CLIENTS)} and all they need, the versions of the lock, {TARGET}, unzipped",
        "layer_bytes": built.unzipped_bytes,
        "layer_bytes_without_drop": whole.unzipped_bytes,
        "layer_zip_bytes": built.zip_bytes,
        "pip_install_t_bytes": pip_bytes,
        "pip_install_t_no_compile_bytes": bare_bytes,
        "share": round(share, 3),
        "share_without_drop": round(whole.unzipped_bytes / pip_bytes, 3),
        "drop": list(layer.drop),
        "goal": f"at most {SIZE_SHARE:.0%}",
        "ok": share <= SIZE_SHARE,
    }


def measure_import(runs: int, folder: Path) -> dict[str, Any]:
    """Seconds from starting Python to both clients imported; `-B` and a read-only folder, as /opt is.

    The clock stops with the import: ending a process is no part of a cold start.
    """
    layer, versions = _clients_layer(folder)
    tree = folder / "opt"
    read_entries(build_layer(layer, TARGET).path, tree)
    trees = {"layer": tree / "python", "pip": _pip_install(folder / "pip-no-compile", versions, compiled=False)}
    for path in trees.values():
        subprocess.run(["chmod", "-R", "a-w", str(path)], check=True)
    python = find_interpreter(TARGET.facts.compiler)
    seconds: dict[str, list[float]] = {name: [] for name in trees}
    busy: dict[str, list[float]] = {name: [] for name in trees}
    for number in range(IMPORTS_A_RUN * runs + 1):
        for name, path in trees.items():
            started = time.monotonic()
            ended, used = _imported(python, path)
            if number:
                seconds[name].append(round(ended - started, 3))
                busy[name].append(round(used, 3))
    for path in trees.values():
        subprocess.run(["chmod", "-R", "u+w", str(path)], check=True)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    cpu = {name: statistics.median(values) for name, values in busy.items()}
    return {
        "what": f"{IMPORT} ({TARGET})",
        "layer_seconds": _spread(seconds["layer"]),
        "pip_install_t_no_compile_seconds": _spread(seconds["pip"]),
        "times_faster": round(medians["pip"] / medians["layer"], 2),
        "cpu_seconds": {name: round(value, 3) for name, value in cpu.items()},
        "times_less_cpu": round(cpu["pip"] / cpu["layer"], 2),
        "goal": f"at least {IMPORT_RATIO:.0f} times",
        "ok": medians["pip"] / medians["layer"] >= IMPORT_RATIO,
    }


def measure_preview(runs: int, _: Path) -> dict[str, Any]:
    """Seconds of a process that does what a preview does with layers: no network, no Docker, no build."""
    seconds = [_timed([sys.executable, "-c", PREVIEW], cwd=REPOSITORY) for _ in range(runs + 1)][1:]
    return {
        "what": "digest and budget of all layers and targets",
        "seconds": _spread(seconds),
        "goal": f"under {PREVIEW_SECONDS:.0f} s",
        "ok": statistics.median(seconds) < PREVIEW_SECONDS,
    }


MEASUREMENTS: dict[str, Callable[[int, Path], dict[str, Any]]] = {
    "build": measure_build,
    "size": measure_size,
    "import": measure_import,
    "preview": measure_preview,
}


def _clients_layer(folder: Path) -> tuple[LayerSpec, list[str]]:
    """A layer of the two clients alone, at the versions of the project's lock."""
    root = folder / "layers"
    home = root / "clients"
    pins = {pin.name: pin for pin in load_lock(load_layer(LAYER), TARGET).pins}
    if not home.is_dir():
        home.mkdir(parents=True)
        (home / "smoke.py").write_text(SMOKE)
        (home / "requirements.in").write_text("".join(f"{name}\n" for name in CLIENTS))
    (home / "layer.toml").write_text(f"drop = {json.dumps(load_layer(LAYER).drop)}\n")
    layer = load_layer("clients", root=root)
    needed: set[str] = set()
    todo = list(CLIENTS)
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += [other.name for other in pins.values() if name in other.via]
    chosen = tuple(pins[name] for name in sorted(needed))
    lock = layer.lock_path(TARGET)
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(Lock(lock_inputs(layer, TARGET), chosen).text(TARGET))
    modules = layer.modules_path(TARGET.runtime)
    if not modules.is_file():
        modules.parent.mkdir(exist_ok=True)
        recorded = record_modules(layer, TARGET.runtime, Processes(Log()), lambda _: None)
        modules.write_text(modules_text(TARGET.runtime, list(recorded)))
    return layer, [f"{pin.name}=={pin.version}" for pin in chosen]


def _pip_install(home: Path, versions: list[str], *, compiled: bool) -> Path:
    if home.is_dir():
        return home
    python = find_interpreter(TARGET.facts.compiler)
    pip = home.parent / "pip-itself"
    if not pip.is_dir():
        argv = [find_uv(), "pip", "install", "--quiet", "--python", str(python), "--target", str(pip), "pip"]
        subprocess.run(argv, check=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", *([] if compiled else ["--no-compile"])]
    subprocess.run(
        [str(python), "-m", "pip", "install", *options, "--target", str(home), *versions],
        check=True,
        env={**os.environ, "PYTHONPATH": str(pip)},
        stderr=subprocess.DEVNULL,
    )
    return home


def _imported(python: Path, path: Path) -> tuple[float, float]:
    """When a new process has the clients imported, by the clock that all processes share, and its processor seconds."""
    code = (
        f"import sys; sys.path.insert(0, {str(path)!r}); {IMPORT}; import os, time; "
        "print(time.monotonic(), time.process_time(), flush=True); os._exit(0)"
    )
    done = subprocess.run([str(python), "-I", "-S", "-B", "-c", code], check=True, capture_output=True, text=True)
    ended, used = done.stdout.split()
    return float(ended), float(used)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _timed(argv: list[str], cwd: Path | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(argv, check=True, cwd=cwd)
    return round(time.perf_counter() - started, 3)


def _spread(values: list[float]) -> dict[str, Any]:
    return {"median": round(statistics.median(values), 3), "min": min(values), "max": max(values), "runs": len(values)}


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    results = found["results"]
    rows = [[ROWS[name][0], *ROWS[name][1](one), one["goal"]] for name, one in results.items()]
    load = found["load_average"]
    text = (
        "## The layer builder\n"
        f"The layer `{LAYER}` for {TARGET}; for *size* and *import* a layer of {' and '.join(CLIENTS)} alone, with "
        "what they need, against `pip install -t` of the same versions. *Build*: from uv's warm cache, everything else "
        "from nothing: installed, pruned, compiled, checked, its real call made, zipped. *Size*: unzipped, the layer "
        "with the bytecode of what is imported. *Import*: in a new process, from a folder that is never written to, "
        f"against `pip install -t --no-compile`. Medians of {found['runs']} runs ({IMPORTS_A_RUN * found['runs']} "
        f"imports), both sides of a ratio in turns. Load average of the machine {load['before']:.1f} before, "
        f"{load['after']:.1f} after.\n\n"
        f"{page.table(['', 'measured', 'fastest to slowest', 'wanted'], rows)}\n"
    )
    size = results.get("size")
    if size is not None and size["drop"]:
        dropped = ", ".join(f"`{one}`" for one in size["drop"])
        text += f"\nWith what `layer.toml` drops ({dropped}) the size would be {size['share_without_drop']:.0%}.\n"
    return text


def _from_to(spread: dict[str, Any]) -> str:
    return f"{spread['min']:.2f} to {spread['max']:.2f} s"


ROWS: dict[str, tuple[str, Callable[[dict[str, Any]], tuple[str, str]]]] = {
    "build": ("warm native build", lambda one: (f"{one['seconds']['median']:.1f} s", _from_to(one["seconds"]))),
    "size": (
        "size, of pip's",
        lambda one: (
            f"{one['share']:.0%} ({one['layer_bytes'] / 1e6:.1f} of {one['pip_install_t_bytes'] / 1e6:.1f} MB)",
            "",
        ),
    ),
    "import": (
        "import, faster than pip's",
        lambda one: (
            f"{one['times_faster']:.2f} times",
            f"{_from_to(one['layer_seconds'])} against {_from_to(one['pip_install_t_no_compile_seconds'])}",
        ),
    ),
    "preview": (
        "digests and budget at preview",
        lambda one: (f"{one['seconds']['median']:.2f} s", _from_to(one["seconds"])),
    ),
}
"""Measurement → its title, and what it came to, in words."""


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
    home = interpreters.BUILD_DIR / "benchmark"
    home.mkdir(parents=True, exist_ok=True)
    os.environ["UV_CACHE_DIR"] = str(home / "uv-cache")
    interpreters.BUILD_DIR = home
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
