"""Calls to one Pinecone index through its client, within the time that the function has left.

Owns the client, its attempts, the key's renewal and the mapping of its errors. What is asked is `vectors`'s.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pinecone
from pinecone import Pinecone
from pinecone.errors import exceptions as errors

from lambdas.embedding.errors import (
    ConfigurationError,
    EmbeddingError,
    KeyRefusedError,
    OutOfTimeError,
    RefusedInputError,
    UnavailableError,
)
from lambdas.shared.deadline import retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.shared.deadline import Deadline
    from lambdas.shared.secrets import Secret

T = TypeVar("T")

ATTEMPTS = 4
ATTEMPT_SECONDS = 15.0
FIRST_BACKOFF_SECONDS, MOST_BACKOFF_SECONDS = 0.25, 4.0
DETAIL_LENGTH = 200


class PineconeClient:
    """The client of one index."""

    def __init__(self, host: str, secret: Secret) -> None:
        """Remember where the index is; the client is made, with the key, at the first call."""
        self.host = host
        self._secret = secret
        self._index: tuple[str, Any] | None = None

    def call(self, work: Callable[[Any, float], T], deadline: Deadline) -> T:
        """Make a request; a refused key is read again, and when it has changed the request is made once more.

        Args:
            work: gets the index's client and the seconds that an attempt may take.
            deadline: nothing is begun, and nothing waited for, beyond it.

        Raises:
            RefusedInputError: 400, 413, 422, or the client itself refused what it was given.
            KeyRefusedError: 401 or 403.
            ConfigurationError: another answer that retrying does not change, such as 404.
            UnavailableError: no usable answer in four attempts.
            OutOfTimeError: the deadline came first.
            SecretError: there is no key.
        """
        try:
            return self._attempts(work, deadline)
        except KeyRefusedError:
            self._index = None
            if not self._secret.refresh():
                raise
            return self._attempts(work, deadline)

    def _attempts(self, work: Callable[[Any, float], T], deadline: Deadline) -> T:
        for attempt in range(ATTEMPTS):
            left = deadline.left()
            if left <= 0:
                break
            try:
                return work(self._connected(), min(ATTEMPT_SECONDS, left))
            except errors.PineconeError as error:
                failure, wait = _explained(error, attempt)
                if wait is None or attempt + 1 == ATTEMPTS or wait >= deadline.left():
                    raise failure from None
                time.sleep(wait)
        raise OutOfTimeError("no time was left for an answer of Pinecone")

    def _connected(self) -> Any:
        # The client takes its key once. The secret's own cache decides when it is read again.
        key = self._secret.value()
        if self._index is None or self._index[0] != key:
            self._index = (key, _one_attempt_client(key, self.host))
        return self._index[1]


def _one_attempt_client(key: str, host: str) -> Any:
    """The index's client without its own retries.

    Those wait as long as a server asks (up to 90 s), whatever time is left; and what they are told by
    `Pinecone(retry_config=…)` does not reach an index opened by its host. Hence a private attribute, looked at before
    it is changed: the layer pins the client's version, and a test counts attempts.
    """
    index: Any = Pinecone(api_key=key).Index(host=host)
    transport = index._http._client._transport  # noqa: SLF001
    if not isinstance(transport._config, pinecone.RetryConfig):  # noqa: SLF001
        raise ConfigurationError("this version of pinecone keeps its retries elsewhere: see _one_attempt_client")
    transport._config = pinecone.RetryConfig(max_retries=0)  # noqa: SLF001
    return index


def _explained(error: errors.PineconeError, attempt: int) -> tuple[EmbeddingError, float | None]:
    """What a failed attempt means, and after how many seconds to try again; None is never."""
    backoff = min(FIRST_BACKOFF_SECONDS * 2**attempt, MOST_BACKOFF_SECONDS)
    backoff *= 1 + random.random() / 2  # noqa: S311  so that functions that failed together do not return together
    if isinstance(error, errors.ApiError):
        status = error.status_code
        where = f"Pinecone answered {status}"
        if status in {401, 403}:
            return KeyRefusedError(where), None
        if status in {400, 413, 422}:
            return RefusedInputError(f"{where}: {error.message[:DETAIL_LENGTH]}"), None
        if status in {408, 409, 429} or status >= 500:  # noqa: PLR2004  server errors
            asked = retry_after_seconds({name.lower(): value for name, value in (error.headers or {}).items()})
            return UnavailableError(where), max(backoff, asked or 0)
        return ConfigurationError(f"{where}: {error.message[:DETAIL_LENGTH]}"), None
    if isinstance(error, errors.PineconeValueError | errors.PineconeTypeError):  # refused by the client itself
        return RefusedInputError(f"Pinecone's client: {type(error).__name__}"), None
    # Timeouts, dropped connections, and an answer that cannot be read; an upsert made twice is the same upsert.
    return UnavailableError(f"Pinecone: {type(error).__name__}"), backoff
