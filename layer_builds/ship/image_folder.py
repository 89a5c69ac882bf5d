"""The folders that an image holds, on this machine: what Docker copies from, and what the sandbox runs.

Owns `<tag>/task` (/var/task), `<tag>/opt` (/opt), the Dockerfile and `image.json`. What is in /opt is what the layers'
archives hold: built, checked and called as layers are. Folders that nothing used for a week are removed.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from layer_builds.build.builder import build_layer
from layer_builds.build.unpacking import read_entries
from layer_builds.host.disk import disk_errors, file_sha256
from layer_builds.host.guards import staging_folder
from layer_builds.host.processes import Log, Processes
from layer_builds.plan import REPOSITORY, LayerBuildError, image_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from layer_builds.build.finished import Builder
    from layer_builds.plan import ImageSpec, ListedFolder

DESCRIPTION = "image.json"
DIGEST_LABEL = "strata.digest"
"""Of an image: the digest of all that is in it."""
UNUSED_SECONDS = 7 * 24 * 3600
_STAGING = ".staging"
_FOLDER_MODE = 0o755
_FILE_MODE = 0o644


def make_folder(
    image: ImageSpec,
    digest: str,
    base: str,
    images: Path,
    *,
    builder: Builder = "native",
    compiler: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Make the folders of an image, or find them made.

    Args:
        image: Its parts.
        digest: Theirs and the base's.
        base: The base image, by its digest.
        images: Where images' folders are kept.
        builder: Of its layers.
        compiler: CPython patch version for their bytecode; None is the pinned one.
        progress: Told what is being done.

    Returns:
        `images/<tag>`, complete.

    Raises:
        LayerBuildError: a layer could not be built, or a folder lacks a file or has another one.
    """
    say: Callable[[str], None] = progress or (lambda _: None)
    place = images / image_tag(digest)
    if not _is_made(place, digest):
        doing = f"making the image of {image.system}"
        with disk_errors(doing, images), staging_folder(images / _STAGING, "image-") as folder:
            staged = folder / "image"
            for path in (staged / "opt", staged / "task"):
                path.mkdir(parents=True)
            _unpack_layers(image, folder, staged / "opt", builder=builder, compiler=compiler, say=say)
            for listed in image.folders:
                _make_missing(listed, say)
                say(f"{image.system}: copy {listed.bytes / 1e6:.1f} MB to /opt/{listed.place}")
                _copy_folder(listed, staged / "opt" / listed.place)
            _write_code(image, staged / "task")
            _write_descriptions(image, digest, base, staged)
            _set_folder_modes(staged)
            shutil.rmtree(place, ignore_errors=True)  # of another digest, or half removed
            with suppress(OSError):  # another process was quicker: the same content is there
                staged.rename(place)
    os.utime(place)
    _forget_unused(images)
    return place


def dockerfile(image: ImageSpec, digest: str, base: str, in_opt: Iterable[str]) -> str:
    """The Dockerfile of an image.

    Args:
        image: Its parts.
        digest: Theirs and the base's.
        base: The base image, by its digest.
        in_opt: What is directly below /opt: a layer of the image for each, so what did not change is not pushed again.
    """
    lines = [
        f"FROM {base}",
        *(f"COPY {json.dumps([f'opt/{name}', f'/opt/{name}'])}" for name in sorted(in_opt)),
        'COPY ["task", "/var/task"]',
        f'LABEL {DIGEST_LABEL}="{digest}" org.opencontainers.image.base.name="{base}"',
        f"CMD {json.dumps([image.handler])}",
    ]
    return "\n".join(lines) + "\n"


def _is_made(place: Path, digest: str) -> bool:
    try:
        return bool(json.loads((place / DESCRIPTION).read_text(encoding="utf-8"))["digest"] == digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _unpack_layers(
    image: ImageSpec,
    folder: Path,
    opt: Path,
    *,
    builder: Builder,
    compiler: str | None,
    say: Callable[[str], None],
) -> None:
    """Unpack each layer's archive over the ones before, as Lambda does."""
    for layer in image.layers:
        built = build_layer(layer, image.target, builder=builder, compiler=compiler, progress=say)
        say(f"{image.system}: unpack layer {layer.name}")
        unpacked = folder / layer.name
        for entry in read_entries(built.path, unpacked, layer.max_bytes):
            target = opt / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            (unpacked / entry.path).replace(target)


def _make_missing(listed: ListedFolder, say: Callable[[str], None]) -> None:
    """Make a folder that lacks a file, by its command, as a layer that holds it does; what it is, is checked later."""
    python, *words = shlex.split(listed.made_by)
    if python != "python" or all((listed.directory / file.path).is_file() for file in listed.files):
        return
    say(f"make {listed.directory.name}: {listed.made_by}")
    done = Processes(Log())([sys.executable, *words], cwd=REPOSITORY)
    if done.returncode != 0:
        raise LayerBuildError(
            f"{listed.directory} lacks a file, and the command that makes it failed: {listed.made_by} (its packages "
            f"are the group `models`: `uv sync --group models`)\n{done.stderr.strip()[-1500:]}"
        )


def _copy_folder(listed: ListedFolder, place: Path) -> None:
    for file in listed.files:
        source, target = listed.directory / file.path, place / file.path
        made_by = f"make the folder anew with `{listed.made_by}`"
        if source.is_symlink() or not source.is_file():
            raise LayerBuildError(f"{source} is missing, and goes into the image: {made_by}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        size, sha256 = target.stat().st_size, file_sha256(target)
        if (size, sha256) != (file.bytes, file.sha256):
            raise LayerBuildError(
                f"{source} has {size:,} bytes and SHA-256 {sha256}, and the list beside it says {file.bytes:,} and "
                f"{file.sha256}: {made_by}, or commit the new list"
            )
        target.chmod(_FILE_MODE)


def _write_code(image: ImageSpec, task: Path) -> None:
    for path, text in image.code.items():
        target = task / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
        target.chmod(_FILE_MODE)


def _write_descriptions(image: ImageSpec, digest: str, base: str, staged: Path) -> None:
    in_opt = [path.name for path in (staged / "opt").iterdir()]
    (staged / "Dockerfile").write_text(dockerfile(image, digest, base, in_opt), encoding="utf-8")
    described = {
        "system": image.system,
        "digest": digest,
        "runtime": image.target.runtime,
        "architecture": image.target.architecture,
        "handler": image.handler,
    }
    (staged / DESCRIPTION).write_text(json.dumps(described), encoding="utf-8")


def _set_folder_modes(staged: Path) -> None:
    """Lambda reads them as another user, whatever this machine's umask is."""
    for folder, _, _ in os.walk(staged):
        os.chmod(folder, _FOLDER_MODE)  # noqa: PTH101 - a string from os.walk


def _forget_unused(images: Path) -> None:
    for folder in images.iterdir():
        with suppress(OSError):
            if (folder / DESCRIPTION).is_file() and time.time() - folder.stat().st_mtime > UNUSED_SECONDS:
                shutil.rmtree(folder)
