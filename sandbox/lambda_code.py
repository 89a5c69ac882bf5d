"""What a function version is made of: its configuration, code and layers, fetched from the emulator and unpacked once.

Code and layers are kept by their SHA-256, so a warm invocation fetches nothing. What a function may not change (its
code, its layers) is unpacked without write permission. Unpacked layers, thousands of files, stay in `.build/unpacked`
for the next sandbox; those that none has used for a week are removed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import stat
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from layer_builds.plan import REPOSITORY
from sandbox.emulator_process import fingerprint
from sandbox.json_parts import part
from sandbox.lambda_package import Package, image_package
from sandbox.workspace import SandboxError, remove

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sandbox.account import Account

PROXY_VARIABLE = "MINISTACK_LAMBDA_PROXY_URL"
"""The emulator's own hook; no business of the function's."""
UNPACKED = REPOSITORY / ".build" / "unpacked"
UNUSED_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """Everything a function's process is started from."""

    name: str
    version: str
    arn: str
    role: str
    handler: str
    runtime: str
    memory_mb: int
    storage_mb: int
    """Of /tmp."""
    timeout_seconds: int
    variables: Mapping[str, str]
    log_group: str
    json_logs: bool
    """Lambda's JSON log format, for the platform's lines and for `logging`."""
    log_level: str | None
    """Lowest level of `logging` records that are kept; JSON format only."""
    snapstart: bool
    fingerprint: str
    task: Path
    """The unpacked code."""
    layers: Path | None
    """The unpacked layers, over each other in their order: what /opt shows."""


class CodeStore:
    """Fetches and unpacks; safe from several threads."""

    def __init__(self, account: Account, folder: Path, cache: Path = UNPACKED) -> None:
        """`folder` is this sandbox's, for code; `cache` is all sandboxes', for layers."""
        self._account = account
        self._folder = folder
        self._cache = cache
        forget_unused(cache)
        self._versions: dict[tuple[str, str, str], FunctionVersion] = {}
        self._layer_zips: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def known(self, name: str, version: str, expected: str | None) -> FunctionVersion | None:
        """The same without asking the emulator: None when it must be asked."""
        return self._versions.get((name, version, expected)) if expected else None

    def version(self, name: str, version: str, expected: str | None) -> FunctionVersion:
        """A function version as deployed now.

        Args:
            name: the function's name.
            version: "$LATEST" or a number.
            expected: the fingerprint that the emulator sent along; None makes a fetch necessary.

        """
        with self._lock:
            if expected and (known := self._versions.get((name, version, expected))):
                return known
            answer = self._account.client("lambda").get_function(FunctionName=name, Qualifier=version)
            config = answer["Configuration"] | {"ImageUri": answer["Code"].get("ImageUri")}
            key = (name, version, fingerprint(config))
            if key not in self._versions:
                self._versions[key] = self._load(config, self._package(config, answer["Code"].get("Location", "")))
            found = self._versions[key]
            if expected:
                self._versions[name, version, expected] = found
            return found

    def _package(self, config: Mapping[str, Any], location: str) -> Package:
        if config.get("PackageType") == "Image":
            return image_package(config)
        layers: list[dict[str, str]] = config.get("Layers") or []
        return Package(
            handler=str(config["Handler"]),
            runtime=str(config["Runtime"]),
            task=self._code(str(config["FunctionName"]), str(config["Version"]), str(config["CodeSha256"]), location),
            layers=self._layers([layer["Arn"] for layer in layers]),
        )

    def _load(self, config: Mapping[str, Any], package: Package) -> FunctionVersion:
        variables: dict[str, str] = part(config, "Environment", "Variables")
        name = str(config["FunctionName"])
        logging = part(config, "LoggingConfig")
        json_logs: bool = logging.get("LogFormat") == "JSON"
        return FunctionVersion(
            name=name,
            version=str(config["Version"]),
            arn=str(config["FunctionArn"]),
            role=str(config["Role"]),
            handler=package.handler,
            runtime=package.runtime,
            memory_mb=int(config["MemorySize"]),
            storage_mb=int(part(config, "EphemeralStorage").get("Size", 512)),
            timeout_seconds=int(config["Timeout"]),
            variables={key: value for key, value in variables.items() if key != PROXY_VARIABLE},
            log_group=logging.get("LogGroup") or f"/aws/lambda/{name}",
            json_logs=json_logs,
            log_level=logging.get("ApplicationLogLevel", "INFO") if json_logs else None,
            fingerprint=fingerprint(dict(config)),
            snapstart=part(config, "SnapStart").get("OptimizationStatus") == "On",
            task=package.task,
            layers=package.layers,
        )

    def _code(self, name: str, version: str, sha256: str, location: str) -> Path:
        digest = base64.b64decode(sha256).hex()
        target = self._folder / "code" / digest
        if not target.exists():
            content = self._download(location)
            if hashlib.sha256(content).hexdigest() != digest:
                raise SandboxError(
                    f"the emulator does not have the code of {name}:{version} any more: an unamended ministack serves "
                    "only the newest, so start it through the sandbox"
                )
            unpack([content], target)
        return target

    def _layers(self, arns: Sequence[str]) -> Path | None:
        """The layers over each other, unpacked by now."""
        if not arns:
            return None
        found = [self._layer(arn) for arn in arns]
        digest = hashlib.sha256("\n".join(sha256 for sha256, _ in found).encode()).hexdigest()
        target = self._cache / digest
        if not target.exists():
            unpack([self._download(location) for _, location in found], target)
        os.utime(target)
        return target

    def _layer(self, arn: str) -> tuple[str, str]:
        """SHA-256 and location of a layer version's zip."""
        if arn not in self._layer_zips:
            try:
                content = self._account.client("lambda").get_layer_version_by_arn(Arn=arn)["Content"]
                self._layer_zips[arn] = (content["CodeSha256"], content["Location"])
            except ClientError as error:
                # Deleted, but a published function version still uses it: its content stays.
                _, _, _, region, account, _, name, number = arn.split(":")
                location = f"/_ministack/lambda-layers/{account}/{region}/{name}/{number}/content"
                try:
                    sha256 = base64.b64encode(hashlib.sha256(self._download(location)).digest()).decode()
                except urllib.error.URLError:
                    raise SandboxError(f"the layer {arn} cannot be fetched: {error}") from error
                self._layer_zips[arn] = (sha256, location)
        return self._layer_zips[arn]

    def _download(self, location: str) -> bytes:
        parts = urlsplit(location)  # its host is a name; ours is the address that the emulator listens on
        url = f"{self._account.endpoint}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own emulator
            return answer.read()


def unpack(archives: Sequence[bytes], target: Path) -> None:
    """Unpack zips over each other into a folder that appears under its name when it is complete.

    Files cannot be written to; folders can, so that anybody can remove them: what makes /opt read-only for a function
    is its mount. Names that leave the folder are refused.
    """
    partial = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}")
    partial.mkdir(parents=True)
    try:
        for content in archives:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for entry in archive.infolist():
                    _unpack_entry(archive, entry, partial)
        with contextlib.suppress(OSError):  # another sandbox was quicker: the same content is there
            partial.rename(target)
    finally:
        remove(partial)


def forget_unused(cache: Path) -> None:
    """Remove unpacked layers that no sandbox has used for a week, and what crashes left half unpacked."""
    for folder in cache.iterdir() if cache.is_dir() else ():
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > UNUSED_SECONDS:
                remove(folder)


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path) -> None:
    path = root / entry.filename
    if not path.resolve().is_relative_to(root.resolve()):
        raise SandboxError(f"the zip has an entry that leaves its folder: {entry.filename!r}")
    mode = entry.external_attr >> 16
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if stat.S_ISLNK(mode):
        path.symlink_to(archive.read(entry).decode())
        return
    path.write_bytes(archive.read(entry))
    path.chmod(0o555 if mode & 0o111 else 0o444)


def running_runtime() -> str:
    """The Lambda runtime of the Python that runs the sandbox, such as "python3.13"."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"
