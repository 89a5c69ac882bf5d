"""The folders that an image holds: what the layers' archives and the model's folder hold, readable for everybody."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.build.builder import build_layer
from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.plan import LISTING, Folder, ImageSpec, LayerBuildError, image_digest, listing, read_folder
from layer_builds.ship import image_folder
from layer_builds.ship.image_folder import UNUSED_SECONDS, dockerfile, make_folder
from tests.layer_builds.wheelhouse import COMPILER, HERE, Wheel, alpha, beta, make_layer

if TYPE_CHECKING:
    from pathlib import Path

BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"
CODE = {"lambdas/__init__.py": "", "lambdas/worker/handler.py": "def handler(event, context): return 'é'\n"}


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where images' folders go; builds are kept apart as well."""
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    return tmp_path / "images"


def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, second: bool = False) -> ImageSpec:
    """A worker on one small layer or two, with a model of one file."""
    first, installer = make_layer(tmp_path / "layers", [alpha(), beta()])
    layers = [first]
    if second:
        smoke = "def smoke():\n    import gamma\n    return {}\n"
        wheel = Wheel("gamma", files={"gamma/__init__.py": b"VALUE = 3\n"})
        other, more = make_layer(tmp_path / "layers", [wheel], name="other", smoke=smoke)
        installer.wheels |= more.wheels
        layers.append(other)

    def build(*arguments: Any, **options: Any) -> Any:
        return build_layer(*arguments, **{**options, "run": installer})

    monkeypatch.setattr(image_folder, "build_layer", build)
    model = tmp_path / "models/tiny"
    model.mkdir(parents=True)
    (model / "model.onnx").write_bytes(b"weights")
    (model / "notes.txt").write_text("not listed, not copied")
    listed = json.loads(listing(model, "make model"))
    del listed["files"]["notes.txt"]
    (model / LISTING).write_text(json.dumps(listed))
    return ImageSpec(
        system="worker",
        handler="lambdas.worker.handler.handler",
        code=CODE,
        layers=tuple(layers),
        folders=(read_folder(Folder("model", "models/tiny"), tmp_path),),
        target=HERE,
    )


def made(spec: ImageSpec, images: Path, **options: Any) -> Path:
    digest = image_digest(spec, BASE, COMPILER)
    return make_folder(spec, digest, BASE, images, compiler=COMPILER, **options)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_opt_holds_what_the_layers_archives_hold_and_the_model(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = image(tmp_path, monkeypatch, second=True)
    folder = made(spec, images)
    expected: dict[str, bytes] = {"model/model.onnx": b"weights"}
    for layer in spec.layers:
        with zipfile.ZipFile(image_folder.build_layer(layer, HERE, compiler=COMPILER).path) as archive:
            expected |= {name: archive.read(name) for name in archive.namelist()}
    assert files(folder / "opt") == expected
    assert any(name.endswith(".pyc") for name in expected), "compiled, as layers are"
    assert {name: data.decode() for name, data in files(folder / "task").items()} == CODE
    described = json.loads((folder / "image.json").read_text())
    assert described == {
        "system": "worker",
        "digest": image_digest(spec, BASE, COMPILER),
        "runtime": HERE.runtime,
        "architecture": HERE.architecture,
        "handler": "lambdas.worker.handler.handler",
    }


def test_everybody_may_read_it_whatever_the_umask_is(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = image(tmp_path, monkeypatch)
    before = os.umask(0o077)
    try:
        folder = made(spec, images)
    finally:
        os.umask(before)
    for path in [folder, *folder.rglob("*")]:
        if path.parent != folder or path.is_dir():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode in ({0o755} if path.is_dir() else {0o644, 0o755}), path


def test_it_is_made_once(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = image(tmp_path, monkeypatch)
    folder = made(spec, images)
    shutil.rmtree(tmp_path / "models")
    said: list[str] = []
    assert made(spec, images, progress=said.append) == folder
    assert said == []
    (folder / "image.json").write_text('{"digest": "of another"}')
    with pytest.raises(LayerBuildError, match="make model"):
        made(spec, images)
    assert list((images / ".staging").iterdir()) == [], "nothing half made is left"


@pytest.mark.parametrize("change", ["gone", "other", "link"])
def test_a_model_that_is_not_the_listed_one_is_refused_with_what_makes_it(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    spec = image(tmp_path, monkeypatch)
    file = tmp_path / "models/tiny/model.onnx"
    if change == "other":
        file.write_bytes(b"Weights")
    else:
        file.unlink()
    if change == "link":
        file.symlink_to("/etc/hostname")
    with pytest.raises(LayerBuildError, match=r"model\.onnx (is missing|has 7 bytes).*`make model`"):
        made(spec, images)
    assert [path.name for path in images.glob("[!.]*") if path.is_dir()] == []


def test_a_model_that_is_not_there_is_made_by_its_command(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = image(tmp_path, monkeypatch)
    (listed,) = spec.folders
    file, script = tmp_path / "models/tiny/model.onnx", tmp_path / "make.py"
    script.write_text(f"import pathlib; pathlib.Path({str(file)!r}).write_bytes({file.read_bytes()!r})\n")
    file.unlink()
    spec = dataclasses.replace(spec, folders=(dataclasses.replace(listed, made_by=f"python {script}"),))
    assert (made(spec, images) / "opt/model/model.onnx").read_bytes() == file.read_bytes()
    script.write_text("raise SystemExit('no such weights')")
    file.unlink()
    shutil.rmtree(images)
    with pytest.raises(LayerBuildError, match=r"(?s)the command that makes it failed: python .*no such weights"):
        made(spec, images)


def test_a_folder_that_nothing_used_for_a_week_goes(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = image(tmp_path, monkeypatch)
    for name, age in (("old", UNUSED_SECONDS + 60), ("recent", 60)):
        (images / name).mkdir(parents=True)
        (images / name / "image.json").write_text("{}")
        then = images.stat().st_mtime - age
        os.utime(images / name, (then, then))
    (images / "somebodys").mkdir()
    os.utime(images / "somebodys", (0, 0))
    folder = made(spec, images)
    left = {path.name for path in images.iterdir() if path.is_dir()}
    assert left == {folder.name, "recent", "somebodys", ".staging"}


def test_the_dockerfile_is_one_layer_for_each_part_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = image(tmp_path, monkeypatch)
    assert dockerfile(spec, "d" * 64, BASE, ["tiktoken", "python", "model"]) == (
        f"FROM {BASE}\n"
        'COPY ["opt/model", "/opt/model"]\n'
        'COPY ["opt/python", "/opt/python"]\n'
        'COPY ["opt/tiktoken", "/opt/tiktoken"]\n'
        'COPY ["task", "/var/task"]\n'
        f'LABEL strata.digest="{"d" * 64}" org.opencontainers.image.base.name="{BASE}"\n'
        'CMD ["lambdas.worker.handler.handler"]\n'
    )
