"""Texts into vectors: what shares a request, how much passes, and which text makes one fail.

Owns the division of requests. How one is made is `embeddings`', and what its failure means `openai_service`'s.
"""

from __future__ import annotations

import contextlib
import time
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
REMEMBERED_SECONDS = 60.0
"""How long a smaller limit is kept to: limits are of a minute, and one that was an outage's is not kept to for life."""


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


@dataclass(slots=True)
class _Run:
    """One batch on its way."""

    deadline: Deadline
    embedded: Embedded = field(default_factory=Embedded)
    divided: bool = False
    """Whether a request was too large before."""
    checked: bool = False
    """Whether the server was asked if it refuses everything so."""


class Embedder:
    """Embeds chunks, and remembers for a while how much the server takes at once."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self._limit, self._limit_ends = MAX_REQUEST_TOKENS, 0.0

    def embed(self, chunks: Iterable[Chunk], deadline: Deadline) -> Embedded:
        """Embed all that can be, each text once.

        Args:
            chunks: of all documents.
            deadline: nothing is begun beyond it.
        """
        run = _Run(deadline)
        left = list({chunk.text: chunk for chunk in chunks}.values())
        try:
            while left := [chunk for chunk in left if not _settled(chunk, run.embedded)]:
                with contextlib.suppress(TooLargeError):  # a smaller group is next
                    self._embed(next(requests(left, self._most_tokens())), run)
        except (WorkError, SecretError) as error:
            run.embedded.stopped = error
        return run.embedded

    def _embed(self, group: Sequence[Chunk], run: _Run) -> None:
        """Make one request; when it fails because of some of its texts, find them."""
        embedded, deadline = run.embedded, run.deadline
        first = True

        def work(part: Sequence[Chunk]) -> None:
            nonlocal first
            once, first = not first, False
            try:
                self._embeddings.embed([chunk.text for chunk in part], embedded.vectors, deadline, once=once)
            except TooLargeError as error:
                self._too_large(part, error, run)
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

    def _too_large(self, part: Sequence[Chunk], error: TooLargeError, run: _Run) -> None:
        """Find out why a request was refused for its size: its own, a text's, or no size that there is.

        The first is divided and no more: that is what usually helps. Before the second is, and before a text is said to
        be the reason, the server is asked about one word.
        """
        if (run.divided or len(part) == 1) and not run.checked:
            run.checked = True
            self._check(error, run.deadline)
        run.divided = True
        if len(part) == 1:
            run.embedded.failed[part[0].text] = error
        else:
            tokens = [chunk.tokens for chunk in part]
            # One text cannot be divided: a limit below the largest would only send all others one by one.
            self._limit = max(int(sum(tokens) * error.share), *tokens)
            self._limit_ends = time.monotonic() + REMEMBERED_SECONDS

    def _check(self, error: TooLargeError, deadline: Deadline) -> None:
        try:
            self._embeddings.check(error, deadline)
        except WorkError:
            self._limit = MAX_REQUEST_TOKENS  # what was learned is not about sizes
            raise

    def _most_tokens(self) -> int:
        """Of the next request."""
        if time.monotonic() >= self._limit_ends:
            self._limit = MAX_REQUEST_TOKENS
        return self._limit


def requests(chunks: Iterable[C], tokens: int = MAX_REQUEST_TOKENS) -> Iterator[list[C]]:
    """Chunks in requests of at most 2,048 inputs and so many tokens."""
    return packed(chunks, most=MAX_INPUTS, size=lambda chunk: chunk.tokens, limit=tokens)


def _settled(chunk: Chunk, embedded: Embedded) -> bool:
    return chunk.text in embedded.vectors or chunk.text in embedded.failed
