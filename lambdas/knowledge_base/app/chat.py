"""Routes /chat: sessions, and messages whose answers say where in the user's documents they are written."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Response
from fastapi import Query as Parameter
from pydantic import AfterValidator, StringConstraints

from lambdas.knowledge_base import contract, identifiers
from lambdas.knowledge_base.app import schemas
from lambdas.knowledge_base.app.responses import errors
from lambdas.knowledge_base.app.search import DocumentIds, known_ids, sendable
from lambdas.knowledge_base.app.security import AppServices, CurrentUser
from lambdas.knowledge_base.retrieval.sessions import Session, Turn
from lambdas.shared.deadline import Deadline

MOST_ITEMS = 100
DEFAULT_ITEMS = 20
DEFAULT_MESSAGES = 50

router = APIRouter(prefix="/chat/sessions", tags=["chat"])

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=contract.MOST_TITLE),
    AfterValidator(sendable),
]
Content = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=contract.MOST_MESSAGE),
    AfterValidator(sendable),
]
Cursor = Annotated[str | None, Parameter(description="`next` of the page before.")]


class NewSession(schemas.Request):
    """A chat to begin."""

    title: Title = contract.DEFAULT_TITLE
    document_ids: DocumentIds | None = None
    """Answers come from these only; without them, or with none, from all that are ready."""


class ChatSession(schemas.Answer):
    """A chat."""

    id: str
    title: str
    document_ids: list[str]
    """Empty: all of the user's."""
    created_at: datetime


class ChatSessions(schemas.Answer):
    """The newest first."""

    items: list[ChatSession]
    next: str | None = None


class Citation(schemas.Answer):
    """Where a statement is written: also of a document that was deleted since."""

    document_id: str
    filename: str
    page: int
    start: int
    """Of the quote, in characters of the page's text."""
    end: int
    quote: str
    """The page's text from `start` to `end`."""


class ChatMessage(schemas.Answer):
    """A message of the user's, or an answer: plain text, in which `[n]` stands for the n-th citation.

    `(not in the quote: 15)` behind a statement names figures of it that neither its citations show nor the question.
    """

    id: str
    role: Literal["user", "assistant"]
    content: str
    citations: list[Citation]
    created_at: datetime


class ChatMessages(schemas.Answer):
    """The oldest first."""

    items: list[ChatMessage]
    next: str | None = None


class NewMessage(schemas.Request):
    """What is asked."""

    content: Content


@router.post("", status_code=201, summary="Begin a chat", responses=errors(404))
def create(asked: NewSession, user: CurrentUser, services: AppServices) -> ChatSession:
    """Begin a chat, with all documents or with some of them."""
    ids = known_ids(asked.document_ids or [])
    services.search.check(user.id, ids)
    return _session(services.sessions.create(user.id, asked.title, ids))


@router.get("", summary="List chats")
def sessions(
    user: CurrentUser,
    services: AppServices,
    limit: Annotated[int, Parameter(ge=1, le=MOST_ITEMS)] = DEFAULT_ITEMS,
    cursor: Cursor = None,
) -> ChatSessions:
    """List the user's chats, the newest first."""
    scope = f"sessions/{user.id}"
    found, more = services.sessions.list(user.id, limit, identifiers.position(scope, cursor))
    after = identifiers.cursor(scope, found[-1].id) if more else None
    return ChatSessions(items=[_session(each) for each in found], next=after)


@router.delete(
    "/{session_id}", status_code=204, response_class=Response, summary="Delete a chat", responses=errors(404)
)
def delete(session_id: str, user: CurrentUser, services: AppServices) -> None:
    """Delete a chat with all its messages."""
    services.sessions.delete(user.id, session_id)


@router.get("/{session_id}/messages", summary="Read a chat", responses=errors(404))
def messages(
    session_id: str,
    user: CurrentUser,
    services: AppServices,
    limit: Annotated[
        int,
        Parameter(ge=2, le=MOST_ITEMS, description="A question and its answer are never parted."),
    ] = DEFAULT_MESSAGES,
    cursor: Cursor = None,
) -> ChatMessages:
    """Read a chat's messages, the oldest first."""
    session = services.sessions.get(user.id, session_id)
    scope = f"messages/{session.id}"
    turns, more = services.sessions.turns(session, limit // 2, identifiers.position(scope, cursor))
    after = identifiers.cursor(scope, turns[-1].question_id) if more else None
    return ChatMessages(items=[message for turn in turns for message in (_question(turn), _answer(turn))], next=after)


@router.post(
    "/{session_id}/messages", status_code=201, summary="Ask, and get an answer", responses=errors(404, 409, 502)
)
def ask(
    session_id: str,
    asked: NewMessage,
    user: CurrentUser,
    services: AppServices,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[A-Za-z0-9_-]{1,64}$",
            description="The same when the request is made again: the message is then answered once.",
        ),
    ] = None,
) -> ChatMessage:
    """Ask something; the answer comes from the user's documents, and every statement of it names where.

    A message is stored with its answer: when there is none, nothing is, and the same may be asked again.
    """
    deadline = Deadline.after(contract.ANSWER_SECONDS)
    return _answer(services.chat.answer(user.id, session_id, asked.content, deadline, idempotency_key))


def _session(session: Session) -> ChatSession:
    return ChatSession(
        id=session.id,
        title=session.title,
        document_ids=list(session.document_ids),
        created_at=_moment(session.created_at),
    )


def _question(turn: Turn) -> ChatMessage:
    return ChatMessage(
        id=turn.question_id, role="user", content=turn.question, citations=[], created_at=_moment(turn.asked_at)
    )


def _answer(turn: Turn) -> ChatMessage:
    citations = [
        Citation(
            document_id=each.document_id,
            filename=each.filename,
            page=each.page,
            start=each.start,
            end=each.end,
            quote=each.quote,
        )
        for each in turn.citations
    ]
    return ChatMessage(
        id=turn.answer_id,
        role="assistant",
        content=turn.answer,
        citations=citations,
        created_at=_moment(turn.answered_at),
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
