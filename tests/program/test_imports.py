"""Who may import whom: read from the sources, so that a forbidden import fails here and not in Lambda."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = {"components", "lambdas", "layer_builds", "sandbox", "ops", "tests", "benchmarks"}
PULUMI = {"pulumi", "pulumi_aws", "pulumi_command"}


def imports(path: Path) -> set[str]:
    """The first two parts of every module that a file imports, those for type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {".".join(name.split(".")[:2]) for name in found}


def files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def outside(path: Path) -> set[str]:
    """The packages that a file imports, without the standard library."""
    return {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", files("components"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_components_import_pulumi_and_the_layer_builder(path: Path) -> None:
    allowed = {*PULUMI, "components", "layer_builds"}
    if "settings" in path.name or path.name in {"validation.py", "config_docs.py"}:
        allowed |= {"pydantic", "pydantic_core"}
    assert outside(path) <= allowed


def test_the_program_imports_pulumi_and_what_it_composes() -> None:
    assert outside(ROOT / "__main__.py") <= {"pulumi", "components", "layer_builds"}


@pytest.mark.parametrize("path", files("layer_builds"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_layer_builder_knows_nothing_of_pulumi_or_of_us(path: Path) -> None:
    assert not outside(path) & (PULUMI | (OURS - {"layer_builds"}))


@pytest.mark.parametrize("path", files("lambdas"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_function_imports_its_own_folder_and_the_shared_one(path: Path) -> None:
    function = path.relative_to(ROOT / "lambdas").parts[0]
    ours = {name for name in imports(path) if name.split(".")[0] in OURS | PULUMI}
    assert ours <= {f"lambdas.{function}", "lambdas.shared", "lambdas"}


@pytest.mark.parametrize("folder", ["components", "layer_builds", "lambdas", "sandbox", "ops"])
def test_nothing_that_ships_imports_the_tests(folder: str) -> None:
    for path in files(folder):
        assert "tests" not in outside(path), path


@pytest.mark.parametrize("path", files("components"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_component_file_stays_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 250
