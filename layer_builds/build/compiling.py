"""The step that makes bytecode. What runs inside the target's interpreter is `in_target.py`'s."""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from layer_builds.build.made import key_of
from layer_builds.build.records import fingerprint
from layer_builds.build.tree import PYTHON
from layer_builds.plan import FORMAT, LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from layer_builds.build.job import Job

_COMPILED_PREFIX = f"/opt/{PYTHON}"
_MOST_PROCESSES = 8
_LEAST_SHARE = 25
"""Modules: for fewer another interpreter's start takes longer than they do."""
_MADE, _REFUSED = b"+", b"-"


@dataclass(frozen=True, slots=True)
class Compile:
    """Make bytecode that Lambda can use: /opt is read-only there, and a fixed time makes ordinary .pyc stale."""

    modules: tuple[str, ...] | None
    """Paths below python/; None is all."""
    compiler: str

    @property
    def title(self) -> str:
        """What it does."""
        count = "all" if self.modules is None else str(len(self.modules))
        return f"compile {count} modules with CPython {self.compiler}"

    def apply(self, job: Job) -> None:
        """Put bytecode beside the modules: links to what is kept with their wheels, and the rest made now."""
        made = self._made(job, self._link(job, self._names(job)))
        by_wheel: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        for name, data in made.items():
            if name in job.wheels:
                by_wheel[job.wheels[name]][_compiled(job, name)] = data
        for sha256, files in by_wheel.items():
            job.caches.wheels.add_derived(sha256, self._kind, files)
        for name in self._link(job, list(made)):  # of no wheel, or of one whose folder is not there any more
            compiled = _compiled(job, name)
            place = job.python / compiled
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(made[name])
            job.fingerprints[compiled] = fingerprint(made[name])

    @property
    def _kind(self) -> str:
        return f"bytecode-{FORMAT}-{self.compiler}"

    def _link(self, job: Job, names: Sequence[str]) -> list[str]:
        """Link the bytecode that is kept; the modules of which none is."""
        by_wheel: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for name in names:
            by_wheel[job.wheels.get(name, "")][name] = _compiled(job, name)
        left = list(by_wheel.pop("", {}))
        for sha256, compiled in by_wheel.items():
            known = job.caches.wheels.derived(sha256, self._kind)
            here = {file: known[file] for file in compiled.values() if file in known}
            job.caches.wheels.link(sha256, here, job.python, self._kind)
            job.fingerprints |= here
            left += [name for name, file in compiled.items() if file not in here]
        return left

    def _made(self, job: Job, names: Sequence[str]) -> dict[str, bytes]:
        """Bytecode by module, of the same contents before or made now; without those that are not Python."""
        keys = {
            name: key_of("bytecode", FORMAT, self.compiler, f"{_COMPILED_PREFIX}/{name}", *job.fingerprints[name])
            for name in names
        }
        known = job.caches.made.get(keys.values())
        fresh = self._compile(job, [name for name, key in keys.items() if key not in known])
        job.caches.made.put({keys[name]: value for name, value in fresh.items()})
        made = {name: fresh[name] if name in fresh else known[key] for name, key in keys.items()}
        for name, value in made.items():
            if value.startswith(_REFUSED):
                self._refuse(job, f"{_COMPILED_PREFIX}/{name} ({value[1:].decode().partition(chr(10))[0]})")
        return {name: value[1:] for name, value in made.items() if value.startswith(_MADE)}

    def _refuse(self, job: Job, what: str) -> None:
        if self.modules is not None:
            raise LayerBuildError(
                f"the smoke call of layer {job.layer.name} imports a module that CPython {self.compiler} does not "
                f"compile for {job.target}: {what}. `python -m layer_builds lock {job.layer.name}` lists anew what is "
                "imported"
            )
        job.say(f"not compiled: {what}")

    def _names(self, job: Job) -> list[str]:
        there = {file for file in job.fingerprints if file.endswith(".py")}
        if self.modules is None:
            return sorted(there)
        # The list is made once per runtime, on one CPU; a module that only the other CPU's wheel has is not here.
        return sorted(there & set(self.modules))

    def _compile(self, job: Job, names: list[str]) -> dict[str, bytes]:
        """Compile on all cores; a module's bytes do not depend on which process made them."""
        # Large modules first and dealt out in turn, so that no core waits for another.
        names = sorted(names, key=lambda name: (-int(job.fingerprints[name][1]), name))
        workers = max(1, min(os.cpu_count() or 1, _MOST_PROCESSES, len(names) // _LEAST_SHARE))
        folder = job.tree.parent
        made: dict[str, bytes] = {}
        with ThreadPoolExecutor(workers) as pool:
            shares = [names[index::workers] for index in range(workers)]
            for share in pool.map(partial(_compiled_by_one, job, folder), range(workers), shares):
                made |= share
        return made


def _compiled_by_one(job: Job, folder: Path, number: int, names: list[str]) -> dict[str, bytes]:
    if not names:
        return {}
    places = {name: folder / f"{number}-{index}.pyc" for index, name in enumerate(names)}
    rows = [[str(job.python / name), str(place), f"{_COMPILED_PREFIX}/{name}"] for name, place in places.items()]
    skipped = dict(job.in_target(f"compile-{number}", {"task": "compile", "modules": rows})["skipped"])
    made: dict[str, bytes] = {}
    for name, place in places.items():
        reason = skipped.get(f"{_COMPILED_PREFIX}/{name}")
        made[name] = _MADE + place.read_bytes() if reason is None else _REFUSED + (reason or "no reason").encode()
        place.unlink(missing_ok=True)
    return made


def _compiled(job: Job, name: str) -> str:
    folder, _, file = name.rpartition("/")
    tag = f"cpython-{job.target.facts.python.replace('.', '')}"
    return f"{folder}{'/' if folder else ''}__pycache__/{file.removesuffix('.py')}.{tag}.pyc"
