"""An account, two PDFs, a search, three questions: what is answered is quoted, and what is in no document is not.

At the end it is all deleted, and nothing of it is found.

One file goes through the API, the other straight into the bucket, and a page that is drawn is made an image.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

from lambdas.knowledge_base import contract
from sandbox.demos import Demo
from sandbox.demos.knowledge_base import samples
from sandbox.demos.knowledge_base.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.cloud import LocalCloud
    from sandbox.screen import Steps

FUNCTION: Final = "knowledge_base"
PATIENCE_SECONDS: Final = 90.0
ACCOUNT: Final = "reader@example.com"


@dataclass(frozen=True, slots=True)
class Document:
    """What became of a file."""

    filename: str
    way: str
    status: str
    pages: int
    tables: int
    images: int
    seconds: float
    """From the upload until it was ready."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answer."""

    question: str
    answer: str
    citations: list[str]
    seconds: float
    right: bool
    """The cited page is the one that has it, the quote stands there at the characters that are named; or there is no
    citation, where no document has it."""


@dataclass(slots=True)
class KnowledgeReport:
    """What was uploaded, found and answered."""

    documents: list[Document] = field(default_factory=list[Document])
    search: list[str] = field(default_factory=list[str])
    searched_right: bool = False
    questions: list[Asked] = field(default_factory=list[Asked])
    left: int = 0
    """Documents, chats and passages that are there after everything was deleted."""

    def faults(self) -> list[str]:
        """What is not ready, not found, not answered as it should be, or left after everything was deleted."""
        found = [
            f"{each.filename} is {each.status}: {each.reason}" for each in self.documents if each.status != "ready"
        ]
        if not any(each.images for each in self.documents):
            found.append("no page is there as an image")
        if not any(each.tables for each in self.documents):
            found.append("no table was found")
        if not self.searched_right:
            found.append(f"{samples.SEARCHED.text!r} found {'; '.join(self.search) or 'nothing'}")
        found += [
            f"{each.question!r} was answered {each.answer!r}, with {each.citations or 'no citation'}"
            for each in self.questions
            if not each.right
        ]
        if len(self.questions) != len(samples.QUESTIONS):
            found.append(f"{len(self.questions)} questions were answered, of {len(samples.QUESTIONS)}")
        if self.left:
            found.append(f"{self.left} documents, chats and passages are left after everything was deleted")
        return found

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        return asdict(self)

    def tables(self) -> Iterator[Table]:
        """The documents, the search, the chat."""
        columns = ("Document", "How", "Pages", "Tables", "Images", "Seconds", "Status")
        uploaded = Table(*columns, title="Uploaded", title_justify="left")
        for each in self.documents:
            mark = "[green]✓[/green]" if each.status == "ready" else "[red]✗[/red]"
            numbers = map(str, (each.pages, each.tables, each.images, f"{each.seconds:.1f}"))
            uploaded.add_row(each.filename, each.way, *numbers, f"{mark} {each.status} {escape(each.reason)}".rstrip())
        for column in uploaded.columns[2:6]:
            column.justify = "right"
        yield uploaded
        found = Table("Searched", "Found", title="Hybrid search", title_justify="left")
        mark = "[green]✓[/green]" if self.searched_right else "[red]✗[/red]"
        found.add_row(samples.SEARCHED.text, f"{mark} {escape('; '.join(self.search))}")
        yield found
        asked = Table("Question", "Answer", "Citations", title="Asked", title_justify="left")
        for each in self.questions:
            mark = "[green]✓[/green]" if each.right else "[red]✗[/red]"
            asked.add_row(each.question, f"{mark} {escape(each.answer)}", escape("\n".join(each.citations)) or "none")
        yield asked


def _run(cloud: LocalCloud, steps: Steps, _short: bool) -> KnowledgeReport:
    report = KnowledgeReport()
    with steps.step("Account registered") as step:
        reader = Reader(cloud.function(FUNCTION)["api_url"])
        step.detail = "and signed in"
    try:
        _upload(reader, report, steps)
        with steps.step("Searched") as step:
            _search(reader, report)
            step.detail = report.search[0] if report.search else "nothing found"
        with steps.step("Questions asked") as step:
            chat = reader.chat()
            for question in samples.QUESTIONS:
                step.say(question.text)
                report.questions.append(_asked(reader, chat, question))
            step.detail = f"{sum(bool(each.citations) for each in report.questions)} answered with a quote"
        with steps.step("Everything deleted") as step:
            report.left = _delete(reader)
            step.detail = f"{report.left} documents, chats and passages are left"
    finally:
        reader.close()
    return report


def _upload(reader: Reader, report: KnowledgeReport, steps: Steps) -> None:
    with steps.step("Documents uploaded") as step:
        begun = time.monotonic()
        ids = {
            reader.upload(samples.BEEKEEPING, samples.beekeeping()): "through the API",
            reader.upload_to_bucket(samples.NIGHT_TRAINS, samples.night_trains()): "into the bucket",
        }
        step.detail = "one through the API, one into the bucket"
    with steps.step("Documents ingested") as step:
        for document, way in ids.items():
            found = reader.finished(document, PATIENCE_SECONDS, step.say)
            pages = [reader.page(document, number + 1) for number in range(found["pages"])]
            error: dict[str, Any] = found["error"] or {}
            report.documents.append(
                Document(
                    filename=found["filename"],
                    way=way,
                    status=found["status"],
                    pages=found["pages"],
                    tables=sum(len(page["tables"]) for page in pages),
                    images=sum(reader.is_there(image["url"]) for page in pages for image in page["images"]),
                    seconds=round(time.monotonic() - begun, 2),
                    reason=error.get("message", ""),
                )
            )
        step.detail = f"{sum(each.pages for each in report.documents)} pages"


def _search(reader: Reader, report: KnowledgeReport) -> None:
    results = reader.search(samples.SEARCHED.text)
    report.search = [f"{each['filename']} p. {each['page']} ({each['score']:.2f})" for each in results]
    best = (results[0]["filename"], results[0]["page"]) if results else None
    report.searched_right = best == (samples.SEARCHED.filename, samples.SEARCHED.page)


def _delete(reader: Reader) -> int:
    """Delete all that the account has, sign out, and count what is there when it signs in again."""
    for chat in reader.chats():
        reader.delete(f"/chat/sessions/{chat}")
    for document in reader.documents():
        reader.delete(f"/documents/{document['id']}")
    reader.sign_out()
    reader.sign_in()
    return len(reader.documents()) + len(reader.chats()) + len(reader.search(samples.SEARCHED.text))


def _asked(reader: Reader, chat: str, question: samples.Question) -> Asked:
    begun = time.monotonic()
    answer = reader.question(chat, question.text)
    seconds = round(time.monotonic() - begun, 2)
    citations = answer["citations"]
    return Asked(
        question=question.text,
        answer=answer["content"],
        citations=[f"{each['filename']} p. {each['page']}: “{_line(each['quote'])}”" for each in citations],
        seconds=seconds,
        right=_right(reader, question, citations),
    )


def _line(text: str) -> str:
    """A quote in one line; a page's text has its own."""
    return " ".join(text.split())


def _right(reader: Reader, question: samples.Question, citations: list[Mapping[str, Any]]) -> bool:
    """Whether every quote stands in its page, and the answer is quoted from where it is; none where it is nowhere."""
    for each in citations:
        text = reader.page(each["document_id"], each["page"])["text"]
        if text[each["start"] : each["end"]] != each["quote"]:
            return False
    places = {(each["filename"], each["page"]) for each in citations if question.word in each["quote"]}
    return not citations if not question.filename else (question.filename, question.page) in places


def _prepare(cloud: LocalCloud) -> None:
    """The key that signs tokens: the stand-ins' keys are filled already."""
    cloud.set_secret(contract.JWT_SECRET_KEY, secrets.token_urlsafe(48), FUNCTION)


def _welcome(cloud: LocalCloud) -> dict[str, str]:
    """An account to look around with, whose password nobody keeps."""
    url = cloud.function(FUNCTION)["api_url"]
    reader = Reader(url, ACCOUNT)
    reader.close()
    return {"The page": f"{url}/", "Sign in as": f"{reader.email}, password {reader.password}"}


DEMO: Final = Demo(
    about="PDFs in, search and answers with quotes out; what is in no document is not answered",
    run=_run,
    stand_ins=("openai", "weaviate"),
    neighbours=("image_processor",),
    config=lambda at: {
        "openai_base_url": f"{at['openai']}/v1",
        "weaviate_url": at["weaviate"],
        "weaviate_grpc_url": at["weaviate-grpc"],
    },
    prepare=_prepare,
    welcome=_welcome,
    beside={
        **{
            (statement, "s3:DeleteObjectVersion"): "one request deletes what is below all prefixes: the emulator asks "
            "about its first object"
            for statement in ("UseUploads", "UseDocuments", "UseImages")
        },
        ("UseChatMessagesTable", "dynamodb:GetItem"): "for a message that is sent again, and was answered",
        ("DelayMessages", "sqs:ChangeMessageVisibility"): "for a document that is tried again later",
    },
)
