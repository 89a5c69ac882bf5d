"""The comment: what it says, and that nothing in it can be more than text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from layer_builds.plan import MAX_UNZIPPED_BYTES
from ops.cli import main
from ops.errors import OpsError
from ops.findings import Notice, read_findings
from ops.markdown import bar, code, comment, failure
from ops.plan import FunctionSize, LayerSize, plan_of, read_artifact
from ops.preview import Change, Preview, read_preview
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


EVENTS = (DATA / "events.json").read_text()
WHOLE = (DATA / "preview.json").read_text()


@pytest.mark.parametrize(
    "output",
    [
        "",
        "error: no stack named 'dev' found\n",
        "null",
        "{}",
        '{"config": {}}',
        WHOLE[: len(WHOLE) // 2],
        EVENTS[: len(EVENTS) // 2],
        EVENTS[: EVENTS.index('{"sequence": 37')],
        '{"a": ' + "[" * 100_000,
    ],
    ids=["nothing", "words", "null", "empty", "only_config", "half", "half_a_stream", "no_summary", "too_deep"],
)
def test_a_cli_that_has_no_whole_answer_is_a_failed_preview(tmp_path: Path, output: str) -> None:
    """Its words go to stderr: `No change` under a green check would be believed."""
    file, written = tmp_path / "preview.json", tmp_path / "comment.md"
    file.write_text(output)
    assert main(["preview-comment", "--stack", "dev", "--preview", str(file), "--output", str(written)]) == 1
    text = written.read_text()
    assert "**The preview failed.**" in text
    assert "ended before it had an answer" in text
    assert "No change" not in text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Installing policy pack iam 0.0.7...\nFinished installing policy pack\n\n", ""),
        ("", "Update plan written to 'plan.json'\n"),
    ],
)
def test_what_the_cli_says_around_its_answer_is_left_out(tmp_path: Path, before: str, after: str) -> None:
    """https://github.com/pulumi/pulumi/issues/19775, https://github.com/pulumi/pulumi/issues/11453."""
    file = tmp_path / "preview.json"
    for output, same in ((WHOLE, DATA / "preview.json"), (EVENTS, DATA / "events.json")):
        file.write_text(f"{before}{output.rstrip()}\n{after}")
        assert read_preview(file) == read_preview(same)


def test_an_import_is_a_change(tmp_path: Path) -> None:
    step = {"op": "import", "urn": "urn:pulumi:dev::strata::aws:s3/bucket:Bucket::b", "newState": {"type": "t"}}
    file = tmp_path / "preview.json"
    file.write_text(json.dumps({"steps": [step], "changeSummary": {"import": 1}}))
    text = comment("dev", read_preview(file))
    assert "**1 to import**" in text
    assert "| 🟣 import | `b` | `t` |" in text


def test_the_engines_colours_are_not_in_an_error(tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    message = "<{%fg 1%}>error: <{%reset%}>100 % <bad>"
    file.write_text(json.dumps({"sequence": 1, "diagnosticEvent": {"severity": "error", "message": message}}))
    assert read_preview(file).errors == ("100 % <bad>",)


def test_many_errors_are_counted_and_never_become_no_change() -> None:
    """Credentials that expire fail every resource."""
    errors = tuple(f"{number}: {'x' * 3_900}" for number in range(100))
    text = comment("dev", Preview((), 0, errors), [FUNCTION])
    assert "**The preview failed.**" in text
    assert "\n0: xxx" in text
    assert "… and 96 more errors." in text
    assert "No change" not in text
    assert len(text) <= 60_000


def test_deletes_are_listed_however_long_the_other_rows_are() -> None:
    long = tuple(Change("update", f"{number:0118}", "t" * 120, ("p" * 120,) * 8) for number in range(500))
    gone = Change("delete", "documents-bucket", "aws:s3/bucket:Bucket")
    text = comment("dev", Preview((*long, gone), 0), [FUNCTION])
    assert "| 🔴 delete | `documents-bucket` | `aws:s3/bucket:Bucket` |" in text
    rows = text.count("🔵 update")
    assert rows > 10
    assert f"… and {500 - rows} more." in text
    assert "#### Sizes" in text
    assert "#### Layers" in text
    assert len(text) <= 60_000


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


def test_what_is_not_well_with_what_is_deployed_comes_first(tmp_path: Path) -> None:
    """A preview does not see that code was edited in the console."""
    findings = [
        {
            "check": "code of embedding",
            "state": "warn",
            "found": "$LATEST was edited",
            "remedy": "`pulumi up --refresh`",
        },
        {"check": "code of other", "state": "ok", "found": "as published", "remedy": ""},
    ]
    file = tmp_path / "doctor.json"
    file.write_text(json.dumps({"ok": True, "stack": "dev", "checks": findings}))
    output = tmp_path / "comment.md"
    files = ["--preview", str(DATA / "preview.json"), "--doctor", str(file), "--output", str(output)]
    assert main(["preview-comment", "--stack", "dev", *files]) == 0
    text = output.read_text()
    assert "| `code of embedding` | `$LATEST was edited` | `'pulumi up --refresh'` |" in text
    assert "as published" not in text
    assert text.index("Deployed now") < text.index("1 to create") < text.index("🟢 create")


def test_findings_stay_when_the_comment_is_too_long() -> None:
    many = tuple(Change("create", f"{number:03}" + "x" * 117, "t" * 120, ("p" * 120,) * 8) for number in range(100))
    text = comment("dev", Preview(many, 0), notices=[Notice("code of embedding", "edited", "refresh")])
    assert "code of embedding" in text
    assert len(text) <= 60_000


@pytest.mark.parametrize("document", ["[]", "{}", '{"checks": [7]}', '{"checks": [{"state": "warn", "check": 1}]}'])
def test_findings_of_another_form_are_refused(tmp_path: Path, document: str) -> None:
    file = tmp_path / "doctor.json"
    file.write_text(document)
    with pytest.raises(OpsError):
        read_findings(file)


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
        (MAX_UNZIPPED_BYTES // 2, "█" * 10 + "░" * 10),
        (MAX_UNZIPPED_BYTES - 1, "█" * 19 + "▉"),
        (MAX_UNZIPPED_BYTES, "█" * 20),
        (MAX_UNZIPPED_BYTES + 1, "█" * 20 + " over the limit"),
    ],
)
def test_the_bar_is_empty_full_and_over_only_when_that_is_so(size: int, drawn: str) -> None:
    assert bar(size) == drawn


@given(st.text(max_size=400))
def test_any_text_is_one_code_span(text: str) -> None:
    span = code(text)
    assert span[0] == span[-1] == "`"
    assert not set(span[1:-1]) & {"`", "|"}
    assert span.isprintable(), "no line break, and nothing that turns the reading direction"
    assert len(span) <= 122


@given(st.text("`~ \n#<", max_size=200))
def test_no_error_closes_its_own_fence(message: str) -> None:
    lines = failure(message).split("\n")
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


def test_an_artifact_whose_bytes_are_broken_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("base.json", json.dumps({"resources": []}) * 50)
    content = bytearray(file.read_bytes())
    content[40:50] = b"\xff" * 10
    file.write_bytes(content)
    with pytest.raises(OpsError, match="is not a zip"):
        read_artifact(file)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_artifact_is_unpacked_in_githubs_way_only(tmp_path: Path, method: int) -> None:
    file = tmp_path / "plan.zip"
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("base.json", "{}")
    with pytest.raises(OpsError, match="is compressed in a way that GitHub does not use"):
        read_artifact(file)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"not a zip"])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "plan.zip"
    file.write_bytes(content)
    with pytest.raises(OpsError, match="not a zip"):
        read_artifact(file)


def test_the_comment_is_rendered_with_nothing_installed_and_what_the_job_checks_out(tmp_path: Path) -> None:
    """The privileged job runs this with the machine's own Python; it had checked out ops only, which imports more."""
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "fork-comment.yml").read_text())["jobs"]["comment"]
    [sparse] = [step["with"]["sparse-checkout"] for step in job["steps"] if "sparse-checkout" in step.get("with", {})]
    for folder in map(Path, sparse.split()):
        shutil.copytree(ROOT / folder, tmp_path / folder)
        for parent in folder.parents[:-1]:  # git's cone has the files beside a folder as well
            for file in (ROOT / parent).glob("*.py"):
                shutil.copy(file, tmp_path / parent)
    for name in ("base.json", "head.json"):
        (tmp_path / name).write_text(json.dumps(hostile_plan()))
    command = [sys.executable, "-S", "-E", "-m", "ops", "preview-comment", "--stack", "dev"]
    done = subprocess.run(
        [*command, "--base", "base.json", "--head", "head.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<!-- strata-preview dev -->")


def test_sizes_are_drawn_in_order_and_inside_the_picture() -> None:
    over = FunctionSize("big", "python3.13-arm64", 1, (LayerSize("<huge>", "c" * 64, 1, MAX_UNZIPPED_BYTES * 3),))
    root = ET.fromstring(svg([FUNCTION, over], "dev"))  # noqa: S314 (our own)
    width = float(root.attrib["width"])
    space = "{http://www.w3.org/2000/svg}"
    bars = [one.attrib for one in root.iter(f"{space}rect") if "fill" in one.attrib]
    assert all(float(one["x"]) + float(one["width"]) <= width + 0.1 for one in bars)
    assert "big 300.0%; embedding 16.9%" in str(root.findtext(f"{space}desc"))


def test_a_function_over_the_limit_fails_the_command(tmp_path: Path) -> None:
    plan = {
        "resources": [],
        "functions": [{"name": "f", "target": "t", "code_bytes": MAX_UNZIPPED_BYTES + 1, "layers": []}],
    }
    for name in ("base.json", "head.json"):
        (tmp_path / name).write_text(json.dumps(plan))
    arguments = ["--base", str(tmp_path / "base.json"), "--head", str(tmp_path / "head.json"), "--stack", "dev"]
    assert main(["preview-comment", *arguments, "--output", str(tmp_path / "out.md")]) == 1
    assert "over the limit" in (tmp_path / "out.md").read_text()


def test_a_plan_with_too_many_resources_is_cut() -> None:
    one = {"name": "n", "type": "t", "inputs": {}}
    plan = plan_of({"resources": [{**one, "urn": str(number)} for number in range(6_000)]})
    assert len(plan.resources) == 5_000
