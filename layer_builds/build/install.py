"""The first step of a build: the locked wheels of a target, whatever this machine is."""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.build.archive import tree_files
from layer_builds.build.prune import is_installers_own
from layer_builds.build.records import altered, fingerprints
from layer_builds.build.shared_files import settle
from layer_builds.build.tree import PYTHON, packages
from layer_builds.build.wheels import WheelStore
from layer_builds.host.processes import find_uv
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.build.job import Job
    from layer_builds.build.records import Fingerprint
    from layer_builds.build.tree import Package
    from layer_builds.build.wheels import Installed
    from layer_builds.plan import Pin


@dataclass(frozen=True, slots=True)
class Install:
    """Install what this machine has not installed before, and link all of it into the layer."""

    pins: tuple[Pin, ...]
    python_version: str
    platform: str
    source: tuple[str, ...] = ()
    """Packages built from their source archive, for this build alone."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"install {len(self.pins)} packages for {self.platform}"

    def argv(self, folder: Path, requirements: Path) -> list[str]:
        """uv's command line, without credentials: those come from uv's own variables or netrc."""
        wheels = ["--only-binary", ":all:"]
        if self.source:  # wheels are demanded by name of the rest then
            names = [pin.name for pin in self.pins if pin.name not in self.source]
            wheels = [word for name in names for word in ("--only-binary", name)]
        return [
            *(find_uv(), "pip", "install", "--python", sys.executable, "--target", str(folder)),
            *("--require-hashes", "--no-deps", *wheels),
            *("--python-version", self.python_version, "--python-platform", self.platform),
            # uv links files from its cache otherwise, and a change to one would reach every other install.
            *("--link-mode", "copy", "--no-compile-bytecode", "--no-progress"),
            *("--requirement", str(requirements)),
        ]

    def apply(self, job: Job) -> None:
        """Install what is missing, then link."""
        job.python.mkdir(parents=True)
        # What is built from source depends on more than the archive's hash, so no other build may have it.
        built = WheelStore(job.tree.parent / "built")
        stores = {pin: built if pin.name in self.source else job.caches.wheels for pin in self.pins}
        known = {pin: stores[pin].read(pin.sha256) for pin in self.pins}
        missing = [pin for pin, installed in known.items() if installed is None]
        if missing:
            _Installation(self, job, stores).install(missing)
            known |= {pin: stores[pin].read(pin.sha256) for pin in missing}
        found = {f"{pin.name} {pin.version}": (pin, _there(pin, installed)) for pin, installed in known.items()}
        for note in (note for _, installed in found.values() for note in installed.notes):
            job.say(note)
        chosen = settle(
            {name: installed.fingerprints for name, (_, installed) in found.items()},
            lambda name, file: stores[found[name][0]].path(found[name][0].sha256, file).read_bytes(),
            job.say,
        )
        for name, (pin, installed) in found.items():
            stores[pin].link(pin.sha256, chosen[name], job.python)
            job.fingerprints |= {file: installed.fingerprints[file] for file in chosen[name]}
            if stores[pin] is job.caches.wheels:
                job.wheels |= dict.fromkeys(chosen[name], pin.sha256)
            job.natives.update(set(installed.natives).intersection(chosen[name]))
            job.tests.update(set(installed.tests).intersection(chosen[name]))


class _Installation:
    """One use of uv, and what it left put into the stores."""

    def __init__(self, step: Install, job: Job, stores: Mapping[Pin, WheelStore]) -> None:
        self._step = step
        self._job = job
        self._stores = stores

    def install(self, pins: Sequence[Pin]) -> None:
        with tempfile.TemporaryDirectory(prefix="install-", dir=self._job.tree.parent) as folder:
            together = Path(folder) / "together"
            self._install(pins, together)
            installed = packages(together)
            _check_owned(together, installed)
            shared = _sharing(installed)
            self._keep([package for package in installed if package.name not in shared], together, pins)
            for package in installed:
                if package.name in shared:  # the one installed last has overwritten the others' files
                    alone = Path(folder) / package.name
                    self._install([self._pin(package, pins)], alone)
                    self._keep(packages(alone), alone, pins)

    def _install(self, pins: Sequence[Pin], folder: Path) -> None:
        """Run uv; for a package of which a file is not what its wheel had, once more and past uv's cache."""
        # Pinned by hash, so no index has to be asked about what the cache holds. A build from source may need more.
        if self._step.source or not self._uv(pins, folder, "--offline"):
            self._uv(pins, folder, fail=True)
        changed = _altered(folder, fingerprints(folder))
        if changed:
            again = [self._pin(package, pins) for package in changed]
            with tempfile.TemporaryDirectory(prefix="anew-", dir=folder.parent) as cache:
                self._uv(again, folder, "--reinstall", "--cache-dir", cache, fail=True)
            still = _altered(folder, fingerprints(folder))
            for package in sorted(set(changed) - set(still), key=str):
                self._job.say(
                    f"uv's cache holds a changed {_some(changed[package])} of package {package}: something wrote to "
                    "it through a hard link. The package was downloaded anew for this build; `uv cache clean "
                    f"{package.name}` fixes it"
                )

    def _uv(self, pins: Sequence[Pin], folder: Path, *options: str, fail: bool = False) -> bool:
        folder.mkdir(parents=True, exist_ok=True)
        requirements = folder.with_name(f"{folder.name}.txt")
        lines = [f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n" for pin in pins]
        requirements.write_text("".join(lines), encoding="utf-8")
        done = self._job.run([*self._step.argv(folder, requirements), *options], cwd=folder.parent)
        if fail and done.returncode != 0:
            raise LayerBuildError(_install_error(self._job, done.stderr))
        return done.returncode == 0

    def _pin(self, package: Package, pins: Sequence[Pin]) -> Pin:
        for pin in pins:
            if pin.name == package.name:
                return pin
        raise LayerBuildError(
            f"uv installed package {package}, which the lock of layer {self._job.layer.name} does not name: its wheel "
            "carries the metadata of another package"
        )

    def _keep(self, installed: Sequence[Package], folder: Path, pins: Sequence[Pin]) -> None:
        there = fingerprints(folder)
        odd = _altered(folder, there)
        for package in installed:
            pin = self._pin(package, pins)
            # Of a program that two packages bring, uv has left one.
            files = {
                file: there.pop(file)
                for file in (*package.files, *package.scripts)
                if file in there and not is_installers_own(file)
            }
            self._stores[pin].add(
                pin.sha256, folder, files, [_made_so(package, odd[package])] if package in odd else []
            )


def _check_owned(folder: Path, installed: Sequence[Package]) -> None:
    owned = {file for package in installed for file in package.files}
    for file in tree_files(folder):
        if file not in owned and file != ".lock" and not file.startswith("bin/"):
            raise LayerBuildError(
                f"{PYTHON}/{file} is in no package's RECORD: the wheel that brought it is broken, or something else "
                "wrote there"
            )


def _there(pin: Pin, installed: Installed | None) -> Installed:
    if installed is None:
        raise LayerBuildError(
            f"package {pin.name} {pin.version} was installed and is not there any more: its wheel holds nothing of "
            "that name, or something deletes files in .build while this runs"
        )
    return installed


def _sharing(installed: Sequence[Package]) -> set[str]:
    """Names of packages of which another one holds a file as well."""
    shared = _shared_files(installed)
    return {package.name for package in installed if not shared.isdisjoint(package.files)}


def _shared_files(installed: Sequence[Package]) -> set[str]:
    count = Counter(file for package in installed for file in package.files)
    return {file for file, packages in count.items() if packages > 1}


def _altered(folder: Path, there: Mapping[str, Fingerprint]) -> dict[Package, list[str]]:
    """Package → its files that are not what its RECORD says, and that no other one has overwritten."""
    changed: dict[Package, list[str]] = {}
    shared = _shared_files(packages(folder))
    for package, file in altered(folder, there):
        if file not in shared:
            changed.setdefault(package, []).append(file)
    return changed


def _made_so(package: Package, files: Sequence[str]) -> str:
    return f"{_some(files)} of package {package} is not what its RECORD says: its wheel was made so"


def _some(files: Sequence[str]) -> str:
    return f"{files[0]} and {len(files) - 1} more" if len(files) > 1 else files[0]


def _install_error(job: Job, stderr: str) -> str:
    text = stderr.strip()
    where = f"layer {job.layer.name} cannot be installed for {job.target}"
    package = re.search(r"[Hh]ash mismatch for `?([A-Za-z0-9._-]+==[^\s`]+)", text)
    if package:
        return (
            f"{where}: the index serves another file of {package[1]} than was locked (hash mismatch). If you trust the "
            f"new one run `python -m layer_builds lock {job.layer.name}`; otherwise find out who changed it.\n"
            f"{text[-1500:]}"
        )
    package = re.search(
        r"(?:[Bb]ecause|distribution|wheels?.*for)\s+`?([A-Za-z0-9._-]+==[^\s`,]+)`?.*?(?:no wheels|platform|wheel)",
        text,
        re.DOTALL,
    )
    if package:
        return (
            f"{where}: {package[1]} has no wheel that it can load any more: run "
            f"`python -m layer_builds lock {job.layer.name}`, or pin another version.\n{text[-1500:]}"
        )
    return f"{where}:\n{text[-3000:]}"
