"""How fast knowledge_base reads a document: from the queue's message to `ready`, in one process, step by step.

    python -m benchmarks.ingestion [--pages N] [--runs N]

The function's own code with its real clients, against the local AWS and the stand-ins on this machine. The stand-in of
the model answers at once: what a real one takes comes on top, and is printed as the requests that it would get.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table

from lambdas.knowledge_base.ingestion import pipeline
from lambdas.shared.pdf import cutting, reading
from sandbox.emulator import Emulator
from sandbox.workspace import Workspace
from tests.lambdas.knowledge_base.consumer import turn
from tests.lambdas.knowledge_base.world import world_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lambdas.knowledge_base.world import World

SENTENCE = "Hive {0} of row {1} gave {2} kilograms of honey in the summer, a little more than in the years before. "
SENTENCES = 24
PAGES_TO_A_TABLE = 4
SECONDS = 300.0
"""The function's timeout."""


def manual(pages: int) -> bytes:
    """A document of prose, about 2,500 characters a page, with a table on every fourth page."""
    out = io.BytesIO()
    style = getSampleStyleSheet()["BodyText"]
    parts: list[Any] = []
    for page in range(pages):
        sentences = (
            SENTENCE.format(page * SENTENCES + each, each, (page * 7 + each) % 40) for each in range(SENTENCES)
        )
        parts.append(Paragraph("".join(sentences), style))
        if page % PAGES_TO_A_TABLE == 0:
            rows = [["hive", "honey", "wax"], *([str(row), f"{row * 3} kg", f"{row} g"] for row in range(8))]
            parts.append(Table(rows, style=[("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
        parts.append(PageBreak())
    SimpleDocTemplate(out, pagesize=A4, invariant=True).build(parts)
    return out.getvalue()


class Steps:
    """Where a run's time goes, on the clock."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def watch(self, owner: Any, name: str, step: str) -> None:
        """Count the time in a function as a step's."""
        real: Callable[..., Any] = getattr(owner, name)

        def timed(*given: Any, **more: Any) -> Any:
            started = time.monotonic()
            try:
                return real(*given, **more)
            finally:
                self.seconds[step] += time.monotonic() - started
                self.calls[step] += 1

        setattr(owner, name, timed)


def measure(world: World, data: bytes) -> dict[str, Any]:
    """One document, from its message to `ready`."""
    services = world.services
    document = services.documents.create("0" * 26, "manual.pdf", data)
    started = time.monotonic()
    deliveries = turn(world, seconds=SECONDS)
    seconds = time.monotonic() - started
    found = services.documents.get("0" * 26, document.id)
    if [delivery.failed for delivery in deliveries] != [False] or found.status != "ready":
        raise SystemExit(f"the document is {found.status}: {found.error}")
    services.documents.delete("0" * 26, document.id)
    return {"pages": found.pages, "seconds": seconds}


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingestion", description=__doc__)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3, help="of which the middle one is told")
    asked = parser.parse_args()
    data = manual(asked.pages)
    with tempfile.TemporaryDirectory() as folder, Workspace("ingestion", Path(folder)) as workspace:
        emulator = Emulator(workspace)
        with world_of(emulator.start(), os.environ.__setitem__) as world:
            measure(world, manual(1))  # imports and connections: a warm function is measured
            steps = Steps()
            services = world.services
            steps.watch(reading, "read_pages", "text and tables")
            steps.watch(cutting, "cut", "passages")
            steps.watch(services.files, "write_pages", "pages kept")
            steps.watch(services.models, "embed", "model")
            steps.watch(services.vectors, "put", "index")
            runs = sorted((measure(world, data) for _ in range(asked.runs)), key=lambda run: run["seconds"])
        emulator.stop()
    middle = statistics.median(run["seconds"] for run in runs)
    found = {
        "pages": runs[0]["pages"],
        "kilobytes": round(len(data) / 1000),
        "seconds": round(middle, 2),
        "pages_per_second": round(runs[0]["pages"] / middle, 1),
        "seconds_of_steps": {step: round(total / asked.runs, 2) for step, total in steps.seconds.items()},
        "requests_to_the_model": steps.calls["model"] // asked.runs,
        "passages_in_a_request": pipeline.PASSAGES_AT_ONCE,
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
