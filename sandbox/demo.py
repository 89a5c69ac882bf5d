"""The demonstration: the real layer, the real program, real text in and an answer out, on this machine.

Sends documents to the queue, one of them twice, one too long for one embedding, and one message that can never be
processed; waits until all have gone where they belong; searches with the services' own clients.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sandbox.cloud import wait_until
from sandbox.samples import DUPLICATE, LOG_ID, POISON, documents, questions
from sandbox.screen import Steps, console
from sandbox.start import started
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from rich.console import Console

    from sandbox.cloud import LocalCloud
    from sandbox.samples import Question

TOKENS = 8_192
"""What an embedding takes at most."""
PATIENCE_SECONDS = 240.0
CONFIG = {"strata:embedding": {"openai_timeout_seconds": 60.0, "openai_max_retries": 1, "timeout_seconds": 150}}
"""The stand-in's model runs on this machine's CPU: a long text takes it seconds, which OpenAI does in a blink."""


@dataclass(frozen=True, slots=True)
class Document:
    """What became of one document."""

    id: str
    tokens: int
    deliveries: int
    """How often it was sent."""
    vectors: int
    expected_vectors: int

    @property
    def right(self) -> bool:
        """One vector, or one for each part."""
        return self.vectors == self.expected_vectors

    def outcome(self) -> str:
        """In words."""
        if not self.right:
            return f"{self.vectors} vectors instead of {self.expected_vectors}"
        if self.vectors > 1:
            return f"too long for one embedding: {self.vectors} parts"
        return "sent twice, stored once" if self.deliveries > 1 else "stored"


@dataclass(frozen=True, slots=True)
class Search:
    """One question and its best match."""

    question: str
    best: str
    score: float
    expected: str

    @property
    def right(self) -> bool:
        """Whether the document that answers it came first."""
        return self.best.partition("#")[0] == self.expected


@dataclass(slots=True)
class Report:
    """All of it, as `--json` prints it."""

    documents: list[Document] = field(default_factory=list[Document])
    searches: list[Search] = field(default_factory=list[Search])
    failure_queue: list[str] = field(default_factory=list[str])
    poison_deliveries: int = 0
    function: dict[str, Any] = field(default_factory=dict[str, Any])
    layer: dict[str, Any] = field(default_factory=dict[str, Any])
    steps: dict[str, float] = field(default_factory=dict[str, float])
    """Title → seconds."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether everything went where it belongs."""
        right = all(item.right for item in [*self.documents, *self.searches])
        return right and self.failure_queue == [POISON] and bool(self.searches)

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        return {"ok": self.ok, **asdict(self)}


def run(*, as_json: bool, short: bool) -> int:
    """Run the demonstration; 0 when all went as it should, 1 otherwise."""
    screen = console(quiet=as_json)
    steps, report, begun = Steps(screen), Report(), time.monotonic()
    screen.print("[bold]Strata[/bold]  the whole system on this machine; the SaaS APIs are stand-ins\n")
    with started(steps, "demo", config=CONFIG) as cloud:
        _demonstrate(cloud, steps, report, short=short)
        cleaning = time.monotonic()
    screen.print(f"[green]✓[/green] [bold]Cleaned up[/bold] [dim]in {time.monotonic() - cleaning:.1f} s[/dim]\n")
    report.steps = {step.title: round(step.seconds, 2) for step in steps.done}
    report.seconds = round(time.monotonic() - begun, 2)
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        _print(screen, report)
    return 0 if report.ok else 1


def _demonstrate(cloud: LocalCloud, steps: Steps, report: Report, *, short: bool) -> None:
    messages = documents(short=short)
    encoding = cloud.openai.encoding
    tokens = {message["id"]: len(encoding.encode(message["text"])) for message in messages}
    expected = {name: max(1, -(-count // TOKENS)) for name, count in tokens.items()}
    twice = next(message for message in messages if message["id"] == DUPLICATE)
    with steps.step("Messages sent") as step:
        cloud.send(*messages, twice, POISON)
        step.detail = f"{len(messages)} documents, one twice, one that cannot be processed"
    with steps.step("Documents embedded") as step:
        _wait_for_vectors(cloud, sum(expected.values()), step.say)
        step.detail = f"{sum(expected.values())} vectors"
    with steps.step("Search in natural language") as step:
        report.searches = _search(cloud, questions(short=short))
        right = sum(search.right for search in report.searches)
        step.detail = f"{right} of {len(report.searches)} found the document that answers"
    with steps.step("Failure queue") as step:
        queues = cloud.function()
        step.say("the message that cannot be processed is delivered again and again")
        wait_until(
            lambda: cloud.messages_left(queues["dlq_url"]) > 0 and cloud.messages_left(queues["queue_url"]) == 0,
            "the message that cannot be processed to reach the failure queue",
            PATIENCE_SECONDS,
        )
        found = cloud.client("sqs").receive_message(QueueUrl=queues["dlq_url"], MaxNumberOfMessages=10)
        report.failure_queue = [message["Body"] for message in found.get("Messages", [])]
        step.detail = f"{len(report.failure_queue)} message, no document lost"
    names = [name for name in _vector_ids(cloud) if name]
    for message in messages:
        name = message["id"]
        vectors = sum(1 for vector in names if vector == name or vector.startswith(f"{name}#"))
        deliveries = 2 if name == DUPLICATE else 1
        report.documents.append(Document(name, tokens[name], deliveries, vectors, expected[name]))
    _describe(cloud, report)


def _wait_for_vectors(cloud: LocalCloud, wanted: int, say: Any) -> None:
    def arrived() -> bool:
        count = len(_vector_ids(cloud))
        say(f"{count} of {wanted} vectors")
        return count >= wanted

    try:
        wait_until(arrived, f"{wanted} vectors in the index", PATIENCE_SECONDS, 0.05)
    except SandboxError as error:
        said = [line for line in cloud.logs() if '"message failed"' in line or "ERROR" in line][-3:]
        reasons = "\n".join(said) or "nothing about a failure"
        raise SandboxError(f"{error}; the function's log says:\n{reasons}") from None


def _vector_ids(cloud: LocalCloud) -> list[str]:
    return [name for space in cloud.pinecone.store.counts() for name in cloud.pinecone.store.records(space)]


def _search(cloud: LocalCloud, asked: list[Question]) -> list[Search]:
    """Ask with the services' own clients, as an application would."""
    from openai import OpenAI  # noqa: PLC0415 - a second of import that only this needs
    from pinecone import Pinecone  # noqa: PLC0415

    openai = OpenAI(api_key=cloud.keys["OPENAI_API_KEY"], base_url=f"{cloud.openai_url}/v1")
    index = Pinecone(api_key=cloud.keys["PINECONE_API_KEY"]).Index(host=cloud.pinecone_url)
    texts = [question.text for question in asked]
    answer = openai.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=384)
    found: list[Search] = []
    for question, item in zip(asked, answer.data, strict=True):
        best: Any = index.query(vector=item.embedding, top_k=1, include_metadata=True).matches[0]
        found.append(Search(question.text, str(best.id), round(float(best.score), 3), question.expected))
    return found


def _describe(cloud: LocalCloud, report: Report) -> None:
    """How the function ran, from its own log."""
    lines = cloud.logs()
    runs = [json.loads(line)["record"] for line in lines if '"platform.report"' in line]
    metrics = [run["metrics"] for run in runs]
    cold = [entry["initDurationMs"] for entry in metrics if "initDurationMs" in entry]
    warm = sorted(entry["durationMs"] for entry in metrics)
    environments = cloud.host.environments()
    report.function = {
        "invocations": len(runs),
        "cold_starts": len(cold),
        "init_ms": round(max(cold, default=0.0)),
        "median_ms": round(warm[len(warm) // 2]) if warm else 0,
        "max_memory_mb": max((entry["maxMemoryUsedMB"] for entry in metrics), default=0),
        "memory_mb": max((entry["memorySizeMB"] for entry in metrics), default=0),
        "layers_at": environments[0]["isolation"] if environments else "?",
        "runtime": cloud.function()["runtime"],
        "architecture": cloud.function()["architecture"],
    }
    report.poison_deliveries = sum(1 for line in lines if re.search(r"text is a number", line))
    report.layer = {name: layer["digest"][:12] for name, layer in cloud.outputs["layers"].items()}


def _print(screen: Console, report: Report) -> None:
    sent = Table("Document", "Tokens", "What happened", title="Sent to the queue", title_justify="left")
    for document in report.documents:
        mark = "[green]✓[/green]" if document.right else "[red]✗[/red]"
        tokens = f"{document.tokens:,}"
        style = "bold" if document.vectors != 1 or document.deliveries > 1 else ""
        sent.add_row(document.id, tokens, f"{mark} {document.outcome()}", style=style)
    poison = "[green]✓[/green] in the failure queue" if report.failure_queue == [POISON] else "[red]✗[/red] lost"
    sent.add_row(POISON.replace("[", r"\["), "", f"{poison} after {report.poison_deliveries} deliveries", style="bold")
    sent.columns[1].justify = "right"
    searched = Table("Question", "Best match", "Cosine", title="Searched", title_justify="left")
    for search in report.searches:
        mark = "[green]✓[/green]" if search.right else f"[red]✗[/red] expected {search.expected},"
        searched.add_row(search.question, f"{mark} {search.best}", f"{search.score:.3f}")
    ran = Table("Function", "", title="How it ran", title_justify="left", show_header=False)
    function = report.function
    ran.add_row("Layer", ", ".join(f"{name} {digest}…" for name, digest in report.layer.items()))
    ran.add_row("Runtime", f"{function['runtime']}, {function['architecture']}; layers by {function['layers_at']}")
    ran.add_row("Invocations", f"{function['invocations']}, {function['cold_starts']} with a cold start")
    ran.add_row("Cold start, warm run", f"{function['init_ms']} ms, median {function['median_ms']} ms")
    ran.add_row("Memory", f"{function['max_memory_mb']} of {function['memory_mb']} MB")
    ran.add_row("All in all", f"{report.seconds:.1f} s")
    for table in (sent, searched, ran):
        screen.print(table)
    if LOG_ID not in {document.id for document in report.documents}:
        screen.print("[dim]--short: without the long document[/dim]")
    verdict = "[bold green]Everything is where it belongs.[/bold green]"
    screen.print(verdict if report.ok else "[bold red]Something went wrong: see ✗ above.[/bold red]")
