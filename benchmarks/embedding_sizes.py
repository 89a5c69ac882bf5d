"""What the embedding_processor's packagings have in bytes, and what torch would need in their place.

Read from committed manifests and lists, and from the environment of a Python that has sentence-transformers.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

from benchmarks import page
from components.package import Image, Zip, read_package
from components.systems.embedding_processor import EmbeddingProcessorSettings, package
from layer_builds.plan import MAX_UNZIPPED_BYTES, load_manifest

PACKAGINGS: Final = {"onnx-layers": "x86_64", "onnx-image": "x86_64", "torch-image": "arm64"}
"""Each with its CPU."""
CUDA: Final = ("nvidia", "triton", "cuda")
"""How the folders begin that torch's wheels for x86_64 bring along, and no function of Lambda's can use."""
_SITE = "import sysconfig; print(sysconfig.get_paths()['purelib'])"


def sizes(torch: Path | None) -> dict[str, Any]:
    """Bytes of each packaging as it is unpacked, by part.

    Args:
        torch: A Python with sentence-transformers and nothing that it does not need; None leaves it out.
    """
    found: dict[str, Any] = {name: _parts(name, architecture) for name, architecture in PACKAGINGS.items()}
    if torch is not None:
        found["torch"] = _environment(torch)
    return found


def _parts(packaging: str, architecture: str) -> dict[str, int]:
    section = EmbeddingProcessorSettings.model_validate({"package": packaging, "architecture": architecture})
    chosen: Zip | Image = package(section)
    read = read_package("embedding_processor", chosen, section.target)
    layers = {layer.name: load_manifest(layer).entry(section.target).unzipped_bytes for layer in read.layers}
    return layers | {folder.path: listed.bytes for folder, listed in read.folders} | {"the function": read.code.bytes}


def _environment(python: Path) -> dict[str, int]:
    site = subprocess.run([str(python), "-c", _SITE], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    folder = Path(site.stdout.strip())
    found = {"CUDA": 0, "torch": 0, "all else": 0}
    for entry in folder.iterdir():
        cuda = entry.name.startswith(CUDA)
        name = "CUDA" if cuda else "torch" if entry.name in {"torch", "functorch", "torchgen"} else "all else"
        found[name] += _bytes(entry)
    return found


def _bytes(entry: Path) -> int:
    """Of a file or folder, without bytecode: it depends on what has been imported."""
    files = [entry] if entry.is_file() else entry.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc")


def markdown(found: dict[str, Any]) -> str:
    """A table, a row for each packaging."""
    names = {
        "onnx-layers": "`onnx-layers`, in all",
        "onnx-image": "`onnx-image`, beside Lambda's base image",
        "torch-image": "`torch-image`, the same, for arm64",
        "torch": "sentence-transformers with torch for x86_64, beside function and model",
    }
    rows = [
        [
            names[name],
            ", ".join(f"{part} {size / 1e6:,.1f}" for part, size in parts.items()),
            f"{sum(parts.values()) / 1e6:,.1f}",
            f"{sum(parts.values()) / MAX_UNZIPPED_BYTES:.0%}",
        ]
        for name, parts in found.items()
    ]
    return page.table(["unpacked, MB", "of it", "sum", f"of {MAX_UNZIPPED_BYTES:,} bytes"], rows)
