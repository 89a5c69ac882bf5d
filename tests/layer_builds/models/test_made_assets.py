"""Assets of a listed folder, which a command makes: when it runs, and what is said when it made something else."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.build import assets
from layer_builds.build.assets import PlaceAsset
from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.host.processes import Completed
from layer_builds.plan import Asset, LayerBuildError

if TYPE_CHECKING:
    from pathlib import Path

NEW, OLD = b"the model of today", b"an older model"
ASSET = Asset(
    path="model/model.onnx",
    sha256=hashlib.sha256(NEW).hexdigest(),
    size=len(NEW),
    made="models/tiny/model.onnx",
    made_by="python -m make --output models/tiny",
)


class Machine:
    """A repository whose command writes what it is told to."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, *, makes: bytes = NEW) -> None:
        self.model = root / "models" / "tiny" / "model.onnx"
        self.model.parent.mkdir(parents=True)
        self.runs: list[list[str]] = []
        self.notes: list[str] = []
        self._root, self._makes = root, makes
        monkeypatch.setattr(assets, "REPOSITORY", root)
        monkeypatch.setenv(BUILD_DIR_VARIABLE, str(root / ".build"))

    def place(self, build: str = "build") -> bytes:
        """Run the step of one build; what it put into the layer."""
        job: Any = SimpleNamespace(
            caches=SimpleNamespace(assets=self._root / build / "assets"),
            tree=self._root / build / "opt",
            layer=SimpleNamespace(name="tiny"),
            run=self._run,
            say=self.notes.append,
        )
        PlaceAsset(ASSET).apply(job)
        return (job.tree / ASSET.path).read_bytes()

    def _run(self, argv: list[str], *, cwd: Path) -> Completed:
        assert cwd == self._root
        self.runs.append(argv[1:])
        self.model.write_bytes(self._makes)
        return Completed(0, "", "")


def test_a_file_of_an_older_version_of_the_project_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.model.write_bytes(OLD)
    assert machine.place() == NEW
    assert machine.runs == [["-m", "make", "--output", "models/tiny"]]
    assert "models/tiny/model.onnx is not the file that its folder's list names" in machine.notes[0]
    assert machine.place("another") == NEW
    assert len(machine.runs) == 1


def test_builds_that_need_it_at_once_make_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(machine.place, "abcd")) == [NEW] * 4
    assert len(machine.runs) == 1


def test_a_command_that_makes_another_file_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, makes=OLD)
    with pytest.raises(LayerBuildError, match=r"made another models/tiny/model\.onnx than .* commit it if"):
        machine.place()
