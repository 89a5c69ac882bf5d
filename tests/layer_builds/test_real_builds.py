"""The project's own layer, really downloaded, built, called and compared with its manifest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from layer_builds.build.builder import build_layer
from layer_builds.build.docker import IMAGE_VARIABLE
from layer_builds.host import folders
from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.host.interpreters import find_interpreter
from layer_builds.plan import (
    LAYERS_DIR,
    REPOSITORY,
    RUNTIMES,
    LayerBuildError,
    Target,
    host_architecture,
    load_layer,
    load_manifest,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("builds"), pytest.mark.timeout(600)]

LAYER = "openai-pinecone"
NEWEST = Target("python3.13", host_architecture())


@pytest.fixture
def build_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, with the runtime's stand-in and the assets of the real one, which other tests check."""
    own = tmp_path / "build"
    own.mkdir()
    for shared in ("runtime", "assets"):
        (folders.build_dir() / shared).mkdir(parents=True, exist_ok=True)
        (own / shared).symlink_to(folders.build_dir() / shared)
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(own))
    return own


def pinned(runtime: str) -> Path:
    try:
        return find_interpreter(RUNTIMES[runtime].compiler)
    except LayerBuildError as error:
        pytest.skip(str(error))


def test_the_layer_is_what_its_manifest_says(build_dir: Path) -> None:
    pinned(NEWEST.runtime)
    layer = load_layer(LAYER)
    built = build_layer(layer, NEWEST)
    assert not built.hit
    assert built.entry.smoke == "run"
    assert built.entry == load_manifest(layer).entry(NEWEST)


def test_a_crlf_checkout_elsewhere_gives_the_same_bytes(build_dir: Path, tmp_path: Path) -> None:
    pinned(NEWEST.runtime)
    shutil.copytree(LAYERS_DIR / LAYER, tmp_path / "C R L F" / LAYER)
    for path in (tmp_path / "C R L F").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    built = build_layer(load_layer(LAYER, root=tmp_path / "C R L F"), NEWEST)
    assert built.sha256 == load_manifest(load_layer(LAYER)).entry(NEWEST).artifact_sha256


def test_another_python_builds_the_same_bytes_for_another_runtime_and_cpu(tmp_path: Path) -> None:
    """A host on 3.11 builds python3.13 for the other CPU, without its own smoke call being possible or needed."""
    pinned(NEWEST.runtime)
    host = next((path for path in _others() if path), None)
    if host is None:
        pytest.skip("only one Python is here")
    packages = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
    other = {"arm64": "x86_64", "x86_64": "arm64"}[NEWEST.architecture]
    code = (
        "from layer_builds.build.builder import build_layer; from layer_builds.plan import *\n"
        "from layer_builds.host import qemu\n"
        "qemu.emulator = lambda target: None\n"
        f"print(build_layer(load_layer({LAYER!r}), Target('python3.13', {other!r})).sha256)\n"
    )
    done = subprocess.run(
        [str(host), "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{packages}", BUILD_DIR_VARIABLE: str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == load_manifest(load_layer(LAYER)).entry(Target("python3.13", other)).artifact_sha256


def _others() -> list[Path | None]:
    found: list[Path | None] = []
    for runtime in RUNTIMES.values():
        if runtime.python != f"{sys.version_info.major}.{sys.version_info.minor}":
            try:
                found.append(find_interpreter(runtime.compiler))
            except LayerBuildError:
                found.append(None)
    return found


def test_every_file_of_the_layer_is_ordinary_and_of_a_known_place(build_dir: Path) -> None:
    pinned(NEWEST.runtime)
    with zipfile.ZipFile(build_layer(load_layer(LAYER), NEWEST).path) as file:
        names = file.namelist()
    assert {name.split("/")[0] for name in names} == {"python", "tiktoken"}
    assert not [name for name in names if "/tests/" in name or name.endswith((".lock", ".c", ".h"))]
    assert [name for name in names if name.endswith("licenses/LICENSE")], "licences stay"


@pytest.mark.docker
def test_the_docker_builder_gives_the_same_bytes(build_dir: Path) -> None:
    """Needs a build image whose Python is available: AWS's, or a local one that the variable names."""
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("Docker is not running")
    if IMAGE_VARIABLE not in os.environ:
        pytest.skip(f"{IMAGE_VARIABLE} names no build image")
    built = build_layer(load_layer(LAYER), NEWEST, builder="docker")
    assert built.sha256 == load_manifest(load_layer(LAYER)).entry(NEWEST).artifact_sha256
    assert built.path.stat().st_uid == os.getuid()
