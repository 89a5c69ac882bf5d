"""Resolution: uv's command lines, one wheel a package, layers split without overlap, what an old runtime lacks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.__main__ import main
from layer_builds.build.tags import best_wheel, supported_tags
from layer_builds.host.processes import Completed
from layer_builds.lock.held_back import held_back
from layer_builds.lock.resolve import lock_group
from layer_builds.plan import LayerBuildError, Target, load_layer
from tests.layer_builds.wheelhouse import Wheel, make_layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.plan import LayerSpec

OLD = Target("python3.11", "x86_64")
NEW = Target("python3.13", "arm64")


class Index:
    """A runner that is `uv pip compile` over a small index: name → (version, needs, wheel tags), newest first."""

    def __init__(self, packages: Mapping[str, list[tuple[str, list[str], list[str]]]]) -> None:
        self.packages = packages
        self.calls: list[list[str]] = []

    def __call__(self, argv: Sequence[str], *, cwd: Path | None = None, **_: Any) -> Completed:
        options = list(argv)
        assert options[1:3] == ["pip", "compile"]
        self.calls.append(options)
        output = Path(options[options.index("--output-file") + 1])
        source = next(
            Path(word)
            for word in options
            if word.endswith(".in") and "constraints" not in options[options.index(word) - 1]
        )
        known = Path(options[options.index("--constraints") + 1]) if "--constraints" in options else output
        lines = known.read_text().split() if known.is_file() else []
        wanted = {name: version for name, _, version in (line.partition("==") for line in lines)}
        platform = options[options.index("--python-platform") + 1]
        glibc = 17 if "manylinux2014" in platform else int(platform.rpartition("_")[2])
        found: dict[str, tuple[str, list[str], list[str]]] = {}
        via: dict[str, set[str]] = {}

        def visit(name: str, parent: str) -> None:
            via.setdefault(name, set()).add(parent)
            if name in found:
                return
            usable = [one for one in self.packages[name] if any(_glibc(tag) <= glibc for tag in one[2])]
            found[name] = next((one for one in usable if one[0] == wanted.get(name)), usable[0])
            for needed in found[name][1]:
                visit(needed, name)

        for line in source.read_text().splitlines():
            visit(re.split(r"[<>=]", line)[0], f"-r {source}")
        if "pylock.toml" in options:
            output.write_text("".join(self._toml(name, *one) for name, one in sorted(found.items())))
        else:
            output.write_text(
                "".join(
                    f"{name}=={one[0]}    # via {', '.join(sorted(via[name]))}\n" for name, one in sorted(found.items())
                )
            )
        return Completed(0, "", "")

    def _toml(self, name: str, version: str, _: list[str], tags: list[str]) -> str:
        wheels = [
            f'{{ url = "https://host/{name}-{version}-{tag}.whl", hashes = {{ sha256 = "{number:064x}" }} }}'
            for number, tag in enumerate(tags)
        ]
        return f'[[packages]]\nname = "{name}"\nversion = "{version}"\nwheels = [{", ".join(wheels)}]\n'


def _glibc(tag: str) -> int:
    found = re.search(r"manylinux_2_(\d+)", tag)
    return int(found[1]) if found else 0


PURE = ["py3-none-any"]
INDEX = {
    "web": [("1.0", ["shared"], PURE)],
    "ai": [("3.0", ["shared", "fast"], PURE)],
    "shared": [("2.0", [], PURE), ("1.0", [], PURE)],
    "fast": [
        ("0.14", [], ["cp311-cp311-manylinux_2_28_x86_64", "cp313-cp313-manylinux_2_28_aarch64"]),
        ("0.11", [], ["cp311-cp311-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_17_aarch64"]),
    ],
}


def layers(tmp_path: Path, **requirements: str) -> dict[str, LayerSpec]:
    """Layers by name; a value is `requirements / layer.toml`."""
    root = tmp_path / "layers"
    for name, text in requirements.items():
        wants, _, toml = text.partition("/")
        make_layer(root, [Wheel(one) for one in wants.split()], name=name, toml=toml.strip())
    return {name: load_layer(name, root=root) for name in requirements}


def test_the_lock_command_deletes_what_a_layer_is_not_made_for_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = layers(tmp_path, one="ai")["one"]
    old = layer.lock_path(OLD)
    old.write_text("left over")
    (layer.directory / "layer.toml").write_text(
        f'bytecode = "none"\nruntimes = ["{NEW.runtime}"]\narchitectures = ["arm64"]\n'
    )
    monkeypatch.setattr("layer_builds.commands.options.load_layer", lambda name: load_layer(name, root=layer.root))
    monkeypatch.setattr("layer_builds.commands.lock.logged_runner", lambda _: Index(INDEX))
    monkeypatch.setattr("layer_builds.commands.lock._lock_runtimes", lambda *_, **__: [])
    assert main(["lock", "one"]) == 0
    assert [path.name for path in old.parent.iterdir()] == [f"{NEW}.txt"]
    assert f"{old} (deleted)" in capsys.readouterr().out


def test_a_lock_names_one_wheel_of_each_package_and_what_asked_for_it(tmp_path: Path) -> None:
    index = Index(INDEX)
    lock = lock_group(layers(tmp_path, one="ai")["one"], NEW, index)["one"]
    assert [(pin.name, pin.version, pin.via) for pin in lock.pins] == [
        ("ai", "3.0", ("requirements.in",)),
        ("fast", "0.14", ("ai",)),
        ("shared", "2.0", ("ai",)),
    ]
    fast = lock.pins[1]
    assert fast.file == "fast-0.14-cp313-cp313-manylinux_2_28_aarch64.whl"
    assert fast.sha256 == f"{1:064x}", "of that wheel, not of the release's others"


def test_uv_is_told_the_target_whole_and_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "https://somebody:very-secret@host/simple")
    index = Index(INDEX)
    lock_group(layers(tmp_path, one="ai")["one"], OLD, index)
    for call in index.calls:
        assert call[call.index("--python-version") + 1] == "3.11"
        assert call[call.index("--python-platform") + 1] == "x86_64-manylinux2014", "plain linux gives wheels too new"
        assert call[call.index("--only-binary") + 1] == ":all:"
        assert "very-secret" not in " ".join(call)


def test_layers_joined_by_after_hold_no_package_twice_and_one_version_of_each(tmp_path: Path) -> None:
    made = layers(tmp_path, base="web", top='ai / after = ["base"]')
    locks = lock_group(made["base"], NEW, Index(INDEX))
    assert {name: [pin.name for pin in lock.pins] for name, lock in locks.items()} == {
        "base": ["shared", "web"],
        "top": ["ai", "fast"],
    }
    assert lock_group(made["top"], NEW, Index(INDEX)) == locks, "from whichever layer it starts"


def test_what_the_runtime_has_can_be_left_out(tmp_path: Path) -> None:
    locks = lock_group(layers(tmp_path, one='ai / without = ["shared"]')["one"], NEW, Index(INDEX))
    assert [pin.name for pin in locks["one"].pins] == ["ai", "fast"]


def test_two_layers_below_one_that_share_a_package_are_refused(tmp_path: Path) -> None:
    made = layers(tmp_path, a="web", b="ai", c='fast / after = ["a", "b"]')
    with pytest.raises(
        LayerBuildError, match=r"comes after a and b, and both hold shared: add `after = \[\"a\"\]` to .* of b"
    ):
        lock_group(made["c"], NEW, Index(INDEX))


def test_locked_versions_are_kept_until_an_upgrade_is_asked_for(tmp_path: Path) -> None:
    layer = layers(tmp_path, one="web")["one"]
    old = Index({**INDEX, "shared": INDEX["shared"][1:]})
    layer.lock_path(NEW).parent.mkdir(exist_ok=True)
    layer.lock_path(NEW).write_text(lock_group(layer, NEW, old)["one"].text(NEW))
    kept = lock_group(layer, NEW, Index(INDEX))["one"]
    upgraded = lock_group(layer, NEW, Index(INDEX), upgrade=True)["one"]
    assert ([pin.version for pin in kept.pins], [pin.version for pin in upgraded.pins]) == (
        ["1.0", "1.0"],
        ["2.0", "1.0"],
    )


def test_a_package_without_a_wheel_for_the_target_is_named_with_the_remedies(tmp_path: Path) -> None:
    index = Index({"one": [("1.0", [], ["cp313-cp313-macosx_11_0_arm64"])]})
    with pytest.raises(LayerBuildError, match=r"package one 1\.0 has no wheel for python3\.13-arm64") as caught:
        lock_group(layers(tmp_path, layer="one")["layer"], NEW, index)
    assert "it has one-1.0-cp313-cp313-macosx_11_0_arm64.whl" in str(caught.value)
    assert 'it is built in Docker (`source = ["one"]`' in str(caught.value)


def test_requirements_that_cannot_be_met_show_what_uv_says(tmp_path: Path) -> None:
    def refuse(argv: Sequence[str], **_: Any) -> Completed:
        return Completed(1, "", "  No solution found: alpha needs beta>2")

    with pytest.raises(LayerBuildError, match=r"(?s)layer one cannot be met for python3.13-arm64.*alpha needs beta>2"):
        lock_group(layers(tmp_path, one="web")["one"], NEW, refuse)


def test_what_an_old_runtime_holds_back_is_told_with_the_runtime_that_does_not(tmp_path: Path) -> None:
    layer = layers(tmp_path, one="ai")["one"]
    lock = lock_group(layer, OLD, Index(INDEX))["one"]
    assert [one.text(OLD) for one in held_back(layer, OLD, Index(INDEX), lock)] == [
        (
            "python3.11-x86_64 holds back fast 0.11 (0.14 is out): it has no wheel for glibc 2.17 "
            "(x86_64-manylinux2014); python3.12 or newer takes the newer one"
        )
    ]
    new = lock_group(layer, NEW, Index(INDEX))["one"]
    assert held_back(layer, NEW, Index(INDEX), new) == []


def test_the_best_of_several_wheels_is_the_one_uv_takes() -> None:
    files = [
        "a-1.0-py3-none-any.whl",
        "a-1.0-cp37-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
        "a-1.0-cp313-cp313-manylinux_2_17_aarch64.whl",
        "a-1.0-cp313-cp313-manylinux_2_28_aarch64.whl",
        "a-1.0-cp313-cp313-manylinux_2_39_aarch64.whl",
        "a-1.0-cp313-cp313-musllinux_1_2_aarch64.whl",
        "a-1.0-cp313-cp313t-manylinux_2_28_aarch64.whl",
        "a-1.0-cp312-cp312-manylinux_2_34_aarch64.whl",
        "not a wheel",
    ]
    assert best_wheel(files, NEW) == files[3]
    assert best_wheel(files[:2], NEW) == files[1]
    assert best_wheel(files[4:], NEW) is None
    assert best_wheel([], NEW) is None


def test_supported_tags_do_not_depend_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = supported_tags(OLD)
    supported_tags.cache_clear()
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert supported_tags(OLD) == before
    assert json.dumps(sorted(map(str, before))).count("aarch64") == 0
