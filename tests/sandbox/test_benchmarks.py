"""What the benchmarks say about archives and write to their page: the parts that need no measuring."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from benchmarks import page
from benchmarks.cold_start import by_package
from benchmarks.compare import compared, cpus
from benchmarks.load import percentiles

if TYPE_CHECKING:
    from pathlib import Path


def archive(path: Path, files: dict[str, bytes], year: int = 2026) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return path


def elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(20)


def test_two_builds_are_told_apart_by_bytes_then_by_files(tmp_path: Path) -> None:
    files = {"python/a.py": b"1", "python/b.py": b"2"}
    first = archive(tmp_path / "1.zip", files)
    assert compared(first, archive(tmp_path / "2.zip", files)) == "same bytes"
    assert compared(first, archive(tmp_path / "3.zip", files, 2025)) == "same files, another zip"
    changed = archive(tmp_path / "4.zip", {"python/a.py": b"1", "python/c.py": b"2"})
    assert compared(first, changed) == "2 of 2 files differ"


def test_native_files_are_counted_by_their_cpu(tmp_path: Path) -> None:
    files = {"a.so": elf(62), "b.so": elf(183), "c.so": elf(183), "d.py": b"import a"}
    assert cpus(archive(tmp_path / "1.zip", files)) == {"x86_64": 1, "arm64": 2}


def test_import_times_are_summed_by_package() -> None:
    trace = """import time: self [us] | cumulative | imported package
import time:       500 |        500 |   openai._base
import time:      1500 |       2000 | openai
import time:      3000 |       3000 | json
warning: something else"""
    assert by_package(trace) == {"the standard library": 3.0, "openai": 2.0}


def test_percentiles_are_of_the_values_in_between() -> None:
    assert percentiles([float(n) for n in range(101)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}


def test_a_section_replaces_its_own_former_self_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    page.section("load", "python -m benchmarks.load", "## Load\nold", {"Python": "3.13"}, file)
    page.section("compare", "python -m benchmarks.compare", "## Beside\nkept", {}, file)
    page.section("load", "python -m benchmarks.load", "## Load\nnew", {"Python": "3.13"}, file)
    text = file.read_text(encoding="utf-8")
    assert "old" not in text
    assert text.index("## Beside") < text.index("## Load") < text.index("new")
    assert "`python -m benchmarks.load`" in text
