"""The index of passages: what is stored of a document, removed of it and found in it; in Weaviate, a tenant per user.

Owns what is asked. How Weaviate is reached, how long that may take and what its failures mean is `connection.py`'s; the
collection is `collection.py`'s. Weaviate's client is imported by the first call.
"""

from __future__ import annotations

import math
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lambdas.knowledge_base.retrieval.passages import Hit, Passage
from lambdas.shared.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambdas.knowledge_base.retrieval.connection import Connection
    from lambdas.shared.secret import Secret

__all__ = ["Hit", "Passage", "Vectors"]

CALL_SECONDS = 20.0
"""Of a call without a deadline of its own: an answer of the API is of no use after 29 s."""
PUT_AT_ONCE = 128
"""Passages in a request: with 3,072 dimensions 2 MB of the 10 MB that older servers take."""
VECTOR_SHARE = 0.7
"""Of a hit's score; the rest is its words'. Weaviate's own default, kept if that changes."""


class Vectors:
    """The passages of all users, each call for one of them."""

    def __init__(self, url: str, grpc_url: str | None, secret: Secret) -> None:
        """Remember where Weaviate is; nothing is connected before the first call.

        Args:
            url: of its REST API.
            grpc_url: of its gRPC API; None: where Weaviate Cloud has it, beside `url`.
            secret: WEAVIATE_API_KEY.
        """
        self._url = url
        self._grpc_url = grpc_url
        self._secret = secret

    @cached_property
    def _connection(self) -> Connection:
        # PDFs are read in forked children, which call nothing: gRPC's handlers would stop its threads at each fork.
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        from lambdas.knowledge_base.retrieval.connection import Connection  # a second of imports

        return Connection(self._url, self._grpc_url, self._secret)

    def prepare(self) -> None:
        """Import what the first call would; nothing is connected."""
        _ = self._connection

    def close(self) -> None:
        """Let go of the connection; the next call makes a new one."""
        self._connection.close()

    def check(self, *, deadline: Deadline | None = None) -> str:
        """Whether Weaviate answers, accepts the key, and has the collection or lets it be made.

        Returns:
            The server's version.

        Raises:
            VectorsError: it does not.
        """
        return self._connection.call(lambda calls: calls.version(), _bounded(deadline))

    def put(
        self,
        user_id: str,
        passages: Sequence[Passage],
        vectors: Sequence[Sequence[float]],
        *,
        deadline: Deadline | None = None,
    ) -> None:
        """Store passages; those that are there already are replaced.

        Args:
            user_id: whose they are.
            passages: any number.
            vectors: for each passage (dimensions,), all of one length for all passages of a user.
            deadline: nothing is begun beyond it.

        Raises:
            VectorsError: at least one is not stored; the same call again stores them all.
            ValueError: there are not as many vectors as passages, or one has a number that is not finite.
        """
        if len(passages) != len(vectors):
            raise ValueError(f"{len(passages)} passages with {len(vectors)} vectors: each needs one")
        if not all(math.isfinite(number) for vector in vectors for number in vector):
            raise ValueError("a vector has a number that is not finite")
        until = _bounded(deadline)
        for at in range(0, len(passages), PUT_AT_ONCE):
            some = slice(at, at + PUT_AT_ONCE)
            self._connection.call(lambda calls, some=some: calls.put(user_id, passages[some], vectors[some]), until)

    def remove(
        self, user_id: str, document_id: str, *, except_run: str | None = None, deadline: Deadline | None = None
    ) -> None:
        """Remove a document's passages; that there are none is no error.

        Args:
            user_id: whose it is.
            document_id: the document.
            except_run: the ingestion whose passages stay.
            deadline: nothing is begun beyond it.

        Raises:
            VectorsError: some may be left; the same call again removes them.
        """
        self._connection.call(lambda calls: calls.remove(user_id, document_id, except_run), _bounded(deadline))

    def remove_user(self, user_id: str, *, deadline: Deadline | None = None) -> None:
        """Remove all that a user has; that there is nothing is no error.

        Raises:
            VectorsError: it may not be removed; the same call again does it.
        """
        self._connection.call(lambda calls: calls.remove_tenant(user_id), _bounded(deadline))

    def search(
        self,
        user_id: str,
        query: str,
        vector: Sequence[float],
        *,
        limit: int,
        document_ids: Iterable[str] | None = None,
        excluding: Iterable[str] = (),
        deadline: Deadline | None = None,
    ) -> list[Hit]:
        """The passages that fit best by their words (BM25) and by their vectors, the best first.

        Args:
            user_id: whose passages: no other's are looked at.
            query: for the words.
            vector: (dimensions,), of the query.
            limit: hits at most.
            document_ids: of the documents that are looked at; None: all of the user's.
            excluding: of documents that are not.
            deadline: no answer is of use after it.

        Raises:
            VectorsError: Weaviate gave no answer.
        """
        left_out = frozenset(excluding)
        chosen = None if document_ids is None else sorted(set(document_ids) - left_out)
        if chosen is not None and not chosen:
            return []
        numbers: Any = [float(number) for number in vector]
        return self._connection.call(
            lambda calls: calls.hybrid(
                user_id,
                query,
                numbers,
                limit=limit,
                document_ids=chosen,
                excluding=sorted(left_out) if chosen is None else (),
                vector_share=VECTOR_SHARE,
            ),
            _bounded(deadline),
        )


def _bounded(deadline: Deadline | None) -> Deadline:
    return deadline or Deadline.after(CALL_SECONDS)
