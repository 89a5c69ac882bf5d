"""Many builds at once: real processes, real uv on wheels of our own, one that fails beside others that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from layer_builds.build.many import build_many
from layer_builds.build.tasks import Ways
from layer_builds.host import folders
from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.plan import Pin, load_layer
from tests.layer_builds.wheelhouse import COMPILER, HERE, Wheel, make_layer, relock

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.build.finished import BuiltLayer
    from layer_builds.build.tasks import Task
    from layer_builds.plan import LayerSpec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Events:
    """What a watcher was told, in order."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: dict[str, bool] = {}

    def doing(self, task: Task, text: str) -> None:
        assert text
        if task[0] not in self.begun:
            self.begun.append(task[0])

    def done(self, task: Task, built: BuiltLayer | None) -> None:
        self.ended[task[0]] = built is not None


def one_package(root: Path, name: str, module: str, *, after: str = "", smoke: str = "") -> LayerSpec:
    wheel = Wheel(module, files={f"{module}.py": b"VALUE = 1\n"})
    call = smoke or f"def smoke():\n    import {module}\n"
    toml = f'after = ["{after}"]\n' if after else ""
    return make_layer(root, [wheel], name=name, toml=toml, smoke=call, modules=[f"{module}.py"])[0]


def test_builds_go_on_beside_one_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = folders.build_dir() / "runtime"
    shared.mkdir(parents=True, exist_ok=True)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "runtime").symlink_to(shared)
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    root = tmp_path / "layers"
    one_package(root, "first", "alpha")
    one_package(root, "second", "beta", after="first", smoke="def smoke():\n    import alpha, beta\n")
    one_package(root, "broken", "gamma", smoke="def smoke():\n    import nothing_of_that_name\n")
    one_package(root, "upon-broken", "delta", after="broken")
    for name, module in {"first": "alpha", "second": "beta", "broken": "gamma", "upon-broken": "delta"}.items():
        layer = load_layer(name, root=root)  # joined now: other inputs
        text = layer.lock_path(HERE).read_text()
        relock(
            layer, [Pin(module, "1.0", text[text.index("sha256:") + 7 :].split()[0], f"{module}-1.0-py3-none-any.whl")]
        )
    pairs = [(load_layer(name, root=root), HERE) for name in ("upon-broken", "second", "broken", "first")]
    events = Events()
    built, failed = build_many(pairs, Ways(compiler=COMPILER, processes=2), events)
    assert [name for name, _ in built] == ["second", "first"]
    assert "No module named 'nothing_of_that_name'" in failed["broken", HERE]
    assert failed["upon-broken", HERE].startswith("it comes after layer broken, whose build for ")
    assert events.ended == {"first": True, "second": True, "broken": False, "upon-broken": False}
    assert events.begun.index("first") < events.begun.index("second")
    assert "upon-broken" not in events.begun
    again, _ = build_many(pairs[1:2], Ways(compiler=COMPILER), Events())
    assert again["second", HERE].hit
    assert again["second", HERE].sha256 == built["second", HERE].sha256
