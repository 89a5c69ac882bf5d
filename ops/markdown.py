"""The comment on a pull request. Standard library only; every piece of text from outside is escaped here.

GitHub shows no raw SVG in a comment and cannot fetch an image from an artifact, so the sizes are drawn with block
characters in the table; `ops.size_chart` draws the same as an SVG for the artifact.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from layer_builds.plan import MAX_UNZIPPED_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ops.findings import Notice
    from ops.plan import FunctionSize, LayerSize
    from ops.preview import Change, Preview

BAR = 20
"""Characters of a full bar."""
MOST_ROWS = 100
ROOM_OF_A_HEADING = 200
"""Characters of a table's columns, and of the line that says how many rows are left out."""
MOST_PACKAGES = 5
LONGEST_CELL = 120
LONGEST_NOTICE = 300
LONGEST_COMMENT = 60_000
"""Characters; GitHub refuses more than 65,536."""
LONGEST_FAILURES = 16_000
"""Characters of a failed preview's errors. With the longest findings there is room for what follows them."""
COLOURS = {"create": "🟢", "import": "🟣", "update": "🔵", "replace": "🟠", "delete": "🔴"}
SIGNS = {op: f"{colour} {op}" for op, colour in COLOURS.items()}
MARKER = "<!-- strata-preview {stack} -->"
"""First line of the comment; the next run finds and replaces it by this."""


def comment(
    stack: str,
    preview: Preview,
    functions: Sequence[FunctionSize] = (),
    before: Sequence[FunctionSize] | None = None,
    *,
    notices: Sequence[Notice] = (),
    mock: bool = False,
    link: str | None = None,
) -> str:
    """The whole comment.

    Args:
        functions: sizes as they will be; `before`: as they are, None where that is not known.
        notices: what is not well with what is deployed, which the changes do not show.
        mock: the changes are from the mock engine, which knows neither the deployed state nor the provider.
        link: the run that made it.
    """
    first = [
        MARKER.format(stack=re.sub(r"[^A-Za-z0-9._/-]", "", stack)),
        f"### What changes in {code(stack)}",
        failures(preview.errors),
        warnings(notices),
        "" if preview.errors else summary(preview),
    ]
    last = footer(mock=mock, link=link)
    room = LONGEST_COMMENT - len(joined([*first, last]))
    details = [changes(preview.changes, room // 2)]
    # What a function weighs before what its layers hold; what has no room is left out whole.
    for details_of in (sizes(functions, before), layers(functions, before)):
        if len(joined([*details, details_of])) < room:
            details.insert(1, details_of)
    return joined([*first, *details, last]) + "\n"


def joined(parts: Iterable[str]) -> str:
    """Paragraphs, without those that are empty."""
    return "\n\n".join(part for part in parts if part)


def code(text: str, longest: int = LONGEST_CELL) -> str:
    """Foreign text as a code span for a table cell: no mention, link, image, HTML or line break can come of it."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    clean = clean.replace("`", "'").replace("|", "¦").strip() or " "
    return f"`{clean if len(clean) <= longest else clean[: longest - 1] + '…'}`"


def failures(errors: Sequence[str]) -> str:
    """The errors of a failed preview, the first ones whole; of the others, how many there are."""
    shown: list[str] = []
    for error in map(failure, errors):
        if len(joined([*shown, error])) > LONGEST_FAILURES:
            break
        shown.append(error)
    more = [f"… and {len(errors) - len(shown)} more errors."] if len(shown) < len(errors) else []
    return joined(["**The preview failed.**", *shown, *more]) if errors else ""


def failure(message: str) -> str:
    """An error's text in a fence that it cannot close."""
    clean = "".join(character if character.isprintable() or character == "\n" else " " for character in message)
    longest = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{clean.strip()}\n{fence}"


def summary(preview: Preview) -> str:
    """`2 to create, 1 to replace; 41 unchanged.`"""
    counts = {op: sum(change.op == op for change in preview.changes) for op in SIGNS}
    words = ", ".join(f"{number} to {op}" for op, number in counts.items() if number)
    return f"**{words or 'No change'}**; {preview.unchanged} unchanged."


def warnings(notices: Sequence[Notice]) -> str:
    """What is not well with what is deployed."""
    if not notices:
        return ""
    rows = [
        [code(notice.check), code(notice.found, LONGEST_NOTICE), code(notice.remedy, LONGEST_NOTICE)]
        for notice in notices
    ]
    return "⚠️ **Deployed now**\n\n" + table(["", "found", "what to do"], rows)


def changes(found: Sequence[Change], room: int = LONGEST_COMMENT) -> str:
    """The table of resources, what goes first; as many rows as there is room for, in characters."""
    order = {"delete": 0, "replace": 1, "update": 2, "import": 3, "create": 4}
    ranked = sorted(found, key=lambda change: (order.get(change.op, 9), change.type, change.name))
    rows: list[str] = []
    for change in ranked[:MOST_ROWS]:
        properties = " ".join(map(code, change.properties[:8]))
        rows.append(row([SIGNS.get(change.op, ""), code(change.name), code(change.type), properties]))
        if len("\n".join(rows)) > room - ROOM_OF_A_HEADING:
            rows.pop()
            break
    if not rows:
        return ""
    more = f"\n\n… and {len(ranked) - len(rows)} more." if len(ranked) > len(rows) else ""
    return "\n".join([table(["", "resource", "type", "what differs"], ()), *rows]) + more


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
            f"{function.unzipped_bytes / MAX_UNZIPPED_BYTES:.1%}",
            megabytes(function.unzipped_bytes, old[function.name].unzipped_bytes if function.name in old else None),
            megabytes(function.code_bytes),
        ]
        for function in sorted(functions, key=lambda function: -function.unzipped_bytes)
    ]
    columns = ["function", f"of {MAX_UNZIPPED_BYTES:,} bytes", "", "unzipped", "of it code"]
    return "#### Sizes\n\n" + table(columns, rows, right=(2, 3, 4))


def bar(size: int) -> str:
    """`███▌░░░░░░`: eighths of a character, never empty for something, never full below the limit."""
    eighths = min(max(round(size / MAX_UNZIPPED_BYTES * BAR * 8), 1 if size else 0), BAR * 8)
    if size <= MAX_UNZIPPED_BYTES:
        eighths = min(eighths, BAR * 8 - 1) if size < MAX_UNZIPPED_BYTES else BAR * 8
    whole, rest = divmod(eighths, 8)
    drawn = "█" * whole + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]
    return drawn.ljust(BAR, "░") + ("" if size <= MAX_UNZIPPED_BYTES else " over the limit")


def megabytes(size: int, before: int | None = None) -> str:
    """`44.2 MB (+0.3)`."""
    shown = f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"  # noqa: PLR2004
    if before is None or before == size:
        return shown
    return f"{shown} ({(size - before) / 1e6:+,.2f})"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A Markdown table of cells that are safe already."""
    rule = ["---:" if index in right else "---" for index in range(len(columns))]
    return "\n".join(map(row, [columns, rule, *rows]))


def row(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def footer(*, mock: bool, link: str | None) -> str:
    """Where this comes from, and what it cannot know."""
    sentences: list[str] = []
    if mock:
        sentences.append(
            "Compared without credentials, between the two revisions and not with what is deployed: Pulumi's mock "
            "engine knows neither the state nor AWS. `replace` is shown for layers only."
        )
    if link and re.fullmatch(r"https://[A-Za-z0-9._~/#-]+", link):
        sentences.append(f"[The run, with the sizes as an SVG]({link})")
    return f"<sub>{' '.join(sentences)}</sub>" if sentences else ""
