"""The one-line edit of a stack's config file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.errors import OpsError
from ops.stack_config import with_live_version

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = """\
config:
  strata:embedding:
    memory_mb: 512
  strata:embedding_processor:
    live_version: 9
"""


def edit(file: Path, text: str, version: str | None, function: str = "embedding") -> str:
    file.write_bytes(text.encode())
    change = with_live_version(file, function, version)
    change.save()
    return file.read_bytes().decode()


def test_only_that_functions_section_is_touched(tmp_path: Path) -> None:
    after = edit(tmp_path / "Pulumi.dev.yaml", PLAIN, "4")
    assert after == PLAIN.replace("    memory_mb", "    live_version: 4\n    memory_mb")


def test_an_existing_line_is_replaced_where_it_is(tmp_path: Path) -> None:
    after = edit(tmp_path / "Pulumi.dev.yaml", PLAIN, "4", "embedding_processor")
    assert after == PLAIN.replace("live_version: 9", "live_version: 4")


def test_windows_line_endings_stay(tmp_path: Path) -> None:
    after = edit(tmp_path / "Pulumi.dev.yaml", PLAIN.replace("\n", "\r\n"), "4")
    assert "    live_version: 4\r\n" in after
    assert after.count("\n") == after.count("\r\n")


def test_quotes_other_indents_and_comments_are_understood(tmp_path: Path) -> None:
    text = "config:\n    # ours\n    'strata:embedding':   # the first\n\n      # size\n      memory_mb: 1\n"
    after = edit(tmp_path / "Pulumi.dev.yaml", text, "4")
    assert "      live_version: 4\n" in after
    assert yaml.safe_load(after) == {"config": {"strata:embedding": {"memory_mb": 1, "live_version": 4}}}


def test_a_file_without_a_last_line_ending_is_understood(tmp_path: Path) -> None:
    text = "config:\n  strata:embedding:\n    memory_mb: 1"
    after = edit(tmp_path / "Pulumi.dev.yaml", text, "4")
    assert yaml.safe_load(after)["config"]["strata:embedding"] == {"memory_mb": 1, "live_version": 4}


def test_removing_what_is_not_there_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(PLAIN)
    assert not with_live_version(file, "embedding", None).changes


@pytest.mark.parametrize(
    "text",
    [
        "config: {strata:embedding: {memory_mb: 1}}\n",
        "config:\n  strata:embedding: {memory_mb: 1}\n",
        "config:\n  strata:layers: {}\n",
        "config:\n  strata:embedding:\n    live_version: &v 3\n    dimensions: *v\n",
        "config:\n  strata:embedding:\n    live_version: |-\n      3\n",
        "",
        "[",
    ],
)
def test_what_cannot_be_edited_by_line_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(text)
    with pytest.raises(OpsError, match="write `live_version: 4` into `strata:embedding` in Pulumi"):
        with_live_version(file, "embedding", "4")
    assert file.read_text() == text


def test_the_files_mode_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(PLAIN)
    file.chmod(0o640)
    with_live_version(file, "embedding", "4").save()
    assert file.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["Pulumi.dev.yaml"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab #:'\"-{}\n", max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(section=st.dictionaries(st.text("abc_", min_size=1), values, min_size=1, max_size=4), others=values)
def test_any_block_style_config_gets_exactly_that_one_value(tmp_path: Path, section: object, others: object) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    data = {"config": {"a:b": others, "strata:embedding": section, "strata:layers": {"builder": "native"}}}
    file.write_text(yaml.safe_dump(data, default_flow_style=False, sort_keys=False))
    with_live_version(file, "embedding", "12").save()
    found = yaml.safe_load(file.read_text())
    assert found["config"]["strata:embedding"].pop("live_version") == 12
    assert found == data
