"""What the benchmarks say about archives and write to their page: the parts that need no measuring."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from benchmarks import demo, engine, layers, page, systems
from benchmarks.cold_start import by_package, wanted
from benchmarks.cold_start_cases import CASES
from benchmarks.compare_archives import compared, cpus
from benchmarks.embedding_burst import File, files, is_right
from benchmarks.load import percentiles
from components.systems import SYSTEMS

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


def test_a_cold_start_is_said_to_be_as_wanted_or_not() -> None:
    cases = {case.function: case for case in CASES}
    embedding, knowledge_base = cases["embedding"], cases["knowledge_base"]
    steps = dict.fromkeys(embedding.init, 150.0)
    assert wanted(embedding, steps) == "450 ms are wanted for the init phase: met, with 450 ms."
    assert wanted(embedding, {**steps, "vocabulary": 151.0}).endswith(": **missed**, with 451 ms.")
    both = {**dict.fromkeys(knowledge_base.init, 500.0), "page": 501.0}
    said = "2,000 ms are wanted for the init phase and 'first request: the page': **missed**, with 2,001 ms."
    assert wanted(knowledge_base, both) == said


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


def spread(*values: float) -> dict[str, float]:
    return {"median": values[len(values) // 2], "min": values[0], "max": values[-1], "runs": len(values)}


def test_the_layers_section_says_what_was_measured_and_what_was_wanted() -> None:
    results = {
        "build": {"seconds": spread(5.0, 6.5, 7.0), "goal": "under 8 s"},
        "size": {
            "share": 0.642,
            "share_without_drop": 0.759,
            "layer_bytes": 30_900_000,
            "pip_install_t_bytes": 48_200_000,
            "drop": ["pinecone/grpc/**"],
            "goal": "at most 70%",
        },
        "import": {
            "times_faster": 2.19,
            "layer_seconds": spread(0.51, 0.53, 0.63),
            "pip_install_t_no_compile_seconds": spread(1.04, 1.17, 1.49),
            "goal": "at least 2 times",
        },
        "preview": {"seconds": spread(0.1, 0.1, 0.2), "goal": "under 1 s"},
    }
    text = layers.markdown({"results": results, "runs": 3, "load_average": {"before": 0.5, "after": 1.0}})
    assert "| warm native build | 6.5 s | 5.00 to 7.00 s | under 8 s |" in text
    assert "| size, of pip's | 64% (30.9 of 48.2 MB) |  | at most 70% |" in text
    assert "| 2.19 times | 0.51 to 0.63 s against 1.04 to 1.49 s |" in text
    assert "With what `layer.toml` drops (`pinecone/grpc/**`) the size would be 76%." in text


def test_the_demo_section_has_each_step_of_both_runs() -> None:
    text = demo.markdown(
        {
            "fresh_seconds": 30.7,
            "fresh_target": 180.0,
            "fresh_steps": {"Program deployed": 9.3},
            "again_seconds": 14.4,
            "again_runs": [14.4, 14.0, 15.0],
            "again_target": 45.0,
            "again_steps": {"Program deployed": 2.7},
            "processor_seconds": {"fresh": 80.4, "again": 41.2},
            "one": {"system": "embedding", "seconds": 12.3, "target": 20.0},
            "load_average": {"before": 0.5, "after": 1.0},
        }
    )
    assert "| Program deployed | 9.3 s | 2.7 s |" in text
    assert "| **`make demo` in all** | **31 s** | **14 s** |" in text
    assert "| wanted: under | 180 s | 45 s |" in text
    assert "| processor time | 80 s | 41 s |" in text
    assert "| `make demo SYSTEM=embedding` |  | 12 s |" in text


def test_a_burst_has_good_files_duplicates_and_every_kind_of_broken_ones() -> None:
    given = files(200)
    assert given == files(200)
    assert len({file.key for file in given}) == 200
    assert {file.refused for file in given} == {None, "binary", "empty", "too_large"}
    assert 0 < sum(file.twice for file in given) < sum(file.refused is None for file in given)


def test_a_file_of_a_burst_has_exactly_its_rows_or_exactly_its_refusal() -> None:
    good, broken = File("a", b"text"), File("b", b"", "empty")
    assert is_right(good, [(1, 2), (0, 2)], [])
    assert not is_right(good, None, []), "it was lost"
    assert not is_right(good, [(0, 2)], []), "a chunk is missing"
    assert not is_right(good, [(0, 1), (0, 1)], []), "a row is there twice"
    assert not is_right(good, [(0, 1)], ["binary"])
    assert is_right(broken, None, ["empty", "empty"]), "it came twice"
    assert not is_right(broken, None, [])
    assert not is_right(broken, None, ["binary"])
    assert not is_right(broken, [(0, 1)], ["empty"])


def test_the_table_of_systems_has_a_row_for_each_and_says_when_there_was_no_engine() -> None:
    sizes = {name: {"code_mb": 0.2, "zip_mb": 14.0, "unzipped_mb": 42.8, "memory_mb": 1_024} for name in SYSTEMS}
    ran = {"invocations": 3, "init_ms": 1_234, "median_ms": 8, "max_memory_mb": 100}
    used = {"seconds": 5.6, "processor_seconds": 2.9}
    found = {
        "systems": {name: {**row, **ran} for name, row in sizes.items()},
        "demo": used,
        "environment": {"mb": 772.5, **used, "systems": dict.fromkeys(SYSTEMS, 44.2)},
        "program": {"wall_seconds": 3.4, "processor_seconds": 2.2},
        "engine": {},
        "runs": 3,
        "load_average": 0.1,
    }
    text = systems.markdown(found)
    figures = "1,234 ms | 8 ms | 100 MB | 1,024 MB | 0.2 MB | 14.0 MB | 42.8 MB | 44 MB"
    for name in SYSTEMS:
        assert f"| {name} | {figures} | {systems.SAID[name]} |" in text
    assert "there is no pulumi CLI here" in text
    times = {engine.FIRST: 91.0, engine.IDLE: 15.5, engine.PREVIEW: 13.3, engine.OWN_WALL: 12.0, engine.OWN_CPU: 2.25}
    text = systems.markdown({**found, "engine": times})
    assert "| `pulumi preview` | 13.30 s |  | 15 s |" in text
    assert "| of it the program | 12.00 s | 2.25 s | 5 s |" in text


def test_what_a_layer_holds_is_found_in_an_environment_however_its_name_is_written() -> None:
    assert {"openai", "pinecone", "typing-extensions"} <= systems.held_by(["openai-pinecone"])
    assert systems.normalised("Typing_Extensions") == "typing-extensions"
