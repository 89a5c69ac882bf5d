"""What a build takes and comes to: its time, its size and its import against pip's, and what a preview does with it.

Measured by `benchmarks.layers`.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.layer_commands import LAYER, TARGET, spread
from layer_builds.build.builder import build_layer, caches
from layer_builds.build.unpacking import read_entries
from layer_builds.host.interpreters import find_interpreter
from layer_builds.host.processes import Log, Processes, find_uv
from layer_builds.lock.imported import imported_modules
from layer_builds.plan import REPOSITORY, Lock, load_layer, load_lock, lock_inputs, modules_text

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.plan import LayerSpec

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
from layer_builds.plan import check_function_budget, layer_digest, layer_names, layers_before, load_layer
for layer in map(load_layer, layer_names()):
    for target in () if layer.for_images else layer.targets:
        layer_digest(layer, target)
        check_function_budget("benchmark", 100_000, [*layers_before(layer), layer], target)
"""


def measure_build(runs: int, _: Path) -> dict[str, Any]:
    """Seconds of a build; the first one, which fills the caches, does not count."""
    layer = load_layer(LAYER)
    kept = caches()
    seconds: list[float] = []
    for _number in range(runs + 1):
        shutil.rmtree(kept.wheels.root, ignore_errors=True)
        kept.made.path.unlink(missing_ok=True)
        seconds.append(round(build_layer(layer, TARGET, force=True).seconds, 2))
    del seconds[0]
    return {
        "layer": LAYER,
        "target": str(TARGET),
        "cores": os.cpu_count(),
        "seconds": spread(seconds),
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
        "layer_seconds": spread(seconds["layer"]),
        "pip_install_t_no_compile_seconds": spread(seconds["pip"]),
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
        "seconds": spread(seconds),
        "goal": f"under {PREVIEW_SECONDS:.0f} s",
        "ok": statistics.median(seconds) < PREVIEW_SECONDS,
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
        recorded = imported_modules(layer, TARGET.runtime, Processes(Log()), lambda _: None)
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
