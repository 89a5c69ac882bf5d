"""Which paths may be written."""

from __future__ import annotations

import pytest

from coderipple.documents import is_documentation, path_problem
from lambdas.orchestrator.contract import DEFAULT_DOC_PATHS

TREE = ("README.md", "docs/guide.md", "src/kettle.py", "documentation")


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "README.de.rst",
        "CHANGELOG.md",
        "docs/a/b.mdx",
        "doc/x.txt",
        "coderipple/state.md",
        "docs/überblick.md",
        "docs/概要.md",
        "docs/console.md",
        "docs/auxiliary/common.md",
        "docs/agents-and-tools.md",
        "docs/templates.md",
        "docs/SECURITY.md",
        "docs/requirements.md",
        "docs/v1.2/a..b.md",
    ],
)
def test_documents_may_be_written(path: str) -> None:
    assert path_problem(path, DEFAULT_DOC_PATHS, TREE) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "src/README.md",
        "README",
        "readme.md",
        "Docs/guide.md",
        "docs/guide.MD.py",
        "docs/a.html",
        "docs/../src/x.md",
        "docs//x.md",
        "docs/./x.md",
        "/docs/x.md",
        "docs/x.md/",
        "docs\\x.md",
        "docs/.git/x.md",
        "docs/x\u202e.md",
        "docs/x\n.md",
        "docs/x y.md",
        "docs/#1.md",
        "docs/a\u0301.md",
        "docs/requirements.txt",
        "docs/requirements-dev.txt",
        "docs/CMakeLists.txt",
        "docs/llms.txt",
        "docs/adr/0001-x.md",
        "docs/GUIDE.md",
        "docs/guide.md/x.md",
        "documentation/x.md",
        "x" * 300 + ".md",
        ".github/workflows/x.md",
        "README.md/x.md",
    ],
)
def test_other_paths_may_not(path: str) -> None:
    assert path_problem(path, DEFAULT_DOC_PATHS, TREE) is not None


def test_a_list_of_ones_own_replaces_the_paths_and_not_the_suffixes() -> None:
    assert path_problem("guides/x.md", ("guides/",), ()) is None
    assert path_problem("README.md", ("guides/",), ()) is not None
    assert path_problem("guides/x.py", ("guides/", "*"), ()) is not None
    assert path_problem("setup.py", ("*",), ()) is not None


@pytest.mark.parametrize(
    "path",
    [
        "docs/requirements/dev.txt",
        "docs/requirements/a/b.txt",
        "docs/requirementsdev.txt",
        "docs/Constraints/x.txt",
        "docs/reqs.txt",
        "docs/ads.txt",
        "docs/security.txt",
        "docs/meson_options.txt",
        "docs/AGENTS.md",
        "docs/a/CLAUDE.md",
        "docs/claude.local.md",
        "docs/GEMINI.md",
        "docs/skills/SKILL.md",
        "docs/copilot-instructions.md",
        "docs/cursorrules.md",
        "docs/.cursorrules",
        "docs/python.instructions.md",
        "docs/x.prompt.md",
        "docs/pull_request_template.md",
        "docs/PULL_REQUEST_TEMPLATE/x.md",
        "docs/ISSUE_TEMPLATE/bug.md",
        "docs/issue_template.txt",
        "docs/CODEOWNERS.md",
    ],
)
def test_what_programs_agents_or_github_obey_is_no_document(path: str) -> None:
    assert path_problem(path, DEFAULT_DOC_PATHS, (*TREE, path)) is not None


@pytest.mark.parametrize(
    "path",
    [
        "docs/aux.md",
        "docs/CON.md",
        "docs/nul/x.md",
        "docs/com1.md",
        "docs/com¹.md",
        "docs/lpt9.a.md",
        "docs/x./y.md",
        "docs/x /y.md",
        "docs/-rf.md",
        "docs/\u3164.md",
        "docs/x\u1160.md",
        "docs/\uffa0/x.md",
        "docs/x\u034f.md",
        "docs/x\u200d.md",
        "docs/\u017f.md",
        "docs/ﬁ.md",
        "docs/\uff32.md",
    ],
)
def test_a_path_is_one_on_every_system_and_for_every_reader(path: str) -> None:
    assert path_problem(path, DEFAULT_DOC_PATHS, TREE) is not None


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("docs/über.md", "docs/u\u0308ber.md"),
        ("docs/straße.md", "docs/STRASSE.md"),
        ("docs/s.md", "docs/\u017f.md"),
        ("docs/fi.md", "docs/ﬁ.md"),
        ("docs/ab.md", "docs/a\u200bb.md"),
        ("docs/über/x.md", "docs/U\u0308ber"),
        ("docs/History.md", "README.md"),
    ],
)
def test_no_path_is_anothers_twin(path: str, there: str) -> None:
    """The last: of the historian's file, also where it is not there yet."""
    assert path_problem(path, DEFAULT_DOC_PATHS, (there,)) is not None
    assert path_problem("docs/history.md", DEFAULT_DOC_PATHS, (there,)) is None


def test_a_change_of_what_pip_installs_is_none_of_documentation() -> None:
    assert not is_documentation("docs/requirements/dev.txt", DEFAULT_DOC_PATHS)
    assert is_documentation("docs/requirements/dev.md", DEFAULT_DOC_PATHS)
