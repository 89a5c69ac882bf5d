"""Function sizes against Lambda's limit, as an SVG that stands alone. Standard library only."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from layer_builds.plan import MAX_UNZIPPED_BYTES
from ops.markdown import megabytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.plan import FunctionSize

WIDTH, MARGIN, ROW, BAR_HEIGHT, BAR_WIDTH = 760, 20, 58, 18, 600
"""Pixels. A full BAR_WIDTH is the limit; what is over it still fits into WIDTH, cut."""
SHADES = ("#2f6fb3", "#e08a1e", "#3d9a60", "#a5549a", "#8a6d3b", "#5c6b7a")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.small{font-size:11px;fill:#59636e}.limit{stroke:#cf222e}"
    ".rest{fill:#e6e9ed}.page{fill:#ffffff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.rest{fill:#30363d}.page{fill:#0d1117}}"
)


def svg(functions: Sequence[FunctionSize], title: str) -> str:
    """One bar per function: its code, then each layer, against the limit."""
    ranked = sorted(functions, key=lambda function: -function.unzipped_bytes)
    height = MARGIN * 2 + 34 + ROW * max(len(ranked), 1)
    rows = "".join(row(function, MARGIN + 34 + index * ROW) for index, function in enumerate(ranked))
    words = (
        "; ".join(f"{function.name} {function.unzipped_bytes / MAX_UNZIPPED_BYTES:.1%}" for function in ranked)
        or "no functions"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-labelledby="t d"><title id="t">{clean(title)}</title>'
        f'<desc id="d">{clean(words)}</desc><style>{STYLE}</style>'
        f'<rect class="page" width="{WIDTH}" height="{height}"/>'
        f'<text x="{MARGIN}" y="{MARGIN + 12}">{clean(title)}</text>'
        f'<text class="small" x="{MARGIN + BAR_WIDTH}" y="{MARGIN + 12}" text-anchor="middle">'
        f"{MAX_UNZIPPED_BYTES:,} bytes</text>"
        f'{rows}<line class="limit" x1="{MARGIN + BAR_WIDTH}" x2="{MARGIN + BAR_WIDTH}" y1="{MARGIN + 18}" '
        f'y2="{height - MARGIN}" stroke-dasharray="4 3"/></svg>\n'
    )


def row(function: FunctionSize, top: int) -> str:
    """A function's name, bar and numbers."""
    parts = [("code", function.code_bytes), *((layer.name, layer.unzipped_bytes) for layer in function.layers)]
    x, drawn = (
        float(MARGIN),
        [f'<rect class="rest" x="{MARGIN}" y="{top + 6}" width="{BAR_WIDTH}" height="{BAR_HEIGHT}"/>'],
    )
    for index, (name, size) in enumerate(parts):
        width = min(size / MAX_UNZIPPED_BYTES * BAR_WIDTH, WIDTH - x)
        drawn.append(
            f'<rect x="{x:.1f}" y="{top + 6}" width="{width:.1f}" height="{BAR_HEIGHT}" '
            f'fill="{SHADES[index % len(SHADES)]}"><title>{clean(name)}: {megabytes(size)}</title></rect>'
        )
        x += width
    legend = ", ".join(f"{name} {megabytes(size)}" for name, size in parts)
    share = f"{function.unzipped_bytes / MAX_UNZIPPED_BYTES:.1%} of the limit"
    name, target = clean(function.name), clean(function.target)
    return (
        f'<text x="{MARGIN}" y="{top}">{name} <tspan class="small">{target}</tspan></text>'
        f'{"".join(drawn)}<text class="small" x="{MARGIN}" y="{top + 38}">{share}: {clean(legend)}</text>'
    )


def clean(text: str) -> str:
    """Foreign text inside XML."""
    return escape("".join(character if character.isprintable() else " " for character in text)[:160])
