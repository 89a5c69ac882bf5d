"""Archives that look like built layers, made of metadata alone: for what reads them."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from typing import TYPE_CHECKING, Any

from layer_builds.plan import Lock, Pin, Target, load_layer, lock_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.plan import LayerSpec

TARGET = Target("python3.13", "arm64")
WORDS = b"one two three\n"
WORDS_SHA256 = hashlib.sha256(WORDS).hexdigest()


def metadata(name: str, version: str = "1.0", *lines: str) -> str:
    return "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines, "", "A description."])


def cyclonedx(*components: dict[str, Any]) -> str:
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": list(components)})


def crate(name: str, version: str, licence: str, scope: str = "required") -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": f"registry+https://github.com/rust-lang/crates.io-index#{name}@{version}",
        "name": name,
        "version": version,
        "scope": scope,
        "licenses": [{"expression": licence}],
        "purl": f"pkg:cargo/{name}@{version}",
    }


def write_layer_zip(path: Path, packages: dict[str, str], more: dict[str, str | bytes] | None = None) -> Path:
    """A zip with the METADATA of each `name-version`, and other files at their paths."""
    files: dict[str, str | bytes] = {f"python/{info}.dist-info/METADATA": text for info, text in packages.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in sorted({**files, **(more or {})}.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content)
    return path


def locked_layer(root: Path, pins: list[Pin], *, asset: bool = False) -> LayerSpec:
    """A layer's folder, locked for `TARGET`."""
    folder = root / "reader"
    (folder / "locks").mkdir(parents=True)
    declared = 'description = "Reads"\nbytecode = "none"\n'
    if asset:
        declared += f'[[assets]]\npath = "words/list"\nsha256 = "{WORDS_SHA256}"\nsize = {len(WORDS)}\n'
        declared += 'url = "https://example.org/words"\n'
    (folder / "layer.toml").write_text(declared)
    (folder / "requirements.in").write_text("reader\n")
    (folder / "smoke.py").write_text("def smoke():\n    return {}\n")
    layer = load_layer("reader", root=root)
    layer.lock_path(TARGET).write_text(Lock(lock_inputs(layer, TARGET), tuple(pins)).text(TARGET))
    return layer
