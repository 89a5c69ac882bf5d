"""The layer builder beside what one would use instead, in one run: time, size, cold import, reproducibility, CPU.

    python -m benchmarks.compare [--rounds 3] [--tools FOLDER] [--caches FOLDER] [--json] [--page]

Every tool builds the layer `openai-pinecone` for python3.13 from the same pinned versions, each time in a new folder,
in turns, with its own cache warm. The first round fills caches and does not count. Needs `zip`, `unzip` and a package
index; AWS's tools are installed in a throw-away environment, or are taken from --tools.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import page
from benchmarks.contenders import (
    COMPILER,
    CONTENDERS,
    LAYER,
    RUNTIME,
    BuildFailedError,
    Contender,
    Job,
    copy_builder,
    install_tools,
    versions,
)
from layer_builds import find_interpreter

HOST = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
OTHER = {"x86_64": "arm64", "arm64": "x86_64"}[HOST]
ELF_MACHINES = {62: "x86_64", 183: "arm64"}
"""`e_machine`: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html"""
IMPORTS = "import openai, pinecone, tiktoken, pydantic, aws_lambda_powertools"
IMPORT_RUNS = 5
MEGABYTE = 1_000_000


@dataclass(slots=True)
class Result:
    """Of one tool."""

    name: str
    documentation: str
    build_seconds: list[float] = field(default_factory=list[float])
    cpu_seconds: list[float] = field(default_factory=list[float])
    """Processor time of all its processes: says more than the clock on a machine with other work."""
    zip_bytes: int = 0
    unzipped_bytes: int = 0
    bytecode_bytes: int = 0
    import_seconds: list[float] = field(default_factory=list[float])
    reproduced: str = ""
    other_cpu: str = ""
    failed: str = ""
    """The tool's own words, when it did not build."""


def contents(archive: Path) -> dict[str, str]:
    """Name to SHA-256 of every file in a zip."""
    with zipfile.ZipFile(archive) as opened:
        files = [entry for entry in opened.infolist() if not entry.is_dir()]
        return {entry.filename: hashlib.sha256(opened.read(entry)).hexdigest() for entry in files}


def compared(first: Path, second: Path) -> str:
    """Whether two builds are the same, in words."""
    if first.read_bytes() == second.read_bytes():
        return "same bytes"
    one, two = contents(first), contents(second)
    different = [name for name in one.keys() | two.keys() if one.get(name) != two.get(name)]
    return f"{len(different):,} of {len(one):,} files differ" if different else "same files, another zip"


def cpus(archive: Path) -> dict[str, int]:
    """For which CPUs the native files of a zip are."""
    found: dict[str, int] = {}
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            with opened.open(entry) as file:
                head = file.read(20)
            if head[:4] == b"\x7fELF":
                name = ELF_MACHINES.get(int.from_bytes(head[18:20], "little"), "another")
                found[name] = found.get(name, 0) + 1
    return found


def import_seconds(tree: Path) -> float:
    """One cold import from an unpacked layer that is not written to, Python's own start included."""
    command = [str(find_interpreter(COMPILER)), "-S", "-s", "-P", "-B", "-c"]
    script = f"import sys; sys.path.insert(0, {str(tree / 'python')!r}); {IMPORTS}"
    started = time.perf_counter()
    subprocess.run([*command, script], check=True, timeout=120, env={"PATH": "/usr/bin:/bin"})
    return time.perf_counter() - started


def _children_cpu() -> float:
    """Seconds of processor time of all processes that were started here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Comparison:
    """All tools, in one scratch folder."""

    def __init__(self, scratch: Path, tools: Path, caches: Path, console: Console) -> None:
        self._scratch, self._tools, self.caches, self._console = scratch, tools, caches, console
        self.results = {one.name: Result(one.name, one.documentation) for one in CONTENDERS}
        self._kept: dict[str, Path] = {}
        self._builder = scratch / "layer_builds"
        copy_builder(self._builder)
        self._number = 0

    def round(self, number: int) -> None:
        """Every tool once; round 0 only fills caches."""
        for tool in CONTENDERS:
            result = self.results[tool.name]
            if result.failed:
                continue
            try:
                archive, seconds, cpu = self._build(tool, HOST)
            except BuildFailedError as error:
                result.failed = str(error)
                self._console.print(f"{tool.name}: failed: {error}", markup=False)
                continue
            self._console.print(f"round {number}, {tool.name}: {seconds:.1f} s, processor {cpu:.1f} s")
            if number:
                result.build_seconds.append(seconds)
                result.cpu_seconds.append(cpu)
            self._keep(result, archive)

    def _keep(self, result: Result, archive: Path) -> None:
        """Look at the first archive, compare the second with it, and let the others go."""
        if result.name not in self._kept:
            kept = self._scratch / f"{len(self._kept)}.zip"
            shutil.copy2(archive, kept)
            self._kept[result.name] = kept
            with zipfile.ZipFile(kept) as opened:
                entries = opened.infolist()
            result.zip_bytes = kept.stat().st_size
            result.unzipped_bytes = sum(entry.file_size for entry in entries)
            result.bytecode_bytes = sum(entry.file_size for entry in entries if entry.filename.endswith(".pyc"))
        elif not result.reproduced:
            result.reproduced = compared(self._kept[result.name], archive)
        shutil.rmtree(self._folder)

    def _build(self, tool: Contender, architecture: str) -> tuple[Path, float, float]:
        self._number += 1
        self._folder = self._scratch / f"build-{self._number}"
        self._folder.mkdir()
        started, used = time.perf_counter(), _children_cpu()
        archive = tool.build(Job(self._folder, architecture, self._tools, self.caches, self._builder))
        return archive, time.perf_counter() - started, _children_cpu() - used

    def imports(self) -> None:
        """Cold imports from what was built, in turns; `unzip` keeps the times, by which ordinary bytecode is valid."""
        trees: dict[str, Path] = {}
        for name, archive in self._kept.items():
            trees[name] = archive.with_suffix("")
            subprocess.run(["unzip", "-q", str(archive), "-d", str(trees[name])], check=True, timeout=120)
        for number in range(IMPORT_RUNS + 1):
            for name, tree in trees.items():
                seconds = import_seconds(tree)
                if number:
                    self.results[name].import_seconds.append(seconds)

    def other_cpu(self) -> None:
        """The same layer for the CPU that this machine has not."""
        for tool in CONTENDERS:
            result = self.results[tool.name]
            if result.failed:
                continue
            try:
                archive, *_ = self._build(tool, OTHER)
            except BuildFailedError as error:
                result.other_cpu = "fails"
                self._console.print(f"{tool.name} for {OTHER}: failed: {error}", markup=False)
                continue
            found = cpus(archive)
            wrong = sum(count for cpu, count in found.items() if cpu != OTHER)
            result.other_cpu = f"{wrong} of {sum(found.values())} files for another CPU" if wrong else "right"
            self._console.print(f"{tool.name} for {OTHER}: {result.other_cpu}")
            shutil.rmtree(self._folder)


def measure(rounds: int, tools: Path | None, caches: Path | None, console: Console) -> dict[str, Any]:
    """Run everything; the figures."""
    with tempfile.TemporaryDirectory(prefix="strata-compare-") as folder:
        scratch = Path(folder)
        if tools is None:
            tools = scratch / "tools"
            install_tools(tools)
        comparison = Comparison(scratch, tools.resolve(), (caches or scratch / "caches").resolve(), console)
        before = page.load_average()
        for number in range(rounds + 1):
            comparison.round(number)
        comparison.imports()
        comparison.other_cpu()
        return {
            "results": [asdict(result) for result in comparison.results.values()],
            "versions": versions(tools),
            "rounds": rounds,
            "pip_caches": (comparison.caches / "pip").is_dir(),
            "load_average": {"before": before, "after": page.load_average()},
        }


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    ours = found["results"][0]
    base = statistics.median(ours["build_seconds"])
    base_import = statistics.median(ours["import_seconds"])
    rows: list[list[str]] = []
    for result in found["results"]:
        if result["failed"]:
            rows.append([result["name"], "failed", *[""] * 6])
            continue
        build, cold = statistics.median(result["build_seconds"]), statistics.median(result["import_seconds"])
        rows.append(
            [
                result["name"],
                f"{build:.1f} s ({build / base:.1f} times)",
                f"{statistics.median(result['cpu_seconds']):.1f} s",
                f"{result['zip_bytes'] / MEGABYTE:.1f}",
                f"{result['unzipped_bytes'] / MEGABYTE:.1f}",
                f"{cold:.2f} s ({cold / base_import:.1f} times)",
                result["reproduced"],
                result["other_cpu"],
            ]
        )
    columns = ["", "build", "processor", "zip MB", "unzipped MB", "cold import", "two builds", f"for {OTHER}"]
    load = found["load_average"]
    how = "\n".join(f"- {result['name']}: {result['documentation']}" for result in found["results"])
    failures = "".join(
        f"\n{result['name']} failed: `{' '.join(result['failed'].split())[-200:]}`\n"
        for result in found["results"]
        if result["failed"]
    )
    return (
        "## Beside other tools\n"
        f"The layer `{LAYER}` for {RUNTIME} on {HOST}, the same pinned versions for all, to a zip, in new folders and "
        f"in turns: medians of {found['rounds']} builds and {IMPORT_RUNS} imports, ratios to this project's. Downloads "
        f"are cached{'' if found['pip_caches'] else ', but the index does not let pip do so: its times include them'}. "
        "*Processor* is the time of all processes, which other work on the machine changes little. Ours also checks "
        "every native file and makes the layer's real call before it writes the zip, and holds tiktoken's vocabulary "
        f"(1.7 MB) and {ours['bytecode_bytes'] / MEGABYTE:.1f} MB of bytecode that stays valid in Lambda. *Cold "
        f"import* is of the five packages from the unpacked zip, with Python's start. *For {OTHER}*: whether the "
        "native files of a layer built on this machine for that CPU are for it. Load average of the machine "
        f"{load['before']:.1f} before, {load['after']:.1f} after.\n\n"
        f"{page.table(columns, rows)}\n\n"
        f"Each as documented:\n\n{how}\n{failures}"
    )


def main() -> int:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description="The layer builder beside what one would use instead.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", type=Path, help="an environment with aws-sam-cli, to save its installation")
    parser.add_argument("--caches", type=Path, help="the tools' caches of downloads, kept for the next time")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    found = measure(given.rounds, given.tools, given.caches, Console(quiet=given.json))
    print(json.dumps(found, indent=2) if given.json else markdown(found))
    if given.page:
        page.section("compare", "python -m benchmarks.compare --page", markdown(found), found["versions"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
