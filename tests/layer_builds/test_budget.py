"""What a preview refuses: the sixth layer, too many bytes, a package twice, a stale lock or manifest."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from layer_builds.plan import (
    Distribution,
    LayerBuildError,
    Manifest,
    ManifestEntry,
    check_function_budget,
    layer_digest,
    load_manifest,
)
from tests.layer_builds.wheelhouse import HERE, Wheel, make_layer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from layer_builds.plan import LayerSpec

MB = 1_000_000


def layer(
    tmp_path: Path,
    name: str,
    packages: dict[str, int],
    *,
    toml: str = "",
    digest: str | None = None,
    assets: Mapping[str, int] = MappingProxyType({}),
) -> LayerSpec:
    """A locked layer with a manifest that says how many megabytes each package has."""
    made, _ = make_layer(tmp_path / "layers", [Wheel(one) for one in packages], name=name, toml=toml, modules=())
    entry = ManifestEntry(
        digest=digest or layer_digest(made, HERE),
        artifact_sha256="1" * 64,
        content_sha256="2" * 64,
        zip_bytes=1,
        unzipped_bytes=sum(packages.values()) * MB,
        distributions={one: Distribution("1.0", size * MB) for one, size in packages.items()},
        assets=assets,
        glibc="-",
        smoke="run",
    )
    made.manifest_path.write_text(Manifest(name, {str(HERE): entry}).text())
    return made


def refusal(code_bytes: int, *layers: LayerSpec) -> str:
    with pytest.raises(LayerBuildError) as caught:
        check_function_budget("embedding", code_bytes, layers, HERE)
    return str(caught.value)


def test_five_layers_within_the_limit_are_fine(tmp_path: Path) -> None:
    layers = [layer(tmp_path, f"l{number}", {f"p{number}": 50}) for number in range(5)]
    check_function_budget("embedding", 12_144_000, layers, HERE)
    assert "1 more than Lambda's 262,144,000" in refusal(12_144_001, *layers)


def test_a_sixth_layer_is_refused(tmp_path: Path) -> None:
    layers = [layer(tmp_path, f"l{number}", {f"p{number}": 1}) for number in range(6)]
    assert "function embedding has 6 layers (l0, l1, l2, l3, l4, l5) and Lambda takes 5" in refusal(0, *layers)


def test_too_many_bytes_are_told_with_the_largest_packages(tmp_path: Path) -> None:
    text = refusal(
        5 * MB, layer(tmp_path, "heavy", {"torch": 200, "numpy": 40, "tiny": 1}), layer(tmp_path, "more", {"onnx": 60})
    )
    assert "306,000,000 bytes unzipped" in text
    rows = [line.split() for line in text.splitlines()[1:-1]]
    assert [(row[0], row[2]) for row in rows] == [
        ("200.0", "torch"),
        ("60.0", "onnx"),
        ("40.0", "numpy"),
        ("5.0", "(function"),
        ("1.0", "tiny"),
    ]
    assert "container image" in text


def test_a_package_in_two_layers_is_refused_with_the_line_that_mends_it(tmp_path: Path) -> None:
    text = refusal(0, layer(tmp_path, "web", {"pydantic": 1}), layer(tmp_path, "ai", {"pydantic": 1, "openai": 1}))
    assert "package pydantic (1.0) is in layer web and in layer ai (used together by function embedding)" in text
    assert 'Add `after = ["web"]` to layer.toml of ai' in text


def test_an_asset_in_two_layers_is_refused(tmp_path: Path) -> None:
    one = layer(tmp_path, "one", {"p": 1}, assets={"model/weights.bin": 3})
    two = layer(tmp_path, "two", {"q": 1}, assets={"model/weights.bin": 4, "model/words": 5})
    text = refusal(0, one, two)
    assert "asset model/weights.bin is in layer one and in layer two (used together by function embedding)" in text
    assert "another `path` in layer.toml of two" in text


def test_a_stale_manifest_is_refused_with_the_command(tmp_path: Path) -> None:
    text = refusal(0, layer(tmp_path, "old", {"p": 1}, digest="f" * 64))
    assert "the manifest of layer old" in text
    assert f"python -m layer_builds build old --runtime {HERE.runtime} --architecture {HERE.architecture}" in text


def test_a_missing_manifest_and_a_missing_lock_are_refused_with_their_commands(tmp_path: Path) -> None:
    one = layer(tmp_path, "one", {"p": 1})
    one.manifest_path.unlink()
    assert "python -m layer_builds build one" in refusal(0, one)
    one.lock_path(HERE).unlink()
    assert "python -m layer_builds lock one" in refusal(0, one)


def test_a_layer_needs_those_that_it_comes_after(tmp_path: Path) -> None:
    web = layer(tmp_path, "web", {"pydantic": 1})
    second = layer(tmp_path, "ai", {"openai": 1}, toml='after = ["web"]\n')
    web = layer(tmp_path, "web", {"pydantic": 1})
    assert "has layer ai without web before it" in refusal(0, second)
    assert "has layer ai without web before it" in refusal(0, second, web)
    check_function_budget("embedding", 0, [web, second], HERE)


def test_a_layer_named_twice_is_refused(tmp_path: Path) -> None:
    one = layer(tmp_path, "one", {"p": 1})
    assert "names layer one twice" in refusal(0, one, one)


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    one = layer(tmp_path, "one", {"p": 1})
    text = one.manifest_path.read_text()
    assert load_manifest(one).text() == text
