"""Who may import whom: read from the sources, so that a forbidden import fails here and not in Lambda."""

from __future__ import annotations

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from components.systems import SYSTEMS
from layer_builds.plan import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OURS = {"components", "lambdas", "layer_builds", "sandbox", "ops", "scripts", "tests", "benchmarks"}
PULUMI = {"pulumi", "pulumi_aws", "pulumi_command"}
ROOMS = {
    "plan": set[str](),
    "host": {"plan"},
    "build": {"plan", "host"},
    "lock": {"plan", "host", "build"},
    "ship": {"plan", "host", "build"},
}
"""Room of the layer builder → the other rooms that it may import."""


def imports(path: Path) -> set[str]:
    """The first two parts of every module that a file imports, those for type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {".".join(name.split(".")[:2]) for name in found}


def modules(path: Path) -> set[str]:
    """The files of ours that a file imports, as dotted names, those for type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            # `from package import module` is of the module; any other name is of the file that it is taken from.
            found |= {
                name if (REPOSITORY / f"{name.replace('.', '/')}.py").is_file() else node.module for name in names
            }
    return {name for name in found if name.split(".")[0] in OURS}


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Names that lead back to the first of them; empty when there is no such way."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def files(folder: str) -> list[Path]:
    return sorted(path for path in (REPOSITORY / folder).rglob("*.py") if "__pycache__" not in path.parts)


def outside(path: Path) -> set[str]:
    """The packages that a file imports, without the standard library."""
    return {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", files("components"), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_components_import_pulumi_the_plan_of_layers_and_contracts(path: Path) -> None:
    assert outside(path) <= {*PULUMI, "pydantic", "pydantic_core", "components", "layer_builds", "lambdas"}
    assert {name for name in imports(path) if name.startswith("layer_builds")} <= {"layer_builds.plan"}
    assert not [name for name in modules(path) if name.startswith("lambdas.") and not name.endswith(".contract")]


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "lambdas").rglob("contract.py")), ids=lambda path: path.parent.name
)
def test_a_contract_needs_the_standard_library_and_shared_contracts_only(path: Path) -> None:
    assert outside(path) <= {"lambdas"}
    assert modules(path) <= {"lambdas.shared.contract", "lambdas.shared.openai_calls.contract"}


@pytest.mark.parametrize("path", files("components"), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_only_a_systems_page_knows_the_system(path: Path) -> None:
    if path.parent.name == "systems":
        return
    known = modules(path) - {"lambdas.shared.contract"}
    assert not [name for name in known if name.startswith(("components.systems.", "lambdas."))]
    texts = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)}
    assert not texts & set(SYSTEMS), "a neighbour is asked for by name, on the page that needs it"


def test_the_program_imports_pulumi_and_what_it_composes() -> None:
    assert outside(REPOSITORY / "__main__.py") <= {"pulumi", "components", "layer_builds"}


@pytest.mark.parametrize("path", files("layer_builds"), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_the_layer_builder_knows_nothing_of_pulumi_or_of_us(path: Path) -> None:
    # What makes models checks them with the code that will run them.
    models = {"lambdas"} if path.is_relative_to(REPOSITORY / "layer_builds" / "models") else set[str]()
    assert not outside(path) & (PULUMI | (OURS - {"layer_builds", *models}))
    assert {name for name in imports(path) if name.startswith("lambdas.")} <= {"lambdas.embedding_processor"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_layer_builder_imports_those_below_it(room: str) -> None:
    for path in files(f"layer_builds/{room}"):
        rooms = {name.split(".")[1] for name in imports(path) if name.startswith("layer_builds.")}
        assert rooms <= ROOMS[room] | {room}, path


def test_a_preview_loads_the_standard_library_and_nothing_that_builds() -> None:
    for path in files("layer_builds/plan"):
        assert outside(path) <= {"layer_builds"}, path


@pytest.mark.parametrize("folder", ["lambdas", "layer_builds", "ops", "scripts"])
def test_no_file_imports_itself_through_others(folder: str) -> None:
    assert circle({dotted(path): modules(path) for path in files(folder)}) == []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []


@pytest.mark.parametrize("path", files("lambdas"), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_a_function_imports_its_own_folder_and_the_shared_one(path: Path) -> None:
    function = path.relative_to(REPOSITORY / "lambdas").parts[0]
    ours = {name for name in imports(path) if name.split(".")[0] in OURS | PULUMI}
    assert ours <= {f"lambdas.{function}", "lambdas.shared", "lambdas"}


@pytest.mark.parametrize("path", files("packages"), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_a_package_of_ours_imports_itself_contracts_and_what_functions_share(path: Path) -> None:
    """It is in a layer: beside it there are the function's contract and `lambdas.shared`, and nothing else of ours."""
    found = {name for name in modules(path) if name.split(".")[0] in OURS}
    assert not outside(path) & (PULUMI | (OURS - {"lambdas"}))
    assert [name for name in found if not name.endswith(".contract") and not name.startswith("lambdas.shared")] == []


@pytest.mark.parametrize("folder", ["components", "layer_builds", "lambdas", "sandbox", "ops", "packages"])
def test_nothing_that_ships_imports_the_tests(folder: str) -> None:
    for path in files(folder):
        assert "tests" not in outside(path), path


@pytest.mark.parametrize("path", files("components"), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_a_component_file_stays_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 250


def test_no_module_has_the_name_of_one_of_the_standard_library() -> None:
    for path in (path for folder in (*sorted(OURS), "packages") for path in files(folder)):
        name = path.parent.name if path.name == "__init__.py" else path.stem
        assert name == "__main__" or name not in sys.stdlib_module_names, path
