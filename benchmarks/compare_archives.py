"""What a finished zip is, whoever made it: the same as another one, for which CPU, how fast to import from."""

from __future__ import annotations

import hashlib
import subprocess
import time
import zipfile
from typing import TYPE_CHECKING

from benchmarks.compare_samples import COMPILER, LAYER
from layer_builds.host.interpreters import find_interpreter

if TYPE_CHECKING:
    from pathlib import Path

ELF_MACHINES = {62: "x86_64", 183: "arm64"}
"""`e_machine`: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html"""
IMPORTS = {
    LAYER: "import openai, pinecone, tiktoken, pydantic, aws_lambda_powertools",
    "numeric": "import numpy, onnxruntime",
    "many-small": "import bs4, fastapi, httpx, jinja2, jsonschema, markdown, orjson, requests, rich, structlog",
}


def contents(archive: Path) -> dict[str, str]:
    """Name to SHA-256 of every file in a zip."""
    with zipfile.ZipFile(archive) as opened:
        files = [entry for entry in opened.infolist() if not entry.is_dir()]
        return {entry.filename: hashlib.sha256(opened.read(entry)).hexdigest() for entry in files}


def compared(first: Path, second: Path) -> str:
    """Whether two builds are the same, in words."""
    if first.read_bytes() == second.read_bytes():
        return "same bytes"
    one, two = contents(first), contents(second)
    different = [name for name in one.keys() | two.keys() if one.get(name) != two.get(name)]
    return f"{len(different):,} of {len(one):,} files differ" if different else "same files, another zip"


def cpus(archive: Path) -> dict[str, int]:
    """For which CPUs the native files of a zip are."""
    found: dict[str, int] = {}
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            with opened.open(entry) as file:
                head = file.read(20)
            if head[:4] == b"\x7fELF":
                name = ELF_MACHINES.get(int.from_bytes(head[18:20], "little"), "another")
                found[name] = found.get(name, 0) + 1
    return found


def import_seconds(tree: Path, layer: str) -> float:
    """One cold import from an unpacked layer that is not written to, Python's own start included."""
    command = [str(find_interpreter(COMPILER)), "-S", "-s", "-P", "-B", "-c"]
    script = f"import sys; sys.path.insert(0, {str(tree / 'python')!r}); {IMPORTS[layer]}"
    started = time.perf_counter()
    subprocess.run([*command, script], check=True, timeout=120, env={"PATH": "/usr/bin:/bin"})
    return time.perf_counter() - started
