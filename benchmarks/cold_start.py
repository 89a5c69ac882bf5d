"""Where the cold starts of the functions go: by step, by package, and what bytecode saves.

    python -m benchmarks.cold_start [FUNCTION …] [--runs 7] [--json] [--page]

Takes each function's real layers (built first when they are not there), unpacked and never written to, and starts fresh
processes of the default runtime's Python with Lambda's path: the function, its layers, the runtime's boto3 and
awslambdaric. Nothing of this project's own environment is on it. Wall times are medians of whole processes; the share
of each package is from `-X importtime`, whose own cost makes its sum a little more than the wall time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import page
from benchmarks.cold_start_cases import CASES, COMMON, Case
from benchmarks.cold_start_probes import HEAD, TAIL
from layer_builds.build.builder import build_layer
from layer_builds.host.interpreters import find_python, interpreter_version, runtime_root
from layer_builds.plan import DEFAULT_RUNTIME, RUNTIMES, Target, host_architecture, load_layer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

ROOT = Path(__file__).resolve().parent.parent
SHOWN = 10
TRACED = 3
BYTECODE, SOURCE = "with bytecode", "without bytecode"
ROW = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +(\S+)")


@dataclass(frozen=True, slots=True)
class Probe:
    """One function's layer and code on this machine, and how a process of it is started."""

    case: Case
    python: Path
    paths: list[str]
    variables: Mapping[str, str]
    stdin: str

    def run(self, *, trace: bool = False) -> tuple[dict[str, Any], str]:
        """One process: its figures, and what it wrote about imports."""
        read_end, write_end = os.pipe()
        command = [str(self.python), "-S", "-s", "-P", "-B", *(["-X", "importtime"] if trace else []), "-c"]
        command += [HEAD + self.case.probe + TAIL, json.dumps(self.paths), str(write_end)]
        done = subprocess.run(
            command, env=dict(self.variables), pass_fds=[write_end], input=self.stdin, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        os.close(write_end)
        with os.fdopen(read_end, encoding="utf-8") as answer:
            text = answer.read()
        if done.returncode != 0 or not text:
            raise SystemExit(f"the probe of {self.case.function} failed:\n{done.stderr[-2000:]}")
        return json.loads(text), done.stderr

    def traced(self) -> tuple[dict[str, int], dict[str, float]]:
        """Modules of each step; milliseconds of the init phase by package, the least of a few runs."""
        modules: dict[str, int] = {}
        least: dict[str, float] = {}
        for _ in range(TRACED):
            seen, written = self.run(trace=True)
            modules = seen["modules"]
            for name, spent in by_package(written.partition(f"== {self.case.init[-1]}\n")[0]).items():
                least[name] = min(spent, least.get(name, spent))
        return modules, dict(sorted(least.items(), key=lambda item: -item[1]))


@contextlib.contextmanager
def probes(case: Case) -> Generator[dict[str, Probe]]:
    """The function on its layer as built, and on the same without bytecode; nothing is written to either."""
    runtime = RUNTIMES[DEFAULT_RUNTIME]
    python = find_python(runtime)
    version = interpreter_version(python)
    target, compiler = Target(runtime.name, host_architecture()), None if version == runtime.compiler else version
    built = [build_layer(load_layer(layer), target, compiler=compiler) for layer in case.layers]
    with tempfile.TemporaryDirectory(prefix="cold-start-") as folder, case.services() as services:
        home = Path(folder)
        trees = {BYTECODE: home / "bytecode", SOURCE: home / "source"}
        no_bytecode = shutil.ignore_patterns("__pycache__")
        for layer in built:
            with zipfile.ZipFile(layer.path) as archive:
                archive.extractall(trees[BYTECODE])
        shutil.copytree(trees[BYTECODE], trees[SOURCE], ignore=no_bytecode)
        shutil.copytree(ROOT / "lambdas", home / "task" / "lambdas", ignore=no_bytecode)  # as in Lambda
        stdin = case.stdin()
        yield {
            name: Probe(
                case,
                python,
                [str(home / "task"), str(tree / "python"), str(runtime_root(python))],
                {**COMMON, **{key: text.format(opt=tree) for key, text in case.variables.items()}, **services},
                stdin,
            )
            for name, tree in trees.items()
        }


def measure(case: Case, runs: int) -> dict[str, Any]:
    """Run both trees in turns; the figures in milliseconds."""
    times: dict[tuple[str, str], dict[str, list[float]]] = {}
    packages: dict[str, dict[str, float]] = {}
    modules: dict[str, int] = {}
    python: list[float] = []
    with probes(case) as both:
        for number in range(runs + 1):
            for name, probe in both.items():
                seen, _ = probe.run()  # the first brings the files into memory
                if number == 0:
                    modules, packages[name] = probe.traced()
                    continue
                for kind in ("steps", "processor"):
                    for step, seconds in seen[kind].items():
                        times.setdefault((kind, name), {}).setdefault(step, []).append(seconds * 1000)
            if number:
                python.append(start_seconds(both[BYTECODE]) * 1000)
    medians = {
        kind: {name: {step: statistics.median(found) for step, found in times[kind, name].items()} for name in packages}
        for kind in ("steps", "processor")
    }
    return {
        "function": case.function,
        "python_ms": statistics.median(python),
        "steps_ms": medians["steps"],
        "processor_ms": medians["processor"],
        "modules": modules,
        "packages_ms": packages,
        "runs": runs,
        "load_average": page.load_average(),
    }


def start_seconds(probe: Probe) -> float:
    """Starting Python itself, for comparison."""
    started = time.perf_counter()
    subprocess.run([str(probe.python), "-S", "-s", "-P", "-c", "pass"], env=dict(COMMON), check=True, timeout=60)
    return time.perf_counter() - started


def package(module: str) -> str:
    """The package that a module's time is counted for."""
    top = module.partition(".")[0].lstrip("_") or module
    return "the standard library" if {top, module} & sys.stdlib_module_names else top


def by_package(trace: str) -> dict[str, float]:
    """Milliseconds of each package's own modules, most first, from what `-X importtime` wrote."""
    found: dict[str, float] = {}
    for line in trace.splitlines():
        if row := ROW.match(line):
            name = package(row[2])
            found[name] = found.get(name, 0.0) + int(row[1]) / 1000
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def markdown(results: list[dict[str, Any]]) -> str:
    """The page's section."""
    cases = {case.function: case for case in CASES}
    return (
        "## Cold start\n"
        "Each function from its real layers, in fresh processes with Lambda's path and no other packages, the tree "
        f"never written to. Medians of {results[0]['runs']} runs in milliseconds; starting Python itself, "
        f"{results[0]['python_ms']:.0f} ms, is not in them. Processor time is the function's own process's, which "
        f"other work on the machine changes least; its load average was {results[0]['load_average']:.1f}. The work on "
        "a document is a child's, and in the wall time only.\n\n"
        + "\n\n".join(_function(cases[found["function"]], found) for found in results)
        + "\n"
    )


def _function(case: Case, found: dict[str, Any]) -> str:
    columns = {
        f"{name}, {kind}": found[key][name]
        for name in found["steps_ms"]
        for kind, key in (("wall", "steps_ms"), ("processor", "processor_ms"))
    }
    rows = [
        [meaning, *(f"{column[step]:.0f}" for column in columns.values()), str(found["modules"][step])]
        for step, meaning in case.steps.items()
    ]
    sums = {name: sum(column[step] for step in case.init) for name, column in columns.items()}
    rows.insert(len(case.init), ["**init phase in all**", *(f"**{value:.0f}**" for value in sums.values()), ""])
    packages = found["packages_ms"]
    most = list(packages[BYTECODE])[:SHOWN]
    shares = [[name, *(f"{packages[tree].get(name, 0.0):.0f}" for tree in packages)] for name in most]
    ratio = sums[f"{SOURCE}, processor"] / sums[f"{BYTECODE}, processor"]
    return (
        f"### {case.function}\n\n"
        f"{page.table(['step', *columns, 'modules'], rows)}\n\n"
        f"{wanted(case, found['steps_ms'][BYTECODE])} Without the layers' bytecode it takes **{ratio:.1f} times** the "
        f"processor time. {case.remarks}\n\n"
        "Own time of each package's modules in the init phase, milliseconds, the least of "
        f"{TRACED} runs with `-X importtime`:\n\n"
        f"{page.table(['package', *packages], shares)}"
    )


def wanted(case: Case, steps_ms: Mapping[str, float]) -> str:
    """Whether the wish for the start of a function is met.

    Args:
        case: the function.
        steps_ms: step to milliseconds on the clock, with the layers' bytecode.
    """
    took = sum(steps_ms[step] for step in (*case.init, *case.wanted_with))
    what = " and ".join(["the init phase", *(f"{case.steps[step]!r}" for step in case.wanted_with)])
    kept = "met" if took <= case.wanted_ms else "**missed**"
    return f"{case.wanted_ms:,} ms are wanted for {what}: {kept}, with {took:,.0f} ms."


def main() -> int:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description="Where the cold starts of the functions go.")
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help="by default all")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    names = [case.function for case in CASES]
    if unknown := sorted(set(given.functions) - set(names)):
        parser.error(f"there is no {', '.join(unknown)}: there are {', '.join(names)}")
    if given.page and given.functions:
        parser.error("--page is of all functions")
    results = [measure(case, given.runs) for case in CASES if case.function in (given.functions or names)]
    print(json.dumps(results, indent=2) if given.json else markdown(results))
    if given.page:
        versions = {"Python": interpreter_version(find_python(RUNTIMES[DEFAULT_RUNTIME]))}
        page.section("cold_start", "python -m benchmarks.cold_start --page", markdown(results), versions)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
