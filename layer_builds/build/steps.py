"""The steps of a build after installing, each a small value that can be looked at without being run.

Which steps a layer needs, and in which order, is `builder.plan_actions`. What a step makes of one file depends on that
file alone, so it is taken from what was made before where it can be (`made.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from layer_builds.build import prune
from layer_builds.build.archive import LEVEL, pack_files, parse_packed, tree_files, write_archive
from layer_builds.build.checks import Findings, check_size, check_tree, smoke_tree
from layer_builds.build.left_out import drop_foreign, fix_programs, left_out_notes
from layer_builds.build.made import key_of
from layer_builds.build.outcome import manifest_entry
from layer_builds.build.records import check_records, fingerprint, fingerprint_of, write_records
from layer_builds.build.smoke import check_compiled, parse_result, result_document
from layer_builds.build.strip import smaller
from layer_builds.build.tree import PYTHON, SCRIPT, SHARED, package_bytes, packages
from layer_builds.plan import Distribution, load_modules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from layer_builds.build.archive import Packed
    from layer_builds.build.job import Job
    from layer_builds.host.processes import Completed, Runner


@dataclass(frozen=True, slots=True)
class Prune:
    """Delete what is of no use in a layer, or differs between machines."""

    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    strip: bool = False
    title: str = "prune"

    def apply(self, job: Job) -> None:
        """Prune; then take out what layer.toml names, and symbol tables."""
        there = sorted(job.fingerprints)
        gone = prune.prune(job.python, there, lambda files: _imports(job, files), job.tests, self.keep)
        for note in left_out_notes(job.python, gone, job.fingerprints):
            job.say(note)
        job.forget(gone)
        job.forget(prune.drop(job.python, sorted(job.fingerprints), self.drop))
        drop_foreign(job)
        fix_programs(job)
        if self.strip:
            _strip(job)
        installed = packages(job.python)
        sizes = package_bytes(installed, {file: int(size) for file, (_, size) in job.fingerprints.items()})
        found = {one.name: Distribution(one.version, sizes[one.name]) for one in installed}
        # Before anything else is done: bytecode only adds to it.
        check_size(job.layer, job.target, Findings(found, {}, 0, "-"), sum(sizes.values()))


def _imports(job: Job, files: Sequence[str]) -> dict[str, list[str] | None]:
    """What modules import, read by the target's Python, or known from before."""
    keys = {file: key_of("imports", job.target.runtime, file, *job.fingerprints[file]) for file in files}
    known = job.caches.made.get(keys.values())
    found = {file: json.loads(known[key]) for file, key in keys.items() if key in known}
    unknown = [file for file in files if file not in found]
    if unknown:
        task = {"task": "imports", "root": str(job.python), "modules": unknown}
        read = job.in_target("imports", task)["imports"]
        job.caches.made.put({keys[file]: json.dumps(read[file]).encode() for file in unknown})
        found |= read
    return found


def _strip(job: Job) -> None:
    keys = {file: key_of("stripped", *job.fingerprints[file]) for file in sorted(job.natives)}
    known = job.caches.made.get(keys.values())
    fresh: dict[bytes, bytes] = {}
    for file, key in keys.items():
        path = job.python / file
        if key not in known:
            fresh[key] = smaller(path.read_bytes()) or b""
        cut = known[key] if key in known else fresh[key]
        if cut:
            path.unlink()  # it is a link to what every layer with this package has
            path.write_bytes(cut)
            job.fingerprints[file] = fingerprint(cut)
    job.caches.made.put(fresh)


@dataclass(frozen=True, slots=True)
class Record:
    """Make each package's RECORD say what is there after pruning and compiling."""

    title: str = "record files"

    def apply(self, job: Job) -> None:
        """Rewrite every RECORD."""
        job.fingerprints = write_records(job.python, job.fingerprints)


@dataclass(frozen=True, slots=True)
class Check:
    """Check the files against the target, and the whole against Lambda's limits."""

    title: str = "verify files"

    def apply(self, job: Job) -> None:
        """Check the folder that is about to be zipped."""
        # The call takes longest: what this process has to do before it comes first.
        job.calling.wait()
        job.findings = check_tree(
            job.layer,
            job.target,
            job.tree,
            before=job.before,
            made=job.caches.made,
            known=job.fingerprints,
            natives=job.natives,
        )


@dataclass(frozen=True, slots=True)
class Zip:
    """Write the archive, and hold what is in it against the packages' RECORD files."""

    title: str = "zip"

    def apply(self, job: Job) -> None:
        """Write it in the staging folder; it is renamed into place when everything has passed."""
        from layer_builds.build.unpacking import check_hygiene

        assert job.findings is not None  # noqa: S101 - by the plan
        job.entries = write_archive(job.tree, job.archive, self._packed(job))
        check_records(job.python, packages(job.python), job.entries)
        check_hygiene(job.archive, job.entries, programs=bool(job.layer.keep))
        job.came_to = manifest_entry("", job.findings, job.archive, job.entries, "")

    @staticmethod
    def _packed(job: Job) -> Mapping[str, Packed]:
        """Files as they are in the archive, packed before or now."""
        known = {f"{PYTHON}/{file}": fingerprint for file, fingerprint in job.fingerprints.items()}
        keys = {
            file: key_of("packed", LEVEL, *(known.get(file) or fingerprint_of(job.tree / file)))
            for file in tree_files(job.tree)
        }
        before = job.caches.made.get(keys.values())
        packed = {file: parse_packed(before[key]) for file, key in keys.items() if key in before}
        fresh = pack_files(job.tree, [file for file in keys if file not in packed])
        # A smoke call that writes to the layer is refused, and may have done it already: nobody else may have that.
        as_known = {file: one for file, one in fresh.items() if file not in known or one.fingerprint == known[file]}
        job.caches.made.put({keys[file]: one.serialized() for file, one in as_known.items()})
        return packed | fresh


@dataclass(frozen=True, slots=True)
class Smoke:
    """Make the layer's real call."""

    title: str = "smoke call"

    def apply(self, job: Job) -> None:
        """Make it from the staging folder, unless the same call was made with the same files on this machine."""
        try:
            self._call(job)
        finally:
            job.calling.set()

    @staticmethod
    def _call(job: Job) -> None:
        key = key_of(
            "smoke",
            *(str(job.target), os.path.realpath(job.interpreter), platform.platform(), json.dumps(job.contents)),
            *(_tree_digest(job), job.layer.name, json.dumps(dict(job.layer.environment))),
            *(line.text for line in job.layer.requirements()),
            *(_text_digest(path) for path in (job.layer.directory / job.layer.smoke, SCRIPT, job.runtime_lock)),
            *(_text_digest(path) for path in sorted(SHARED.glob("*.py"))),
        )
        known = job.caches.made.get([key]).get(key)
        if known is not None:
            job.smoke, made = parse_result(json.loads(known))
            for note in job.smoke.notes:
                job.say(note)
            job.say(f"smoke call not repeated: it was made with the same files {made}")
            if job.smoke.outcome == "run":
                check_compiled(job.layer, job.target, job.smoke, load_modules(job.layer, job.target))
            return
        job.smoke = smoke_tree(
            job.layer, job.target, job.tree, before=job.before, python=job.interpreter, run=_noted(job)
        )
        for note in job.smoke.notes:
            job.say(note)
        if not job.smoke.outcome.startswith("not run"):
            when = f"on {datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC, on {platform.node()} ({platform.platform()})"
            job.caches.made.put({key: json.dumps(result_document(job.smoke, when)).encode()})


def _noted(job: Job) -> Runner:
    """What starts processes, and says when it does."""

    def run(argv: Sequence[str], **options: Any) -> Completed:
        job.calling.set()
        return job.run(argv, **options)

    return run


def _tree_digest(job: Job) -> str:
    """One hash of all files of the layer."""
    rows = [*sorted(job.fingerprints.items()), *sorted((asset.path, asset.sha256) for asset in job.layer.assets)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _text_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
