"""A Python for another CPU: qemu-user over a few unpacked Debian packages.

Owns `python -m layer_builds qemu-root`. The root is a cache in `.build/qemu`, made of packages that apt has checked
against Debian's key; nothing of it is in the repository or in a layer.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.host.folders import build_dir
from layer_builds.host.interpreters import compile_folder, find_python
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from layer_builds.host.processes import Runner
    from layer_builds.plan import Target

RELEASES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}
"""Python minor version → the Debian release that has it. No release has 3.12."""
DEBIAN = {"arm64": "arm64", "x86_64": "amd64"}
CPUS = {"arm64": "neoverse-n1", "x86_64": "max"}
"""Lambda's arm64 is Graviton2, whose cores are Neoverse N1: code for a newer CPU fails here as it would there. Newer
models also emulate pointer authentication, which makes Debian's Python five times slower."""
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_RUNTIME = ("ca-certificates", "libstdc++6")
"""What the runtime has besides Python and wheels may use: the targets' tables name its C++ library's versions."""
_MIRROR = "http://deb.debian.org/debian"


def emulator(target: Target) -> str | None:
    """Path of qemu-user for a target's CPU."""
    return shutil.which(f"qemu-{target.machine}-static") or shutil.which(f"qemu-{target.machine}")


def root(target: Target) -> Path:
    """Where a target's root is kept."""
    return build_dir() / "qemu" / f"{target.architecture}-python{target.facts.python}"


def command(target: Target) -> list[str] | str:
    """What starts the target's Python on this machine, or why there is nothing that does."""
    qemu = emulator(target)
    if qemu is None:
        return f"qemu-{target.machine}-static is not installed"
    if target.facts.python not in RELEASES:
        return f"no Debian release has Python {target.facts.python} for {target.architecture}"
    python = root(target) / "usr/bin" / f"python{target.facts.python}"
    if not python.exists():
        return (
            f"there is no {target.architecture} Python here (`python -m layer_builds qemu-root --runtime "
            f"{target.runtime} --architecture {target.architecture}` unpacks one)"
        )
    return [qemu, "-cpu", CPUS[target.architecture], "-L", str(root(target)), str(python)]


def prepare(target: Target, run: Runner) -> Path:
    """Download and unpack a Python for the target, with what it depends on.

    Returns:
        The root; kept, so that a second call does nothing.

    Raises:
        LayerBuildError: apt is missing, or its mirror does not have it.
    """
    home = root(target)
    if home.is_dir():
        return home
    release = RELEASES.get(target.facts.python)
    if release is None:
        raise LayerBuildError(f"no Debian release has Python {target.facts.python}, so {target} cannot be emulated")
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise LayerBuildError(
                f"{tool} is not there: a root for qemu is made on Debian or Ubuntu, or in a container of it"
            )
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="apt-", dir=home.parent) as folder:
        private = Path(folder)
        options = _private_apt(private, target, release)
        python = f"python{target.facts.python}"
        for words in (
            ["update"],
            ["install", "--yes", "--download-only", "--no-install-recommends", python, *_RUNTIME],
        ):
            done = run(["apt-get", *options, *words], cwd=private, timeout_seconds=600)
            if done.returncode != 0:
                raise LayerBuildError(
                    f"apt-get {words[0]} failed for {release} {target.architecture}:\n{done.stderr.strip()[-1500:]}"
                )
        staging = private / "root"
        staging.mkdir()
        for package in sorted((private / "archives").glob("*.deb")):
            done = run(["dpkg-deb", "--extract", str(package), str(staging)])
            if done.returncode != 0:
                raise LayerBuildError(f"{package.name} cannot be unpacked: {done.stderr.strip()}")
        _merge_usr(staging)
        _compile_library(staging, target, run)
        staging.chmod(0o755)
        staging.rename(home)
    return home


def _compile_library(staging: Path, target: Target, run: Runner) -> None:
    """Give the root's standard library bytecode: compiling it anew under emulation would be most of a smoke call."""
    try:
        python = find_python(target.facts)
    except LayerBuildError:
        return
    compile_folder(python, staging / "usr/lib" / f"python{target.facts.python}", run)


def _private_apt(private: Path, target: Target, release: str) -> list[str]:
    """Options that make apt use this folder only: the system's lists, status and sources stay as they are."""
    for name in ("lists/partial", "archives/partial", "preferences.d"):
        (private / name).mkdir(parents=True)
    (private / "status").touch()
    architecture = DEBIAN[target.architecture]
    signed = f"signed-by={_KEYRING}" if Path(_KEYRING).is_file() else ""
    source = f"deb [{' '.join(filter(None, (f'arch={architecture}', signed)))}] {_mirror()} {release} main\n"
    (private / "sources.list").write_text(source, encoding="utf-8")
    settings = {
        "Dir::Etc::sourcelist": private / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferencesparts": private / "preferences.d",
        "Dir::State": private,
        "Dir::State::lists": private / "lists",
        "Dir::State::status": private / "status",
        "Dir::Cache": private,
        "Dir::Cache::archives": private / "archives",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _mirror() -> str:
    """The Debian mirror that this machine is set to use."""
    for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            found = re.search(
                r"^(?:URIs:|deb\s+(?:\[[^\]]*\]\s+)?)\s*(https?://\S*/debian)/?(?:\s|$)", text, re.MULTILINE
            )
            if found:
                return found[1]
    return _MIRROR


def _merge_usr(staging: Path) -> None:
    """Make /lib and the like links into /usr, as an installed Debian has them; packages differ in which they use."""
    for name in ("bin", "lib", "sbin", "lib64"):
        old, new = staging / name, staging / "usr" / name
        if old.is_symlink():
            continue
        if old.is_dir():
            shutil.copytree(old, new, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(old)
        new.mkdir(parents=True, exist_ok=True)
        old.symlink_to(f"usr/{name}")
