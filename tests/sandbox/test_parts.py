"""What is found by its name: stand-ins, demonstrations, and which systems a sandbox deploys with them."""

from __future__ import annotations

import ast
import importlib
import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from components.systems import SYSTEMS
from layer_builds.plan import REPOSITORY
from sandbox import demo, demos, standins, systems
from sandbox.demos import Demo
from sandbox.screen import Steps
from sandbox.stack import local_systems
from sandbox.systems import chosen, configured, only
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.table import Table

CONFIG: dict[str, Any] = {
    "aws:region": "us-east-1",
    "strata:layers": {},
    "strata:reader": {"a": 1},
    "strata:writer": {},
    "strata:other": {},
}


class Fine:
    """A report."""

    def __init__(self, *faults: str) -> None:
        self._faults = list(faults)

    def faults(self) -> list[str]:
        return self._faults

    def to_json(self) -> dict[str, Any]:
        return {"sent": 1}

    def tables(self) -> Iterable[Table]:
        return ()


def made(**values: Any) -> Demo:
    return Demo(about="something", run=lambda _cloud, _steps, _short: Fine(), **values)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Demo]:
    """Demonstrations by system, in place of the real ones."""
    found: dict[str, Demo] = {}
    for name in ("reader", "writer", "other"):
        (tmp_path / f"{name}.py").touch()
    monkeypatch.setattr(systems, "PAGES", tmp_path)
    monkeypatch.setattr(systems, "demo", found.get)
    monkeypatch.setattr(demo, "demo", found.get)
    return found


# --- what there is ---


def test_every_demonstration_is_of_a_system_and_names_stand_ins_that_exist() -> None:
    assert "embedding" in demos.systems()
    assert set(demos.systems()) <= set(SYSTEMS)
    for system in demos.systems():
        found = demos.demo(system)
        assert found is not None
        assert set(found.stand_ins) <= set(standins.services())
        assert set(found.neighbours) <= set(SYSTEMS)
        urls = {name: f"http://{name}.invalid" for each in found.stand_ins for name in standins.addresses(each)}
        secrets = [standins.stand_in(name).value(urls[name], "key") for name in found.stand_ins]
        told = f"{found.config(urls)} {secrets}"
        assert all(url in told for url in urls.values()), "nothing is started in vain"
    assert set(local_systems()) <= set(SYSTEMS)
    assert systems.configured({f"strata:{name}": {} for name in SYSTEMS}) == list(SYSTEMS)


def test_what_is_not_there_is_refused_with_what_there_is() -> None:
    with pytest.raises(SandboxError, match=r"no 'nonsense' in sandbox/standins: there is .*openai, pinecone"):
        standins.stand_in("nonsense")
    for name in ("../workspace", "", "__main__", "serving", "faults.Fault"):
        with pytest.raises(SandboxError, match="there is no"):
            standins.stand_in(name)
        assert demos.demo(name) is None


def named(path: Path, names: Iterable[str]) -> set[str]:
    """Which of the names stand in a source file's identifiers, imports and texts; its documentation does not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in documentation:
                found.append(text)
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.alias(name=text):
                found.append(text)
            case ast.ImportFrom(module=str(text)):
                found.append(text)
            case _:
                pass
    text = "\n".join(found).lower()
    return {name for name in names if re.search(rf"(?<![a-z]){name}(?![a-z])", text)}


def sources(folder: str) -> list[Path]:
    return [path for path in (REPOSITORY / folder).rglob("*.py") if "__pycache__" not in path.parts]


def test_only_a_systems_and_a_services_own_folder_name_it() -> None:
    names = [*SYSTEMS, *standins.services()]
    own = {REPOSITORY / "sandbox" / "demos" / name for name in SYSTEMS}
    own |= {REPOSITORY / "sandbox" / "standins" / name for name in standins.services()}
    found = named(REPOSITORY / "sandbox" / "demos" / "embedding" / "demo.py", names)
    assert {"embedding", "openai"} <= found, "the search finds something"
    for path in sources("sandbox"):
        if not own & {path.with_suffix(""), *path.parents}:
            assert not named(path, names), path


def test_what_all_functions_tests_share_knows_no_service() -> None:
    """Nor does a function's tests' own context reach into another function's."""
    assert not named(REPOSITORY / "tests/lambdas/conftest.py", standins.services())
    folders = {path.parent.name for path in sources("lambdas")} - {"lambdas", "shared"}
    for folder in folders:
        for path in sources(f"tests/lambdas/{folder}"):
            imported = set(re.findall(r"^from tests\.lambdas\.(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
            assert not imported & (folders - {folder}), path


# --- what is deployed ---


@pytest.mark.usefixtures("parts")
def test_a_stacks_systems_are_its_sections_that_are_not_about_all_of_them() -> None:
    assert configured(CONFIG) == ["reader", "writer", "other"]
    assert chosen(CONFIG, []) == ["reader", "writer", "other"]


@pytest.mark.usefixtures("parts")
def test_an_unknown_system_is_refused_with_those_of_the_stack() -> None:
    with pytest.raises(SandboxError, match=r"no system 'x' in Pulumi\.local\.yaml: there is reader, writer, other$"):
        chosen(CONFIG, ["x"])
    with pytest.raises(SandboxError, match="there is none"):
        chosen({}, ["x"])


def test_neighbours_come_along_and_theirs(parts: dict[str, Demo]) -> None:
    parts |= {"other": made(neighbours=("writer",)), "writer": made(neighbours=("reader", "other"))}
    assert chosen(CONFIG, ["reader"]) == ["reader"]
    assert chosen(CONFIG, ["other"]) == ["reader", "writer", "other"], "in the order of the config"


def test_a_neighbour_that_the_stack_does_not_have_is_named(parts: dict[str, Demo]) -> None:
    parts["reader"] = made(neighbours=("gone",))
    with pytest.raises(SandboxError, match=r"Pulumi\.local\.yaml has no strata:gone, which reader needs"):
        chosen(CONFIG, ["reader"])


@pytest.mark.usefixtures("parts")
def test_only_the_chosen_systems_sections_are_left() -> None:
    left = only(CONFIG, ["writer"])
    assert list(left) == ["aws:region", "strata:layers", "strata:writer"]


# --- what is shown ---


class Deployed:
    """As much of a cloud as showing needs."""


def shown(parts: dict[str, Demo], *names: str) -> tuple[demo.Summary, str]:
    screen = Console(file=io.StringIO(), width=200)
    summary = demo.Summary()
    for name in names:
        demo._show(Deployed(), name, Steps(screen), summary, short=True)  # type: ignore[arg-type]
    assert isinstance(screen.file, io.StringIO)
    return summary, screen.file.getvalue()


def test_a_system_without_a_demonstration_is_a_line_and_no_error(parts: dict[str, Demo]) -> None:
    parts["reader"] = made()
    summary, said = shown(parts, "reader", "writer")
    assert "writer  has no demonstration (sandbox/demos/writer.py)" in said
    assert summary.ok
    assert summary.to_json()["without_demonstration"] == ["writer"]


def test_what_goes_wrong_in_one_is_told_and_the_next_ones_turn_comes(parts: dict[str, Demo]) -> None:
    def wrong(*_: object) -> Any:
        raise SandboxError("waited [in vain]")

    parts |= {"reader": Demo(about="", run=wrong), "writer": made()}
    summary, said = shown(parts, "reader", "writer")
    assert "✗ waited [in vain]" in said
    assert not summary.ok
    assert summary.to_json()["systems"] == {
        "reader": {"ok": False, "faults": ["waited [in vain]"]},
        "writer": {"ok": True, "faults": [], "sent": 1},
    }


def test_whatever_went_wrong_is_said_again_at_the_end(parts: dict[str, Demo]) -> None:
    """A table of six systems is long, a cell of it easily missed, and some faults are in no cell."""
    parts["reader"] = Demo(about="", run=lambda *_: Fine("1 row [of a.txt] is there twice", "no table"))
    parts["writer"] = made()
    summary, _ = shown(parts, "reader", "writer")
    screen = Console(file=io.StringIO(), width=200)
    demo._print(screen, summary)
    assert isinstance(screen.file, io.StringIO)
    wanted = ["Something went wrong:", "✗ reader: 1 row [of a.txt] is there twice", "✗ reader: no table"]
    assert screen.file.getvalue().splitlines()[-3:] == wanted


@pytest.mark.parametrize("system", demos.systems())
def test_a_report_of_nothing_is_a_fault(system: str) -> None:
    reports = {
        name: each
        for name, each in vars(importlib.import_module(f"sandbox.demos.{system}.demo")).items()
        if name.endswith("Report")
    }
    assert [bool(made().faults()) for made in reports.values()] == [True]


def test_nothing_shown_is_not_well() -> None:
    assert not demo.Summary().ok


def test_a_system_that_has_none_is_refused_when_it_is_asked_for(
    parts: dict[str, Demo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "local_systems", lambda _wanted: ["reader"])
    with pytest.raises(SandboxError, match=r"reader has no demonstration \(sandbox/demos/reader\.py\); `make up SYS"):
        demo.check(["reader"])
    with pytest.raises(SandboxError, match=r"no system of Pulumi\.local\.yaml has a demonstration"):
        demo.check([])
    parts["reader"] = made()
    demo.check(["reader"])
    demo.check([])
