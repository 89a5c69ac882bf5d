"""`build_layer_docker.sh` in a layer's folder: what it asks of the builder, from a folder with spaces in its path."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from layer_builds.plan import LAYERS_DIR

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("build_layer_docker.sh", "build_layer_docker.ps1")
DIGEST = "ab" * 32
PYTHON = f"""#!/bin/sh
echo "$MSYS_NO_PATHCONV $*" >> calls.txt
case "$*" in
  *digest*) printf '{DIGEST}  my-layer python3.13-arm64\\r\\n' ;;
  *build*) [ ! -e fails ] ;;
esac
"""


def repository(tmp_path: Path, docker: str = "exit 0") -> Path:
    root = tmp_path / "a folder (with spaces)"
    layer = root / "layer_builds" / "layers" / "my-layer"
    layer.mkdir(parents=True)
    shutil.copy(LAYERS_DIR / "openai-pinecone" / NAMES[0], layer)
    for path, text in ((root / ".venv/bin/python", PYTHON), (tmp_path / "bin/docker", f"#!/bin/sh\n{docker}\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    (root / ".build/layers").mkdir(parents=True)
    (root / ".build/layers" / f"{DIGEST}.zip").write_bytes(b"zip")
    (root / ".build/dist").mkdir()
    (root / ".build/dist/my-layer-python3.11-arm64.zip").write_bytes(b"old")
    return root


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(root / "layer_builds/layers/my-layer" / NAMES[0]), *words],
        cwd=root.parent,
        env={**os.environ, "PATH": f"{root.parent / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_builds_verifies_and_leaves_the_zip(tmp_path: Path) -> None:
    root = repository(tmp_path)
    done = run(root, "--runtime", "python3.13")
    assert done.returncode == 0, done.stderr
    assert (root / "calls.txt").read_text().splitlines() == [
        "1 -m layer_builds build my-layer --builder docker --force --runtime python3.13",
        "1 -m layer_builds verify my-layer --runtime python3.13",
        "1 -m layer_builds digest my-layer --runtime python3.13",
    ]
    zips = list((root / ".build/dist").iterdir())
    assert [path.name for path in zips] == ["my-layer-python3.13-arm64.zip"], "the one of before is gone"
    assert done.stdout.splitlines()[-1] == str(zips[0])


def test_without_docker_it_says_what_to_do(tmp_path: Path) -> None:
    root = repository(tmp_path, docker="exit 1")
    done = run(root)
    assert done.returncode == 1
    assert "Docker is not running: start it, or build without it: python -m layer_builds build my-layer" in done.stderr
    assert not (root / "calls.txt").exists()


def test_a_build_that_fails_ends_it(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "fails").touch()
    assert run(root).returncode != 0
    assert len((root / "calls.txt").read_text().splitlines()) == 1


def test_without_an_environment_it_names_the_command(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / ".venv/bin/python").unlink()
    assert "run `make env` in" in run(root).stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_starts_are_the_same_in_every_layer_that_has_them(name: str) -> None:
    texts = {path.read_text(encoding="utf-8") for path in LAYERS_DIR.glob(f"*/{name}")}
    assert len(texts) == 1


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    subprocess.run(["shellcheck", str(LAYERS_DIR / "openai-pinecone" / NAMES[0])], check=True)
