"""What all systems have in common: read and checked first, registered as the config says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from components.function_settings import FunctionSettings
from components.settings import logical_name
from components.system import System, SystemArgs, system_args
from components.systems.registry import SYSTEMS
from components.validation import SettingsError
from layer_builds import LayerBuildError
from tests.components import parts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Build
    from tests.layers import FixtureLayers


class Nothing:
    """A system that registers nothing."""

    def __init__(self, name: str, args: object, foundation: object) -> None: ...

    def exports(self) -> dict[str, Any]:
        return {}


class Other(FunctionSettings):
    """Another system's section."""


def repository(root: Path) -> Path:
    for path in ("lambdas/__init__.py", "lambdas/mail/handler.py"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x = 1\n")
    return root


def test_code_and_layers_are_read_in_their_order(layers: FixtureLayers, tmp_path: Path) -> None:
    layers.add("one")
    layers.add("two")
    root = repository(tmp_path / "repository")
    args = system_args("mail", ["two", "one"], FunctionSettings(), repository=root, layers_root=layers.root)
    assert [layer.name for layer in args.layers] == ["two", "one"]
    assert set(args.code.files) == {"lambdas/__init__.py", "lambdas/mail/handler.py"}


def test_a_system_that_would_be_too_large_is_refused(layers: FixtureLayers, tmp_path: Path) -> None:
    layers.add("huge", unzipped_bytes=262_144_000)
    root = repository(tmp_path / "repository")
    with pytest.raises(LayerBuildError, match="function mail and its layers are 262,144,012 bytes"):
        system_args("mail", ["huge"], FunctionSettings(), repository=root, layers_root=layers.root)


def test_a_section_of_another_system_is_refused() -> None:
    with pytest.raises(TypeError, match="system embedding is configured by EmbeddingSettings, not Other"):
        SYSTEMS["embedding"].prepare("embedding", Other())


def test_a_system_is_registered_under_its_name_in_kebab_case(layers: FixtureLayers, monkeypatch: Any) -> None:
    heard: list[str] = []

    class Component:
        def __init__(self, name: str, args: SystemArgs[FunctionSettings], foundation: object) -> None:
            heard.extend([name, args.name])

        def exports(self) -> dict[str, Any]:
            return {"name": "x"}

    monkeypatch.setattr(
        "components.system.system_args",
        lambda name, _, settings: SystemArgs(name=name, settings=settings, code=parts.CODE, layers=()),
    )
    register = System(FunctionSettings, (), Component, lambda _: {}).prepare("read_mail", FunctionSettings())
    assert heard == [], "nothing is registered yet"
    foundation: Any = object()
    assert register(foundation) == {"name": "x"}
    assert heard == ["read-mail", "read_mail"]
    assert logical_name("a") == "a"


def test_a_layer_whose_name_would_be_too_long_is_a_problem_of_the_config(
    layers: FixtureLayers, monkeypatch: Any, build: Build
) -> None:
    layer = layers.add("-".join(["word"] * 9))
    monkeypatch.setattr(
        "components.system.system_args",
        lambda name, _, settings: SystemArgs(name=name, settings=settings, code=parts.CODE, layers=(layer,)),
    )
    system: System[FunctionSettings] = System(FunctionSettings, (layer.name,), Nothing, lambda _: {})
    with pytest.raises(SettingsError, match=r"strata:mail: the layer's name .* has 73 characters, more than 64"):
        build(lambda: system.prepare("mail", FunctionSettings()), stack="stack-abc")
