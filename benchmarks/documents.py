"""How well, how fast and in how much memory extract_text reads PDFs, beside other programs in the same run.

    python -m benchmarks.documents [--json] [--page]

Words against the published text of Debian's manuals, reading order and tables against pages made here. The others are
installed for the run by `uv run --with`, and are no part of the project's environment. Each reads each file in a
process of its own, twice, and the second time counts, in processor time: that is one core, whatever else runs here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import document_corpus as corpus
from benchmarks import page
from benchmarks.document_engines import ENGINES, WITH_TABLES
from benchmarks.document_page import section
from tests import corpora

if TYPE_CHECKING:
    from lambdas.shared.child import Ending

ROOT = Path(__file__).resolve().parent.parent
OTHERS = {
    "pypdf": "pypdf",
    "PyMuPDF": "pymupdf<2",
    "pdfplumber": "pdfplumber",
    "pypdfium2": "pypdfium2",
    "pdfminer.six": "pdfminer.six",
}
"""Name to requirement."""
OWN = ("pydantic", "aws-lambda-powertools", "tiktoken", "boto3")
TIMEOUT_SECONDS = 900


class Engines:
    """The programs, in an environment that uv makes for the run."""

    def __init__(self) -> None:
        packages = [f"--with={requirement}" for requirement in (*OTHERS.values(), *OWN)]
        uv = [str(ROOT / ".venv/bin/uv"), "run", "--quiet", "--no-project", "--python", sys.executable, *packages]
        self._command = [*uv, "python", "-m", "benchmarks.document_engines"]
        names = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {list(OTHERS)}}}))"
        self._versions = [*uv, "python", "-c", names]

    def read(self, engine: str, file: Path, *, tables: bool = False) -> dict[str, Any]:
        """One file by one program."""
        done = self._run([*self._command, engine, str(file), *(["--tables"] if tables else [])])
        return json.loads(done.splitlines()[-1])

    def versions(self) -> dict[str, str]:
        """Of the others."""
        return json.loads(self._run(self._versions))

    @staticmethod
    def _run(command: list[str]) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(command[-3:])} failed:\n{done.stderr[-2000:]}")
        return done.stdout


def quality(engines: Engines) -> dict[str, dict[str, dict[str, float]]]:
    """Of each program, by manual: recall, what is spurious, pages a second."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for manual in corpus.manuals():
        count = corpus.words if manual.kind == "words" else corpus.trigrams
        truth = count(manual.text)
        for engine in ENGINES:
            outcome = engines.read(engine, manual.pdf)
            got = count("\n".join(outcome["texts"]))
            found[engine][manual.name] = {
                "recall": len(truth.keys() & got.keys()) / len(truth),
                "spurious": sum(n for word, n in got.items() if word not in truth) / max(1, got.total()),
                "pages_per_second": len(outcome["texts"]) / outcome["cpu_seconds"],
                "peak_mb": outcome["peak_mb"],
            }
            print(f"{engine} {manual.name}: {found[engine][manual.name]}", file=sys.stderr)
    return found


def order(engines: Engines, folder: Path) -> dict[str, dict[str, float]]:
    """Of each program: the share of lines on two-column pages that follow the line that they should."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for name, row_by_row in (("column by column", False), ("row by row", True)):
        data, numbers = corpus.two_columns(row_by_row=row_by_row)
        file = folder / "columns.pdf"
        file.write_bytes(data)
        for engine in ENGINES:
            text = "\n".join(engines.read(engine, file)["texts"])
            got = [word for word in text.split() if word in set(numbers)]
            pairs = set(itertools.pairwise(got))
            wanted = list(itertools.pairwise(numbers))
            found[engine][name] = sum(pair in pairs for pair in wanted) / len(wanted)
    return found


def tables(engines: Engines, folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Of each program that finds tables, by kind: the share of cells at their place, tables too many, pages/s."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    made = {
        "reportlab, grid": corpus.tables("grid"),
        "LibreOffice, grid": corpus.office_tables(folder),
        "reportlab, rules between rows": corpus.tables("rules"),
        "reportlab, no rules": corpus.tables("none"),
    }
    for kind, each in made.items():
        if each is None:
            print(f"NOT MEASURED: {kind}: there is no {corpus.OFFICE} here", file=sys.stderr)
            continue
        data, truth = each
        file = folder / "tables.pdf"
        file.write_bytes(data)
        for engine in WITH_TABLES:
            outcome = engines.read(engine, file, tables=True)
            share, extra = corpus.cells_found(truth, outcome["tables"])
            pages_per_second = len(truth) / outcome["cpu_seconds"]
            found[engine][kind] = {"cells": share, "extra": extra, "pages_per_second": pages_per_second}
    return found


def memory(folder: Path) -> dict[str, float]:
    """What the children of the real function use for 500 pages, and how long they take."""
    from lambdas.extract_text import contract  # only what is measured here needs them
    from lambdas.shared.child_process import MIB
    from lambdas.shared.contract import child_memory_bytes
    from lambdas.shared.deadline import Deadline
    from lambdas.shared.pdf import reading

    file = folder / "long.pdf"
    file.write_bytes(corpus.long_document())
    endings: dict[str, Ending] = {}
    budget = reading.Budget(
        memory_bytes=child_memory_bytes(contract.DEFAULT_MEMORY_MB),
        deadline=Deadline.after(600),
        max_pages=contract.MAX_PAGES.default,
        watch=endings.__setitem__,
    )
    pages = reading.read_pages(file, budget, plain=False)
    tables = sum(len(each.tables) for each in pages)
    return {
        "pages": len(pages),
        "tables": tables,
        **{f"{step} peak MiB": ending.peak_bytes / MIB for step, ending in endings.items()},
        **{f"{step} seconds": ending.cpu_seconds for step, ending in endings.items()},
    }


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documents", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the numbers")
    parser.add_argument("--page", action="store_true", help="write them into docs/benchmarks.md")
    arguments = parser.parse_args()
    if missing := [each.package for each in corpora.MANUALS if not each.folder.is_dir()]:
        sys.exit(f"there is no {', '.join(missing)} in {corpora.CACHE}: run `{corpora.FETCH}`")
    engines = Engines()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report: dict[str, Any] = {"quality": quality(engines), "order": order(engines, folder)}
        report |= {"tables": tables(engines, folder), "memory": memory(folder), "load": page.load_average()}
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        print(section(report))
    if arguments.page:
        page.section("documents", "python -m benchmarks.documents --page", section(report), engines.versions())


if __name__ == "__main__":
    main()
