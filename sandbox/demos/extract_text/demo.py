"""PDFs into a bucket, results beside them, chunks into the index: searched in words, found with document and page.

One document is a scan without words, one is broken, and one is removed in the end.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from lambdas.extract_text.source import document_id
from sandbox.cloud import wait_until
from sandbox.demos import AT_ONCE, Demo
from sandbox.demos.embedding.search import Services, best_matches
from sandbox.demos.extract_text.documents import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud import LocalCloud
    from sandbox.screen import Steps
    from sandbox.standins.pinecone.server import PineconeState

FUNCTION: Final = "extract_text"
PATIENCE_SECONDS: Final = 240.0
REMOVED: Final = "plans/apiary.pdf"
BROKEN: Final = "broken/cut-off.pdf"
QUESTIONS: Final = (
    ("How do bees keep warm when it is cold?", "handbook/beekeeping.pdf", "1"),
    ("What is used against mites?", "handbook/beekeeping.pdf", "2"),
    ("When does the sleeper to Italy leave?", "timetables/night-trains.pdf", "1"),
    ("boiling water", "notes/kettle.md", "1"),
)


@dataclass(frozen=True, slots=True)
class Extracted:
    """What became of one document."""

    key: str
    pages: int
    tokens: int
    tables: int
    images: int
    chunks: int
    without_words: int
    """Pages that need OCR."""
    error: str
    vectors: int
    seconds: float
    """In the function."""

    @property
    def right(self) -> bool:
        """Whether every chunk is a vector, and what cannot be read says so."""
        return self.vectors == self.chunks and bool(self.error) == (self.key == BROKEN)

    def outcome(self) -> str:
        """In words."""
        if self.error:
            return f"refused: {self.error}"
        if self.without_words:
            return "a scan: needs OCR"
        return f"{self.vectors} of {self.chunks} in the index"


@dataclass(frozen=True, slots=True)
class Found:
    """One question and its best match."""

    question: str
    key: str
    pages: list[str]
    score: float
    expected: tuple[str, str]

    @property
    def right(self) -> bool:
        """Whether it is the page that answers."""
        return self.key == self.expected[0] and self.expected[1] in self.pages


@dataclass(slots=True)
class ExtractReport:
    """Where everything went."""

    documents: list[Extracted] = field(default_factory=list[Extracted])
    searches: list[Found] = field(default_factory=list[Found])
    failed_events: int = 0
    removed: bool = False

    def faults(self) -> list[str]:
        """What is not where it belongs."""
        found = [f"{each.key}: {each.outcome()}" for each in self.documents if not each.right]
        found += [
            f"{search.question!r} found {search.key}, pages {', '.join(search.pages)}, not {' '.join(search.expected)}"
            for search in self.searches
            if not search.right
        ]
        if not self.searches:
            found.append("nothing was searched for")
        if self.failed_events != 1:
            found.append(f"{self.failed_events} events are in the dead-letter queue, and 1 should be: {BROKEN}")
        if not self.removed:
            found.append(f"something of {REMOVED} is left")
        return found

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        return asdict(self)

    def tables(self) -> Iterator[Table]:
        """What was put, and what was searched for."""
        columns = ("Document", "Pages", "Tokens", "Tables", "Images", "Seconds", "What happened")
        put = Table(*columns, title="Put into the bucket", title_justify="left")
        for each in self.documents:
            mark = "[green]✓[/green]" if each.right else "[red]✗[/red]"
            numbers = (f"{number:,}" for number in (each.pages, each.tokens, each.tables, each.images))
            put.add_row(each.key, *numbers, f"{each.seconds:.2f}", f"{mark} {each.outcome()}")
        for column in put.columns[1:-1]:
            column.justify = "right"
        gone = "its result and vectors are gone" if self.removed else "[red]✗[/red] something of it is left"
        put.caption = f"Then {REMOVED} was removed: {gone}"
        yield put
        searched = Table("Question", "Document", "Page", "Cosine", title="Searched", title_justify="left")
        for search in self.searches:
            mark = "[green]✓[/green]" if search.right else f"[red]✗[/red] expected {' '.join(search.expected)},"
            searched.add_row(search.question, f"{mark} {search.key}", ", ".join(search.pages), f"{search.score:.3f}")
        yield searched


def _run(cloud: LocalCloud, steps: Steps, _short: bool) -> ExtractReport:
    report = ExtractReport()
    put = documents()
    bucket, results = (cloud.outputs["buckets"][name] for name in ("documents", "results"))
    s3 = cloud.client("s3")
    with steps.step("Documents put") as step:
        for key, data in put.items():
            s3.put_object(Bucket=bucket, Key=key, Body=data)
        step.detail = f"{len(put)} documents, {sum(map(len, put.values())) // 1024} KiB"
    with steps.step("Text extracted") as step:
        wait_until(lambda: _results(cloud, results).keys() == put.keys(), "the documents' results", PATIENCE_SECONDS)
        found = {key: _result(cloud, results, place) for key, place in _results(cloud, results).items()}
        step.detail = f"{sum(each['totals']['pages'] for each in found.values())} pages"
    chunks = sum(each["totals"]["chunks"] for each in found.values())
    with steps.step("Chunks embedded") as step:
        everything = lambda: sum(_vectors(cloud, bucket, key) for key in put) == chunks  # noqa: E731
        wait_until(everything, f"{chunks} vectors in the index", PATIENCE_SECONDS)
        step.detail = f"{chunks} vectors"
    seconds = _seconds(cloud)
    report.documents = [
        _extracted(cloud, bucket, key, each, seconds.get(key, 0.0)) for key, each in sorted(found.items())
    ]
    with steps.step("Search in words") as step:
        report.searches = _search(cloud)
        step.detail = f"{sum(search.right for search in report.searches)} of {len(report.searches)} found the page"
    with steps.step("Document removed") as step:
        s3.delete_object(Bucket=bucket, Key=REMOVED)
        gone = lambda: REMOVED not in _results(cloud, results) and not _vectors(cloud, bucket, REMOVED)  # noqa: E731
        wait_until(gone, f"result and vectors of {REMOVED} to go", PATIENCE_SECONDS)
        report.removed = True
        step.detail = "with it its result and its vectors"
    with steps.step("Dead-letter queue") as step:
        # It comes after the document's result.
        arrived = lambda: cloud.failed_events(FUNCTION) > 0  # noqa: E731
        wait_until(arrived, f"the event of {BROKEN} to reach the dead-letter queue", PATIENCE_SECONDS)
        report.failed_events = cloud.failed_events(FUNCTION)
        step.detail = f"{report.failed_events} event, of the document that cannot be read"
    return report


def _results(cloud: LocalCloud, bucket: str) -> dict[str, str]:
    """Document's key → its result's."""
    listed = cloud.client("s3").list_objects_v2(Bucket=bucket, Prefix="extracted/").get("Contents", [])
    return {entry["Key"].removeprefix("extracted/").removesuffix(".json"): entry["Key"] for entry in listed}


def _result(cloud: LocalCloud, bucket: str, key: str) -> dict[str, Any]:
    return json.loads(cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def _vectors(cloud: LocalCloud, bucket: str, key: str) -> int:
    index: PineconeState = cloud.state("pinecone")
    own = document_id(bucket, key)
    return sum(name.startswith(own) for space in index.store.counts() for name in index.store.records(space))


def _seconds(cloud: LocalCloud) -> dict[str, float]:
    """Document's key → how long the function took, by its log."""
    lines = [json.loads(line) for line in cloud.logs(FUNCTION) if '"seconds"' in line]
    return {line.get("source", line).get("key", ""): float(line["seconds"]) for line in lines}


def _extracted(cloud: LocalCloud, bucket: str, key: str, result: dict[str, Any], seconds: float) -> Extracted:
    return Extracted(
        key=key,
        pages=result["totals"]["pages"],
        tokens=result["totals"]["tokens"],
        tables=sum(len(page["tables"]) for page in result["pages"]),
        images=sum(page["images"] for page in result["pages"]),
        chunks=result["totals"]["chunks"],
        without_words=sum(page["needs_ocr"] for page in result["pages"]),
        error=result.get("error", {}).get("code", ""),
        vectors=_vectors(cloud, bucket, key),
        seconds=seconds,
    )


def _search(cloud: LocalCloud) -> list[Found]:
    """Ask with the services' own clients, as an application would."""
    services = Services(*((cloud.stand_ins[name].url, cloud.stand_ins[name].key) for name in ("openai", "pinecone")))
    matches = best_matches(services, [question for question, _, _ in QUESTIONS], 1)
    return [
        Found(
            question, str(best.metadata["key"]), list(best.metadata["pages"]), round(float(best.score), 3), (key, page)
        )
        for (question, key, page), (best,) in zip(QUESTIONS, matches, strict=True)
    ]


DEMO: Final = Demo(
    about="PDFs into a bucket, text and tables out, their chunks searched with document and page",
    run=_run,
    neighbours=("embedding",),
    config=lambda _: {"reserved_concurrency": AT_ONCE},
    commands={"Extract": "aws s3 cp some.pdf s3://<documents>/ --endpoint-url <endpoint>"},
)
