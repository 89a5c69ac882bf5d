"""A layer that another comes after: its names cost no unpacking, and its files are there once they are asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from layer_builds.build.archive import tree_files
from layer_builds.build.earlier import Earlier
from layer_builds.plan import LayerBuildError
from tests.layer_builds.test_archive import SAMPLE, archive_of, entry, hostile

if TYPE_CHECKING:
    from pathlib import Path


def test_its_names_are_those_of_its_files_and_cost_no_unpacking(tmp_path: Path) -> None:
    archive_of(tmp_path, SAMPLE)
    earlier = Earlier(tmp_path / "out.zip", tmp_path / "opt", 1_000_000)
    names = earlier.files()
    assert sorted(names) == sorted(SAMPLE)
    assert not (tmp_path / "opt").exists()
    assert tree_files(earlier.tree()) == names


def test_whoever_asks_first_unpacks_it_for_all(tmp_path: Path) -> None:
    archive_of(tmp_path, SAMPLE)
    earlier = Earlier(tmp_path / "out.zip", tmp_path / "opt", 1_000_000)
    with ThreadPoolExecutor(8) as pool:
        trees = set(pool.map(lambda _: earlier.tree(), range(50)))
    assert trees == {tmp_path / "opt"}
    assert {name: (tmp_path / "opt" / name).read_bytes() for name in earlier.files()} == SAMPLE


def test_what_is_no_layer_is_refused_by_its_names_already(tmp_path: Path) -> None:
    earlier = Earlier(hostile(tmp_path / "x.zip", (entry("../x"), b"x")), tmp_path / "opt", 1_000_000)
    for asked in (earlier.files, earlier.tree):
        with pytest.raises(LayerBuildError, match="unpacked outside its folder or nowhere"):
            asked()
    (tmp_path / "cut.zip").write_bytes(archive_of(tmp_path, SAMPLE)[:100])
    with pytest.raises(LayerBuildError, match="is not a readable zip"):
        Earlier(tmp_path / "cut.zip", tmp_path / "opt", 1_000_000).files()
