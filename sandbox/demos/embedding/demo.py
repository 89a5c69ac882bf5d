"""Documents into the queue, vectors out, searched with the services' own clients.

One document is sent twice, one is too long for one embedding, and one message can never be processed.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from lambdas.shared.openai_calls.contract import MAX_INPUT_TOKENS
from sandbox.cloud import wait_until
from sandbox.demos import Demo
from sandbox.demos.embedding.samples import DUPLICATE, LOG_ID, POISON, documents, questions
from sandbox.demos.embedding.search import Services, best_matches
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.cloud import LocalCloud
    from sandbox.demos.embedding.samples import Question
    from sandbox.screen import Steps
    from sandbox.standins.openai.server import OpenAIState
    from sandbox.standins.pinecone.server import PineconeState

FUNCTION: Final = "embedding"
DEFAULT_DIMENSIONS = 1_536
PATIENCE_SECONDS = 240.0


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
class EmbeddingReport:
    """Where everything went."""

    documents: list[Document] = field(default_factory=list[Document])
    searches: list[Search] = field(default_factory=list[Search])
    dead_letter_queue: list[str] = field(default_factory=list[str])
    poison_deliveries: int = 0

    def faults(self) -> list[str]:
        """What is not where it belongs."""
        found = [f"{document.id}: {document.outcome()}" for document in self.documents if not document.right]
        found += [
            f"{search.question!r} found {search.best}, not {search.expected}"
            for search in self.searches
            if not search.right
        ]
        if not self.searches:
            found.append("nothing was searched for")
        if self.dead_letter_queue != [POISON]:
            found.append(f"the dead-letter queue holds {self.dead_letter_queue}, and should hold {POISON} alone")
        return found

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        return asdict(self)

    def tables(self) -> Iterator[Table]:
        """What was sent, and what was searched for."""
        sent = Table("Document", "Tokens", "What happened", title="Sent to the queue", title_justify="left")
        for document in self.documents:
            mark = "[green]✓[/green]" if document.right else "[red]✗[/red]"
            style = "bold" if document.vectors != 1 or document.deliveries > 1 else ""
            sent.add_row(document.id, f"{document.tokens:,}", f"{mark} {document.outcome()}", style=style)
        dead = self.dead_letter_queue == [POISON]
        outcome = "[green]✓[/green] in the dead-letter queue" if dead else "[red]✗[/red] lost"
        sent.add_row(
            POISON.replace("[", r"\["), "", f"{outcome} after {self.poison_deliveries} deliveries", style="bold"
        )
        sent.columns[1].justify = "right"
        if LOG_ID not in {document.id for document in self.documents}:
            sent.caption = "--short: without the long document"
        yield sent
        searched = Table("Question", "Best match", "Cosine", title="Searched", title_justify="left")
        for search in self.searches:
            mark = "[green]✓[/green]" if search.right else f"[red]✗[/red] expected {search.expected},"
            searched.add_row(search.question, f"{mark} {search.best}", f"{search.score:.3f}")
        yield searched


def _run(cloud: LocalCloud, steps: Steps, short: bool) -> EmbeddingReport:
    report = EmbeddingReport()
    openai: OpenAIState = cloud.state("openai")
    messages = documents(short=short)
    tokens = {message["id"]: len(openai.encoding.encode(message["text"])) for message in messages}
    expected = {name: max(1, -(-count // MAX_INPUT_TOKENS)) for name, count in tokens.items()}
    twice = next(message for message in messages if message["id"] == DUPLICATE)
    with steps.step("Messages sent") as step:
        cloud.send(*messages, twice, POISON, function=FUNCTION)
        step.detail = f"{len(messages)} documents, one twice, one that cannot be processed"
    with steps.step("Documents embedded") as step:
        _wait_for_vectors(cloud, sum(expected.values()), step.say)
        step.detail = f"{sum(expected.values())} vectors"
    with steps.step("Search in natural language") as step:
        report.searches = _search(cloud, questions(short=short))
        right = sum(search.right for search in report.searches)
        step.detail = f"{right} of {len(report.searches)} found the document that answers"
    with steps.step("Dead-letter queue") as step:
        step.say("the message that cannot be processed is delivered again and again")
        report.dead_letter_queue = _dead_letters(cloud)
        step.detail = f"{len(report.dead_letter_queue)} message, no document lost"
    report.poison_deliveries = sum(1 for line in cloud.logs(FUNCTION) if re.search(r"text is a number", line))
    ids = _vector_ids(cloud)
    for message in messages:
        name = message["id"]
        vectors = sum(1 for vector in ids if vector == name or vector.startswith(f"{name}#"))
        deliveries = 2 if name == DUPLICATE else 1
        report.documents.append(Document(name, tokens[name], deliveries, vectors, expected[name]))
    return report


def _dead_letters(cloud: LocalCloud) -> list[str]:
    queues = cloud.function(FUNCTION)
    wait_until(
        lambda: cloud.messages_left(queues["dlq_url"]) > 0 and cloud.messages_left(queues["queue_url"]) == 0,
        "the message that cannot be processed to reach the dead-letter queue",
        PATIENCE_SECONDS,
    )
    found = cloud.client("sqs").receive_message(QueueUrl=queues["dlq_url"], MaxNumberOfMessages=10)
    return [message["Body"] for message in found.get("Messages", [])]


def _wait_for_vectors(cloud: LocalCloud, wanted: int, say: Callable[[str], None]) -> None:
    def arrived() -> bool:
        count = len(_vector_ids(cloud))
        say(f"{count} of {wanted} vectors")
        return count >= wanted

    try:
        wait_until(arrived, f"{wanted} vectors in the index", PATIENCE_SECONDS, 0.05)
    except SandboxError as error:
        said = [line for line in cloud.logs(FUNCTION) if '"message failed"' in line or "ERROR" in line][-3:]
        reasons = "\n".join(said) or "nothing about a failure"
        raise SandboxError(f"{error}; the function's log says:\n{reasons}") from None


def _vector_ids(cloud: LocalCloud) -> list[str]:
    index: PineconeState = cloud.state("pinecone")
    return [name for space in index.store.counts() for name in index.store.records(space)]


def _search(cloud: LocalCloud, asked: list[Question]) -> list[Search]:
    """Ask with the services' own clients, as an application would."""
    services = Services(**{name: (each.url, each.key) for name, each in cloud.stand_ins.items() if name in NEEDED})
    found = best_matches(services, [question.text for question in asked], 1)
    return [
        Search(question.text, str(best.id), round(float(best.score), 3), question.expected)
        for question, (best,) in zip(asked, found, strict=True)
    ]


def _addresses(at: Mapping[str, str]) -> dict[str, Any]:
    return {"openai_base_url": f"{at['openai']}/v1", "pinecone_index_host": at["pinecone"]}


def _options(section: Mapping[str, Any]) -> dict[str, Any]:
    return {"pinecone": {"dimension": int(section.get("dimensions", DEFAULT_DIMENSIONS))}}


NEEDED: Final = ("openai", "pinecone")
DEMO: Final = Demo(
    about="documents into a queue, vectors out, searched in natural language",
    run=_run,
    stand_ins=NEEDED,
    config=_addresses,
    options=_options,
    commands={
        "Send a text": "python -m sandbox send embedding 'The kettle sings on the stove.'",
        "Search": "python -m sandbox.demos.embedding 'boiling water'",
    },
)
