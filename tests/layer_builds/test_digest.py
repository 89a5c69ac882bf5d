"""The digest is a function of what can change the bytes: change that and it changes; anything else and it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from layer_builds.plan import (
    FORMAT,
    REPOSITORY,
    LayerBuildError,
    Pin,
    Target,
    digest_inputs,
    layer_digest,
    load_layer,
)
from tests.layer_builds.wheelhouse import alpha, beta, make_layer, relock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from layer_builds.plan import LayerSpec

TARGET = Target("python3.13", "arm64")
PINS = [
    Pin("alpha", "1.0", "a" * 64, "alpha-1.0-py3-none-any.whl"),
    Pin("beta", "1.0", "b" * 64, "beta-1.0-py3-none-any.whl"),
]
TOML = """
description = "before"
bytecode = "imported"
[environment]
VOCABULARY = "/opt/words"
[[assets]]
path = "words"
sha256 = "{0}"
size = 5
url = "https://example.com/words"
""".replace("{0}", "c" * 64)
GOLDEN = "925724cc"


@pytest.fixture
def layer(tmp_path: Path) -> LayerSpec:
    return fixed(tmp_path / "layers")


def fixed(root: Path) -> LayerSpec:
    layer, _ = make_layer(root, [alpha(), beta()], toml=TOML, target=TARGET)
    relock(layer, PINS, TARGET)
    return layer


def again(layer: LayerSpec) -> str:
    return layer_digest(load_layer(layer.name, root=layer.root), TARGET)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _toml(old: str, new: str) -> Callable[[LayerSpec], None]:
    return lambda layer: edit(layer.directory / "layer.toml", old, new)


def _pins(*pins: Pin) -> Callable[[LayerSpec], None]:
    return lambda layer: relock(layer, pins, TARGET)


def _modules(layer: LayerSpec) -> None:
    edit(layer.modules_path(TARGET.runtime), "alpha/__init__.py\n", "")


CHANGES = {
    "another version": _pins(PINS[0], Pin("beta", "1.1", "b" * 64, "x.whl")),
    "another wheel of the same version": _pins(PINS[0], Pin("beta", "1.0", "d" * 64, "x.whl")),
    "a package less": _pins(PINS[0]),
    "another list of compiled modules": _modules,
    "all modules compiled": _toml('"imported"', '"all"'),
    "no module compiled": _toml('"imported"', '"none"'),
    "files dropped": _toml("[environment]", 'drop = ["alpha/unused.py"]\n[environment]'),
    "symbols kept": _toml("[environment]", "strip = false\n[environment]"),
    "another asset": _toml("c" * 64, "e" * 64),
    "an asset elsewhere": _toml('path = "words"', 'path = "more/words"'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_the_bytes_changes_the_digest(layer: LayerSpec, change: str) -> None:
    before = again(layer)
    CHANGES[change](layer)
    assert again(layer) != before


def _crlf(layer: LayerSpec) -> None:
    for path in layer.directory.rglob("*.*"):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def _modes(layer: LayerSpec) -> None:
    for path in layer.directory.rglob("*.*"):
        path.chmod(0o700)
        os.utime(path, (1, 1))


def _comments(layer: LayerSpec) -> None:
    edit(layer.lock_path(TARGET), "# via", "# because of")
    edit(layer.requirements_path, "alpha\n", "# why\nalpha   # because\n\n")
    edit(layer.directory / "layer.toml", "description", "# a comment\ndescription")


def _notes(layer: LayerSpec) -> None:
    (layer.directory / "notes.md").write_text("x")


def _neighbour(layer: LayerSpec) -> None:
    make_layer(layer.root, [beta()], name="other")


NO_CHANGES: dict[str, Callable[[LayerSpec], None]] = {
    "line endings": _crlf,
    "file modes and times": _modes,
    "comments": _comments,
    "the description": _toml("before", "after"),
    "variables of functions": _toml("/opt/words", "/opt/other"),
    "where an asset is fetched from": _toml("example.com", "mirror.example.org"),
    "the smoke call's text": lambda layer: edit(layer.directory / "smoke.py", "1.0", "2.0"),
    "the lock's order": _pins(PINS[1], PINS[0]),
    "another target's lock": lambda layer: relock(layer, PINS[:1], Target("python3.12", "x86_64")),
    "an unrelated file": _notes,
    "a layer next to it": _neighbour,
}


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_does_not_change_the_bytes_does_not_change_the_digest(layer: LayerSpec, change: str) -> None:
    before = again(layer)
    NO_CHANGES[change](layer)
    assert again(layer) == before


def test_runtime_architecture_and_compiler_are_in_the_digest(layer: LayerSpec) -> None:
    other = Target("python3.13", "x86_64")
    relock(layer, PINS, other)
    pinned = layer_digest(layer, TARGET)
    assert layer_digest(layer, other) != pinned
    assert layer_digest(layer, TARGET, "3.13.7") != pinned
    assert layer_digest(layer, TARGET, TARGET.facts.compiler) == pinned


def test_a_layer_without_bytecode_needs_no_compiler(layer: LayerSpec) -> None:
    edit(layer.directory / "layer.toml", '"imported"', '"none"')
    bare = load_layer(layer.name, root=layer.root)
    assert layer_digest(bare, TARGET, "3.13.7") == layer_digest(bare, TARGET)


def test_a_compiler_of_another_minor_version_is_refused(layer: LayerSpec) -> None:
    with pytest.raises(LayerBuildError, match=r"Python 3\.12\.1 cannot compile a layer for python3\.13"):
        layer_digest(layer, TARGET, "3.12.1")


def test_the_folder_is_not_in_the_digest(tmp_path: Path) -> None:
    one, two = fixed(tmp_path / "one"), fixed(tmp_path / "a" / "deeper folder")
    assert again(one) == again(two)
    copied = tmp_path / "copied"
    shutil.copytree(one.root, copied)
    assert layer_digest(load_layer(one.name, root=copied), TARGET) == again(one)


def test_the_golden_digest_changes_only_with_format(layer: LayerSpec) -> None:
    assert (FORMAT, again(layer)[:8]) == (1, GOLDEN), (
        "raise FORMAT when the same inputs give other bytes, then note it here"
    )
    assert digest_inputs(layer, TARGET)["format"] == FORMAT


def test_a_preview_loads_nothing_that_builds() -> None:
    code = (
        "import sys\n"
        "from layer_builds.plan import check_function_budget, check_image_budget\n"
        "from layer_builds.plan import layer_names, layers_before, load_layer\n"
        "for layer in map(load_layer, layer_names()):\n"
        "    target = next(one for one in layer.targets if one.runtime == 'python3.13')\n"
        "    check = check_image_budget if layer.for_images else check_function_budget\n"
        "    check('f', 10_000, [*layers_before(layer), layer], target)\n"
        "builds = {'rich', 'elftools', 'boto3', 'deflate', 'packaging', 'subprocess', 'urllib.request'}\n"
        "assert not builds & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
