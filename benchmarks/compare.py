"""The layer builder beside what one would use instead, in one run: time, size, cold import, reproducibility, CPU.

    python -m benchmarks.compare [--rounds 7] [--layer NAME …] [--tools FOLDER] [--caches FOLDER] [--json] [--page]

Every tool builds each layer for python3.13 from the same pinned versions, each time in a new folder, in turns, with its
own cache warm; then once more with one pin changed. The first round fills caches and does not count. Needs `zip`,
`unzip` and a package index; the other tools are installed in throw-away environments, or once in --tools.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks import page
from benchmarks.compare_page import markdown
from benchmarks.compare_run import SLOW_ROUNDS, Comparison
from benchmarks.compare_samples import SAMPLES
from benchmarks.contenders import install_tools, versions

if TYPE_CHECKING:
    from collections.abc import Sequence


def measure(
    rounds: int,
    tools: Path | None,
    caches: Path | None,
    console: Console,
    *,
    layers: Sequence[str] = tuple(SAMPLES),
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Run everything; the figures."""
    with tempfile.TemporaryDirectory(prefix="strata-compare-") as folder:
        scratch = Path(folder)
        tools = (tools or scratch / "tools").resolve()
        install_tools(tools)
        caches = (caches or scratch / "caches").resolve()
        before = page.load_average()
        found: dict[str, list[dict[str, Any]]] = {}
        for layer in layers:
            console.rule(layer)
            (scratch / layer).mkdir()
            comparison = Comparison(scratch / layer, tools, caches, console, layer=layer, only=only)
            for number in range(rounds + 1):
                comparison.round(number)
            comparison.imports()
            comparison.other_cpu()
            found[layer] = [asdict(result) for result in comparison.results.values()]
        return {
            "layers": found,
            "versions": versions(tools),
            "rounds": rounds,
            "pip_caches": (caches / "pip").is_dir(),
            "load_average": {"before": before, "after": page.load_average()},
        }


def main() -> int:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description="The layer builder beside what one would use instead.")
    parser.add_argument("--only", action="append", default=[], metavar="TOOL", help="start of a tool's name; all else")
    parser.add_argument("--layer", choices=SAMPLES, action="append", help="all of them by default")
    parser.add_argument("--rounds", type=int, default=7, help="at least 2, and one more that fills caches")
    parser.add_argument("--tools", type=Path, help="environments with the other tools, made there when they are not")
    parser.add_argument("--caches", type=Path, help="the tools' caches of downloads, kept for the next time")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    if given.rounds < max(SLOW_ROUNDS):
        parser.error(
            f"--rounds is {given.rounds}: two builds of each tool are compared, so at least {max(SLOW_ROUNDS)}"
        )
    if given.page and (given.only or given.layer):
        parser.error("--page writes all of the section: leave out --only and --layer")
    found = measure(
        given.rounds,
        given.tools,
        given.caches,
        Console(stderr=True, quiet=given.json),
        layers=given.layer or tuple(SAMPLES),
        only=given.only,
    )
    print(json.dumps(found, indent=2) if given.json else markdown(found))
    if given.page:
        page.section("compare", "python -m benchmarks.compare --page", markdown(found), found["versions"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
