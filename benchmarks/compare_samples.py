"""The layers that `benchmarks.compare` builds: the project's own and two samples, as locked and with a pin changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
LAYER = "openai-pinecone"
SAMPLES: Final[dict[str, tuple[str, ...]]] = {
    LAYER: (),
    "numeric": ("numpy", "onnxruntime"),
    "many-small": (
        *("attrs", "beautifulsoup4", "cachetools", "click", "fastapi", "httpx", "jinja2", "jsonschema", "markdown"),
        *(
            "more-itertools",
            "orjson",
            "python-dateutil",
            "pyyaml",
            "requests",
            "rich",
            "structlog",
            "tenacity",
            "toolz",
        ),
    ),
}
"""Layer → its requirements; none for the project's own."""
CHANGED = {LAYER: "idna", "numeric": "flatbuffers", "many-small": "idna"}
"""Layer → the package that has another version when one pin has changed."""
RUNTIME = "python3.13"
COMPILER = "3.13.0"
SECONDS = 600


def copy_builder(folder: Path, layer: str, architectures: Sequence[str], *, changed: bool = False) -> None:
    """`layer_builds` as it is now, the layer locked in it; with `changed`, one package of it at the version before."""
    shutil.copytree(ROOT / "layer_builds", folder, ignore=shutil.ignore_patterns("__pycache__"))
    home = folder / "layers" / layer
    for other in (folder / "layers").iterdir():  # they may need files of the repository that are not copied
        if other != home:
            shutil.rmtree(other)
    if SAMPLES[layer]:
        home.mkdir()
        (home / "layer.toml").write_text(f'description = "{layer}"\nruntimes = ["{RUNTIME}"]\n', encoding="utf-8")
        (home / "requirements.in").write_text("".join(f"{name}\n" for name in SAMPLES[layer]), encoding="utf-8")
        (home / "smoke.py").write_text("def smoke():\n    return {}\n", encoding="utf-8")
        _lock(folder, layer, architectures)
    if changed:
        with (home / "requirements.in").open("a", encoding="utf-8") as requirements:
            requirements.write(f"{CHANGED[layer]}<{_locked(folder, layer, architectures[0], CHANGED[layer])}\n")
        _lock(folder, layer, architectures)
    # As an installed program is, and as the other tools are.
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True, timeout=SECONDS)


def _lock(builder: Path, layer: str, architectures: Sequence[str]) -> None:
    for architecture in architectures:
        words = ["lock", layer, "--runtime", RUNTIME, "--architecture", architecture]
        subprocess.run(
            [sys.executable, "-m", "layer_builds", *words],
            cwd=builder.parent,
            env={**os.environ, "STRATA_BUILD_DIR": str(ROOT / ".build")},
            check=True,
            capture_output=True,
            timeout=SECONDS,
        )


def _locked(builder: Path, layer: str, architecture: str, package: str) -> str:
    return next(
        line.partition("==")[2]
        for line in pins(builder, layer, architecture).splitlines()
        if line.startswith(f"{package}==")
    )


def pins(builder: Path, layer: str, architecture: str) -> str:
    """The lock's versions as a plain requirements.txt: what the other tools are given."""
    lock = (builder / "layers" / layer / "locks" / f"{RUNTIME}-{architecture}.txt").read_text(encoding="utf-8")
    return "".join(f"{line.split()[0]}\n" for line in lock.splitlines() if "==" in line and not line.startswith("#"))
