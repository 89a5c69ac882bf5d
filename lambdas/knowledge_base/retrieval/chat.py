"""Chat: a question → passages → the model → an answer of which every statement is verified → stored.

Owns the order, and what a question is searched with. Whatever fails, nothing is stored and the session is free again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.knowledge_base.errors import NotFoundError
from lambdas.knowledge_base.retrieval import prompts
from lambdas.knowledge_base.retrieval.citations import NOT_FOUND, Checked, checked, plain
from lambdas.knowledge_base.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.knowledge_base.documents import Files
    from lambdas.knowledge_base.retrieval.models import Models
    from lambdas.knowledge_base.retrieval.search import Found, Search
    from lambdas.knowledge_base.retrieval.sessions import Session, Sessions, Turn
    from lambdas.shared.deadline import Deadline

LOOKED_BACK = 12
"""Turns of which as many are told the model as fit into its budget."""
MOST_QUERY_BYTES = 3_000
"""Of a message, for the search: UTF-8, of which no token is less than one. Two of them fit the embedding model."""


class Chat:
    """Answers messages."""

    def __init__(self, sessions: Sessions, search: Search, models: Models, files: Files) -> None:
        """Nothing is asked yet."""
        self._sessions = sessions
        self._search = search
        self._models = models
        self._files = files

    def answer(
        self, user_id: str, session_id: str, content: str, deadline: Deadline, request_key: str | None = None
    ) -> Turn:
        """Answer a message from the user's documents, and store both.

        Args:
            user_id: whose session and documents.
            session_id: as it came.
            content: the message.
            deadline: the answer is of no use after it.
            request_key: the same in a request that is repeated: it is answered once.

        Raises:
            NotFoundError: the user has no such session, or deleted it meanwhile.
            ApiError: another message of it is being answered (409); a model or Weaviate gives no answer of use.
        """
        taken = self._sessions.take(user_id, session_id, content, request_key)
        if taken.answered is not None:
            return taken.answered
        try:
            found = self._answer(taken.session, content, deadline)
        except BaseException:
            self._sessions.release(taken)
            raise
        return self._sessions.answer(taken, content, found.content, found.citations)

    def _answer(self, session: Session, content: str, deadline: Deadline) -> Checked:
        turns, _ = self._sessions.turns(session, LOOKED_BACK, newest_first=True)
        history = [prompts.Exchange(turn.question, plain(turn.answer)) for turn in turns]
        found = self._search.passages(
            session.user_id,
            queries(content, history),
            limit=prompts.MOST_SOURCES,
            document_ids=session.document_ids,
            deadline=deadline,
        )
        sources = prompts.fitting(map(_source, found))
        if not sources:
            return Checked(NOT_FOUND, ())
        reply = self._models.complete(prompts.messages(history, sources, content), prompts.Reply, deadline)
        answer = checked(reply, sources, lambda source: self._page_text(session.user_id, source), content)
        counts = {"CitationsDropped": answer.dropped, "FiguresNotQuoted": answer.unquoted}
        count({"AnswersGiven": 1, "AnswersNotFound": not answer.citations, **counts})
        if answer.dropped:
            logger.info("citations dropped", extra={"dropped": answer.dropped, "kept": len(answer.citations)})
        return answer

    def _page_text(self, user_id: str, source: prompts.Source) -> str | None:
        try:
            return self._files.page(user_id, source.document_id, source.run, source.page).text
        except NotFoundError:  # deleted since it was found
            return None


def queries(content: str, history: Sequence[prompts.Exchange]) -> list[str]:
    """What a message is searched with: itself, and, because it may be "and the second one?", with the one before it.

    Args:
        content: the message.
        history: newest first.
    """
    message = _cut(content)
    return [message, f"{_cut(history[0].question)}\n{message}"] if history else [message]


def _cut(text: str) -> str:
    return text.encode(errors="replace")[:MOST_QUERY_BYTES].decode(errors="ignore")


def _source(found: Found) -> prompts.Source:
    passage, document = found.passage, found.document
    return prompts.Source(
        document.id, document.filename, passage.run, passage.page, passage.start, passage.end, passage.text
    )
