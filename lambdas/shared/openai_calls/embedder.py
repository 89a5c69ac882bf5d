"""Texts into vectors: what shares a request, how much passes, and which text makes one fail.

Owns the division of requests. How one is made is `embeddings`', and what its failure means `openai_service`'s.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from lambdas.shared.batches import Failed, isolated, packed
from lambdas.shared.secret import SecretError
from lambdas.shared.work_errors import BusyError, RefusedInputError, TooLargeError, UnavailableError, WorkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lambdas.shared.deadline import Deadline
    from lambdas.shared.openai_calls.answers import Vector
    from lambdas.shared.openai_calls.embeddings import Embeddings

MAX_INPUTS = 2_048
"""Of one request: https://platform.openai.com/docs/api-reference/embeddings/create"""
MAX_REQUEST_TOKENS = 300_000


class Chunk(Protocol):
    """A text, counted."""

    @property
    def text(self) -> str:
        """What is embedded."""
        ...

    @property
    def tokens(self) -> int:
        """As the API will count them, or about so many."""
        ...


C = TypeVar("C", bound=Chunk)


@dataclass(slots=True)
class Embedded:
    """What became of some chunks."""

    vectors: dict[str, Vector] = field(default_factory=dict[str, "Vector"])
    """Text to vector."""
    failed: dict[str, Exception] = field(default_factory=dict[str, Exception])
    """Texts that stood alone when they failed."""
    stopped: Exception | None = None
    """Why the texts in neither were not embedded."""

    def reason(self, texts: Iterable[str]) -> Exception | None:
        """Why a document cannot be stored; None when all its texts have vectors."""
        missing = [text for text in texts if text not in self.vectors]
        return next((self.failed[text] for text in missing if text in self.failed), self.stopped) if missing else None


class Embedder:
    """Embeds chunks, and remembers between batches how much the server takes at once."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self._request_tokens = MAX_REQUEST_TOKENS

    def embed(self, chunks: Iterable[Chunk], deadline: Deadline) -> Embedded:
        """Embed all that can be, each text once.

        Args:
            chunks: of all documents.
            deadline: nothing is begun beyond it.
        """
        embedded = Embedded()
        left = list({chunk.text: chunk for chunk in chunks}.values())
        try:
            while left := [chunk for chunk in left if not _settled(chunk, embedded)]:
                with contextlib.suppress(TooLargeError):  # a smaller group is next
                    self._embed(next(requests(left, self._request_tokens)), embedded, deadline)
        except (WorkError, SecretError) as error:
            embedded.stopped = error
        return embedded

    def _embed(self, group: Sequence[Chunk], embedded: Embedded, deadline: Deadline) -> None:
        """Make one request; when it fails because of some of its texts, find them."""
        first = True

        def work(part: Sequence[Chunk]) -> None:
            nonlocal first
            once, first = not first, False
            try:
                self._embeddings.embed([chunk.text for chunk in part], embedded.vectors, deadline, once=once)
            except TooLargeError as error:
                if len(part) == 1:
                    embedded.failed[part[0].text] = error
                else:
                    self._request_tokens = int(sum(chunk.tokens for chunk in part) * error.share)
                raise

        for outcome in isolated(
            group,
            work,
            divides=lambda error: (
                isinstance(error, RefusedInputError | UnavailableError) and not isinstance(error, BusyError)
            ),
            suspect=lambda error: self._embeddings.check(error, deadline),
            left=lambda part: [chunk for chunk in part if chunk.text not in embedded.vectors],
        ):
            if isinstance(outcome, Failed):
                embedded.failed[outcome.item.text] = outcome.error


def requests(chunks: Iterable[C], tokens: int = MAX_REQUEST_TOKENS) -> Iterator[list[C]]:
    """Chunks in requests of at most 2,048 inputs and so many tokens."""
    return packed(chunks, most=MAX_INPUTS, size=lambda chunk: chunk.tokens, limit=tokens)


def _settled(chunk: Chunk, embedded: Embedded) -> bool:
    return chunk.text in embedded.vectors or chunk.text in embedded.failed
