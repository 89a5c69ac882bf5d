"""The comment on a pull request. Standard library only; every piece of text from outside is escaped here.

GitHub shows no raw SVG in a comment and cannot fetch an image from an artifact, so the sizes are drawn with block
characters in the table; `ops.size_chart` draws the same as an SVG for the artifact.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ops.plan import Change, FunctionSize, LayerSize, Preview

LIMIT = 262_144_000
"""Bytes of a function and its layers, unzipped. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
BAR = 20
"""Characters of a full bar."""
MOST_ROWS = 100
MOST_PACKAGES = 5
LONGEST_CELL = 120
LONGEST_COMMENT = 60_000
"""Characters; GitHub refuses more than 65,536."""
SIGNS = {"create": "🟢 create", "update": "🔵 update", "replace": "🟠 replace", "delete": "🔴 delete"}
MARKER = "<!-- strata-preview {stack} -->"
"""First line of the comment; the next run finds and replaces it by this."""


def comment(
    stack: str,
    preview: Preview,
    functions: Sequence[FunctionSize] = (),
    before: Sequence[FunctionSize] | None = None,
    *,
    mock: bool = False,
    link: str | None = None,
) -> str:
    """The whole comment.

    Args:
        functions: sizes as they will be; `before`: as they are, None where that is not known.
        mock: the changes are from the mock engine, which knows neither the deployed state nor the provider.
        link: the run that made it.
    """
    parts = [
        MARKER.format(stack=re.sub(r"[^A-Za-z0-9._/-]", "", stack)),
        f"### What changes in {code(stack)}",
        *(failure(one) for one in preview.errors),
        *([] if preview.errors else [summary(preview)]),
        changes(preview.changes),
        layers(functions, before),
        sizes(functions, before),
        footer(mock=mock, link=link),
    ]
    whole = "\n\n".join(part for part in parts if part) + "\n"
    if len(whole) > LONGEST_COMMENT:
        whole = (
            "\n\n".join([*parts[:2], summary(preview), sizes(functions, before), footer(mock=mock, link=link)]) + "\n"
        )
    return whole if len(whole) <= LONGEST_COMMENT else "\n\n".join([*parts[:2], summary(preview)]) + "\n"


def code(text: str, longest: int = LONGEST_CELL) -> str:
    """Foreign text as a code span for a table cell: no mention, link, image, HTML or line break can come of it."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    clean = clean.replace("`", "'").replace("|", "¦").strip() or " "
    return f"`{clean if len(clean) <= longest else clean[: longest - 1] + '…'}`"


def failure(message: str) -> str:
    """An error's text in a fence that it cannot close."""
    clean = "".join(character if character.isprintable() or character == "\n" else " " for character in message)
    longest = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"**The preview failed.**\n\n{fence}text\n{clean.strip()}\n{fence}"


def summary(preview: Preview) -> str:
    """`2 to create, 1 to replace; 41 unchanged.`"""
    counts = {op: sum(change.op == op for change in preview.changes) for op in SIGNS}
    words = ", ".join(f"{number} to {op}" for op, number in counts.items() if number)
    return f"**{words or 'No change'}**; {preview.unchanged} unchanged."


def changes(found: Sequence[Change]) -> str:
    """The table of resources."""
    if not found:
        return ""
    order = {"delete": 0, "replace": 1, "update": 2, "create": 3}
    ranked = sorted(found, key=lambda change: (order.get(change.op, 9), change.type, change.name))
    rows = [
        [SIGNS.get(change.op, ""), code(change.name), code(change.type), " ".join(map(code, change.properties[:8]))]
        for change in ranked[:MOST_ROWS]
    ]
    more = f"\n\n… and {len(ranked) - MOST_ROWS} more." if len(ranked) > MOST_ROWS else ""
    return table(["", "resource", "type", "what differs"], rows) + more


def layers(functions: Sequence[FunctionSize], before: Sequence[FunctionSize] | None) -> str:
    """The table of layer versions: one row per layer and target."""
    now = by_layer(functions)
    old = now if before is None else by_layer(before)
    rows = [layer_row(key, old.get(key), now.get(key)) for key in sorted(now.keys() | old.keys())]
    if not rows:
        return ""
    columns = ["layer", "target", "version", "zip", "unzipped"]
    return "#### Layers\n\n" + table(columns, rows, right=(3, 4)) + packages(now.values())


def by_layer(functions: Iterable[FunctionSize]) -> dict[tuple[str, str], LayerSize]:
    """(layer, target) → its sizes."""
    return {(layer.name, function.target): layer for function in functions for layer in function.layers}


def layer_row(key: tuple[str, str], old: LayerSize | None, new: LayerSize | None) -> list[str]:
    """One layer before and after."""
    name, target = key
    if new is None:
        assert old is not None  # noqa: S101 (a key comes from one of the two)
        return [code(name), code(target), f"{code(old.digest[:12])} → gone", "", ""]
    if old is None or old.digest == new.digest:
        version = code(new.digest[:12]) + (" (new)" if old is None else "")
    else:
        version = f"{code(old.digest[:12])} → {code(new.digest[:12])}"
    return [
        code(name),
        code(target),
        version,
        megabytes(new.zip_bytes, old.zip_bytes if old else None),
        megabytes(new.unzipped_bytes, old.unzipped_bytes if old else None),
    ]


def packages(found: Iterable[LayerSize]) -> str:
    """What fills the layers, folded."""
    lines = [
        f"- {code(layer.name)}: "
        + ", ".join(
            f"{code(f'{name} {version}')} {megabytes(size)}" for name, version, size in layer.packages[:MOST_PACKAGES]
        )
        for layer in {(layer.name, layer.digest): layer for layer in found}.values()
        if layer.packages
    ]
    if not lines:
        return ""
    return "\n\n<details><summary>Largest packages</summary>\n\n" + "\n".join(lines) + "\n\n</details>"


def sizes(functions: Sequence[FunctionSize], before: Sequence[FunctionSize] | None) -> str:
    """Each function against Lambda's limit."""
    if not functions:
        return ""
    old = {function.name: function for function in before or ()}
    rows = [
        [
            code(function.name),
            code(bar(function.unzipped_bytes)),
            f"{function.unzipped_bytes / LIMIT:.1%}",
            megabytes(function.unzipped_bytes, old[function.name].unzipped_bytes if function.name in old else None),
            megabytes(function.code_bytes),
        ]
        for function in sorted(functions, key=lambda one: -one.unzipped_bytes)
    ]
    columns = ["function", f"of {LIMIT:,} bytes", "", "unzipped", "of it code"]
    return "#### Sizes\n\n" + table(columns, rows, right=(2, 3, 4))


def bar(size: int) -> str:
    """`███▌░░░░░░`: eighths of a character, never empty for something, never full below the limit."""
    eighths = min(max(round(size / LIMIT * BAR * 8), 1 if size else 0), BAR * 8)
    if size <= LIMIT:
        eighths = min(eighths, BAR * 8 - 1) if size < LIMIT else BAR * 8
    whole, rest = divmod(eighths, 8)
    drawn = "█" * whole + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]
    return drawn.ljust(BAR, "░") + ("" if size <= LIMIT else " over the limit")


def megabytes(size: int, before: int | None = None) -> str:
    """`44.2 MB (+0.3)`."""
    shown = f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"  # noqa: PLR2004
    if before is None or before == size:
        return shown
    return f"{shown} ({(size - before) / 1e6:+,.2f})"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A Markdown table of cells that are safe already."""
    rule = ["---:" if index in right else "---" for index in range(len(columns))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [columns, rule, *rows])


def footer(*, mock: bool, link: str | None) -> str:
    """Where this comes from, and what it cannot know."""
    sentences = []
    if mock:
        sentences.append(
            "Compared without credentials, between the two revisions and not with what is deployed: Pulumi's mock "
            "engine knows neither the state nor AWS. `replace` is shown for layers only."
        )
    if link and re.fullmatch(r"https://[A-Za-z0-9._~/#-]+", link):
        sentences.append(f"[The run, with the sizes as an SVG]({link})")
    return f"<sub>{' '.join(sentences)}</sub>" if sentences else ""
