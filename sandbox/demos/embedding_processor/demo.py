"""Texts into a bucket, rows with vectors in Supabase, searched by the table's own function through the real client.

Then a bad day: the database is down while texts come, the function is killed at work, and events come twice. In the
end every text has exactly its rows.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from lambdas.embedding_processor import contract
from ops.migration import apply
from ops.redrive import redrive
from ops.stack import Stack
from sandbox.cloud import wait_until
from sandbox.demos import AT_ONCE, Demo
from sandbox.demos.embedding_processor.texts import BINARY, LONG, QUESTIONS, REMOVED, TWICE, in_an_outage, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud import LocalCloud
    from sandbox.screen import Steps
    from sandbox.standins.supabase.server import SupabaseState

FUNCTION: Final = "embedding_processor"
SERVICE: Final = "supabase"
BUCKET: Final = "texts"
DIMENSION: Final = 384
PATIENCE_SECONDS: Final = 240.0
OUTAGE_SECONDS: Final = 10.0
"""Longer than several tries of a call; Lambda's own retries come after."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one text."""

    key: str
    bytes: int
    rows: int
    expected: str
    """`rows`, `many`, `refused` or `removed`."""

    @property
    def right(self) -> bool:
        """Whether it has the rows that it should."""
        return {"rows": self.rows >= 1, "many": self.rows > 1}.get(self.expected, self.rows == 0)

    def outcome(self) -> str:
        """In words."""
        said = {"refused": "refused: not a text", "removed": "removed, and its rows with it"}.get(self.expected)
        return said or (f"{self.rows} rows" if self.rows != 1 else "1 row")


@dataclass(frozen=True, slots=True)
class Found:
    """One question and its best match."""

    question: str
    key: str
    similarity: float
    expected: str

    @property
    def right(self) -> bool:
        """Whether it is the text that answers."""
        return self.key == self.expected


@dataclass(slots=True)
class ProcessorReport:
    """Where everything went."""

    texts: list[Stored] = field(default_factory=list[Stored])
    searches: list[Found] = field(default_factory=list[Found])
    doubled: int = 0
    """Rows that are there twice: the same text, the same chunk."""
    refused_events: int = 0
    outage: dict[str, int] = field(default_factory=dict[str, int])
    """Text → rows, of those that came while the database was down."""
    redriven: int = 0

    def faults(self) -> list[str]:
        """What is not where it belongs."""
        found = [f"{text.key} has {text.rows} rows" for text in self.texts if not text.right]
        found += [
            f"{search.question!r} found {search.key}, not {search.expected}"
            for search in self.searches
            if not search.right
        ]
        found += [
            f"{key}, which came while the database was down, has {rows} rows"
            for key, rows in self.outage.items()
            if rows != 1
        ]
        if not self.searches:
            found.append("nothing was searched for")
        if not self.outage:
            found.append("nothing came while the database was down")
        if self.doubled:
            found.append(f"{self.doubled} rows are there twice")
        if self.refused_events != 1:
            found.append(f"{self.refused_events} events were refused, and 1 should have been")
        return found

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        return asdict(self)

    def tables(self) -> Iterator[Table]:
        """What was uploaded, and what was searched for."""
        put = Table("Text", "Bytes", "What happened", title="Uploaded", title_justify="left")
        for text in self.texts:
            mark = "[green]✓[/green]" if text.right else "[red]✗[/red]"
            twice = ", though uploaded twice" if text.key == TWICE else ""
            put.add_row(text.key, f"{text.bytes:,}", f"{mark} {text.outcome()}{twice}")
        put.columns[1].justify = "right"
        there = sum(rows == 1 for rows in self.outage.values())
        put.caption = (
            f"{there} of {len(self.outage)} texts that came while the database was down have their row: "
            f"{self.redriven} events by `ops redrive`, the others by Lambda's own retries"
        )
        yield put
        searched = Table("Question", "Best match", "Cosine", title="Searched", title_justify="left")
        for search in self.searches:
            mark = "[green]✓[/green]" if search.right else f"[red]✗[/red] expected {search.expected},"
            searched.add_row(search.question, f"{mark} {search.key}", f"{search.similarity:.3f}")
        yield searched


def _run(cloud: LocalCloud, steps: Steps, _short: bool) -> ProcessorReport:
    report, put, bucket = ProcessorReport(), texts(), cloud.outputs["buckets"][BUCKET]
    expected = dict.fromkeys(put, "rows") | {LONG: "many", BINARY: "refused", REMOVED: "removed"}
    with steps.step("Texts uploaded") as step:
        for key in (*put, TWICE):
            cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=put[key])
        step.detail = f"{len(put)} texts, one twice, one that is not text"
    with steps.step("Embedded and stored") as step:
        stored = put.keys() - {BINARY}
        wait_until(lambda: _rows(cloud).keys() == stored, "a row of every text", PATIENCE_SECONDS)
        wait_until(lambda: cloud.failed_events(FUNCTION) == 1, "the event of what is no text", PATIENCE_SECONDS)
        report.refused_events = cloud.failed_events(FUNCTION)
        cloud.client("sqs").purge_queue(QueueUrl=cloud.function(FUNCTION)["async_dlq_url"])  # seen, and no use again
        step.detail = f"{sum(_rows(cloud).values())} rows"
    with steps.step("Text removed") as step:
        cloud.client("s3").delete_object(Bucket=bucket, Key=REMOVED)
        wait_until(lambda: REMOVED not in _rows(cloud), f"the rows of {REMOVED} to go", PATIENCE_SECONDS)
        step.detail = "with it its rows"
    found = _rows(cloud)
    report.texts = [Stored(key, len(put[key]), found.get(key, 0), expected[key]) for key in put]
    with steps.step("Search by the table's function") as step:
        report.searches = _search(cloud)
        step.detail = f"{sum(search.right for search in report.searches)} of {len(report.searches)} found the text"
    _outage(cloud, steps, report)
    report.doubled = _doubled(cloud)
    return report


def _outage(cloud: LocalCloud, steps: Steps, report: ProcessorReport) -> None:
    """The database goes down, texts come, the function is killed at work; then all of it is up again."""
    state: SupabaseState = cloud.state(SERVICE)
    put, bucket = in_an_outage(), cloud.outputs["buckets"][BUCKET]
    name = cloud.function(FUNCTION)["name"]
    with steps.step("Database down, function killed") as step:
        state.cluster.stop()
        for key in (*put, *list(put)[:2]):
            cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=put[key])
        until = time.monotonic() + OUTAGE_SECONDS
        wait_until(lambda: not _idle(cloud), "the function to be at work", PATIENCE_SECONDS)
        killed = len(cloud.host.kill(function=name))
        wait_until(lambda: time.monotonic() > until, "the end of the outage", PATIENCE_SECONDS)
        state.cluster.start()
        step.detail = f"for {OUTAGE_SECONDS:.0f} s; {len(put)} texts came, two twice; {killed} processes killed"
    with steps.step("Database up again") as step:

        def recovered() -> bool:
            if not _idle(cloud):
                return False
            if cloud.failed_events(FUNCTION):
                report.redriven += _redrive(cloud)
                return False
            return put.keys() <= _rows(cloud).keys()

        wait_until(recovered, "the rows of what came meanwhile", PATIENCE_SECONDS, 0.5)
        step.detail = f"{len(put)} texts have their row, {report.redriven} events by `ops redrive`"
    found = _rows(cloud)
    report.outage = {key: found.get(key, 0) for key in put}


def _redrive(cloud: LocalCloud) -> int:
    """Put failed events through again, as `ops redrive` does; how many."""
    stack = Stack(name="local", outputs=cloud.outputs, session=cloud.session(), endpoint=cloud.account.endpoint)
    return int(str(redrive(stack, FUNCTION).data["moved"]))


def _idle(cloud: LocalCloud) -> bool:
    name = cloud.function(FUNCTION)["name"]
    return all(each["state"] == "idle" for each in cloud.host.environments() if each["function"] == name)


def client(cloud: LocalCloud) -> Any:
    """The real client, with the key that the function has too."""
    running = cloud.stand_ins[SERVICE]
    return _client(running.url, running.key)


@cache
def _client(url: str, key: str) -> Any:
    from supabase import create_client  # a second of import that only this needs

    return create_client(url, key)


def _rows(cloud: LocalCloud) -> dict[str, int]:
    """Text's key → how many rows it has."""
    rows = client(cloud).table(contract.TABLE).select("key:metadata->>key").execute().data
    return dict(Counter(str(row["key"]) for row in rows))


def _doubled(cloud: LocalCloud) -> int:
    rows = client(cloud).table(contract.TABLE).select("key,chunk:metadata->>chunk").execute().data
    return len(rows) - len({(row["key"], row["chunk"]) for row in rows})


def _search(cloud: LocalCloud) -> list[Found]:
    """Ask as an application would: embed the question with the model that was deployed, call the function."""
    from lambdas.embedding_processor.embedder import load  # with ONNX Runtime

    model = load("onnx", cloud.layers(FUNCTION) / "model", memory_mb=1_769)
    vectors = model.embed([question.text for question in QUESTIONS], kind="query")
    found: list[Found] = []
    for question, vector in zip(QUESTIONS, vectors, strict=True):
        asked = {"query_embedding": [float(value) for value in vector], "match_count": 3, "filter": _model(cloud)}
        best = client(cloud).rpc(contract.MATCH, asked).execute().data[0]
        found.append(Found(question.text, str(best["metadata"]["key"]), round(best["similarity"], 3), question.key))
    return found


def _model(cloud: LocalCloud) -> dict[str, str]:
    """Which model's rows are meant: here that of any row."""
    (row,) = client(cloud).table(contract.TABLE).select("metadata").limit(1).execute().data
    return {name: row["metadata"][name] for name in ("model", "revision", "quantization")}


def _prepare(cloud: LocalCloud) -> None:
    apply(cloud.state(SERVICE).url(), DIMENSION)


def failures(cloud: LocalCloud) -> list[str]:
    """Why events failed, from the function's log."""
    lines = (json.loads(line) for line in cloud.logs(FUNCTION) if line.startswith("{"))
    return [str(line.get("message")) for line in lines if line.get("level") in {"WARNING", "ERROR"}]


DEMO: Final = Demo(
    about="texts into a bucket, vectors computed in the function, rows in Supabase, searched in SQL",
    run=_run,
    stand_ins=(SERVICE,),
    architectures=("x86_64",),
    config=lambda _: {"reserved_concurrency": AT_ONCE},
    prepare=_prepare,
    commands={"Embed": "aws s3 cp some.txt s3://<texts>/ --endpoint-url <endpoint>"},
)
