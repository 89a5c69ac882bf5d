"""docs/roles.md: what the program grants today."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from components.systems import SYSTEMS
from ops.errors import OpsError
from ops.roles import write_page
from tests.program.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_is_what_the_program_grants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    report = write_page("prod", tmp_path / "roles.md")
    written = (tmp_path / "roles.md").read_text(encoding="utf-8")
    remedy = "run python -m ops roles --stack prod --output docs/roles.md"
    assert written == (ROOT / "docs" / "roles.md").read_text(encoding="utf-8"), remedy
    assert {name.replace("_", "-") for name in SYSTEMS} <= {table.title for table in report.tables}


def test_a_stack_without_config_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(OpsError, match=r"Pulumi\.nonsense\.yaml"):
        write_page("nonsense", None)
