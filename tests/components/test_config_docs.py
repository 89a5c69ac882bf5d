"""docs/config.md is what the models say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components import config_docs
from components.stack_sections import COMMON_SECTIONS
from components.systems import SYSTEMS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_page_in_the_repository_is_up_to_date() -> None:
    assert config_docs.main(["--check"]) == 0, "run `python -m components.config_docs`"


def test_every_key_is_on_the_page_with_its_meaning() -> None:
    page = config_docs.page()
    for model in (*COMMON_SECTIONS.values(), *(system.settings for system in SYSTEMS.values())):
        for key, field in model.model_fields.items():
            assert field.description, key
            assert f"| `{key}` | " in page
            assert field.description in page


def test_the_page_shows_the_timeouts_that_follow_from_the_defaults() -> None:
    assert "| embedding | 120 | 900 | 1800 |" in config_docs.page()


def test_a_page_that_drifted_is_noticed_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config_docs, "PAGE", tmp_path / "config.md")
    monkeypatch.setattr(config_docs, "README", tmp_path / "README.md")
    begin, end = (
        "<!-- config table of embedding: python -m components.config_docs -->",
        "<!-- end of the config table -->",
    )
    (tmp_path / "README.md").write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    assert config_docs.main(["--check"]) == 1
    assert "python -m components.config_docs" in capsys.readouterr().err
    assert config_docs.main([]) == 0
    assert config_docs.main(["--check"]) == 0
    table = (tmp_path / "README.md").read_text()
    assert table.startswith("before\n")
    assert table.endswith("\nafter\n")
    assert "old" not in table
    assert "| `pinecone_index_host` | " in table
