"""Packages of this repository in a layer: installed as pip would, hashed into the digest, nothing of the checkout."""

from __future__ import annotations

import tomllib
import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.metadata import parse_email

from layer_builds.build.builder import build_layer
from layer_builds.build.verify import verify
from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.plan import REPOSITORY, LayerBuildError, layer_digest, load_layer
from layer_builds.plan.local import load_local
from layer_builds.ship.declared import Licence, parse_licence
from tests.layer_builds.wheelhouse import COMPILER, HERE, Installer, alpha, beta, make_layer

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.plan import LayerSpec

PROJECT = """[project]
name = "Code-Ripple"
version = "1.2.3"
description = "Ours"
dependencies = ["alpha>=1", 'gone; python_version < "3"']
[project.entry-points.agents]
guide = "code_ripple:guide"
"""
SMOKE = """
def smoke():
    import alpha, beta.core
    from importlib.metadata import entry_points, version
    import code_ripple
    assert version("code-ripple") == code_ripple.VERSION == "1.2.3"
    assert [entry.name for entry in entry_points(group="agents")] == ["guide"]
    return {}
"""
CODE = b"import alpha\nVERSION = '1.2.3'\n"


@pytest.fixture(autouse=True)
def build_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))


def write_package(root: Path, *, source: str = "src/", project: str = PROJECT) -> Path:
    folder = root / "packages" / "code-ripple"
    package = folder / f"{source}code_ripple"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_bytes(CODE)
    (package / "prompt.md").write_text("Be kind.\n")
    (package / "__pycache__" / "__init__.cpython-399.pyc").write_bytes(b"x")
    for left in (
        f"{source}code_ripple.egg-info/PKG-INFO",
        f"{source}code_ripple/.hidden",
        f"{source}__editable__.x.pth",
    ):
        (folder / left).parent.mkdir(exist_ok=True)
        (folder / left).write_text(str(root))
    (folder / "pyproject.toml").write_text(project)
    return package


def layer_with(root: Path, **options: str) -> tuple[LayerSpec, Installer]:
    write_package(root, **options)
    modules = ["alpha/__init__.py", "beta/__init__.py", "beta/core.py", "code_ripple/__init__.py"]
    return make_layer(
        root / "layer_builds" / "layers",
        [alpha(), beta()],
        toml='local = ["code-ripple"]\n',
        smoke=SMOKE,
        modules=modules,
    )


@pytest.mark.parametrize("source", ["src/", ""])
def test_a_package_is_in_the_layer_as_if_it_were_installed(tmp_path: Path, source: str) -> None:
    layer, installer = layer_with(tmp_path, source=source)
    built = build_layer(layer, HERE, compiler=COMPILER, run=installer)
    with zipfile.ZipFile(built.path) as archive:
        names = {name.removeprefix("python/") for name in archive.namelist() if "code" in name}
        tag = f"cpython-{HERE.facts.python.replace('.', '')}"
        info = "code_ripple-1.2.3.dist-info"
        assert names == {
            "code_ripple/__init__.py",
            "code_ripple/prompt.md",
            f"code_ripple/__pycache__/__init__.{tag}.pyc",
            *(f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")),
        }
        assert str(tmp_path).encode() not in b"".join(archive.read(name) for name in archive.namelist())
        assert "Requires-Dist: alpha>=1" in archive.read(f"python/{info}/METADATA").decode()
    assert built.entry.distributions["code-ripple"].version == "1.2.3"
    assert verify(layer, HERE, compiler=COMPILER, run=installer).smoke == "run"


def test_its_licence_is_in_its_metadata(tmp_path: Path) -> None:
    project = PROJECT.replace('version = "1.2.3"', 'version = "1.2.3"\nlicense = "Apache-2.0"')
    metadata = load_local(write_package(tmp_path, project=project).parents[1]).files[
        "code_ripple-1.2.3.dist-info/METADATA"
    ]
    assert parse_licence(parse_email(metadata)[0]) == Licence(
        "Apache-2.0", spdx=True, kind="permissive", source="License-Expression"
    )
    assert metadata.startswith(b"Metadata-Version: 2.4\n")


def test_every_package_of_this_repository_has_the_repository_s_licence() -> None:
    ours = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["license"]
    for project in (REPOSITORY / "packages").glob("*/pyproject.toml"):
        assert tomllib.loads(project.read_text())["project"]["license"] == ours, project


def test_every_file_of_it_is_in_the_digest_and_nothing_of_the_checkout(tmp_path: Path) -> None:
    layer, _ = layer_with(tmp_path)
    package = layer.packages_dir / "code-ripple" / "src" / "code_ripple"
    before = layer_digest(layer, HERE, COMPILER)
    (package / "__pycache__" / "more.pyc").write_bytes(b"y")
    (package / "__init__.py").write_bytes(CODE.replace(b"\n", b"\r\n"))
    (package / "__init__.py").chmod(0o755)
    assert layer_digest(layer, HERE, COMPILER) == before
    (package / "prompt.md").write_text("Be kinder.\n")
    after = layer_digest(layer, HERE, COMPILER)
    assert after != before
    (package.parent.parent / "pyproject.toml").write_text(PROJECT.replace("1.2.3", "1.2.4"))
    assert layer_digest(layer, HERE, COMPILER) not in {before, after}


def test_what_it_requires_has_to_be_in_the_layer(tmp_path: Path) -> None:
    layer, installer = layer_with(tmp_path, project=PROJECT.replace("alpha>=1", "alpha>=2"))
    with pytest.raises(LayerBuildError, match=r"code-ripple of this repository requires alpha>=2, .* holds 1\.0 for"):
        build_layer(layer, HERE, compiler=COMPILER, run=installer)


@pytest.mark.parametrize(
    ("project", "message"),
    [
        ("[project]\nname = 'x'\ndynamic = ['version']\n", "`version` of \\[project\\] has to be written there"),
        ("[tool]\n", "there is no \\[project\\]"),
        (PROJECT.replace("1.2.3", "../1"), "is not a version"),
    ],
)
def test_a_project_that_only_a_backend_could_read_is_refused(tmp_path: Path, project: str, message: str) -> None:
    write_package(tmp_path, project=project)
    layer = make_layer(tmp_path / "layer_builds" / "layers", [alpha()], toml='local = ["code-ripple"]\n')[0]
    with pytest.raises(LayerBuildError, match=message):
        layer_digest(layer, HERE, COMPILER)


def test_native_code_and_links_are_refused(tmp_path: Path) -> None:
    layer, _ = layer_with(tmp_path)
    package = layer.packages_dir / "code-ripple" / "src" / "code_ripple"
    (package / "fast.pyx").write_text("")
    with pytest.raises(LayerBuildError, match="for packages of plain Python"):
        layer_digest(layer, HERE, COMPILER)
    (package / "fast.pyx").unlink()
    (package / "link.py").symlink_to("/etc/passwd")
    with pytest.raises(LayerBuildError, match="is a link or a special file"):
        layer_digest(load_layer(layer.name, root=layer.root), HERE, COMPILER)
