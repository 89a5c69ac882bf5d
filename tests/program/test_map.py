"""docs/map.md, CONTRIBUTING.md and the README name files, functions and commands: each of them exists."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from layer_builds.plan import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAP = REPOSITORY / "docs" / "map.md"
PAGES = (MAP, REPOSITORY / "CONTRIBUTING.md")
PLACE = re.compile(r"`((?:[\w.-]+/)*[\w.-]+(?:/|\.(?:py|toml|yaml|md|in)))(?::([\w.]+))?`")
MOST_LINES = 60


def names(path: str) -> set[str]:
    """What a module defines at its top and in its classes, as `Class.method`."""
    return set(_defined(ast.parse((REPOSITORY / path).read_text(encoding="utf-8")).body, ""))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield f"{prefix}{node.name}"
            yield from _defined(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}"
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (f"{prefix}{target.id}" for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_every_name_on_a_page_exists(page: Path) -> None:
    found = PLACE.findall(page.read_text(encoding="utf-8"))
    assert found
    for path, name in found:
        assert (REPOSITORY / path).exists(), f"{path} is not there"
        assert not name or name in names(path), f"{path} has no {name}"


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "README.md"], ids=lambda page: page.name)
def test_every_command_on_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8")))
    assert set(re.findall(r"(?m)(?:`|^\$ |^)make ([a-z-]+)", text)) <= targets
    for module in set(re.findall(r"python -m ([\w.]+)", text)) - {"pytest", "basedpyright", "ruff"}:
        path = REPOSITORY / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_the_map_is_a_map() -> None:
    assert len(MAP.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def markdown() -> list[Path]:
    """The pages that people read; documents of the demonstrations are none."""
    return [
        *REPOSITORY.glob("*.md"),
        *sorted((REPOSITORY / "docs").rglob("*.md")),
        REPOSITORY / "sandbox" / "README.md",
    ]


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line) for line in re.findall(r"(?m)^#+ (.*)$", prose(page)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> list[str]:
    dead: list[str] = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not re.match(r"https?:|mailto:", link) and (
            not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target))
        ):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", markdown(), ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_link_and_anchor_of_a_page_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_a_dead_link_and_a_dead_anchor_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `thing`\n[a](#one-thing) [b](#two) [c](gone.md) [d](https://example.com/gone)\n")
    assert dead_links(page) == ["#two", "gone.md"]


def test_somebody_links_to_every_page() -> None:
    linked = {
        (page.parent / path).resolve()
        for page in markdown()
        for path in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose(page))
    }
    assert {page for page in markdown() if page.parent != REPOSITORY} <= linked
