"""Chat sessions and what was said in them, in DynamoDB.

A question and its answer are one item, written when there is an answer: nothing is ever half stored, and a question
that failed is asked again without being there twice. One question of a session is worked on at a time: whoever begins
takes the session for `TAKEN_SECONDS`, so answers follow each other, and each knows those before it.

A message is kept for `session_days` after it was written, a session as long as any of its messages may be.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lambdas.knowledge_base import contract, identifiers
from lambdas.knowledge_base.errors import ApiError, ConflictError, NotFoundError
from lambdas.knowledge_base.retrieval.citations import Citation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdas.knowledge_base.tables import Table

DAY = 86_400
TAKEN_SECONDS = contract.API_SECONDS + 2
"""By then whoever took a session has given up, or was killed."""
DELETED_AT_ONCE = 100
_ALIVE = "#expires_at > :now"


@dataclass(frozen=True, slots=True)
class Session:
    """A chat of a user's."""

    id: str
    user_id: str
    title: str
    document_ids: tuple[str, ...]
    """What is searched; empty: all of the user's."""
    created_at: int
    """Seconds (Unix time)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer."""

    question_id: str
    question: str
    asked_at: int
    answer_id: str
    answer: str
    answered_at: int
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """A session that is worked on, until it is answered or released."""

    session: Session
    question_id: str
    """Of the turn that it is for, and the proof of who took it."""
    asked_at: int
    """Seconds (Unix time)."""
    answered: Turn | None = None
    """The turn itself, when the same request was answered before; then nothing is taken."""


class Sessions:
    """All users' sessions; each call names the user or a session that was found by one."""

    def __init__(self, sessions: Table, messages: Table, days: int, clock: Callable[[], float]) -> None:
        """Nothing is asked yet.

        Args:
            sessions: CHAT_SESSIONS_TABLE.
            messages: CHAT_MESSAGES_TABLE.
            days: that messages are kept.
            clock: gives the second (Unix time).
        """
        self._sessions = sessions
        self._messages = messages
        self._days = days
        self._clock = clock

    def create(self, user_id: str, title: str, document_ids: Sequence[str]) -> Session:
        """Begin a session."""
        now = int(self._clock())
        session = Session(identifiers.new(self._clock), user_id, title, tuple(document_ids), now)
        item = {
            **_key(user_id, session.id),
            "title": title,
            "document_ids": list(document_ids),
            "created_at": now,
            "taken_until": 0,
            "taken_for": "",
            "request_key": "",
            "request_digest": "",
            contract.TABLE_TTL: now + self._days * DAY,
        }
        self._sessions.put(item)
        return session

    def get(self, user_id: str, session_id: str) -> Session:
        """A session of this user's.

        Raises:
            NotFoundError: they have none of that id.
        """
        return _session(self._item(user_id, session_id))

    def list(self, user_id: str, limit: int, after: str | None = None) -> tuple[list[Session], bool]:
        """A user's sessions, the newest first.

        Args:
            user_id: whose.
            limit: at most.
            after: the id of the session before the first.

        Returns:
            The sessions, and whether there are more.
        """
        items, more = self._sessions.query(
            ("user_id", user_id),
            limit=limit,
            after=_key(user_id, after) if after else None,
            newest_first=True,
            where=_ALIVE,
            now=int(self._clock()),
        )
        return [_session(item) for item in items], more

    def delete(self, user_id: str, session_id: str) -> None:
        """Remove a session, then its messages: what a killed function leaves of them nobody can reach, and it expires.

        Raises:
            NotFoundError: the user has none of that id.
        """
        known = identifiers.valid(session_id) and self._sessions.delete(
            _key(user_id, session_id), "attribute_exists(session_id)"
        )
        if not known:
            raise NotFoundError("session")
        more = True
        while more:
            items, more = self._messages.query(("session_id", session_id), limit=DELETED_AT_ONCE)
            for item in items:
                self._messages.delete({"session_id": session_id, "message_id": item["message_id"]})

    def turns(
        self, session: Session, limit: int, after: str | None = None, *, newest_first: bool = False
    ) -> tuple[list[Turn], bool]:
        """What was said.

        Args:
            session: where.
            limit: turns at most.
            after: the id of the question before the first.
            newest_first: whether the last turn comes first.

        Returns:
            The turns, and whether there are more.
        """
        items, more = self._messages.query(
            ("session_id", session.id),
            limit=limit,
            after={"session_id": session.id, "message_id": after} if after else None,
            newest_first=newest_first,
            where=_ALIVE,
            now=int(self._clock()),
        )
        return [_turn(item) for item in items], more

    def take(self, user_id: str, session_id: str, content: str, request_key: str | None) -> Taken:
        """Begin to answer a question; nobody else does in this session meanwhile.

        Args:
            user_id: whose session it is.
            session_id: as it came.
            content: the question.
            request_key: the same in a request that is repeated; None when the caller gives none.

        Returns:
            What has to be given back by `answer` or `release`; or the turn, when the request was answered before.

        Raises:
            NotFoundError: the user has no such session.
            ApiError: another question is being answered, or the key was used for another question (409).
        """
        item = self._item(user_id, session_id)
        session = _session(item)
        digest = hashlib.sha256(content.encode(errors="replace")).hexdigest()
        repeated = request_key is not None and item["request_key"] == request_key
        if repeated and item["request_digest"] != digest:
            raise ConflictError("idempotency_key_reused", "This Idempotency-Key came with another message before.")
        if repeated and (before := self._turn(session, item["taken_for"])):
            return Taken(session, before.question_id, before.asked_at, before)
        question_id = identifiers.new(self._clock)
        now = self._clock()
        taken = self._sessions.update(
            _key(user_id, session_id),
            "SET taken_until = :until, taken_for = :id, request_key = :request_key, request_digest = :digest",
            "attribute_exists(session_id) AND taken_until < :now",
            until=int(now + TAKEN_SECONDS),
            id=question_id,
            request_key=request_key or "",
            digest=digest,
            now=int(now),
        )
        if taken is None:
            self._item(user_id, session_id)  # unless it was deleted meanwhile
            raise _busy()
        work = Taken(session, question_id, int(now))
        if repeated and (before := self._turn(session, item["taken_for"])):  # answered between the look and the taking
            self.release(work)
            return Taken(session, before.question_id, before.asked_at, before)
        return work

    def answer(self, taken: Taken, question: str, answer: str, citations: Sequence[Citation]) -> Turn:
        """Store a question with its answer, and give the session back.

        Raises:
            NotFoundError: the session was deleted meanwhile.
            ConflictError: it was taken by another question, because this one took too long.
        """
        session, now = taken.session, int(self._clock())
        answer_id = identifiers.new(self._clock)
        turn = Turn(taken.question_id, question, taken.asked_at, answer_id, answer, now, tuple(citations))
        expires = now + self._days * DAY
        self._messages.put(_stored(session, turn, expires))
        kept = self._sessions.update(
            _key(session.user_id, session.id),
            "SET taken_until = :free, #expires_at = :expires",
            "taken_for = :id",
            free=0,
            expires=expires,
            id=taken.question_id,
        )
        if kept is None:
            self._messages.delete({"session_id": session.id, "message_id": turn.question_id})
            self._item(session.user_id, session.id)
            raise _busy()
        return turn

    def release(self, taken: Taken) -> None:
        """Give a session back without an answer, unless another question has it by now."""
        self._sessions.update(
            _key(taken.session.user_id, taken.session.id),
            "SET taken_until = :free",
            "taken_for = :id",
            free=0,
            id=taken.question_id,
        )

    def _item(self, user_id: str, session_id: str) -> dict[str, Any]:
        item = self._sessions.get(_key(user_id, session_id)) if identifiers.valid(session_id) else None
        if item is None or item[contract.TABLE_TTL] <= self._clock():
            raise NotFoundError("session")
        return item

    def _turn(self, session: Session, question_id: str) -> Turn | None:
        item = self._messages.get({"session_id": session.id, "message_id": question_id}) if question_id else None
        return _turn(item) if item else None


def _key(user_id: str, session_id: str) -> dict[str, str]:
    return {"user_id": user_id, "session_id": session_id}


def _busy() -> ApiError:
    return ApiError(409, "session_busy", "This chat is still answering the message before.", {"Retry-After": "3"})


def _session(item: dict[str, Any]) -> Session:
    return Session(item["session_id"], item["user_id"], item["title"], tuple(item["document_ids"]), item["created_at"])


def _stored(session: Session, turn: Turn, expires: int) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "message_id": turn.question_id,
        "question": turn.question,
        "asked_at": turn.asked_at,
        "answer_id": turn.answer_id,
        "answer": turn.answer,
        "answered_at": turn.answered_at,
        "citations": [asdict(citation) for citation in turn.citations],
        contract.TABLE_TTL: expires,
    }


def _turn(item: dict[str, Any]) -> Turn:
    return Turn(
        item["message_id"],
        item["question"],
        item["asked_at"],
        item["answer_id"],
        item["answer"],
        item["answered_at"],
        tuple(Citation(**citation) for citation in item["citations"]),
    )
