"""`preview-comment`: from the engine's or the mock engine's files to Markdown and SVG. Standard library only.

The job that comments on pull requests from forks runs this with nothing installed and a token in its environment: it
reads files, writes files, and neither starts a process nor opens a connection.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from layer_builds.plan import MAX_UNZIPPED_BYTES
from ops.errors import UsageError
from ops.findings import read_findings
from ops.markdown import SIGNS, comment
from ops.plan import read_artifact, read_plan
from ops.preview import compare, read_preview
from ops.report import Report, write_file
from ops.size_chart import svg

if TYPE_CHECKING:
    import argparse

    from ops.plan import FunctionSize
    from ops.preview import Preview


def write_comment(arguments: argparse.Namespace) -> Report | None:
    """Write the comment; the report says whether the preview itself failed."""
    preview, functions, before = gather(arguments)
    notices = read_findings(arguments.doctor) if arguments.doctor is not None else ()
    markdown = comment(
        arguments.stack,
        preview,
        functions,
        before,
        notices=notices,
        mock=arguments.preview is None,
        link=arguments.link,
    )
    if arguments.svg is not None:
        write_file("--svg", arguments.svg, svg(functions, f"{arguments.stack}: unzipped sizes"))
    over = [function.name for function in functions if function.unzipped_bytes > MAX_UNZIPPED_BYTES]
    data = {
        "changes": {op: sum(change.op == op for change in preview.changes) for op in SIGNS},
        "unchanged": preview.unchanged,
        "errors": list(preview.errors),
        "over_limit": over,
    }
    ok = not preview.errors and not over
    if arguments.output is None:
        sys.stdout.write(markdown)
        return None if ok else Report(ok=False, data=data)
    write_file("--output", arguments.output, markdown)
    return Report(ok=ok, data={**data, "written": str(arguments.output)}, notes=[])


Sizes = tuple["FunctionSize", ...]


def gather(arguments: argparse.Namespace) -> tuple[Preview, Sizes, Sizes | None]:
    """Changes, sizes, and sizes before, from whichever files were named."""
    if arguments.preview is not None:
        now = read_plan(arguments.sizes).functions if arguments.sizes else ()
        before = read_plan(arguments.sizes_before).functions if arguments.sizes_before else None
        return read_preview(arguments.preview), now, before
    if arguments.artifact is not None:
        base, head = read_artifact(arguments.artifact)
    elif arguments.base is None:
        raise UsageError("--head needs --base")
    else:
        base, head = read_plan(arguments.base), read_plan(arguments.head)
    return compare(base, head), head.functions, base.functions
