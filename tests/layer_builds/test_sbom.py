"""The SBOM of a layer: valid CycloneDX 1.6, complete, and the same each time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.__main__ import main
from layer_builds.plan import LayerBuildError, Pin, Target, host_architecture, load_layer, load_lock
from layer_builds.ship.sbom import check_sbom, layer_sbom
from tests.layer_builds.packaged import (
    TARGET,
    WORDS,
    WORDS_SHA256,
    crate,
    cyclonedx,
    locked_layer,
    metadata,
    write_layer_zip,
)

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.plan import LayerSpec

# The library warns about its own use of older fields.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:cyclonedx")

DIGEST = "d" * 64
PINS = [
    Pin("reader", "1.0", "a" * 64, "reader-1.0-py3-none-any.whl", ("requirements.in",)),
    Pin("words", "2.0", "b" * 64, "words-2.0-py3-none-any.whl", ("reader",)),
]
PACKAGES = {
    "reader-1.0": metadata("Reader", "1.0", "License-Expression: MIT OR GPL-3.0-only", "Summary: Reads"),
    "words-2.0": metadata("words", "2.0", "License: see the website"),
}
INNER = cyclonedx(crate("serde", "1.0.0", "MIT OR Apache-2.0"), crate("links", "0.2.0", "MPL-2.0"))
MORE: dict[str, str | bytes] = {
    "python/reader-1.0.dist-info/sboms/reader.cyclonedx.json": INNER,
    "words/list": WORDS,
}


@pytest.fixture
def layer(tmp_path: Path) -> LayerSpec:
    return locked_layer(tmp_path / "layers", PINS, asset=True)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_layer_zip(tmp_path / "layer.zip", PACKAGES, MORE)


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in document["components"]}


def test_it_names_the_layer_its_packages_and_its_assets_with_their_hashes(layer: LayerSpec, archive: Path) -> None:
    document = json.loads(layer_sbom(layer, TARGET, archive, DIGEST))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    root = document["metadata"]["component"]
    assert (root["name"], root["version"]) == ("reader", DIGEST)
    assert root["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(archive.read_bytes()).hexdigest()}]
    found = by_name(document)
    assert set(found) == {"reader", "words", "words/list"}
    assert found["reader"]["purl"] == "pkg:pypi/reader@1.0"
    assert found["reader"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert found["words/list"]["hashes"] == [{"alg": "SHA-256", "content": WORDS_SHA256}]


def test_licences_are_expressions_where_they_are_known_and_words_where_not(layer: LayerSpec, archive: Path) -> None:
    found = by_name(json.loads(layer_sbom(layer, TARGET, archive, DIGEST)))
    assert found["reader"]["licenses"] == [{"expression": "MIT OR GPL-3.0-only"}]
    assert found["words"]["licenses"] == [{"license": {"name": "see the website"}}]


def test_what_a_wheel_has_compiled_in_is_below_its_package(layer: LayerSpec, archive: Path) -> None:
    inner = by_name(json.loads(layer_sbom(layer, TARGET, archive, DIGEST)))["reader"]["components"]
    assert [(one["name"], one["purl"]) for one in inner] == [
        ("links", "pkg:cargo/links@0.2.0"),
        ("serde", "pkg:cargo/serde@1.0.0"),
    ]
    assert inner[0]["licenses"] == [{"license": {"id": "MPL-2.0"}}]


def test_it_says_what_requires_what(layer: LayerSpec, archive: Path) -> None:
    document = json.loads(layer_sbom(layer, TARGET, archive, DIGEST))
    edges = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    assert edges["layer:reader"] == ["asset:words/list", "pkg:pypi/reader@1.0"]
    assert edges["pkg:pypi/reader@1.0"] == ["pkg:pypi/words@2.0"]
    assert edges["pkg:pypi/words@2.0"] == []


def test_the_same_layer_gives_the_same_document(layer: LayerSpec, archive: Path) -> None:
    first = layer_sbom(layer, TARGET, archive, DIGEST)
    assert "timestamp" not in first
    script = (
        "import sys; from pathlib import Path; from layer_builds.plan import Target, load_layer; "
        "from layer_builds.ship.sbom import layer_sbom; "
        "layer = load_layer('reader', root=Path(sys.argv[1])); "
        "sys.stdout.write(layer_sbom(layer, Target('python3.13', 'arm64'), Path(sys.argv[2]), 'd' * 64))"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(layer.root), str(archive)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == first


def test_another_archive_has_another_serial_number(layer: LayerSpec, archive: Path, tmp_path: Path) -> None:
    other = write_layer_zip(tmp_path / "other.zip", PACKAGES, {**MORE, "python/reader/new.py": "1"})
    serials = {json.loads(layer_sbom(layer, TARGET, one, DIGEST))["serialNumber"] for one in (archive, other)}
    assert len(serials) == 2
    assert all(serial.startswith("urn:uuid:") for serial in serials)


def test_an_archive_of_another_lock_is_refused(layer: LayerSpec, tmp_path: Path) -> None:
    packages = {**PACKAGES, "words-2.0": metadata("words", "2.1")}
    archive = write_layer_zip(tmp_path / "layer.zip", packages, MORE)
    with pytest.raises(LayerBuildError, match=r"differ in words 2\.0, words 2\.1: build it again"):
        layer_sbom(layer, TARGET, archive, DIGEST)


def test_an_archive_without_a_declared_asset_is_refused(layer: LayerSpec, tmp_path: Path) -> None:
    archive = write_layer_zip(tmp_path / "layer.zip", PACKAGES, {**MORE, "words/list": "other words"})
    with pytest.raises(LayerBuildError, match="asset words/list is not in the archive"):
        layer_sbom(layer, TARGET, archive, DIGEST)


def test_the_check_refuses_what_is_not_of_the_standard(layer: LayerSpec, archive: Path) -> None:
    document = json.loads(layer_sbom(layer, TARGET, archive, DIGEST))
    check_sbom(json.dumps(document))
    document["components"][0]["type"] = "layer"
    with pytest.raises(LayerBuildError, match=r"not CycloneDX 1\.6"):
        check_sbom(json.dumps(document))


@pytest.mark.slow
def test_the_real_layer_has_an_sbom_and_no_licence_that_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Target(f"python{sys.version_info.major}.{sys.version_info.minor}", host_architecture())
    which = ["openai-pinecone", "--runtime", target.runtime, "--architecture", target.architecture]
    assert main(["sbom", *which, "--compiler", "running", "--output", str(tmp_path)]) == 0
    text = (tmp_path / f"openai-pinecone-{target}.cdx.json").read_text()
    check_sbom(text)
    document = json.loads(text)
    pins = {(pin.name, pin.version, pin.sha256) for pin in load_lock(load_layer("openai-pinecone"), target).pins}
    libraries = [one for one in document["components"] if one["type"] == "library"]
    assert {(one["name"], one["version"], one["hashes"][0]["content"]) for one in libraries} == pins
    assert all("licenses" in one for one in libraries)
    capsys.readouterr()
    assert main(["licences", *which, "--compiler", "running"]) == 0
    assert "! certifi" in capsys.readouterr().out  # MPL-2.0: flagged, and no reason to fail
    assert main(["licences", *which, "--compiler", "running", "--fail-on", "weak"]) == 1
