"""The modules that a smoke call imports: listed on any disk, and in Docker for what is built from source."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.build.builder import build_layer
from layer_builds.build.docker import IMAGE_VARIABLE
from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.host.interpreters import find_interpreter
from layer_builds.host.processes import Completed
from layer_builds.lock.imported import imported_modules
from layer_builds.plan import RUNTIMES, LayerBuildError, Target
from tests.layer_builds.wheelhouse import HERE, alpha, beta, make_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARED_MEMORY = Path("/dev/shm")
SOURCE = f'source = ["alpha"]\nimage = "host/build@sha256:{"0" * 64}"\n'


def test_temporary_files_may_be_on_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed wheels are moved into `.build`, which no file system does for another one."""
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    try:
        find_interpreter(RUNTIMES[HERE.runtime].compiler)
    except LayerBuildError as error:
        pytest.skip(str(error))
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    layer, installer = make_layer(tmp_path / "layers", [alpha(), beta()])
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as elsewhere:
        monkeypatch.setattr(tempfile, "tempdir", elsewhere)
        modules = imported_modules(layer, HERE.runtime, installer, print)
        assert {"alpha/__init__.py", "beta/core.py"} <= set(modules)
        assert build_layer(layer, HERE, run=installer).path.is_file()
        assert os.listdir(elsewhere) == []  # noqa: PTH208
    assert list((tmp_path / "build/listing").iterdir()) == []


def test_a_layer_for_another_cpu_alone_is_listed_where_that_is_emulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was refused as not made for this machine's CPU; here nothing can be emulated, since that is unpacked first."""
    try:
        find_interpreter(RUNTIMES[HERE.runtime].compiler)
    except LayerBuildError as error:
        pytest.skip(str(error))
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    other = Target(HERE.runtime, {"arm64": "x86_64", "x86_64": "arm64"}[HERE.architecture])
    toml = f'architectures = ["{other.architecture}"]\n'
    layer, installer = make_layer(tmp_path / "layers", [alpha(), beta()], toml=toml, target=other)
    with pytest.raises(LayerBuildError, match=rf"cannot be listed for {other}: (there is no|qemu-|no Debian)"):
        imported_modules(layer, other.runtime, installer, print)


class Docker:
    """A runner that is Docker, and what `inside.py` does in it."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.jobs: list[dict[str, Any]] = []

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **_: Any) -> Completed:
        if argv[:2] == ["docker", "run"]:
            self.jobs.append(json.loads(stdin or ""))
            (out,) = [word.partition(":")[0] for word in argv if word.endswith(":/strata-out:rw")]
            (Path(out) / "result.json").write_text(json.dumps(self.answer))
        return Completed(0, "20", "")


@pytest.mark.parametrize("after", [False, True])
def test_modules_of_what_is_built_from_source_are_listed_in_the_build_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    monkeypatch.delenv(IMAGE_VARIABLE, raising=False)
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    root = tmp_path / "layers"
    layer, _ = make_layer(root, [alpha()], name="compiled", toml=SOURCE)
    if after:
        layer, _ = make_layer(root, [beta()], name="upon", toml='after = ["compiled"]\n')
    docker = Docker({"modules": ["alpha/__init__.py"]})
    assert imported_modules(layer, HERE.runtime, docker, print) == ("alpha/__init__.py",)
    assert [(job["layer"], job["modules"]) for job in docker.jobs] == [(layer.name, True)]
    broken = Docker({"error": "the smoke call failed"})
    with pytest.raises(LayerBuildError, match="the smoke call failed"):
        imported_modules(layer, HERE.runtime, broken, print)
