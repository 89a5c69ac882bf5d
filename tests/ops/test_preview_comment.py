"""The comment: what it says, and that nothing in it can be more than text."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cli import main
from ops.errors import OpsError
from ops.markdown import LIMIT, bar, code, comment, failure
from ops.plan import Change, FunctionSize, LayerSize, Preview, plan_of, read_artifact, read_preview
from ops.size_chart import svg

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).with_name("data")
LAYER = LayerSize("openai-pinecone", "a" * 64, 14_000_000, 44_200_000, (("openai", "3.54.0", 20_000_000),))
NEWER = LayerSize("openai-pinecone", "b" * 64, 14_100_000, 44_500_000, (("openai", "3.55.0", 20_300_000),))
FUNCTION = FunctionSize("embedding", "python3.13-arm64", 31_000, (LAYER,))


def test_the_engines_preview_is_read_as_people_read_it() -> None:
    preview = read_preview(DATA / "preview.json")
    assert preview.changes == (
        Change("replace", "a", "command:local:Command", ("create", "triggers")),
        Change("create", "b", "command:local:Command"),
    )
    assert (preview.unchanged, preview.errors) == (0, ())


def test_unchanged_resources_are_counted_though_the_engine_does_not_list_them(tmp_path: Path) -> None:
    whole = json.loads((DATA / "preview.json").read_text())
    whole["changeSummary"]["same"] = 29
    file = tmp_path / "preview.json"
    file.write_text(json.dumps(whole))
    assert read_preview(file).unchanged == 28, "the stack itself is none of them"


def test_without_sizes_before_no_layer_is_called_new() -> None:
    assert "(new)" not in comment("dev", Preview((), 0), [FUNCTION])
    assert "`aaaaaaaaaaaa` (new)" in comment("dev", Preview((), 0), [FUNCTION], [])


def test_the_stream_of_events_says_the_same() -> None:
    events, whole = read_preview(DATA / "events.json"), read_preview(DATA / "preview.json")
    assert set(events.changes) == set(whole.changes)


def test_a_failed_previews_errors_are_shown() -> None:
    preview = read_preview(DATA / "failed.json")
    assert preview.errors[0] == "bad | `config`"
    assert "bad | `config`" in comment("dev", preview)


def test_the_comment_shows_changes_layers_and_sizes() -> None:
    preview = Preview((Change("update", "embedding-function", "aws:lambda/function:Function", ("layers",)),), 41)
    text = comment("dev", preview, [FunctionSize("embedding", "python3.13-arm64", 31_000, (NEWER,))], [FUNCTION])
    assert text.startswith("<!-- strata-preview dev -->\n")
    assert "**1 to update**; 41 unchanged." in text
    assert "| 🔵 update | `embedding-function` | `aws:lambda/function:Function` | `layers` |" in text
    assert "`aaaaaaaaaaaa` → `bbbbbbbbbbbb`" in text
    assert "44.5 MB (+0.30)" in text
    assert "| `embedding` | `███▍░░░░░░░░░░░░░░░░` | 17.0% | 44.5 MB (+0.30) | 31.0 kB |" in text
    assert "`openai 3.55.0` 20.3 MB" in text


def test_no_change_is_said() -> None:
    assert "**No change**; 43 unchanged." in comment("dev", Preview((), 43))


def test_thousands_of_changes_stay_within_githubs_limit() -> None:
    many = tuple(Change("create", f"{number:0100}", "t" * 120, ("p" * 100,) * 8) for number in range(5_000))
    text = comment("dev", Preview(many, 0), [FUNCTION])
    assert len(text) < 65_536
    assert "**5000 to create**" in text


def test_a_long_error_stays_within_githubs_limit() -> None:
    errors = tuple("`" * 4_000 for _ in range(40))
    assert len(comment("dev", Preview((), 0, errors))) < 65_536


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        (0, "░" * 20),
        (1, "▏" + "░" * 19),
        (LIMIT // 2, "█" * 10 + "░" * 10),
        (LIMIT - 1, "█" * 19 + "▉"),
        (LIMIT, "█" * 20),
        (LIMIT + 1, "█" * 20 + " over the limit"),
    ],
)
def test_the_bar_is_empty_full_and_over_only_when_that_is_so(size: int, drawn: str) -> None:
    assert bar(size) == drawn


HOSTILE = [
    "@everyone",
    "`@team`",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/pixel)",
    "[click](javascript:alert(1))",
    "a\n\n# Approved by the maintainers",
    "| a | b |",
    "<!-- strata-preview prod -->",
    "</details>",
    "\u202eevil",
    "x\u200b#1",
    "$(rm -rf /)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_stays_inside_its_code_span(text: str) -> None:
    span = code(text)
    assert re.fullmatch(r"`[^`|\n]+`", span)
    assert "\u202e" not in span


@given(st.text(max_size=400))
def test_any_text_is_one_code_span(text: str) -> None:
    span = code(text)
    assert span[0] == span[-1] == "`"
    assert not set(span[1:-1]) & {"`", "|", "\n", "\r"}
    assert len(span) <= 122


@given(st.text("`~ \n#<", max_size=200))
def test_no_error_closes_its_own_fence(message: str) -> None:
    lines = failure(message).split("\n")[2:]
    fence = lines[0].removesuffix("text")
    assert lines[-1] == fence
    inside = [line.strip() for line in lines[1:-1]]
    assert not any(re.fullmatch(r"`+", line) and len(line) >= len(fence) for line in inside)


def hostile_plan() -> dict[str, Any]:
    text = "`<b>|\n@everyone"
    layer = {
        "name": text,
        "digest": text,
        "zip_bytes": 1,
        "unzipped_bytes": 2,
        "packages": [{"name": text, "version": text, "bytes": 1}],
    }
    return {
        "resources": [{"urn": text, "name": text, "type": text, "inputs": {text: text}}],
        "functions": [{"name": text, "target": text, "code_bytes": 1, "layers": [layer]}],
        "error": None,
    }


def test_a_hostile_artifact_comes_out_as_text(tmp_path: Path) -> None:
    file = tmp_path / "plan.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("base.json", json.dumps({"resources": [], "functions": []}))
        archive.writestr("head.json", json.dumps(hostile_plan()))
        archive.writestr("../../outside.txt", "x")
        archive.writestr(".git/hooks/post-checkout", "x")
    output, chart = tmp_path / "out.md", tmp_path / "out.svg"
    arguments = ["preview-comment", "--artifact", str(file), "--stack", "dev", "--output", str(output)]
    assert main([*arguments, "--svg", str(chart), "--link", "https://x/)[y](javascript:"]) == 0
    outside_of_code = re.sub(r"`[^`\n]*`", "", output.read_text())
    assert "@everyone" not in outside_of_code
    assert "<b>" not in outside_of_code
    assert "javascript" not in outside_of_code
    assert ET.fromstring(chart.read_text()).tag.endswith("svg")  # noqa: S314 (our own)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.md", "out.svg", "plan.zip"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"resources": {}}',
        b'{"resources": [1]}',
        b'{"resources": [{"urn": 1, "name": "a", "type": "b"}]}',
        b'{"resources": [], "functions": [{"name": "a", "target": "b", "code_bytes": -1, "layers": []}]}',
        b'{"resources": [], "functions": [{"name": "a", "target": "b", "code_bytes": 1e400, "layers": []}]}',
        b'{"resources": [], "functions": [{"name": "a", "target": "b", "code_bytes": true, "layers": []}]}',
        b'{"resources": [], "error": {}}',
    ],
)
def test_an_artifact_of_another_shape_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "plan.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("base.json", content)
        archive.writestr("head.json", content)
    with pytest.raises(OpsError) as raised:
        read_artifact(file)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("option", ["--output", "--svg"])
@pytest.mark.parametrize("place", ["missing/x", "file/x", "."])
def test_a_place_where_no_file_can_be_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, place: str
) -> None:
    (tmp_path / "file").touch()
    named = str(tmp_path / place)
    arguments = ["--preview", str(DATA / "preview.json"), "--stack", "dev", "--json", option, named]
    assert main(["preview-comment", *arguments]) == 2
    assert f"{option} {named}: " in json.loads(capsys.readouterr().out)["error"]


def test_an_artifact_that_unpacks_to_gigabytes_is_refused_without_unpacking_it(tmp_path: Path) -> None:
    file = tmp_path / "plan.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("base.json", "w") as member:
        for _ in range(30):
            member.write(b" " * 1_000_000)
    with pytest.raises(OpsError, match="larger than 20,000,000 bytes"):
        read_artifact(file)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"not a zip"])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "plan.zip"
    file.write_bytes(content)
    with pytest.raises(OpsError, match="not a zip"):
        read_artifact(file)


def test_the_comment_is_rendered_with_nothing_installed(tmp_path: Path) -> None:
    """The privileged job runs this with the machine's own Python."""
    for name in ("base.json", "head.json"):
        (tmp_path / name).write_text(json.dumps(hostile_plan()))
    command = [sys.executable, "-S", "-E", "-m", "ops", "preview-comment", "--stack", "dev"]
    plans = ["--base", str(tmp_path / "base.json"), "--head", str(tmp_path / "head.json")]
    done = subprocess.run([*command, *plans], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<!-- strata-preview dev -->")


def test_sizes_are_drawn_in_order_and_inside_the_picture() -> None:
    over = FunctionSize("big", "python3.13-arm64", 1, (LayerSize("<huge>", "c" * 64, 1, LIMIT * 3),))
    root = ET.fromstring(svg([FUNCTION, over], "dev"))  # noqa: S314 (our own)
    width = float(root.attrib["width"])
    space = "{http://www.w3.org/2000/svg}"
    bars = [one.attrib for one in root.iter(f"{space}rect") if "fill" in one.attrib]
    assert all(float(one["x"]) + float(one["width"]) <= width + 0.1 for one in bars)
    assert "big 300.0%; embedding 16.9%" in str(root.findtext(f"{space}desc"))


def test_a_function_over_the_limit_fails_the_command(tmp_path: Path) -> None:
    plan = {"resources": [], "functions": [{"name": "f", "target": "t", "code_bytes": LIMIT + 1, "layers": []}]}
    for name in ("base.json", "head.json"):
        (tmp_path / name).write_text(json.dumps(plan))
    arguments = ["--base", str(tmp_path / "base.json"), "--head", str(tmp_path / "head.json"), "--stack", "dev"]
    assert main(["preview-comment", *arguments, "--output", str(tmp_path / "out.md")]) == 1
    assert "over the limit" in (tmp_path / "out.md").read_text()


def test_a_plan_with_too_many_resources_is_cut() -> None:
    one = {"name": "n", "type": "t", "inputs": {}}
    plan = plan_of({"resources": [{**one, "urn": str(number)} for number in range(6_000)]})
    assert len(plan.resources) == 5_000
