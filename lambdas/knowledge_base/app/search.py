"""Route /search: the user's own pages that fit a query."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, Field, StringConstraints

from lambdas.knowledge_base import contract, identifiers
from lambdas.knowledge_base.app import schemas
from lambdas.knowledge_base.app.responses import errors
from lambdas.knowledge_base.app.security import AppServices, CurrentUser
from lambdas.knowledge_base.errors import NotFoundError
from lambdas.shared.blank import is_blank
from lambdas.shared.deadline import Deadline

router = APIRouter(tags=["search"])


def sendable(text: str) -> str:
    """Refuse the one character that neither the model nor the search takes, and texts of which nothing can be seen.

    Raises:
        ValueError: it is there, or it is one.
    """
    if "\0" in text:
        raise ValueError("it has a character that is not text (U+0000)")
    if is_blank(text):
        raise ValueError("it has no character that can be seen")
    return text


def known_ids(ids: list[str]) -> list[str]:
    """Ids of documents, each once; one that cannot be any is as one that is not there.

    Raises:
        NotFoundError: at least one is not an id.
    """
    if not all(map(identifiers.valid, ids)):
        raise NotFoundError("document")
    return list(dict.fromkeys(ids))


QueryText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=contract.MOST_QUERY),
    AfterValidator(sendable),
]
DocumentIds = Annotated[list[str], Field(max_length=contract.MOST_DOCUMENT_IDS)]


class Query(schemas.Request):
    """What is looked for, and where."""

    query: QueryText
    limit: Annotated[int, Field(ge=1, le=contract.MOST_RESULTS)] = contract.DEFAULT_RESULTS
    document_ids: DocumentIds | None = None
    """Only these; without them, or with none, all that are ready."""


class Result(schemas.Answer):
    """A page."""

    document_id: str
    filename: str
    page: int
    score: Annotated[float, Field(ge=0, le=1)]
    """Higher is better."""
    snippet: str
    """Plain text of the page, around what was found."""


class Results(schemas.Answer):
    """The best first."""

    results: list[Result]


@router.post("/search", summary="Find pages by words and by meaning", responses=errors(404, 502))
def search(asked: Query, user: CurrentUser, services: AppServices) -> Results:
    """Find the pages that fit a query best, among the user's documents that are ready. Each page is there once."""
    found = services.search.pages(
        user.id,
        asked.query,
        limit=asked.limit,
        document_ids=known_ids(asked.document_ids or []),
        deadline=Deadline.after(contract.ANSWER_SECONDS),
    )
    return Results(
        results=[
            Result(
                document_id=each.document_id,
                filename=each.filename,
                page=each.page,
                score=each.score,
                snippet=each.snippet,
            )
            for each in found
        ]
    )
