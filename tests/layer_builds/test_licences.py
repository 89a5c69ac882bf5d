"""The licence report: what packages say about themselves, sorted into kinds that ask for a look."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from packaging.metadata import parse_email

from layer_builds.plan import LayerBuildError
from layer_builds.ship.declared import parse_licence
from layer_builds.ship.licences import group_equal, refused, show, text
from layer_builds.ship.packaged import read_packages
from layer_builds.ship.spdx import FLAGGED, kind_of, spdx_expression
from tests.layer_builds.packaged import crate, cyclonedx, metadata, write_layer_zip

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.ship.declared import Licence


def licence(*lines: str) -> Licence:
    return parse_licence(parse_email(metadata("thing", "1.0", *lines))[0])


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("MIT", "permissive"),
        ("Apache-2.0 AND CNRI-Python", "permissive"),
        ("MPL-2.0", "weak copyleft"),
        ("LGPL-2.1-or-later", "weak copyleft"),
        ("EPL-2.0", "weak copyleft"),
        ("GPL-2.0-only", "strong copyleft"),
        ("GPL-3.0-or-later", "strong copyleft"),
        ("AGPL-3.0-only", "network copyleft"),
        ("SSPL-1.0", "network copyleft"),
        ("BUSL-1.1", "restricted"),
        ("GPL-3.0-only OR MIT", "permissive"),
        ("GPL-3.0-only AND MIT", "strong copyleft"),
        ("MIT AND (LGPL-3.0-only OR GPL-3.0-only)", "weak copyleft"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "weak copyleft"),
        ("Apache-2.0 WITH LLVM-exception", "permissive"),
    ],
)
def test_an_expression_is_as_demanding_as_its_parts_allow(expression: str, kind: str) -> None:
    assert kind_of(expression) == kind


@pytest.mark.parametrize(
    ("written", "name", "kind"),
    [
        ("MIT License", "MIT", "permissive"),
        ("The MIT License (MIT)", "MIT", "permissive"),
        ("Apache License, Version 2.0", "Apache-2.0", "permissive"),
        ("BSD", "BSD", "permissive"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0", "weak copyleft"),
        ("LGPLv3+", "LGPL-3.0-or-later", "weak copyleft"),
        ("GNU LGPL", "GNU LGPL", "weak copyleft"),
        ("GNU GPL v2", "GPL-2.0-only", "strong copyleft"),
        ("AGPL-3.0", "AGPL-3.0-only", "network copyleft"),
        ("Proprietary", "Proprietary", "restricted"),
        ("Dual Licensed - GNU AFFERO GPL 3.0 or Some Commercial License", None, "network copyleft"),
        ("MIT or whatever you like", None, "unknown"),
        ("ask the author", "ask the author", "unknown"),
    ],
)
def test_free_text_is_understood_where_it_is_clear(written: str, name: str | None, kind: str) -> None:
    """Of a choice the one that asks less counts, when all of it is understood; its words are kept."""
    found = licence(f"License: {written}")
    assert (found.name, found.kind, found.source) == (name or written, kind, "License")


def test_files_named_after_their_licence_say_it_where_nothing_else_does() -> None:
    """As REUSE has it: https://reuse.software/spec/."""
    files = (
        "License-File: LICENSES/Apache-2.0.txt",
        "License-File: LICENSES/BSD-3-Clause.txt",
        "License-File: COPYING",
    )
    found = licence("License: BSD-3-Clause, Apache-2.0, dependency licenses", *files)
    assert (found.name, found.kind, found.source) == ("Apache-2.0 AND BSD-3-Clause", "permissive", "License-File")
    assert licence("License: MIT", *files).source == "License"
    assert licence("License-File: LICENSES/mine.txt").source == "nothing"


@pytest.mark.parametrize(
    ("classifier", "name", "kind"),
    [
        ("MIT License", "MIT", "permissive"),
        ("BSD License", "BSD License", "permissive"),
        ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later", "strong copyleft"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "LGPL-3.0-only", "weak copyleft"),
        ("GNU Library or Lesser General Public License (LGPL)", None, "weak copyleft"),
        ("GNU Affero General Public License v3", "AGPL-3.0-only", "network copyleft"),
        ("Other/Proprietary License", "Other/Proprietary License", "restricted"),
        ("Nethack General Public License", "NGPL", None),
    ],
)
def test_classifiers_are_understood_where_nothing_better_is_there(
    classifier: str, name: str | None, kind: str | None
) -> None:
    found = licence(f"Classifier: License :: OSI Approved :: {classifier}")
    if kind is None:  # not in the tables: never taken for harmless
        assert found.kind in FLAGGED
        return
    assert name is None or found.name == name
    assert (found.kind, found.source) == (kind, "classifiers")


def test_the_expression_counts_before_the_text_and_the_text_before_the_classifiers() -> None:
    classifier = "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"
    assert licence("License-Expression: MIT", "License: BSD", classifier).name == "MIT"
    assert licence("License: BSD-3-Clause", classifier).name == "BSD-3-Clause"
    assert licence("License: see the file LICENSE", classifier).name == "GPL-3.0-only"


def test_the_whole_text_of_a_licence_in_the_field_is_not_taken_for_its_name() -> None:
    lines = ["License: Copyright (c) 2020 Somebody", *(f"        line {number} of the text" for number in range(20))]
    assert licence(*lines, "Classifier: License :: OSI Approved :: MIT License").name == "MIT"
    assert licence(*lines).kind == "unknown"


def test_several_classifiers_count_together_since_nobody_says_or() -> None:
    found = licence(
        "Classifier: License :: OSI Approved :: MIT License",
        "Classifier: License :: OSI Approved :: GNU Affero General Public License v3",
    )
    assert (found.name, found.kind) == ("AGPL-3.0-only AND MIT", "network copyleft")


def test_the_umbrella_classifier_says_nothing() -> None:
    assert licence("Classifier: License :: OSI Approved").source == "nothing"


@pytest.mark.parametrize(
    "line", ["License-Expression: MIT AND", "License-Expression: Nonsense-9.9", "License: UNKNOWN"]
)
def test_what_is_no_licence_is_unknown_and_no_error(line: str) -> None:
    assert licence(line).kind == "unknown"


@pytest.mark.parametrize("words", ["", "(", "MIT/Apache-2.0", "MIT OR", "WITH", "()" * 2000, "MIT " * 5000])
def test_words_that_are_no_expression_are_none(words: str) -> None:
    assert spdx_expression(words) is None


PACKAGES = {
    "plain-1.0": metadata("plain", "1.0", "License-Expression: MIT"),
    "Native_Thing-2.0": metadata("Native_Thing", "2.0", "License-Expression: Apache-2.0"),
    "sharing-3.0": metadata("sharing", "3.0", "License-Expression: MPL-2.0"),
    "strict-4.0": metadata("strict", "4.0", "License: AGPLv3"),
}
SBOM = cyclonedx(
    crate("serde", "1.0.0", "MIT OR Apache-2.0"),
    crate("viral", "0.1.0", "GPL-3.0-only"),
    crate("old", "0.3.0", "MIT/Apache-2.0"),
    crate("only-builds-it", "9.0.0", "GPL-3.0-only", scope="excluded"),
)
MORE: dict[str, str | bytes] = {
    "python/Native_Thing-2.0.dist-info/sboms/native.cyclonedx.json": SBOM,
    "python/plain-1.0.dist-info/licenses/LICENSE": "the text",
    "python/strict-4.0.dist-info/COPYING": "the text",
    "python/plain/__init__.py": "",
    "python/plain/METADATA": "not a package's",
}


def test_the_report_shows_what_asks_most_first_and_what_wheels_have_compiled_in(tmp_path: Path) -> None:
    packages = read_packages(write_layer_zip(tmp_path / "layer.zip", PACKAGES, MORE))
    assert text("reader", ["python3.13-arm64"], packages).splitlines() == [
        "reader (python3.13-arm64): 4 packages",
        "  ! strict        4.0  AGPL-3.0-only  network copyleft  License",
        "  ! sharing       3.0  MPL-2.0        weak copyleft     License-Expression",
        "    native-thing  2.0  Apache-2.0     permissive        License-Expression",
        "    plain         1.0  MIT            permissive        License-Expression",
        "  compiled into native-thing 2.0: 3 components; flagged:",
        "  ! viral 0.1.0: GPL-3.0-only (strong copyleft)",
        "  without the text of their licence in the layer: native-thing, sharing",
    ]


def test_strong_copyleft_fails_the_command_and_weak_only_when_asked(tmp_path: Path) -> None:
    packages = read_packages(write_layer_zip(tmp_path / "layer.zip", PACKAGES, MORE))
    strong = [
        "viral 0.1.0, compiled into native-thing: GPL-3.0-only (strong copyleft)",
        "strict 4.0: AGPL-3.0-only (network copyleft)",
    ]
    assert refused(packages) == strong
    assert refused(packages, ["weak copyleft"]) == ["sharing 3.0: MPL-2.0 (weak copyleft)"]
    assert refused(packages, accepted=["Strict"]) == strong[:1]
    assert refused(packages, accepted=["strict", "viral"]) == []


def test_the_exit_code_follows_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packages = read_packages(write_layer_zip(tmp_path / "layer.zip", PACKAGES, MORE))
    reports = [("reader", "python3.13-arm64", packages)]
    assert show(reports, fail_on=None, accepted=(), as_json=False) == 1
    assert "refused: strict 4.0: AGPL-3.0-only (network copyleft)" in capsys.readouterr().out
    assert show(reports, fail_on=["network"], accepted=["strict"], as_json=False) == 0
    assert show(reports, fail_on=["weak"], accepted=(), as_json=True) == 1
    shown = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert shown["refused"] == ["sharing 3.0: MPL-2.0 (weak copyleft)"]


def test_a_component_without_a_licence_is_said_to_have_none_in_its_sbom(tmp_path: Path) -> None:
    """As cryptography's list of what it is linked with names openssl."""
    listed: dict[str, str | bytes] = {
        "python/plain-1.0.dist-info/sboms/sbom.json": cyclonedx({"type": "library", "name": "openssl"})
    }
    packages = read_packages(write_layer_zip(tmp_path / "layer.zip", PACKAGES, listed))
    assert "  ! openssl : (the package's SBOM gives none) (unknown)" in text("reader", ["x"], packages)
    assert refused(packages, ["unknown"], accepted=["openssl"]) == []


def test_targets_that_say_the_same_are_one_report(tmp_path: Path) -> None:
    packages = read_packages(write_layer_zip(tmp_path / "layer.zip", PACKAGES, MORE))
    reports = [("reader", "a", packages), ("reader", "b", packages[:1]), ("reader", "c", packages)]
    assert [(layer, targets) for layer, targets, _ in group_equal(reports)] == [
        ("reader", ["a", "c"]),
        ("reader", ["b"]),
    ]


@pytest.mark.parametrize(
    ("packages", "more", "message"),
    [
        ({"x-1.0": "Summary: nameless\n"}, {}, "names no package"),
        ({}, {"python/x-1.0.dist-info/RECORD": ""}, "has no METADATA"),
        ({"x-1.0": metadata("x")}, {"python/x-1.0.dist-info/sboms/a.json": "[1]"}, "is not a CycloneDX document"),
        ({"x-1.0": metadata("x")}, {"python/x-1.0.dist-info/sboms/a.json": "{"}, "is not a CycloneDX document"),
    ],
)
def test_broken_metadata_is_an_error_that_names_the_package(
    tmp_path: Path, packages: dict[str, str], more: dict[str, str | bytes], message: str
) -> None:
    archive = write_layer_zip(tmp_path / "layer.zip", packages, more)
    with pytest.raises(LayerBuildError, match=message):
        read_packages(archive)


def test_metadata_of_many_megabytes_is_refused_and_not_read(tmp_path: Path) -> None:
    archive = write_layer_zip(tmp_path / "layer.zip", {"x-1.0": metadata("x") + "x" * 5_000_000})
    with pytest.raises(LayerBuildError, match="larger than 4,000,000 bytes"):
        read_packages(archive)


def test_what_is_no_zip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "layer.zip").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(LayerBuildError, match="cannot be read as a layer"):
        read_packages(tmp_path / "layer.zip")
