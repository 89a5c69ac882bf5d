"""The section of docs/benchmarks.md that `benchmarks.documents` writes: its words and its tables."""

from __future__ import annotations

from typing import Any

from benchmarks import page

QUALITY = (
    "Debian's FAQ in four languages and its developers' reference in Japanese, against the text that their authors "
    "publish: the share of its different words (of Japanese: of three characters in a row) that are found, and what of "
    "the words found is not in it, in percent. Page headers are in no published text, and count against everyone; "
    "numbers do not count. `extract_text` is this project's function, text alone."
)
SPEED = "Pages a second of processor time, and the most memory of a process in MB:"
ORDER = "Lines of a two-column page that follow the line that they should, in percent, by how the page was drawn:"
TABLES = (
    "Tables whose cells are known, 20 of each kind: cells found at their row and column in percent, and in brackets "
    "tables too many. Pages a second are for the first kind."
)


def section(report: dict[str, Any]) -> str:
    """Markdown.

    Args:
        report: the numbers, as `--json` prints them.
    """
    parts = [QUALITY, _quality(report), SPEED, _speed(report), ORDER, _order(report), TABLES, _tables(report)]
    return "\n\n".join(["## Documents", *parts, _memory(report)])


def _manuals(report: dict[str, Any]) -> list[str]:
    return list(next(iter(report["quality"].values())))


def _quality(report: dict[str, Any]) -> str:
    manuals = _manuals(report)
    rows = [
        [engine, *(f"{100 * each[name]['recall']:.2f} / {100 * each[name]['spurious']:.2f}" for name in manuals)]
        for engine, each in report["quality"].items()
    ]
    return page.table(["recall / spurious, %", *manuals], rows)


def _speed(report: dict[str, Any]) -> str:
    manuals = _manuals(report)
    rows = [
        [
            engine,
            *(f"{each[name]['pages_per_second']:.0f}" for name in manuals),
            f"{max(manual['peak_mb'] for manual in each.values()):.0f}",
        ]
        for engine, each in report["quality"].items()
    ]
    return page.table(["pages/s", *manuals, "peak MB"], rows)


def _order(report: dict[str, Any]) -> str:
    rows = [[engine, *(f"{100 * share:.0f}" for share in each.values())] for engine, each in report["order"].items()]
    return page.table(["order, %", *next(iter(report["order"].values()))], rows)


def _tables(report: dict[str, Any]) -> str:
    kinds = list(next(iter(report["tables"].values())))
    rows = [
        [
            engine,
            *(f"{100 * each[kind]['cells']:.0f} (+{each[kind]['extra']:.0f})" for kind in kinds),
            f"{each[kinds[0]]['pages_per_second']:.0f}",
        ]
        for engine, each in report["tables"].items()
    ]
    return page.table(["cells, %", *kinds, "pages/s"], rows)


def _memory(report: dict[str, Any]) -> str:
    use = report["memory"]
    return (
        f"Through the function's own children, {use['pages']:.0f} pages of prose with {use['tables']:.0f} tables: text "
        f"{use['text seconds']:.1f} s and {use['text peak MiB']:.0f} MiB over the child's start, tables "
        f"{use['tables seconds']:.1f} s and {use['tables peak MiB']:.0f} MiB. Load average of the machine "
        f"{report['load']:.1f} in the end."
    )
