"""A stack's config file, edited: one value changes, and every comment stays where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.errors import OpsError
from ops.live_version import with_live_version
from ops.load_stack import ROOT
from ops.stack_file import read_config

if TYPE_CHECKING:
    from pathlib import Path

COMMENTED = """\
# who owns this stack
config:
  # the first
  strata:embedding:  # beside
    # in megabytes

    memory_mb: 512   # enough
    # about the next
    host: "https://x.example"  # quoted

  # about the other section
  strata:extract_text:
  - one
  strata:other: {live_version: 9}
# the end
"""
OTHER_STYLES = {
    "four spaces": "config:\n    # ours\n    'strata:embedding':\n        # size\n        memory_mb: 1\n",
    "Windows": COMMENTED.replace("\n", "\r\n"),
    "no last line ending": "config:\n  strata:embedding:\n    # size\n    memory_mb: 1",
    "dashes that are indented": "config:\n  strata:embedding:\n    names:\n      - a\n      - b\n  a:b:\n    - c\n",
    "long line": f"config:\n  strata:embedding:\n    host: {'x ' * 100}y\n",
    "numbers as written": "config:\n  strata:embedding:\n    a: 1_000\n    b: 1.50\n    c: '01'\n    d: 0x1F\n",
    **{stack: (ROOT / f"Pulumi.{stack}.yaml").read_text() for stack in ("dev", "prod", "local")},
}


def edit(file: Path, text: str, version: str | None, function: str = "embedding") -> str:
    file.write_bytes(text.encode())
    with_live_version(file, function, version).save()
    return file.read_bytes().decode()


@pytest.mark.parametrize("text", [COMMENTED, *OTHER_STYLES.values()], ids=["commented", *OTHER_STYLES])
def test_the_first_line_of_the_section_is_added_and_taken_out_again(tmp_path: Path, text: str) -> None:
    file, ending = tmp_path / "Pulumi.dev.yaml", "\r\n" if "\r\n" in text else "\n"
    after = edit(file, text, "4")
    [line] = [line for line in after.splitlines() if "live_version: 4" in line]
    whole = text if text.endswith("\n") else f"{text}\n"
    assert after.replace(f"{line}{ending}", "") == whole
    assert "strata:embedding" in after.split(line)[0].splitlines()[-1]
    assert edit(file, after, "5") == after.replace("live_version: 4", "live_version: 5")
    assert edit(file, after, None) == whole


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_somebody_put_elsewhere_goes_without_its_neighbours_comments(tmp_path: Path, place: int) -> None:
    lines = ["    # of a", "    a: 1", "    # of b", "    b: 2"]
    lines.insert(2 * place, "    live_version: 3")
    before = "\n".join(["config:", "  strata:embedding:", *lines, ""])
    after = edit(tmp_path / "Pulumi.dev.yaml", before, None)
    assert after == before.replace("    live_version: 3\n", "")


def test_a_value_in_braces_stays_in_braces(tmp_path: Path) -> None:
    after = edit(tmp_path / "Pulumi.dev.yaml", COMMENTED, "4", "other")
    assert after == COMMENTED.replace("{live_version: 9}", "{live_version: 4}")


def test_a_value_that_others_refer_to_is_changed_for_itself_only(tmp_path: Path) -> None:
    text = "config:\n  strata:embedding:\n    live_version: &v 3\n    dimensions: *v\n"
    after = edit(tmp_path / "Pulumi.dev.yaml", text, "4")
    assert yaml.safe_load(after)["config"]["strata:embedding"] == {"live_version": 4, "dimensions": 3}


def test_removing_what_is_not_there_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(COMMENTED)
    assert not with_live_version(file, "embedding", None).changes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("config:\n  strata:layers: {}\n", "has no section `strata:embedding`"),
        ("config:\n  strata:embedding: text\n", "has no section `strata:embedding`"),
        ("", "no `config:`"),
        ("- a\n", "no `config:`"),
        ("[", "not YAML"),
        ("config:\n  strata:embedding:\n    live_version: 1\n\n  # alone\n", "comments"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_what_to_write_and_left_alone(
    tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(text)
    version = None if why == "comments" else "4"
    instruction = r"(write|remove) `live_version(: 4)?` (into|from) `strata:embedding` in Pulumi"
    with pytest.raises(OpsError, match=f"(?s){why}.*{instruction}"):
        with_live_version(file, "embedding", version)
    assert file.read_text() == text


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_bytes(b"config: \xff\n")
    with pytest.raises(OpsError, match="could not be edited"):
        with_live_version(file, "embedding", "4")


def test_the_files_mode_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(COMMENTED)
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
def test_any_config_gets_exactly_that_one_value(tmp_path: Path, section: object, others: object) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    data = {"config": {"a:b": others, "strata:embedding": section, "strata:layers": {"builder": "native"}}}
    file.write_text(yaml.safe_dump(data, default_flow_style=False, sort_keys=False))
    with_live_version(file, "embedding", "12").save()
    found = yaml.safe_load(file.read_text())
    assert found["config"]["strata:embedding"].pop("live_version") == 12
    assert found == data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0512", 330),
        ("-017", -15),
        ("08", 8),
        ("0", 0),
        ("0x10", 16),
        ("1_024", 1_024),
        ("1e3", 1_000),
        ("2026-11-28", "2026-11-28 00:00:00 +0000 UTC"),
        ("2026-11-28T10:00:00Z", "2026-11-28 10:00:00 +0000 UTC"),
        ("!!binary aGk=", "hi"),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("true", True),
    ],
)
def test_a_config_value_is_read_as_the_cli_reads_it(tmp_path: Path, text: str, value: object) -> None:
    """As `pulumi config --json` of 3.272 shows it: a plan and a diagnosis are of what would be deployed."""
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(f"config:\n  strata:embedding:\n    memory_mb: {text}\n")
    assert read_config(file) == {"strata:embedding": {"memory_mb": value}}


@pytest.mark.parametrize("text", [".inf", ".nan", "{? [1, 2] : 3}", "&x [*x]", "!!set {a}", "!secret x", "\t"])
def test_a_config_value_that_the_cli_refuses_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(f"config:\n  strata:embedding:\n    memory_mb: {text}\n")
    with pytest.raises(OpsError, match=r"Pulumi\.dev\.yaml (holds a value that JSON has not|is not YAML)"):
        read_config(file)


def test_a_section_may_leave_the_projects_name_out_as_the_cli_allows(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n  aws:region: eu-central-1\n  embedding:\n    # size\n    memory_mb: 512\n")
    assert read_config(file) == {"aws:region": "eu-central-1", "strata:embedding": {"memory_mb": 512}}
    edit = with_live_version(file, "embedding", "7")
    assert edit.after == file.read_text().replace("    # size", "    live_version: 7\n    # size")
    edit.save()
    assert read_config(file)["strata:embedding"] == {"live_version": 7, "memory_mb": 512}
    assert with_live_version(file, "embedding", None).after == edit.before
