"""requirements.in as people and their editors write it, and what a resolution says when it cannot be met."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import pytest

from layer_builds.lock.refusals import refusal
from layer_builds.lock.resolve import lock_group
from layer_builds.plan import LayerBuildError, Target, load_layer, lock_inputs, map_lines
from tests.layer_builds.test_lock import INDEX, NEW, PURE, Index, layers
from tests.layer_builds.wheelhouse import alpha, make_layer

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2secret"
OLD = Target("python3.11", "x86_64")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"--extra-index-url https://user:{SECRET}@host/simple", r"line 2 is an option \(--extra-index-url\)"),
        (f"-i https://host/{SECRET}/simple", r"line 2 is an option \(-i\)"),
        (f"pypdf @ https://user:{SECRET}@host/pypdf.whl", "line 2 is an address or a path"),
        (f"https://host/{SECRET}/pypdf.whl", "line 2 is an address or a path"),
        ("./pypdf", "line 2 is an address or a path"),
        ("-e .", r"line 2 is an option \(-e\)"),
        ("pypdf >= 6 --pre", "line 2: .* is not a requirement"),
        ("pypdf six", "line 2: .* is not a requirement"),
    ],
)
def test_what_is_not_a_requirement_is_refused_without_being_repeated(tmp_path: Path, line: str, message: str) -> None:
    layer, _ = make_layer(tmp_path / "layers", [alpha()])
    layer.requirements_path.write_text(f"alpha\n{line}\n")
    with pytest.raises(LayerBuildError, match=message) as caught:
        layer.requirements()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("alpha\n".encode("utf-16"), "is UTF-16, as some editors on Windows save it: save it as UTF-8"),
        ("alpha\n".encode("utf-16-le"), "is UTF-16"),
        ("alpha  # für\n".encode("latin-1"), "is not UTF-8"),
    ],
)
def test_an_encoding_of_a_windows_editor_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    layer, _ = make_layer(tmp_path / "layers", [alpha()])
    layer.requirements_path.write_bytes(data)
    with pytest.raises(LayerBuildError, match=message):
        layer.requirements()


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    layer, _ = make_layer(tmp_path / "layers", [alpha()])
    before = lock_inputs(layer, OLD)
    layer.requirements_path.write_bytes(codecs.BOM_UTF8 + layer.requirements_path.read_bytes())
    assert lock_inputs(layer, OLD) == before


def test_a_line_may_have_extras_a_marker_a_hash_and_a_comment() -> None:
    digests = "a" * 64, "b" * 64
    hashes = f"--hash=sha256:{digests[0]} --hash sha256:{digests[1]}"
    text = f'Ruamel.Yaml[jinja2] >=0.18, <1 ; python_version < "3.14" \\\n  {hashes} # why\n'
    (line,) = map_lines(text, "requirements.in")
    assert line.text == 'Ruamel.Yaml[jinja2] >=0.18, <1 ; python_version < "3.14"'
    assert (line.name, line.hashes) == ("ruamel-yaml", frozenset(digests))
    with pytest.raises(LayerBuildError, match="line 1: a hash is written"):
        map_lines("pypdf==6 --hash=md5:abc", "requirements.in")


def test_a_hash_has_to_be_that_of_the_locked_file(tmp_path: Path) -> None:
    layer = layers(tmp_path, one="web")["one"]
    right = f"{0:064x}"  # the index's first wheel
    layer.requirements_path.write_text(f"web==1.0 --hash=sha256:{'f' * 64} --hash=sha256:{right}\n")
    unhashed = lock_inputs(layer, NEW)
    assert lock_group(layer, NEW, Index(INDEX))["one"].pins
    layer.requirements_path.write_text(f"web==1.0 --hash=sha256:{'f' * 64}\n")
    assert lock_inputs(layer, NEW) != unhashed, "a hash that changes needs another lock"
    with pytest.raises(LayerBuildError, match=r"allows 1 file\(s\) of web by hash, and not the one for "):
        lock_group(layer, NEW, Index(INDEX))


def test_a_layer_that_would_be_empty_is_refused(tmp_path: Path) -> None:
    """AWS refuses the 22 bytes of a zip without any file."""
    both = layers(tmp_path, one="web", two='shared / after = ["one"]')
    with pytest.raises(LayerBuildError, match=r"layer two would be empty for .*take all of it \(shared\)"):
        lock_group(both["two"], NEW, Index(INDEX))


def test_what_nobody_asked_for_is_said(tmp_path: Path) -> None:
    index = Index(
        {
            "sdk": [("1.0", ["botocore", "early"], PURE)],
            "botocore": [("1.44", [], PURE)],
            "early": [("2.0rc1", [], PURE)],
        }
    )
    notes: list[str] = []
    layer = layers(tmp_path, one="sdk")["one"]
    lock_group(layer, NEW, index, say=notes.append)
    assert any("early 2.0rc1 is a pre-release, since no release that sdk allows" in note for note in notes)
    assert any("botocore came with sdk, and would be found before the runtime" in note for note in notes)
    layer.requirements_path.write_text("sdk\nbotocore\nearly==2.0rc1\n")
    notes.clear()
    lock_group(layer, NEW, index, say=notes.append)
    assert notes == []


@pytest.mark.parametrize(
    ("stderr", "remedy"),
    [
        (
            "cause: Because pypdff was not\n  found in the package registry and you require pypdff",
            "Nothing on the index is called pypdff: look at its spelling",
        ),
        (
            "cause: Because all versions of langdetect have no usable wheels and you require langdetect",
            'When it comes as source only, it is built in Docker (`source = ["langdetect"]`',
        ),
        (
            "Because numpy>=2.3.0 has no usable wheels and you require numpy>=2.3",
            "leave python3.11-x86_64 out (`runtimes`",
        ),
        ("Because a==1 depends on b>2 and you require b<2", "Loosen the requirement that uv names."),
    ],
)
def test_a_resolution_that_fails_says_what_to_do_about_its_cause(tmp_path: Path, stderr: str, remedy: str) -> None:
    layer = layers(tmp_path, one="web")["one"]
    text = refusal([layer], OLD, "x86_64-manylinux2014", stderr, {})
    assert remedy in text
    assert "newer runtime" not in text


def test_an_index_that_only_pip_knows_is_told(tmp_path: Path) -> None:
    layer = layers(tmp_path, one="web")["one"]
    stderr = "Because ours was not found in the package registry"
    pip_only = {"PIP_INDEX_URL": f"https://aws:{SECRET}@domain/simple"}
    text = refusal([layer], OLD, "x", stderr, pip_only)
    assert "PIP_INDEX_URL is set, and uv does not read it" in text
    assert SECRET not in text
    assert "PIP_INDEX_URL" not in refusal([layer], OLD, "x", stderr, {**pip_only, "UV_DEFAULT_INDEX": "https://x"})
    assert load_layer("one", root=layer.root).name == "one"
