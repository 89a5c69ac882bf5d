"""A function's package as a file, with its metadata: what a deployment uploads, for those who want to look at it.

Owns the seed's build stages, each where the project has it once:

- clean, copy: the explicit list of files that the program deploys (`components.package`); nothing else gets in
- install: nothing, since dependencies are layers
- validate: every file compiles, and the handler's function is there
- package: an archive that reads back as it was written, the same bytes for the same commit
- metadata: `function-metadata.json`
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from components.package import Zip, read_package
from components.systems import SYSTEMS
from layer_builds.plan import LayerBuildError, layer_digest, load_manifest
from ops.errors import OpsError, UsageError
from ops.report import Report, Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from components.package import Package
    from layer_builds.plan import Target

ARCHIVE = "function.zip"
METADATA = "function-metadata.json"
_TIME = (1980, 1, 1, 0, 0, 0)


def write_package(system: str, target: Target, output: Path) -> Report:
    """Write a system's package and its metadata.

    Args:
        system: of `components/systems/`.
        target: runtime and architecture.
        output: the folder; what an earlier run left there is replaced.

    Raises:
        OpsError: a file does not compile, the handler is not there, or a layer is not as its manifest says.
    """
    packaging = SYSTEMS[system].package if system in SYSTEMS else None
    if not isinstance(packaging, Zip):
        named = ", ".join(name for name, one in SYSTEMS.items() if isinstance(one.package, Zip))
        raise UsageError(f"{system} is not a system that is shipped as a zip; there are: {named}")
    try:
        package = read_package(system, packaging, target)
    except (LayerBuildError, ValueError) as error:
        raise OpsError(str(error)) from None
    description = validate(package.code.files, package.handler)
    archive = pack(package.code.files)
    metadata = describe(package, archive, description)
    output.mkdir(parents=True, exist_ok=True)
    for name, content in ((ARCHIVE, archive), (METADATA, f"{json.dumps(metadata, indent=2)}\n".encode())):
        part = output / f".{name}.part"
        part.write_bytes(content)
        part.replace(output / name)
    rows = [[name, f"{len(content.encode()):,}"] for name, content in sorted(package.code.files.items())]
    size = f"{len(archive):,} bytes zipped; layers: {', '.join(metadata['build_info']['layer_dependencies'])}"
    return Report(
        data={"archive": str(output / ARCHIVE), "metadata": metadata},
        tables=[Table(title=f"{system} for {target}", columns=["file", "bytes"], rows=rows)],
        notes=[size],
    )


def validate(files: Mapping[str, str], handler: str) -> str:
    """Compile every module and find the handler; the first line of what its module says of itself.

    Raises:
        OpsError: naming the file and the line, or the handler.
    """
    trees: dict[str, ast.Module] = {}
    for path, text in files.items():
        if not path.endswith(".py"):  # what a web page is made of
            continue
        try:
            compile(text, path, "exec", dont_inherit=True)
            trees[path] = ast.parse(text, path)
        except SyntaxError as error:
            raise OpsError(f"{path}, line {error.lineno}: {error.msg}") from None
    module, _, name = handler.rpartition(".")
    path = f"{module.replace('.', '/')}.py"
    found = [node for node in trees[path].body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        raise OpsError(f"the handler is {handler}, and {path} has no function {name}")
    return (ast.get_docstring(trees[path]) or "").partition("\n")[0]


def pack(files: Mapping[str, str]) -> bytes:
    """Return the archive.

    Raises:
        OpsError: it does not read back as it was written.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, _TIME)
            info.external_attr = 0o100644 << 16
            archive.writestr(info, files[path].encode(), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(buffer) as archive:
        if (broken := archive.testzip()) is not None:
            raise OpsError(f"{broken} does not read back as it was written")
    return buffer.getvalue()


def describe(package: Package, archive: bytes, description: str) -> dict[str, Any]:
    """Return `function-metadata.json`."""
    return {
        "function_name": package.system,
        "description": description,
        "runtime": package.target.runtime,
        "architecture": package.target.architecture,
        "handler": package.handler,
        "created_date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "build_info": {
            "package_size_kb": -(-len(archive) // 1024),
            "package_sha256": hashlib.sha256(archive).hexdigest(),
            "files": len(package.code.files),
            "uses_layers": True,
            "layer_dependencies": [layer.name for layer in package.layers],
        },
        "layers": [
            {
                "name": layer.name,
                "digest": layer_digest(layer, package.target),
                "unzipped_bytes": load_manifest(layer).entry(package.target).unzipped_bytes,
            }
            for layer in package.layers
        ],
    }
