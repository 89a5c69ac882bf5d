"""The project's own layer, really downloaded, built, called and compared with its manifest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from layer_builds import (
    LAYERS_DIR,
    RUNTIMES,
    LayerBuildError,
    Target,
    build_layer,
    find_interpreter,
    host_architecture,
    interpreters,
    load_layer,
    load_manifest,
)
from layer_builds.docker import IMAGE_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("builds"), pytest.mark.timeout(600)]

LAYER = "openai-pinecone"
NEWEST = Target("python3.13", host_architecture())
REPOSITORY = LAYERS_DIR.parent.parent


@pytest.fixture
def build_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, with the runtime's stand-in and the assets of the real one, which other tests check."""
    own = tmp_path / "build"
    own.mkdir()
    for shared in ("runtime", "assets"):
        (interpreters.BUILD_DIR / shared).mkdir(parents=True, exist_ok=True)
        (own / shared).symlink_to(interpreters.BUILD_DIR / shared)
    monkeypatch.setattr(interpreters, "BUILD_DIR", own)
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
        "import sys; from pathlib import Path; from layer_builds import *\n"
        "from layer_builds import interpreters, qemu\n"
        "interpreters.BUILD_DIR = Path(sys.argv[1]); qemu.emulator = lambda target: None\n"
        f"print(build_layer(load_layer({LAYER!r}), Target('python3.13', {other!r})).sha256)\n"
    )
    done = subprocess.run(
        [str(host), "-c", code, str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{packages}"},
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
    """Needs a build image whose Python can be had: AWS's, or a local one that the variable names."""
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("Docker is not running")
    if IMAGE_VARIABLE not in os.environ:
        pytest.skip(f"{IMAGE_VARIABLE} names no build image")
    built = build_layer(load_layer(LAYER), NEWEST, builder="docker")
    assert built.sha256 == load_manifest(load_layer(LAYER)).entry(NEWEST).artifact_sha256
    assert built.path.stat().st_uid == os.getuid()
