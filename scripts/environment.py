"""The project's environment: uv of the pinned version, and with it what uv.lock pins, in `.venv`.

Standard library only, since it runs before anything is installed. bootstrap.py starts it; how packages are reached on
this network is network.py's.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import urllib.request
import zipfile
from io import BytesIO
from pathlib import Path

from scripts import network

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".uv"
"""Where uv is installed when the machine has none of the pinned version."""
SYSTEM_CERTIFICATES = HOME / "system-certificates"
"""A file that is there when no others did: what `run` starts may have to fetch more."""
VENV = ROOT / ".venv"
SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
UV = "uv.exe" if sys.platform == "win32" else "uv"


def main(arguments: list[str]) -> None:
    """Do one command of bootstrap.py."""
    command, *rest = arguments or [""]
    if command == "sync" and rest:
        sync(rest[0])
    elif command == "run" and rest:
        environment = reached()
        environment["PATH"] = os.pathsep.join([str(VENV / SCRIPTS), environment.get("PATH", os.defpath)])
        python = str(VENV / SCRIPTS / "python")
        os.execve(python, [python, *rest], environment)  # noqa: S606 - signals are the program's own then
    else:
        raise SystemExit("usage: python3 -m scripts.bootstrap sync GROUP | run ARGUMENT…")


def sync(group: str) -> None:
    """Bring `.venv` to what uv.lock pins for a group.

    Raises:
        SystemExit: with uv's words, and what to do.
    """
    uv = find_uv(reached())
    HOME.mkdir(exist_ok=True)
    failed = install_locked(uv, group, reached())
    if failed and network.untrusted(failed):
        # The other way round: certificates of the system where others were tried, and back where that has changed.
        if SYSTEM_CERTIFICATES.exists():
            SYSTEM_CERTIFICATES.unlink()
        else:
            SYSTEM_CERTIFICATES.touch()
        failed = install_locked(uv, group, reached())
        if failed:
            SYSTEM_CERTIFICATES.unlink(missing_ok=True)
    if failed:
        raise SystemExit(network.explained(failed))


def reached() -> dict[str, str]:
    """This process's environment, and what uv has to be told on this network."""
    return network.environment(dict(os.environ), system_certificates=SYSTEM_CERTIFICATES.exists())


def install_locked(uv: str, group: str, environment: dict[str, str]) -> str | None:
    """Install a group as uv.lock has it; None, or uv's words.

    `uv sync --frozen` fetches from the addresses in uv.lock, whatever index it is told of, so an index of one's own is
    asked for the same files by name and hash.
    """
    which = ["--frozen", "--group", group]
    commands = [["sync", *which, "--inexact", "--python", sys.executable]]
    if any(name in environment for name in network.INDEX_VARIABLES):
        lock = str(HOME / f"{group}.txt")
        python = str(VENV / SCRIPTS / "python")
        commands = [
            ["venv", "--allow-existing", "--python", sys.executable, str(VENV)],
            ["export", *which, "--no-emit-project", "--output-file", lock],
            ["pip", "install", "--python", python, "--require-hashes", "--no-deps", "--requirement", lock],
        ]
    for command in commands:
        done = run([uv, *command, "--quiet"], environment)
        if done.returncode != 0:
            return done.stderr.strip() or f"`uv {command[0]}` ended with {done.returncode}"
    return None


def find_uv(environment: dict[str, str]) -> str:
    """Path of the pinned uv: an installed one, or one put into `.uv` now.

    Raises:
        SystemExit: it cannot be installed.
    """
    version, wheels = pinned()
    for candidate in (str(HOME / SCRIPTS / UV), shutil.which("uv")):
        if candidate and has_version(candidate, version):
            return candidate
    print(f"installing uv {version} into {HOME}", file=sys.stderr)
    problems = install(version, wheels, environment)
    if problems:
        raise SystemExit(
            f"could not install uv {version} with {sys.executable} (other ways to install that version: "
            f"https://docs.astral.sh/uv/getting-started/installation/):\n{network.explained(problems)}"
        )
    return str(next(path for path in HOME.rglob(UV) if path.parent.name == SCRIPTS))


def pinned() -> tuple[str, dict[str, tuple[str, str]]]:
    """What uv.lock says of uv, the one that the layer builder uses as well: its version, and wheel → (URL, SHA-256)."""
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    found = re.search(r'^name = "uv"\nversion = "([^"]+)"\n(.*?)(?:^\[\[|\Z)', text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise SystemExit("uv.lock names no version of uv: run `git checkout uv.lock`")
    wheels = re.findall(r'url = "([^"]+/([^"/]+\.whl))", hash = "sha256:([0-9a-f]{64})"', found[2])
    return found[1], {name: (url, sha256) for url, name, sha256 in wheels}


def has_version(uv: str, version: str) -> bool:
    """Whether that executable is uv of that version."""
    try:
        done = run([uv, "--version"], dict(os.environ))
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.split()[1:2] == [version]


def install(version: str, wheels: dict[str, tuple[str, str]], environment: dict[str, str]) -> str:
    """Install uv by its locked hashes with what this Python has; all that went wrong, or nothing.

    With pip in a virtual environment, whose configuration counts; with pip alone, where Debian's Python lacks
    `ensurepip`; or without pip, which may not be there, and does not know the system's certificates before 24.2.
    """
    shutil.rmtree(HOME, ignore_errors=True)
    made = run([sys.executable, "-m", "venv", str(HOME)], environment)
    if made.returncode != 0:
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir()
    requirements = HOME / "requirements.txt"
    hashes = " ".join(f"--hash=sha256:{sha256}" for _, sha256 in wheels.values())
    requirements.write_text(f"uv=={version} {hashes}\n", encoding="utf-8")
    python, target = (str(HOME / SCRIPTS / "python"), []) if made.returncode == 0 else (sys.executable, [str(HOME)])
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    options += [word for folder in target for word in ("--target", folder)]
    done = run([python, "-m", "pip", "install", *options, "--requirement", str(requirements)], environment)
    if done.returncode == 0:
        return ""
    try:
        download(wheels)
    except (OSError, ValueError) as error:
        return f"{done.stderr.strip()[-1500:]}\nand without pip: {error}"
    return ""


def download(wheels: dict[str, tuple[str, str]]) -> None:
    """Take uv's executable out of this platform's wheel, fetched from where uv.lock says.

    Raises:
        OSError: it cannot be fetched.
        ValueError: there is none for this platform, or it is another file than was locked.
    """
    libc = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    system = {"linux": libc, "darwin": "macosx", "win32": "win"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    names = {"x86_64": ("x86_64", "amd64"), "aarch64": ("aarch64", "arm64")}
    ends = next((both for both in names.values() if machine in both), (machine,))
    fitting = [name for name in wheels if system in name and name.endswith(tuple(f"{end}.whl" for end in ends))]
    if not fitting:
        raise ValueError(f"uv.lock has no wheel of uv for {system} {machine}")
    url, sha256 = wheels[fitting[0]]
    # A context of its own: the one that urllib keeps was made with the certificates of its first use.
    trusted = ssl.create_default_context()
    with urllib.request.urlopen(url, timeout=60, context=trusted) as response:  # noqa: S310 - from uv.lock, and checked
        data = response.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{url} is not the file that uv.lock names")
    executable = HOME / SCRIPTS / UV
    executable.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        executable.write_bytes(archive.read(next(one for one in archive.namelist() if one.endswith(f"/scripts/{UV}"))))
    executable.chmod(0o755)


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program in the repository's folder, and keep what it says."""
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
