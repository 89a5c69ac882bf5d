"""Which Python compiles: the pinned release, another that makes the manifest's bytes, or the one that uv installs."""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from layer_builds.build.builder import build_layer
from layer_builds.build.many import build_many
from layer_builds.build.outcome import update_manifest
from layer_builds.build.tasks import Ways
from layer_builds.build.verify import verify
from layer_builds.host import interpreters
from layer_builds.host.compilers import compilers, get_interpreter
from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.host.interpreters import find_others, find_python
from layer_builds.plan import LayerBuildError, layer_digest, load_manifest
from tests.layer_builds.wheelhouse import COMPILER, HERE, Installer, alpha, beta, make_layer

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.build.finished import BuiltLayer
    from layer_builds.build.tasks import Task
    from layer_builds.plan import LayerSpec

ABSENT = f"{HERE.facts.python}.99"
"""A release that nobody has."""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One Python, the running one, and no downloads."""
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    for name in ("HOME", "PATH", "PYENV_ROOT", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    interpreters.find_interpreter.cache_clear()
    return tmp_path


@pytest.fixture
def small(machine: Path) -> tuple[LayerSpec, Installer]:
    return make_layer(machine / "layers", [alpha(), beta()])


def commit(layer: LayerSpec, built: BuiltLayer, *, compiler: str, sha256: str | None = None) -> None:
    """Write the manifest entry that another machine, on which `compiler` was, made of the same inputs."""
    digest = layer_digest(layer, HERE, compiler)
    entry = replace(built.entry, digest=digest, artifact_sha256=sha256 or built.sha256)
    update_manifest(layer, [replace(built, digest=digest, entry=entry)])


def test_another_release_compiles_where_it_makes_the_manifests_bytes(small: tuple[LayerSpec, Installer]) -> None:
    layer, installer = small
    commit(layer, build_layer(layer, HERE, compiler=COMPILER, run=installer), compiler=ABSENT)
    said: list[str] = []
    built = build_layer(layer, HERE, compiler=ABSENT, run=installer, progress=said.append)
    assert built.entry == load_manifest(layer).entry(HERE)
    assert f"CPython {COMPILER} made the bytes of {ABSENT}" in built.notes
    assert f"CPython {ABSENT} is not here: {COMPILER} tries to make the same bytes" in said
    assert [text for text in said if text.endswith(f"with CPython {COMPILER}")], "what is said is what is done"
    assert build_layer(layer, HERE, compiler=ABSENT, run=installer).hit
    assert verify(layer, HERE, compiler=ABSENT, run=installer) == built.entry, (
        "the smoke call needs no release of its own"
    )


def test_another_release_that_makes_other_bytes_is_refused(small: tuple[LayerSpec, Installer], machine: Path) -> None:
    layer, installer = small
    commit(layer, build_layer(layer, HERE, compiler=COMPILER, run=installer), compiler=ABSENT, sha256="0" * 64)
    with pytest.raises(LayerBuildError) as caught:
        build_layer(layer, HERE, compiler=ABSENT, run=installer)
    assert f"CPython {ABSENT}, whose bytecode this layer is built with, is not on this machine" in str(caught.value)
    assert f"{COMPILER}, which is here, makes other bytes than manifest.json has" in str(caught.value)
    assert "It was not installed now: UV_PYTHON_DOWNLOADS is never" in str(caught.value)
    assert not (machine / "build/layers" / f"{layer_digest(layer, HERE, ABSENT)}.zip").exists()


def test_without_a_manifest_entry_only_the_pinned_release_compiles(small: tuple[LayerSpec, Installer]) -> None:
    """Nobody could tell whether the bytes are right; and the entry that is written is everybody's."""
    layer, installer = small
    with pytest.raises(LayerBuildError, match=rf"CPython {ABSENT}.* is not on this machine") as caught:
        build_layer(layer, HERE, compiler=ABSENT, run=installer)
    assert "makes other bytes" not in str(caught.value)
    assert not installer.installs


class Ended:
    """A watcher that remembers what ended."""

    def __init__(self) -> None:
        self.told: list[tuple[str, BuiltLayer | None]] = []

    def doing(self, task: Task, text: str) -> None:
        pytest.fail(f"{task[0]}: {text}")

    def done(self, task: Task, built: BuiltLayer | None) -> None:
        self.told.append((task[0], built))


def test_a_python_that_is_missing_is_said_before_anything_is_installed(
    small: tuple[LayerSpec, Installer], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = small
    two, _ = make_layer(machine / "layers", [alpha()], name="two")
    asked: list[str] = []

    def install(version: str) -> str:
        asked.append(version)
        return "not allowed here"

    monkeypatch.setattr("layer_builds.host.compilers._install", install)
    monkeypatch.setattr("layer_builds.build.one.build_layer", lambda *_, **__: pytest.fail("a build began"))
    watcher = Ended()
    built, failed = build_many([(one, HERE), (two, HERE)], Ways(compiler=ABSENT), watcher)
    assert built == {}
    assert [f"CPython {ABSENT}" in why and "not allowed here" in why for why in failed.values()] == [True, True]
    assert asked == [ABSENT], "once for all builds"
    assert watcher.told == [("small", None), ("two", None)]


def test_a_layer_without_bytecode_is_built_with_any_release(machine: Path) -> None:
    layer, installer = make_layer(machine / "layers", [alpha(), beta()])
    toml = layer.directory / "layer.toml"
    toml.write_text(toml.read_text().replace('bytecode = "imported"', 'bytecode = "none"'))
    bare = replace(layer, bytecode="none")
    assert build_layer(bare, HERE, compiler=ABSENT, run=installer).entry.smoke == "run"


def test_the_newest_of_the_others_is_tried_first_and_no_preview_is(machine: Path) -> None:
    minor = HERE.facts.python
    for version in (f"{minor}.96", f"{minor}.97", f"{minor}.98rc1", "3.9.1"):
        fake(machine / "uv" / f"cpython-{version}-linux", version)
    assert list(find_others(ABSENT))[:2] == [f"{minor}.97", f"{minor}.96"]
    assert next(iter(find_others(f"{minor}.97"))) == f"{minor}.96"
    assert f"{minor}.98rc1" not in find_others(ABSENT)
    assert find_python(replace(HERE.facts, compiler=f"{minor}.96")).parts[-3] == f"cpython-{minor}.96-linux"
    tried = compilers(ABSENT, stand_ins=True, say=lambda _: None)
    assert [next(tried).parts[-3] for _ in range(2)] == [f"cpython-{minor}.{patch}-linux" for patch in (97, 96)]


def fake(home: Path, version: str) -> None:
    """The running Python under another version."""
    minor = ".".join(version.split(".")[:2])
    probe = json.dumps(["CPython", version, False, False])
    python = home / "bin" / f"python{minor}"
    python.parent.mkdir(parents=True)
    (home / "lib" / f"python{minor}").mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *python_implementation*) echo \'{probe}\';; *) exec "{sys.executable}" "$@";; esac\n'
    )
    python.chmod(0o755)


def offer(machine: Path, version: str, sha256: str | None = None) -> str:
    """Put a release where uv downloads it from; the list of downloads that names it."""
    fake(machine / "python/install", version)
    library = machine / "python/install/lib" / f"python{HERE.facts.python}"
    (library / f"_sysconfigdata__linux_{HERE.machine}-linux-gnu.py").write_text(
        "# system configuration generated and used by the sysconfig module\nbuild_time_vars = {}\n"
    )
    archive = machine / "python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(machine / "python", "python")
    major, minor, patch = map(int, version.split("."))
    entry = {
        "name": "cpython", "arch": {"family": HERE.machine, "variant": None}, "os": "linux", "libc": "gnu",
        "major": major, "minor": minor, "patch": patch, "prerelease": "", "url": archive.as_uri(),
        "sha256": sha256 or hashlib.sha256(archive.read_bytes()).hexdigest(), "variant": None, "build": "20261128",
    }  # fmt: skip
    (machine / "downloads.json").write_text(json.dumps({f"cpython-{version}-linux-{HERE.machine}-gnu": entry}))
    return str(machine / "downloads.json")


def test_uv_installs_the_pinned_release_where_it_may(
    small: tuple[LayerSpec, Installer], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, installer = small
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", offer(machine, ABSENT))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "manual")
    built = build_layer(layer, HERE, compiler=ABSENT, run=installer)
    assert built.entry.smoke == "run"
    assert get_interpreter(ABSENT).is_relative_to(machine / "uv")
    assert not (machine / "nothing/.local/bin").exists(), "no link into the user's PATH"


def test_what_kept_uv_from_installing_it_is_said(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", offer(machine, ABSENT, sha256="0" * 64))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "manual")
    with pytest.raises(LayerBuildError, match=r"(?s)`uv python install .*It was not installed now: .*Hash mismatch"):
        get_interpreter(ABSENT)


def test_a_folder_that_cannot_be_searched_is_passed_over(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`su` keeps PYENV_ROOT of somebody whose home the user may not read; root may, so here the name is too long."""
    monkeypatch.setenv("PYENV_ROOT", str(machine / ("x" * 300)))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(machine / ("y" * 300)))
    assert find_others(ABSENT) != {}
