"""A new layer's files, and a newer package in all layers: with the layer builder's commands stood in for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.host.processes import Log, Processes
from layer_builds.lock.resolve import lock_group
from layer_builds.plan import (
    ALL_TARGETS,
    Distribution,
    LayerBuildError,
    LayerSpec,
    Manifest,
    ManifestEntry,
    Target,
    budget,
    layer_digest,
    load_layer,
    load_lock,
    modules_text,
)
from scripts import upgrade as upgrades
from scripts.scaffold.__main__ import main as scaffold
from scripts.scaffold.layers import new_layer
from scripts.staging import ROOT, Stage, StagingError, contents
from scripts.upgrade import upgrade
from tests.layer_builds.wheelhouse import Wheel
from tests.layers import FixtureLayers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAYERS = "layer_builds/layers"


def python(copy: Path, *command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_people_write_of_a_layer_passes_lint_and_types(copy: Path) -> None:
    made = new_layer("pdf-tools", ["pypdf>=6", "Ruamel.Yaml"], [], build=False, root=copy)
    folder = f"{LAYERS}/pdf-tools"
    assert made.created == [f"{folder}/{name}" for name in ("layer.toml", "requirements.in", "smoke.py")]
    assert made.changed == []
    assert made.next[:2] == ["python -m layer_builds lock pdf-tools", "python -m layer_builds build pdf-tools --all"]
    layer = load_layer("pdf-tools", root=copy / LAYERS)
    assert [line.text for line in layer.requirements()] == [
        "Ruamel.Yaml",
        "aws-lambda-powertools>=3.37,<4",
        "pypdf>=6",
    ]
    python(copy, "ruff", "check", "--no-cache", folder)
    python(copy, "ruff", "format", "--no-cache", "--check", folder)
    python(copy, "basedpyright", "--pythonpath", sys.executable, f"{folder}/smoke.py")


def test_a_layer_after_another_holds_what_that_one_lacks(copy: Path) -> None:
    new_layer("extra", ["pypdf"], ["openai-pinecone"], build=False, root=copy)
    layer = load_layer("extra", root=copy / LAYERS)
    assert (layer.after, [line.text for line in layer.requirements()]) == (("openai-pinecone",), ["pypdf"])


def test_a_layer_that_is_there_or_cannot_be_read_changes_nothing(copy: Path) -> None:
    before = contents(copy)
    with pytest.raises(StagingError, match="there is a layer of this name"):
        new_layer("openai-pinecone", [], [], root=copy)
    with pytest.raises(LayerBuildError, match=r"^REQUIREMENTS: line 1 is an address or a path"):
        new_layer("other", ["./wheels/mine.whl"], [], root=copy)
    assert contents(copy) == before


# --- upgrade ---


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of two layers, both of which hold a package `shared`, and one that does not."""
    layers = FixtureLayers(tmp_path / "root" / LAYERS)
    for name, package in (("one", "shared"), ("two", "shared"), ("three", "lonely")):
        layers.add(name, package=package)
    return tmp_path / "root"


class Builder:
    """The layer builder's commands: `lock` pins version 2.0 where nothing is pinned, `build` counts what is pinned."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.fails: str | None = None
        self.cause = ""

    def __call__(self, stage: Stage, *arguments: str, what: str) -> None:
        self.commands.append(arguments)
        _, command, *rest = arguments
        names = [name for name in rest if not name.startswith("-")]
        if command == self.fails:
            for path in contents(stage.path):
                stage.edit(path, "half-written")
            raise StagingError(f"could not {what}: because{self.cause}")
        for name in names:
            layer = load_layer(name, root=stage.path / LAYERS)
            if command == "lock":
                self.lock(layer)
            else:
                build(layer)

    def lock(self, layer: LayerSpec) -> None:
        for target in ALL_TARGETS:
            text = layer.lock_path(target).read_text()
            if "shared==" not in text:
                layer.lock_path(target).write_text(
                    f"{text}\n# shared-2.0.whl\n# via requirements.in\nshared==2.0 --hash=sha256:{'cd' * 32}\n"
                )


class Resolver(Builder):
    """One whose `lock` is uv's own resolution of all layers that are joined, over wheels in a folder."""

    def lock(self, layer: LayerSpec) -> None:
        for target in ALL_TARGETS:
            for name, lock in lock_group(layer, target, Processes(Log())).items():
                path = load_layer(name, root=layer.root).lock_path(target)
                path.parent.mkdir(exist_ok=True)
                path.write_text(lock.text(target))
            modules = layer.modules_path(target.runtime)
            modules.parent.mkdir(exist_ok=True)
            modules.write_text(modules_text(target.runtime, []))


def build(layer: LayerSpec) -> None:
    """A manifest of what is pinned."""
    entries = {
        str(target): ManifestEntry(
            digest=layer_digest(layer, target),
            artifact_sha256="cd" * 32,
            content_sha256="ef" * 32,
            zip_bytes=600,
            unzipped_bytes=1_500,
            distributions={pin.name: Distribution(pin.version, 1_500) for pin in load_lock(layer, target).pins},
            glibc="-",
            smoke="run",
        )
        for target in ALL_TARGETS
    }
    layer.manifest_path.write_text(Manifest(layer.name, entries).text())


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> Builder:
    return standing_in(Builder(), monkeypatch)


def standing_in(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """For the layer builder, in what is run in a copy."""
    real = Stage.python

    def python(self: Stage, *arguments: str, **more: Any) -> None:
        if arguments[0] == "layer_builds":
            builder(self, *arguments, what=str(more["what"]))
        else:
            real(self, *arguments, **more)

    monkeypatch.setattr(Stage, "python", python)
    monkeypatch.setattr("scripts.scaffold.layers.get_interpreters", lambda _: None)  # it compiles nothing
    return builder


# --- a layer after another ---


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of a layer `base` that pins regex 1.0, and an index that has 2.0 too, without the network."""
    for wheel in (Wheel("regex", "1.0"), Wheel("regex", "2.0"), Wheel("pyyaml", "6.0")):
        wheel.write(tmp_path / "wheels")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    root = tmp_path / "root"
    FixtureLayers(root / LAYERS).add("base", package="regex")
    shutil.copy(ROOT / "pyproject.toml", root)
    standing_in(Resolver(), monkeypatch)
    return root


def test_a_layer_that_moves_a_pin_of_another_builds_that_one_as_well_and_says_so(base: Path) -> None:
    made = new_layer("clash", ["pyyaml", "regex>1"], ["base"], root=base)
    for target in ALL_TARGETS:
        versions = {
            name: {package: one.version for package, one in current_entry(name, target, base).distributions.items()}
            for name in ("base", "clash")
        }
        assert versions == {"base": {"regex": "2.0"}, "clash": {"pyyaml": "6.0"}}
    assert made.moved == {f"base {target}": {"regex": ("1.0", "2.0")} for target in ALL_TARGETS}
    assert f"{LAYERS}/base/manifest.json" in made.changed


def test_a_layer_that_moves_nothing_says_nothing(base: Path) -> None:
    assert new_layer("fits", ["pyyaml", "regex"], ["base"], root=base).moved == {}
    for target in ALL_TARGETS:
        assert current_entry("base", target, base).distributions["regex"].version == "1.0"


def test_versions_that_moved_are_told_by_layer_and_target(
    base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scripts.scaffold.layers.new_layer", partial(new_layer, root=base))
    words = ["layer", "clash", "--requirement", "pyyaml", "--requirement", "regex>1", "--after", "base"]
    assert scaffold(words) == 0
    out = capsys.readouterr().out
    assert "with clash, versions changed in layers that it is locked together with:\n  base python3.11-arm64: " in out
    assert "  base python3.13-x86_64: regex 1.0 → 2.0\n" in out


@pytest.mark.parametrize("step", ["lock", "build"])
def test_a_smoke_call_that_fails_comes_with_the_way_to_edit_it(
    base: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    builder = standing_in(Resolver(), monkeypatch)
    builder.fails = step
    before = contents(base)
    with pytest.raises(StagingError, match=r"because$"):  # something else
        new_layer("odd", ["pyyaml"], ["base"], root=base)
    builder.cause = " the smoke call of layer odd failed"
    with pytest.raises(StagingError, match=r"(?s)failed\n`--no-build`.*`ARGS=--no-build`.*edit its smoke\.py"):
        new_layer("odd", ["pyyaml"], ["base"], root=base)
    assert contents(base) == before


def current_entry(name: str, target: Target, root: Path) -> ManifestEntry:
    """As a preview reads it: refused when it is of other locks."""
    return budget.current_entry(load_layer(name, root=root / LAYERS), target)


def test_every_layer_that_holds_the_package_is_locked_and_built_and_no_other(root: Path, builder: Builder) -> None:
    untouched = {path: data for path, data in contents(root).items() if "/three/" in path}
    done = upgrade("Shared", root=root)
    assert builder.commands == [
        ("layer_builds", "lock", "one", "two"),
        ("layer_builds", "build", "one", "two", "--all"),
    ]
    assert {(row.layer, row.target) for row in done.rows} == {(n, str(t)) for n in ("one", "two") for t in ALL_TARGETS}
    for row in done.rows:
        assert (row.versions, row.zip_bytes, row.unzipped_bytes) == (("1.0", "2.0"), (500, 600), (1_000, 1_500))
    assert len(done.changed) == 2 * (len(ALL_TARGETS) + 1)
    assert {path: data for path, data in contents(root).items() if "/three/" in path} == untouched
    assert "shared==2.0" in (root / LAYERS / "one/locks/python3.13-arm64.txt").read_text()


@pytest.mark.parametrize("step", ["lock", "build"])
def test_a_failure_leaves_locks_and_manifests_as_they_were(root: Path, builder: Builder, step: str) -> None:
    before = contents(root)
    builder.fails = step
    with pytest.raises(StagingError, match=f"could not {step} one, two: because"):
        upgrade("shared", root=root)
    assert contents(root) == before


def test_nothing_newer_is_no_build_and_no_change(
    root: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def kept(self: Stage, *arguments: str, **_: Any) -> None:
        builder.commands.append(arguments)
        for path, data in contents(root).items():
            (self.path / path).write_bytes(data)

    before = contents(root)
    monkeypatch.setattr(Stage, "python", kept)
    assert shown(root, monkeypatch)(["shared"]) == 0
    assert builder.commands == [("layer_builds", "lock", "one", "two")]
    assert contents(root) == before
    assert "nothing changed: the requirements allow nothing newer" in capsys.readouterr().out


def shown(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], int]:
    """The command line, on that repository."""
    real = upgrade
    monkeypatch.setattr(upgrades, "upgrade", lambda package: real(package, root=root))
    return upgrades.main


def test_the_account_is_a_table_or_json(
    root: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shown(root, monkeypatch)
    assert run(["shared"]) == 0
    table = capsys.readouterr().out
    assert "1.0 → 2.0" in table
    assert "1,000" in table
    assert "+500" in table
    assert run(["shared", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["package"] == "shared"
    assert document["rows"][0]["versions"] == ["2.0", "2.0"]


def test_a_package_that_no_layer_holds_is_refused_with_what_is_close(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(root, monkeypatch)(["sharde"]) == 1
    error = capsys.readouterr().err
    assert "PACKAGE is 'sharde', and no layer's lock holds it: did you mean shared?" in error
    assert error.endswith("Locks and manifests are as they were.\n")
