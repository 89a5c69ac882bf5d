"""A new machine on a network of its own: real uv and pip against a real index whose certificate is a private one's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from scripts import bootstrap, environment
from tests.bootstrap.index import Authority, Index, serve
from tests.layer_builds.wheelhouse import Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Told = Mapping[str, str | Path]

ROOT = Path(__file__).resolve().parent.parent.parent
VERSION, _ = environment.pinned()
PYPROJECT = """\
[project]
name = "machine"
version = "1.0"
requires-python = ">=3.11,<3.15"
[dependency-groups]
test = ["tiny==1.0"]
tools = ["uv"]
[tool.uv]
package = false
default-groups = []
"""


@dataclass
class Machine:
    """A checkout in a home of its own, whose uv.lock names files of an index."""

    root: Path
    home: Path
    authority: Authority
    index: Index

    def bootstrap(self, *arguments: str, told: Told | None = None, uv: bool = True) -> subprocess.CompletedProcess[str]:
        """Run it with nothing in the environment but what is told."""
        path = [str(self.root.parent / "bin")] if uv else []
        environ = {
            "PATH": os.pathsep.join([*path, "/usr/bin", "/bin"]),
            "HOME": str(self.home),
            "UV_CACHE_DIR": str(self.home / "cache"),
            "UV_PYTHON_DOWNLOADS": "manual",
            "PIP_RETRIES": "0",
            "PIP_CONFIG_FILE": os.devnull,
            **{name: str(value) for name, value in (told or {}).items()},
        }
        return subprocess.run(
            [sys.executable, "-m", "scripts.bootstrap", *arguments],
            cwd=self.root,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def installed(self) -> bool:
        """Whether the locked package can be imported."""
        return self.bootstrap("run", "-c", "import tiny").returncode == 0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    Wheel("tiny", files={"tiny.py": b"VALUE = 1\n"}).write(folder)
    script = f'#!/bin/sh\nexec "{find_uv_bin()}" "$@"\n'.encode()
    Wheel("uv", VERSION, files={f"uv-{VERSION}.data/scripts/uv": script}).write(folder)
    return folder


@pytest.fixture(scope="module")
def index(wheels: Path, authority: Authority) -> Iterator[Index]:
    with serve(wheels, authority) as served:
        yield served


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, authority: Authority, index: Index) -> Path:
    """A project with the scripts of ours, whose lock uv has made from that index."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "scripts").mkdir()
    for name in ("bootstrap.py", "environment.py", "network.py"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts")
    (root / "pyproject.toml").write_text(PYPROJECT)
    environ = {"PATH": os.defpath, "HOME": str(root), "SSL_CERT_FILE": str(authority.file)}
    command = [find_uv_bin(), "lock", "--quiet", "--no-cache", "--default-index", index.simple]
    subprocess.run([*command, "--python", sys.executable], cwd=root, env=environ, check=True)
    return root


@pytest.fixture
def machine(tmp_path: Path, checkout: Path, authority: Authority, index: Index) -> Machine:
    shutil.copytree(checkout, tmp_path / "root")
    for name in ("home", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/uv").symlink_to(find_uv_bin())
    index.asked.clear()
    return Machine(tmp_path / "root", tmp_path / "home", authority, index)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "PIP_CERT"])
def test_uv_trusts_what_pip_is_told_to_trust(machine: Machine, name: str) -> None:
    done = machine.bootstrap("sync", "test", told={name: machine.authority.file})
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.installed
    shows = "import os; print(os.environ['SSL_CERT_FILE'])"
    shown = machine.bootstrap("run", "-c", shows, told={name: machine.authority.file})
    assert shown.stdout.strip() == str(machine.authority.file), "what make starts fetches packages as well"


def test_a_certificate_that_nobody_vouches_for_is_refused_with_what_to_do(machine: Machine) -> None:
    done = machine.bootstrap("sync", "test")
    assert done.returncode == 1
    assert "invalid peer certificate: UnknownIssuer" in done.stderr or "CaUsedAsEndEntity" in done.stderr
    assert "`export SSL_CERT_FILE=/path/to/your-ca.pem` and run make again" in done.stderr.splitlines()[-1]
    assert "--system-certs" not in done.stderr, "nobody can pass that to make"
    assert not (machine.root / ".uv/system-certificates").exists(), "it did not help, so it is not remembered"
    assert not machine.installed


def test_the_systems_certificates_are_tried_and_remembered(machine: Machine) -> None:
    """The private authority is put where the system keeps its certificates, for this process only."""
    own = machine.home / "etc-ssl-certs"
    own.mkdir()
    shutil.copy(machine.authority.file, own / "ca-certificates.crt")
    prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    script = f'mount --bind "{own}" /etc/ssl/certs && exec "$@"'
    if subprocess.run([*prefix, script, "sh", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace is allowed here: the system's certificates cannot be another's for one process")
    environ = {"PATH": f"{machine.root.parent}/bin:/usr/bin:/bin", "HOME": str(machine.home)}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CACHE": "true"}
    command = [*prefix, script, "sh", sys.executable, "-m", "scripts.bootstrap", "sync", "test"]
    done = subprocess.run(command, cwd=machine.root, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.installed
    shown = machine.bootstrap("run", "-c", "import os; print(os.environ['UV_SYSTEM_CERTS'])")
    assert shown.stdout.strip() == "true"
    # The next network is another one: what was remembered is given up when it does not do.
    shutil.rmtree(machine.root / ".venv")
    assert machine.bootstrap("sync", "test", told={"PIP_CERT": machine.authority.file}).returncode == 0
    assert not (machine.root / ".uv/system-certificates").exists()


@pytest.mark.parametrize("told", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "pip.conf"])
def test_the_same_files_come_from_an_index_of_ones_own(
    machine: Machine, authority: Authority, wheels: Path, told: str
) -> None:
    """`uv sync --frozen` asks the addresses in uv.lock, whatever index it is told of."""
    with serve(wheels, authority) as mirror:
        variables: Told = {told: mirror.simple, "PIP_CERT": authority.file}
        if told == "pip.conf":
            file = machine.home / ".config/pip/pip.conf"
            file.parent.mkdir(parents=True)
            file.write_text(f"[global]\nindex-url = {mirror.simple}\ncert = {authority.file}\n")
            variables = {"PIP_CONFIG_FILE": ""}
        done = machine.bootstrap("sync", "test", told=variables)
        assert (done.returncode, done.stderr) == (0, "")
        assert [path for path in mirror.asked if path.startswith("/files/tiny")]
    assert not machine.index.asked
    assert machine.installed
    assert machine.bootstrap("sync", "test", told=variables).returncode == 0, "what is there is not asked for again"


def test_another_file_of_the_same_name_is_refused(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    Wheel("tiny", files={"tiny.py": b"VALUE = 'not what was locked'\n"}).write(tmp_path / "other")
    with serve(tmp_path / "other", authority) as mirror:
        done = machine.bootstrap(
            "sync", "test", told={"UV_DEFAULT_INDEX": mirror.simple, "SSL_CERT_FILE": authority.file}
        )
    assert done.returncode == 1
    assert "Hash mismatch" in done.stderr
    assert not machine.installed


def test_an_index_that_does_not_answer_is_said_with_what_to_do(machine: Machine) -> None:
    lock = machine.root / "uv.lock"
    lock.write_text(lock.read_text().replace(machine.index.address, "https://127.0.0.1:1"))
    done = machine.bootstrap("sync", "test", told={"UV_HTTP_RETRIES": "0"})
    assert done.returncode == 1
    assert "`export UV_DEFAULT_INDEX=" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_uv_itself_comes_by_pip_from_the_same_index(machine: Machine) -> None:
    variables: Told = {"PIP_INDEX_URL": machine.index.simple, "PIP_CERT": machine.authority.file}
    done = machine.bootstrap("sync", "test", told=variables, uv=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == f"installing uv {VERSION} into {machine.root / '.uv'}"
    assert machine.installed
    again = machine.bootstrap("sync", "test", told=variables, uv=False)
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.slow
def test_another_uv_than_the_locked_one_is_refused(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    Wheel("uv", VERSION, files={f"uv-{VERSION}.data/scripts/uv": b"#!/bin/sh\nexit 0\n"}).write(tmp_path / "other")
    with serve(tmp_path / "other", authority) as mirror:
        variables: Told = {"PIP_INDEX_URL": mirror.simple, "PIP_CERT": authority.file, "SSL_CERT_FILE": "/dev/null"}
        done = machine.bootstrap("sync", "test", told=variables, uv=False)
    assert done.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert not (machine.root / ".uv/bin/uv").exists()


@pytest.mark.parametrize("damaged", [False, True])
def test_uv_comes_without_pip_where_there_is_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """Debian's own python3 has neither venv nor pip. Python trusts the system's certificates, or SSL_CERT_FILE."""
    monkeypatch.setattr(environment, "HOME", machine.root / ".uv")
    monkeypatch.setattr(environment, "ROOT", machine.root)
    monkeypatch.setenv("SSL_CERT_FILE", str(machine.authority.file))
    refused = subprocess.CompletedProcess[str]([], 1, "", "No module named pip")
    monkeypatch.setattr(environment, "run", lambda command, variables: refused)
    monkeypatch.setattr(environment.platform, "machine", lambda: "any")
    version, locked = environment.pinned()
    wheels = {name: (url, "0" * 64 if damaged else sha256) for name, (url, sha256) in locked.items()}
    problems = environment.install(version, _for_this_machine(wheels), {})
    executable = machine.root / ".uv/bin/uv"
    if damaged:
        assert "No module named pip\nand without pip:" in problems
        assert "is not the file that uv.lock names" in problems
        assert not executable.exists()
    else:
        assert problems == ""
        monkeypatch.undo()
        assert environment.has_version(str(executable), VERSION)


def _for_this_machine(wheels: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {name.replace("py3-none-any", "py3-none-manylinux_2_17_musllinux_any"): row for name, row in wheels.items()}


def test_the_real_lock_has_a_wheel_of_uv_for_every_machine_we_name() -> None:
    _, wheels = environment.pinned()
    for end in ("manylinux_2_17_x86_64.manylinux2014_x86_64", "macosx_11_0_arm64", "macosx_10_12_x86_64", "win_amd64"):
        assert [name for name in wheels if name.endswith(f"{end}.whl")], end
    assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for _, sha256 in wheels.values())


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 15, 0), (3, 9, 1)])
def test_another_python_is_refused_and_one_that_is_here_named(version: tuple[int, ...], tmp_path: Path) -> None:
    oldest, newest = bootstrap.supported()
    shim = tmp_path / f"python3.{newest}"
    shim.write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
    real = tmp_path / f"python3.{newest - 1}"
    real.write_text("#!/bin/sh\nexit 0\n")
    for file in (shim, real):
        file.chmod(0o755)
    code = (
        f"import runpy, sys; sys.version_info = {(*version, 'final', 0)}; sys.argv = ['x', 'sync', 'test']\n"
        "runpy.run_module('scripts.bootstrap', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Strata runs on Python 3.{oldest} to 3.{newest}, and {sys.executable} is ")
    assert f"`make … PYTHON=python3.{newest - 1}` uses one that is here" in done.stderr


def test_a_python_of_long_ago_is_told_so_in_words() -> None:
    """Enterprise Linux still has 3.6 as `python3`."""
    old = sorted(path for path in Path.home().glob(".pyenv/versions/3.[6-9].*/bin/python3") if path.is_file())
    if not old:
        pytest.skip("no Python older than 3.10 is here")
    command = [str(old[0]), "-m", "scripts.bootstrap", "sync", "test"]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Strata runs on Python 3.")


@pytest.mark.parametrize("file", ["README.md", "Makefile"])
def test_the_range_of_pythons_is_the_same_wherever_it_is_said(file: str) -> None:
    oldest, newest = bootstrap.supported()
    said = re.findall(r"Python 3\.(\d+) to 3\.(\d+)", (ROOT / file).read_text(encoding="utf-8"))
    assert said
    assert set(said) == {(str(oldest), str(newest))}
