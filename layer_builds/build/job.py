"""What the steps of one build share, and what a step is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from layer_builds.build.tree import PYTHON, SCRIPT
from layer_builds.host.interpreters import runtime_lock
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from layer_builds.build.archive import Entry
    from layer_builds.build.checks import Findings
    from layer_builds.build.earlier import Earlier
    from layer_builds.build.made import Made
    from layer_builds.build.records import Fingerprint
    from layer_builds.build.smoke import SmokeResult
    from layer_builds.build.wheels import WheelStore
    from layer_builds.host.processes import Runner
    from layer_builds.plan import LayerSpec, ManifestEntry, Target


@dataclass(frozen=True, slots=True)
class Caches:
    """What builds keep for each other."""

    wheels: WheelStore
    made: Made
    assets: Path
    """Checked assets, by their SHA-256."""


@dataclass(kw_only=True)
class Job:
    """What the steps of one build share."""

    layer: LayerSpec
    target: Target
    tree: Path
    """Becomes /opt."""
    archive: Path
    """Where the zip is written."""
    run: Runner
    interpreter: Path
    """Reads imports, compiles, and makes the smoke call; of the target's minor version."""
    before: Mapping[str, Earlier]
    """Layers attached earlier."""
    contents: Mapping[str, str]
    """Those layers → the SHA-256 of their archives."""
    caches: Caches
    say: Callable[[str], None]
    """Takes notes for people, of which the build shows each."""
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict[str, "Fingerprint"])
    """Of files below python/ as they are: a step that changes or adds one says so here."""
    wheels: dict[str, str] = field(default_factory=dict[str, str])
    """File below python/ → the hash of the installed wheel that it is a link to."""
    natives: set[str] = field(default_factory=set[str])
    """Of these, native code."""
    tests: set[str] = field(default_factory=set[str])
    """Of these, modules that say `test` or `tests`."""
    calling: Event = field(default_factory=Event)
    """The smoke call's process has begun, or is not needed."""
    entries: list[Entry] = field(default_factory=list["Entry"])
    findings: Findings | None = None
    smoke: SmokeResult | None = None
    came_to: ManifestEntry | None = None
    """The archive's entry of the manifest, without the digest and the smoke call's outcome."""

    @property
    def runtime_lock(self) -> Path:
        """What stands in for the runtime, locked."""
        return runtime_lock(self.target.facts.python)

    @property
    def python(self) -> Path:
        """Where packages are."""
        return self.tree / PYTHON

    def forget(self, files: Iterable[str]) -> None:
        """Take note of files below python/ that were deleted."""
        for file in files:
            self.fingerprints.pop(file, None)
            self.natives.discard(file)
            self.tests.discard(file)

    def in_target(self, name: str, task: dict[str, Any]) -> dict[str, Any]:
        """Have the target's interpreter do one task of `in_target.py`; its answer."""
        answer = self.tree.parent / f"{name}.json"
        done = self.run(
            [str(self.interpreter), "-I", "-S", "-B", "-W", "ignore", str(SCRIPT)],
            cwd=self.tree.parent,
            env={},
            stdin=json.dumps({**task, "answer": str(answer)}),
        )
        answered = done.returncode == 0 and answer.is_file()
        result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8")) if answered else {}
        if "error" in result or not result:
            raise LayerBuildError(
                f"{self.interpreter} failed at the task `{task['task']}`: "
                f"{result.get('error') or done.stderr.strip()[-1000:]}"
            )
        return result


class Action(Protocol):
    """One step."""

    @property
    def title(self) -> str:
        """What it does, in a few words, for whoever waits."""
        ...

    def apply(self, job: Job) -> None:
        """Do it."""
        ...


@dataclass(frozen=True, slots=True)
class InTurn:
    """Steps one after the other, beside others."""

    actions: tuple[Action, ...]

    @property
    def title(self) -> str:
        """What they do."""
        return ", ".join(action.title for action in self.actions)

    def apply(self, job: Job) -> None:
        """Run them; the first one's error ends it."""
        for action in self.actions:
            action.apply(job)


@dataclass(frozen=True, slots=True)
class Together:
    """Steps that do not change the folder, at the same time."""

    actions: tuple[Action, ...]

    @property
    def title(self) -> str:
        """What they do."""
        return ", ".join(action.title for action in self.actions)

    def apply(self, job: Job) -> None:
        """Run all to their end; the first one's error is the one raised."""
        with ThreadPoolExecutor(len(self.actions)) as pool:
            running = [pool.submit(action.apply, job) for action in self.actions]
        for one in running:
            one.result()
