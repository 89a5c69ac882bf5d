"""Calls to one Pinecone index through its client, within the time that the function has left.

Owns the client, what is tried again, the key's renewal and the meaning of its errors. What is asked is `vectors`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pinecone
from pinecone import Pinecone
from pinecone.errors import exceptions as errors

from lambdas.shared.attempts import SERVER_ERROR, Failure, NoTimeLeftError, Policy, attempt
from lambdas.shared.quotes import quotable
from lambdas.shared.work_errors import (
    ConfigurationError,
    ForbiddenError,
    KeyRefusedError,
    OutOfTimeError,
    RefusedInputError,
    UnavailableError,
    WorkError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdas.shared.deadline import Deadline
    from lambdas.shared.secret import Secret

T = TypeVar("T")

POLICY = Policy(retries=3, first_wait_seconds=0.25, max_wait_seconds=4.0, try_seconds=15.0)


class PineconeClient:
    """The client of one index."""

    def __init__(self, host: str, secret: Secret) -> None:
        """Remember where the index is; the client is made, with the key, at the first call."""
        self.host = host
        self._secret = secret
        self._index: tuple[str, Any] | None = None

    def call(self, work: Callable[[Any, float], T], deadline: Deadline, sent: Callable[[], Sequence[str]] = tuple) -> T:
        """Make a request; a refused key is read again, and when it has changed the request is made once more.

        Args:
            work: gets the index's client and the seconds that an attempt may take.
            deadline: nothing is begun, and nothing waited for, beyond it.
            sent: makes what of the request is not to be in a log, should the answer quote it.

        Raises:
            RefusedInputError: 400, 413, 422, or the client itself refused what it was given.
            KeyRefusedError: 401.
            ForbiddenError: 403.
            ConfigurationError: another answer that retrying does not change, such as 404; or there can be no such host.
            UnavailableError: no usable answer in four attempts.
            OutOfTimeError: the deadline came first.
            SecretError: there is no key.
        """

        def request() -> T:
            index = self._connected()
            return attempt(
                lambda seconds: work(index, seconds), lambda error: _explained(error, sent), POLICY, deadline
            )

        try:
            return self._secret.renewing(request, (KeyRefusedError, ForbiddenError))
        except NoTimeLeftError:
            raise OutOfTimeError("no time was left for an answer of Pinecone") from None

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
    try:
        index: Any = Pinecone(api_key=key).Index(host=host)
    except errors.PineconeValueError:
        raise ConfigurationError(
            f"PINECONE_INDEX_HOST is {host!r}, which is not a host: copy the index's host from the Pinecone console, "
            "such as docs-1a2b3c4.svc.aped-4627-b74a.pinecone.io, not its name"
        ) from None
    transport = index._http._client._transport  # noqa: SLF001
    if not isinstance(transport._config, pinecone.RetryConfig):  # noqa: SLF001
        raise ConfigurationError("this version of pinecone keeps its retries elsewhere: see _one_attempt_client")
    transport._config = pinecone.RetryConfig(max_retries=0)  # noqa: SLF001
    return index


def _explained(error: Exception, sent: Callable[[], Sequence[str]]) -> Failure | None:
    """What a failed attempt means."""
    if isinstance(error, errors.ApiError):
        return Failure(_meaning(error, sent), error.status_code, error.headers or {})
    if isinstance(error, errors.PineconeValueError | errors.PineconeTypeError):  # refused by the client itself
        return Failure(RefusedInputError(f"Pinecone's client: {type(error).__name__}"), final=True)
    if isinstance(error, errors.PineconeError):
        # Timeouts, dropped connections, and an answer that cannot be read; an upsert made twice is the same upsert.
        return Failure(UnavailableError(f"Pinecone: {type(error).__name__}"))
    return None


def _meaning(error: errors.ApiError, sent: Callable[[], Sequence[str]]) -> WorkError:
    """What an answer other than 200 means."""
    status = error.status_code
    where = f"Pinecone answered {status}"
    if status in POLICY.statuses or status >= SERVER_ERROR:
        return UnavailableError(where)
    told = f"{where}: {quotable(error.message, sent())}"
    match status:
        case 401:
            return KeyRefusedError(where)
        case 403:
            return ForbiddenError(told)
        case 400 | 413 | 422:
            return RefusedInputError(told)
        case _:
            return ConfigurationError(told)
