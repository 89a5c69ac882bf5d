"""A new layer's files, and a newer package in all layers: with the layer builder's commands stood in for."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds import Distribution, LayerBuildError, load_layer
from layer_builds.locks import load_lock
from layer_builds.manifest import Manifest, load_manifest
from layer_builds.targets import ALL_TARGETS
from scripts import upgrade as upgrades
from scripts.scaffold.layers import new_layer
from scripts.staging import Stage, StagingError, contents
from scripts.upgrade import upgrade
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
    assert layer.requirements() == ("Ruamel.Yaml", "aws-lambda-powertools>=3.37,<4", "pypdf>=6")
    python(copy, "ruff", "check", "--no-cache", folder)
    python(copy, "ruff", "format", "--no-cache", "--check", folder)
    python(copy, "basedpyright", "--pythonpath", sys.executable, f"{folder}/smoke.py")


def test_a_layer_after_another_holds_what_that_one_lacks(copy: Path) -> None:
    new_layer("extra", ["pypdf"], ["openai-pinecone"], build=False, root=copy)
    layer = load_layer("extra", root=copy / LAYERS)
    assert (layer.after, layer.requirements()) == (("openai-pinecone",), ("pypdf",))


def test_a_smoke_call_imports_every_requirement_and_fails_for_one_that_brings_nothing(own_copy: Path) -> None:
    new_layer("mine", ["pydantic"], [], build=False, root=own_copy)
    smoke = own_copy / LAYERS / "mine/smoke.py"
    scope: dict[str, Any] = {}
    exec(compile(smoke.read_text(), str(smoke), "exec"), scope)  # noqa: S102 - as the layer builder does
    assert set(scope["smoke"]()) == {"aws-lambda-powertools", "pydantic"}
    scope["REQUIREMENTS"] = ("no-such-package",)
    with pytest.raises(AssertionError, match="no-such-package brings no module"):
        scope["smoke"]()


def test_a_layer_that_is_there_or_cannot_be_read_changes_nothing(copy: Path) -> None:
    before = contents(copy)
    with pytest.raises(StagingError, match="there is a layer of this name"):
        new_layer("openai-pinecone", [], [], root=copy)
    with pytest.raises(LayerBuildError, match="is not a plain requirement"):
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

    def __call__(self, stage: Stage, *arguments: str, what: str) -> None:
        self.commands.append(arguments)
        _, command, *rest = arguments
        names = [name for name in rest if not name.startswith("-")]
        if command == self.fails:
            for path in contents(stage.path):
                stage.edit(path, "half-written")
            raise StagingError(f"could not {what}: because")
        for name in names:
            layer = load_layer(name, root=stage.path / LAYERS)
            if command == "lock":
                for target in ALL_TARGETS:
                    text = layer.lock_path(target).read_text()
                    if "shared==" not in text:
                        layer.lock_path(target).write_text(
                            f"{text}\n# shared-2.0.whl\n# via requirements.in\nshared==2.0 --hash=sha256:{'cd' * 32}\n"
                        )
            else:
                entries = {
                    str(target): replace(
                        load_manifest(layer).entry(target),
                        unzipped_bytes=1_500,
                        zip_bytes=600,
                        distributions={
                            pin.name: Distribution(pin.version, 1_500) for pin in load_lock(layer, target).pins
                        },
                    )
                    for target in ALL_TARGETS
                }
                layer.manifest_path.write_text(Manifest(name, entries).text())


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> Builder:
    builder = Builder()

    def python(self: Stage, *arguments: str, **more: Any) -> None:
        builder(self, *arguments, what=str(more["what"]))

    monkeypatch.setattr(Stage, "python", python)
    return builder


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
