"""The connection to Weaviate: made by the first call, kept between invocations, replaced when it has gone stale.

Owns the key's renewal, what is tried again, and what a failure means. Nothing here outlives its deadline: a
call over gRPC is ended by gRPC, and what goes over HTTP, the opening, is left behind (`lambdas.shared.deadline`).
"""

from __future__ import annotations

import threading
import time
import warnings
from typing import TYPE_CHECKING, TypeVar

import httpx

from lambdas.shared.lazy import lazy_packages

# authlib is for single sign-on, which is not used here: a fifth of the import. And the client shows every warning of
# the whole process from its import on, in the function's log.
with warnings.catch_warnings(), lazy_packages("authlib"):
    from weaviate.exceptions import (
        UnexpectedStatusCodeError,
        WeaviateBaseError,
        WeaviateInsertManyAllFailedError,
        WeaviateInvalidInputError,
    )

from lambdas.knowledge_base.errors import VectorsError
from lambdas.knowledge_base.retrieval.attempts import Answer, seconds_at_most
from lambdas.knowledge_base.retrieval.calls import Calls, CollectionGoneError, RefusedObjectsError
from lambdas.knowledge_base.retrieval.opening import NotWeaviateError, open_client, params
from lambdas.shared.attempts import SERVER_ERROR, Failure, NoTimeLeftError, Policy, attempt
from lambdas.shared.deadline import OverrunError, Worker
from lambdas.shared.secret import SecretError
from lambdas.shared.work_errors import (
    ConfigurationError,
    ForbiddenError,
    KeyRefusedError,
    RefusedInputError,
    UnavailableError,
    WorkError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from weaviate import WeaviateClient

    from lambdas.shared.deadline import Deadline
    from lambdas.shared.secret import Secret

T = TypeVar("T")

POLICY = Policy(retries=3, first_wait_seconds=0.2, max_wait_seconds=2.0, try_seconds=8.0)
KEPT_SECONDS = 240.0
"""Without a call, after which a connection is not trusted any more: a frozen environment does not see it end, and what
lies between (a NAT gateway after 350 s) forgets it without a word."""
UNAUTHORIZED, FORBIDDEN = 401, 403


class Connection:
    """To one Weaviate, with one key at a time."""

    def __init__(self, url: str, grpc_url: str | None, secret: Secret) -> None:
        """Remember where it is.

        Args:
            url: of the REST API.
            grpc_url: of the gRPC API; None: beside the former.
            secret: the API key.
        """
        self._where = params(url, grpc_url)
        self._secret = secret
        self._worker = Worker()
        self._lock = threading.Lock()
        self._opened: tuple[str, WeaviateClient] | None = None
        self._used = 0.0
        self._fresh = False

    def call(self, work: Callable[[Calls], T], deadline: Deadline) -> T:
        """Do something with the connection, as often as it takes.

        Args:
            work: what may be done twice.
            deadline: nothing is begun, and nothing waited for, beyond it.

        Raises:
            VectorsError: it was not done, or may not have been.
        """

        def made() -> T:
            return attempt(lambda seconds: self._once(work, deadline, seconds), self._explained, POLICY, deadline)

        try:
            return self._worker.within(deadline, lambda: self._secret.renewing(made, (KeyRefusedError, ForbiddenError)))
        except (NoTimeLeftError, OverrunError) as error:
            self.close()
            raise VectorsError("no time was left for an answer of Weaviate") from error
        except SecretError as error:
            raise VectorsError(str(error)) from error  # it may be there later
        except WorkError as error:
            raise VectorsError(str(error), may_pass=isinstance(error, UnavailableError)) from error

    def _once(self, work: Callable[[Calls], T], deadline: Deadline, seconds: float) -> T:
        seconds_at_most.set((deadline, seconds))
        outcome = work(Calls(self._client()))
        self._used = time.time()
        return outcome

    def _client(self) -> WeaviateClient:
        """Connected, with the key of now, and the collection there."""
        key = self._secret.value()
        opened = self._opened
        # By the clock on the wall: the other one may stand still while the environment is frozen.
        self._fresh = opened is None or opened[0] != key or time.time() - self._used > KEPT_SECONDS
        if opened is not None and not self._fresh:
            return opened[1]
        self.close()
        client = open_client(self._where, key)
        with self._lock:
            self._opened, self._used = (key, client), time.time()
        return client

    def close(self) -> None:
        """Let go of it; the next call connects anew."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened[1].close()

    def _explained(self, error: Exception) -> Failure | None:
        """What a failed attempt means; after each the connection is a new one."""
        failure = _meaning(error)
        if failure is not None:
            self.close()
            # With an old connection the collection may have gone, which the opening of a new one puts right.
            if isinstance(failure.error, RefusedInputError) and not self._fresh:
                return Failure(failure.error)
        return failure


def _meaning(error: Exception) -> Failure | None:
    match error:
        case Answer():
            return _answered(error)
        case UnexpectedStatusCodeError():
            return _status(error)
        case RefusedObjectsError() | WeaviateInsertManyAllFailedError() | WeaviateInvalidInputError():
            return Failure(RefusedInputError(f"Weaviate: {error}"), final=True)
        case NotWeaviateError() | CollectionGoneError() | WeaviateBaseError() | httpx.HTTPError():
            return Failure(UnavailableError(f"Weaviate: {type(error).__name__}: {error}"))
        case ConfigurationError():
            return Failure(error, final=True)
        case _:
            return None


def _answered(answer: Answer) -> Failure:
    """What a failed call over gRPC means."""
    told = f"Weaviate: {answer}"
    if answer.may_pass:
        return Failure(UnavailableError(told))
    match answer.code:
        case "UNAUTHENTICATED":
            return Failure(KeyRefusedError(told), final=True)
        case "PERMISSION_DENIED":
            return Failure(ForbiddenError(told), final=True)
        case _:
            return Failure(RefusedInputError(told), final=True)


def _status(error: UnexpectedStatusCodeError) -> Failure:
    """What an answer over HTTP means."""
    status = error.status_code
    told = f"Weaviate answered {status}"
    if status == UNAUTHORIZED:
        return Failure(KeyRefusedError(told), status)
    if status == FORBIDDEN:
        return Failure(ForbiddenError(told), status)
    if status >= SERVER_ERROR or status in POLICY.statuses:
        return Failure(UnavailableError(told), status)
    return Failure(ConfigurationError(f"{told}: {error}"), status)
