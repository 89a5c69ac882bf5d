"""Where a cold start of the embedding function goes: by phase, by package, and what bytecode and late imports save.

    python -m benchmarks.cold_start [--runs 7] [--json] [--page]

Takes the real layer (built first when it is not there), unpacked and never written to, and starts fresh processes with
Lambda's path: the function, the layer, the runtime's boto3 and awslambdaric. Nothing of this project's own environment
is on it. Wall times are medians of whole processes; the share of each package is from `-X importtime`, whose own cost
makes its sum a little more than the wall time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import page
from layer_builds import LAYERS_DIR, RUNTIMES, Target, build_layer, load_layer, runtime_root
from sandbox.openai_server import OpenAIState
from sandbox.openai_server import create_app as openai_app
from sandbox.pinecone_server import PineconeState
from sandbox.pinecone_server import create_app as pinecone_app
from sandbox.serving import Server

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

ROOT = Path(__file__).resolve().parent.parent
LAYER = "openai-pinecone"
SHOWN = 10
TRACED = 3
PHASES = {
    "runtime": "awslambdaric and what it imports",
    "handler": "our handler: openai, pinecone, Powertools, pydantic, tiktoken, boto3",
    "vocabulary": "tiktoken's vocabulary, read and indexed",
    "clients": "first message: clients made, and what they import",
    "first": "first message: the rest of it, over loopback",
    "second": "second message, for comparison",
}
INIT = ("runtime", "handler", "vocabulary")
"""What Lambda does before the first event; the rest is paid by the first message."""
PROBE = """
import json, os, sys, time
clock = time.perf_counter
steps, processor, modules = {}, {}, {}
def step(name, work):
    before, started, used = set(sys.modules), clock(), time.process_time()
    result = work()
    steps[name], processor[name] = clock() - started, time.process_time() - used
    modules[name] = len(set(sys.modules) - before)
    sys.stderr.write(f"== {name}\\n")
    sys.stderr.flush()
    return result
sys.path[:0] = json.loads(sys.argv[1])
def runtime():
    import awslambdaric.bootstrap, awslambdaric.lambda_context
def handler():
    import lambdas.embedding.handler as found
    return found
step("runtime", runtime)
module = step("handler", handler)
step("vocabulary", module._tokenizer)
class Context:
    function_name = memory_limit_in_mb = aws_request_id = invoked_function_arn = "probe"
    def get_remaining_time_in_millis(self):
        return 60_000
def record(n):
    record = {"messageId": str(n), "body": f"message {n}", "attributes": {}, "receiptHandle": "x"}
    return record | {"eventSource": "aws:sqs"}
def message(n):
    answer = module.handler({"Records": [record(n)]}, Context())
    assert answer == {"batchItemFailures": []}, answer
step("clients", module._pipeline)
step("first", lambda: message(1))
step("second", lambda: message(2))
os.write(int(sys.argv[2]), json.dumps({"steps": steps, "processor": processor, "modules": modules}).encode())
"""
ROW = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +(\S+)")


def package(module: str) -> str:
    """The package that a module's time is counted for."""
    top = module.partition(".")[0].lstrip("_") or module
    return "the standard library" if top in sys.stdlib_module_names or module in sys.stdlib_module_names else top


def run(paths: list[str], variables: Mapping[str, str], *, trace: bool = False) -> tuple[dict[str, Any], str]:
    """One process: its figures, and what it wrote about imports."""
    read_end, write_end = os.pipe()
    command = [sys.executable, "-S", "-s", "-P", "-B", *(["-X", "importtime"] if trace else []), "-c"]
    command += [PROBE, json.dumps(paths), str(write_end)]
    done = subprocess.run(
        command, env=dict(variables), pass_fds=[write_end], capture_output=True, text=True, check=False, timeout=120
    )
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as answer:
        text = answer.read()
    if done.returncode != 0 or not text:
        raise SystemExit(f"the probe failed:\n{done.stderr[-2000:]}")
    return json.loads(text), done.stderr


def start_seconds(variables: Mapping[str, str]) -> float:
    """Starting Python itself, for comparison."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-S", "-s", "-P", "-c", "pass"], env=dict(variables), check=True, timeout=60)
    return time.perf_counter() - started


@contextlib.contextmanager
def trees() -> Generator[dict[str, Path]]:
    """The layer as built, and the same without bytecode; both without permission to write."""
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    compiler = platform.python_version()
    pinned = RUNTIMES[runtime].compiler == compiler
    built = build_layer(
        load_layer(LAYER, root=LAYERS_DIR), Target(runtime, machine), compiler=None if pinned else compiler
    )
    with tempfile.TemporaryDirectory(prefix="cold-start-") as folder:
        found = {"with bytecode": Path(folder) / "bytecode", "without bytecode": Path(folder) / "source"}
        with zipfile.ZipFile(built.path) as archive:
            archive.extractall(found["with bytecode"])
        shutil.copytree(found["with bytecode"], found["without bytecode"], ignore=shutil.ignore_patterns("__pycache__"))
        # The function's own code has no bytecode in Lambda.
        code = Path(folder) / "task" / "lambdas"
        shutil.copytree(ROOT / "lambdas", code, ignore=shutil.ignore_patterns("__pycache__"))
        yield found


@contextlib.contextmanager
def stand_ins() -> Generator[dict[str, str]]:
    """Both services on loopback, and the function's variables for them."""
    openai, pinecone = OpenAIState(keys=["probe"]), PineconeState(keys=["probe"])
    openai.embed(["message 1", "message 2"], 384)
    with Server(openai_app(openai)) as first, Server(pinecone_app(pinecone)) as second:
        yield {
            "OPENAI_API_KEY": "probe",
            "PINECONE_API_KEY": "probe",
            "OPENAI_BASE_URL": f"{first.url}/v1",
            "OPENAI_EMBEDDING_MODEL": "text-embedding-3-small",
            "OPENAI_EMBEDDING_DIMENSIONS": "384",
            "PINECONE_INDEX_HOST": second.url,
            "POWERTOOLS_SERVICE_NAME": "probe",
            "PATH": os.defpath,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def measure(runs: int) -> dict[str, Any]:
    """Run both trees in turns; the figures in milliseconds."""
    runtime = str(runtime_root(Path(sys.executable).resolve()))
    times: dict[tuple[str, str], dict[str, list[float]]] = {}
    packages: dict[str, dict[str, float]] = {}
    modules: dict[str, int] = {}
    python: list[float] = []
    with trees() as folders, stand_ins() as variables:
        for number in range(runs + 1):
            for name, tree in folders.items():
                environment = {**variables, "TIKTOKEN_CACHE_DIR": str(tree / "tiktoken")}
                paths = [str(tree.parent / "task"), str(tree / "python"), runtime]
                if number == 0:
                    run(paths, environment)  # brings the files into memory
                    modules, packages[name] = traced(paths, environment)
                    continue
                seen, _ = run(paths, environment)
                for kind in ("steps", "processor"):
                    for step, seconds in seen[kind].items():
                        times.setdefault((kind, name), {}).setdefault(step, []).append(seconds * 1000)
            if number:
                python.append(start_seconds(variables) * 1000)
    medians = {
        kind: {name: {step: statistics.median(found) for step, found in times[kind, name].items()} for name in packages}
        for kind in ("steps", "processor")
    }
    return {
        "python_ms": statistics.median(python),
        "phases_ms": medians["steps"],
        "processor_ms": medians["processor"],
        "modules": modules,
        "packages_ms": packages,
        "runs": runs,
        "load_average": page.load_average(),
    }


def traced(paths: list[str], environment: Mapping[str, str]) -> tuple[dict[str, int], dict[str, float]]:
    """Modules of each phase; milliseconds of the init phase by package, the least of a few runs."""
    modules: dict[str, int] = {}
    least: dict[str, float] = {}
    for _ in range(TRACED):
        seen, trace = run(paths, environment, trace=True)
        modules = seen["modules"]
        for name, spent in by_package(trace.partition("== vocabulary")[0]).items():
            least[name] = min(spent, least.get(name, spent))
    return modules, dict(sorted(least.items(), key=lambda item: -item[1]))


def by_package(trace: str) -> dict[str, float]:
    """Milliseconds of each package's own modules, most first, from what `-X importtime` wrote."""
    found: dict[str, float] = {}
    for line in trace.splitlines():
        if row := ROW.match(line):
            name = package(row[2])
            found[name] = found.get(name, 0.0) + int(row[1]) / 1000
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    phases = {
        f"{name}, {kind}": found[key][name]
        for name in found["phases_ms"]
        for kind, key in (("wall", "phases_ms"), ("processor", "processor_ms"))
    }
    rows = [
        [meaning, *(f"{phase[step]:.0f}" for phase in phases.values()), str(found["modules"][step])]
        for step, meaning in PHASES.items()
    ]
    sums = {name: sum(phase[step] for step in INIT) for name, phase in phases.items()}
    rows.insert(len(INIT), ["**init phase in all**", *(f"**{value:.0f}**" for value in sums.values()), ""])
    packages = found["packages_ms"]
    most = list(packages["with bytecode"])[:SHOWN]
    shares = [[name, *(f"{packages[tree].get(name, 0.0):.0f}" for tree in packages)] for name in most]
    late = {name: one["clients"] + one["first"] - one["second"] for name, one in found["processor_ms"].items()}
    ratio = sums["without bytecode, processor"] / sums["with bytecode, processor"]
    return (
        "## Cold start\n"
        "The embedding function from its real layer, in fresh processes with Lambda's path and no other packages, the "
        f"tree never written to. Medians of {found['runs']} runs in milliseconds; starting Python itself, "
        f"{found['python_ms']:.0f} ms, is not in them. Processor time is what other "
        f"work on the machine changes least; its load average was {found['load_average']:.1f}.\n\n"
        f"{page.table(['phase', *phases, 'modules'], rows)}\n\n"
        f"Without the layer's bytecode the init phase takes **{ratio:.1f} times** the processor time. "
        f"{found['modules']['clients'] + found['modules']['first']} modules are imported at the first message only, "
        f"which with the making of the clients costs it {late['with bytecode']:.0f} ms of processor time more than the "
        f"second (without bytecode {late['without bytecode']:.0f}): parts of the services' clients, which these load "
        "when they are used. The "
        "handler loads everything else at once on purpose: Lambda gives a starting function a whole processor, and "
        "later one by its memory.\n\n"
        "Own time of each package's modules in the init phase, milliseconds, the least of "
        f"{TRACED} runs with `-X importtime`:\n\n"
        f"{page.table(['package', *packages], shares)}\n"
    )


def main() -> int:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description="Where a cold start of the embedding function goes.")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    found = measure(given.runs)
    print(json.dumps(found, indent=2) if given.json else markdown(found))
    if given.page:
        versions = {"Python": platform.python_version()}
        page.section("cold_start", "python -m benchmarks.cold_start --page", markdown(found), versions)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
