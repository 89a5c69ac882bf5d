"""The rounds of `benchmarks.compare`: every tool in turns, its times, its archive."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import time
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.compare_archives import compared, cpus, import_seconds
from benchmarks.compare_samples import copy_builder
from benchmarks.contenders import CONTENDERS, BuildFailedError, Contender, Job
from layer_builds.build.tree import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

HOST = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
OTHER = {"x86_64": "arm64", "arm64": "x86_64"}[HOST]
IMPORT_RUNS = 5
SLOW_ROUNDS = (1, 2)
"""In which tools take part that install everything anew: they have no cache to fill, and two builds to compare."""


@dataclass(slots=True)
class Result:
    """Of one tool."""

    name: str
    documentation: str
    build_seconds: list[float] = field(default_factory=list[float])
    changed_seconds: list[float] = field(default_factory=list[float])
    """After one pin has changed."""
    changed_cpu_seconds: list[float] = field(default_factory=list[float])
    call_seconds: list[float] = field(default_factory=list[float])
    """Of a build after one pin has changed, the layer's real call: this project's builder makes one, and logs it."""
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


def call_seconds(log: str) -> float:
    """The time of the smoke call by the builder's log: of the tasks in the target's Python, the longest."""
    task = rf"^\$ [^\n]*{re.escape(SCRIPT.name)}$.*?^# exit 0 after ([\d.]+) s$"
    return max(map(float, re.findall(task, log, re.DOTALL | re.MULTILINE)))


def _children_cpu() -> float:
    """Seconds of processor time of all processes that were started here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Comparison:
    """All tools, in one scratch folder."""

    def __init__(
        self, scratch: Path, tools: Path, caches: Path, console: Console, *, layer: str, only: Sequence[str]
    ) -> None:
        self._scratch, self._tools, self.caches, self._console = scratch, tools, caches, console
        self._layer = layer
        self._contenders = [contender for contender in CONTENDERS if not only or contender.name.startswith(tuple(only))]
        self.results = {
            contender.name: Result(contender.name, contender.documentation) for contender in self._contenders
        }
        self._kept: dict[str, Path] = {}
        for state in ("as-locked", "changed"):
            (scratch / state).mkdir()
            copy_builder(scratch / state / "layer_builds", layer, [HOST, OTHER], changed=state == "changed")
        self._number = 0

    def round(self, number: int) -> None:
        """Every tool once; round 0 only fills caches."""
        for tool in self._contenders:
            result = self.results[tool.name]
            if result.failed or (tool.slow and number not in SLOW_ROUNDS):
                continue
            try:
                archive, seconds, cpu = self._build(tool, HOST)
                self._keep(result, archive)
                changed = None if tool.slow else self._build_changed(tool)
            except BuildFailedError as error:
                result.failed = str(error)
                self._console.print(f"{tool.name}: failed: {error}", markup=False)
                continue
            after = "" if changed is None else f"; after one changed pin {changed[0]:.1f} s, {changed[1]:.1f} s"
            self._console.print(f"round {number}, {tool.name}: {seconds:.1f} s, processor {cpu:.1f} s{after}")
            if number:
                result.build_seconds.append(seconds)
                result.cpu_seconds.append(cpu)
            if number and changed is not None:
                result.changed_seconds.append(changed[0])
                result.changed_cpu_seconds.append(changed[1])
                result.call_seconds += changed[2]

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

    def _build_changed(self, tool: Contender) -> tuple[float, float, list[float]]:
        """The build after one pin has changed, from caches that have downloads of everything and nothing made of it."""
        ours = self.caches / "strata"
        kept = self._scratch / "kept"
        if ours.is_dir():
            shutil.copytree(ours, kept, copy_function=os.link, dirs_exist_ok=False)
            for made in ours.glob("made.sqlite*"):  # written in place: a link would be written as well
                (kept / made.name).unlink()
                shutil.copy2(made, kept)
        _, seconds, cpu = self._build(tool, HOST, state="changed")
        calls = [call_seconds(log.read_text(encoding="utf-8")) for log in self._folder.glob(".build/*.log")]
        shutil.rmtree(self._folder)
        if kept.is_dir():
            shutil.rmtree(ours)
            kept.rename(ours)
        return seconds, cpu, calls

    def _build(self, tool: Contender, architecture: str, state: str = "as-locked") -> tuple[Path, float, float]:
        self._number += 1
        self._folder = self._scratch / f"build-{self._number}"
        self._folder.mkdir()
        started, used = time.perf_counter(), _children_cpu()
        archive = tool.build(
            Job(
                self._folder,
                architecture,
                self._tools,
                self.caches,
                self._scratch / state / "layer_builds",
                self._layer,
            )
        )
        return archive, time.perf_counter() - started, _children_cpu() - used

    def imports(self) -> None:
        """Cold imports from what was built, in turns; `unzip` keeps the times, by which ordinary bytecode is valid."""
        trees: dict[str, Path] = {}
        for name, archive in self._kept.items():
            trees[name] = archive.with_suffix("")
            subprocess.run(["unzip", "-q", str(archive), "-d", str(trees[name])], check=True, timeout=120)
        for number in range(IMPORT_RUNS + 1):
            for name, tree in trees.items():
                seconds = import_seconds(tree, self._layer)
                if number:
                    self.results[name].import_seconds.append(seconds)

    def other_cpu(self) -> None:
        """The same layer for the CPU that this machine has not."""
        for tool in self._contenders:
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
