"""Small real wheels, small real ELF files, and an installer that checks its command line and installs them."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import stat
import struct
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.host.processes import Completed, Log, Processes
from layer_builds.plan import Lock, Pin, Target, host_architecture, load_layer, lock_inputs, modules_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.plan import LayerSpec

HERE = Target(f"python{sys.version_info.major}.{sys.version_info.minor}", host_architecture())
"""The running Python on this machine: what these tests build for, so that they need no other interpreter."""
COMPILER = platform.python_version()

SMOKE = """
def smoke():
    import alpha
    import beta.core
    import boto3
    assert alpha.VALUE == beta.core.VALUE == 1
    return {"alpha": "1.0"}
"""


@dataclass
class Wheel:
    """A wheel in the making."""

    name: str
    version: str = "1.0"
    tag: str = "py3-none-any"
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    record: str | None = None
    """Written instead of the right one."""
    needs: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        dist_info = f"{self.name.replace('-', '_')}-{self.version}.dist-info"
        needs = "".join(f"Requires-Dist: {need}\n" for need in self.needs)
        about = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n{needs}"
        files = {
            **self.files,
            f"{dist_info}/METADATA": about.encode(),
            f"{dist_info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {self.tag}\n".encode(),
        }
        rows = [f"{path},{_fingerprint(data)},{len(data)}" for path, data in files.items()]
        record = self.record if self.record is not None else "\n".join([*rows, f"{dist_info}/RECORD,,"]) + "\n"
        path = folder / self.file
        with zipfile.ZipFile(path, "w") as out:
            for name, data in {**files, f"{dist_info}/RECORD": record.encode()}.items():
                info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
                if ".data/scripts/" in name:
                    info.external_attr = (stat.S_IFREG | 0o755) << 16
                out.writestr(info, data)
        return path


def alpha(**more: bytes) -> Wheel:
    return Wheel("alpha", files={"alpha/__init__.py": b"VALUE = 1\n", "alpha/unused.py": b"VALUE = 2\n", **more})


def beta() -> Wheel:
    return Wheel(
        "beta", files={"beta/__init__.py": b"", "beta/core.py": b'"""Core."""\nVALUE = 1\nNAMES = {"a", "b"}\n'}
    )


class Installer:
    """A runner that is uv's `pip install` for wheels of ours, and starts everything else for real.

    It leaves what uv leaves: `.lock`, scripts with the host's path, its notes in dist-info.
    """

    def __init__(self, wheels: Sequence[Path]) -> None:
        self.wheels = {_sha256(path): path for path in wheels}
        self.installs: list[list[str]] = []
        self.installed: list[list[str]] = []
        """Wheels of each install."""
        self.stderr: str | None = None
        """Set: the next install fails with this."""
        self.cold = False
        """Whether the cache lacks the wheels, so that an install without the network fails."""
        self.cached: dict[str, bytes] = {}
        """Files that something has changed in uv's shared cache."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout_seconds: float = 900.0,
    ) -> Completed:
        if list(argv[1:3]) != ["pip", "install"]:
            return Processes(Log())(argv, cwd=cwd, env=env, stdin=stdin, timeout_seconds=timeout_seconds)
        options = list(argv[3:])
        target = Path(options[options.index("--target") + 1])
        requirements = Path(options[options.index("--requirement") + 1]).read_text(encoding="utf-8")
        assert "--require-hashes" in options
        assert "--no-deps" in options
        assert options[options.index("--link-mode") + 1] == "copy"
        if "boto3" in requirements:
            (target / "boto3").mkdir()
            (target / "boto3/__init__.py").write_text("")
            return Completed(0, "", "")
        self.installs.append(options)
        if self.stderr is not None:
            return Completed(1, "", self.stderr)
        if self.cold and "--offline" in options:
            return Completed(1, "", "the network is disabled")
        marker = "--hash=sha256:"
        wheels = [self.wheels[word.removeprefix(marker)] for word in requirements.split() if word.startswith(marker)]
        self.installed.append([wheel.name for wheel in wheels])
        for wheel in wheels:
            self._install(wheel, target)
        if "--cache-dir" not in options:
            for name, data in self.cached.items():
                (target / name).write_bytes(data)
        return Completed(0, "", "")

    def _install(self, wheel: Path, target: Path) -> None:
        with zipfile.ZipFile(wheel) as file:
            for info in file.infolist():
                path = target / info.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.read(info))
                path.chmod(0o600 if os.environ.get("ODD_MODES") else 0o664)
        (target / ".lock").touch()
        (target / "bin").mkdir(exist_ok=True)
        (target / "bin/tool").write_text(f"#!{sys.executable}\n")
        info = next(target.glob(f"{wheel.name.split('-')[0]}-*.dist-info"))
        (info / "direct_url.json").write_text(f'{{"url": "file://{wheel}"}}')
        (info / "INSTALLER").write_text("uv")
        with (info / "RECORD").open("a") as record:
            record.write(f"../../bin/tool,sha256=x,1\n{info.name}/direct_url.json,,\n{info.name}/INSTALLER,,\n")


def make_layer(
    root: Path,
    wheels: Sequence[Wheel],
    *,
    name: str = "small",
    toml: str = "",
    smoke: str = SMOKE,
    modules: Sequence[str] | None = None,
    target: Target = HERE,
) -> tuple[LayerSpec, Installer]:
    """A layer's folder, locked to those wheels, and the installer that has them."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "layer.toml").write_text(toml, encoding="utf-8")
    (folder / "requirements.in").write_text("".join(f"{one.name}\n" for one in wheels), encoding="utf-8")
    (folder / "smoke.py").write_text(smoke, encoding="utf-8")
    paths = [one.write(root.parent / "wheels") for one in wheels]
    layer = load_layer(name, root=root)
    relock(
        layer,
        [Pin(one.name, one.version, _sha256(path), one.file) for one, path in zip(wheels, paths, strict=True)],
        target,
    )
    (folder / "modules").mkdir(exist_ok=True)
    names = imported(wheels) if modules is None else modules
    layer.modules_path(target.runtime).write_text(modules_text(target.runtime, list(names)), encoding="utf-8")
    return layer, Installer(paths)


def imported(wheels: Sequence[Wheel]) -> list[str]:
    """What `SMOKE` and the builder itself import of those wheels, and of others all modules."""
    more = [
        file for wheel in wheels if wheel.name not in {"alpha", "beta"} for file in wheel.files if file.endswith(".py")
    ]
    return ["alpha/__init__.py", "beta/__init__.py", "beta/core.py", *more]


def relock(layer: LayerSpec, pins: Sequence[Pin], target: Target = HERE) -> None:
    path = layer.lock_path(target)
    path.parent.mkdir(exist_ok=True)
    path.write_text(Lock(lock_inputs(layer, target), tuple(pins)).text(target), encoding="utf-8")


def elf(architecture: str = host_architecture(), glibc: str = "GLIBC_2.17", needed: str = "libc.so.6") -> bytes:
    """A 64-bit ELF library with one dynamic dependency and one version requirement; it does nothing else."""
    machine = {"arm64": 183, "x86_64": 62}[architecture]
    strings = b"\0" + needed.encode() + b"\0" + glibc.encode() + b"\0"
    name, version = 1, 2 + len(needed)
    verneed = struct.pack("<HHIII", 1, 1, name, 16, 0) + struct.pack("<IHHII", 0, 0, 2, version, 0)
    dynamic = struct.pack("<QQQQ", 1, name, 0, 0)
    names = b"\0.dynstr\0.gnu.version_r\0.dynamic\0.shstrtab\0"
    parts = [strings, verneed, dynamic, names]
    offsets, at = [], 64
    for part in parts:
        offsets.append(at)
        at += len(part)
    kinds = [(1, 3, 0, 0), (9, 0x6FFFFFFE, 1, 1), (24, 6, 1, 0), (33, 3, 0, 0)]
    table = bytes(64)
    for part, offset, (label, kind, link, info) in zip(parts, offsets, kinds, strict=True):
        entry = 16 if kind == 6 else 0
        table += struct.pack("<IIQQQQIIQQ", label, kind, 0, 0, offset, len(part), link, info, 1, entry)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 0, at, 0, 64, 56, 0, 64, 5, 4)
    return header + b"".join(parts) + table


def _fingerprint(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
