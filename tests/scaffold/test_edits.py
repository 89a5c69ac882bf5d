"""Lines added to tables and to stack files: exactly those, or a refusal that says what to write by hand."""

from __future__ import annotations

import pytest
import yaml

from scripts.scaffold.edits import with_entry, with_section
from scripts.scaffold.templates import FOLDER, rendered
from scripts.staging import ROOT, StagingError

SECTION = "  strata:new:\n    memory_mb: 256\n"


def entry(text: str) -> str:
    return with_entry(text, "m.py", table="TABLE", entry='"b": b.B,', import_line="from components import b")


def test_an_entry_goes_to_the_end_of_its_table_and_its_import_below_the_others() -> None:
    text = (
        "import x\nfrom components import a\nfrom components.c import (\n    d,\n)\n\nOTHER = {\n}\n"
        'TABLE: Final[Mapping[str, int]] = {\n    "a": a.A,  # why\n}\nREST = {"a": 1}\n'
    )
    assert entry(text) == (
        "import x\nfrom components import a\nfrom components.c import (\n    d,\n)\nfrom components import b\n\n"
        'OTHER = {\n}\nTABLE: Final[Mapping[str, int]] = {\n    "a": a.A,  # why\n    "b": b.B,\n}\nREST = {"a": 1}\n'
    )


@pytest.mark.parametrize("text", ["", "TABLE = {\n}\n", "from components import a\nTABLES = {\n}\n"])
def test_a_module_without_the_table_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(StagingError, match=r'm\.py has no table TABLE .*`from components import b` and `"b": b\.B,`'):
        entry(text)


@pytest.mark.parametrize("stack", ["dev", "prod", "local"])
def test_a_section_is_added_to_a_stack_file_and_nothing_else_changes(stack: str) -> None:
    before = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    after = with_section(before, "x", SECTION)
    assert after == before + SECTION
    added = yaml.safe_load(after)["config"]
    assert added.pop("strata:new") == {"memory_mb": 256}
    assert added == yaml.safe_load(before)["config"]


@pytest.mark.parametrize("text", ["config:\n    a:b: c\n", "config: {a: b}\nother: 1\n"])
def test_a_section_takes_the_files_own_form(text: str) -> None:
    added = yaml.safe_load(with_section(text, "x", SECTION))
    assert added.pop("config").pop("strata:new") == {"memory_mb": 256}


@pytest.mark.parametrize(
    "text",
    ["", "- a\n", "config:\n  strata:new: {}\n", "a: [\n"],
)
def test_a_file_that_is_no_config_or_has_the_section_is_left_alone(text: str) -> None:
    with pytest.raises(StagingError, match=r"(?s)x could not be edited .*  strata:new:\n    memory_mb"):
        with_section(text, "x", SECTION)


def test_a_place_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        rendered("{{nothing}}", {})


def test_templates_end_in_a_name_that_no_tool_takes_for_source() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert files
    assert {path.suffix for path in files} == {".tmpl"}
