"""Calls over gRPC as Weaviate's client makes them, ended by a deadline and made once.

By itself the client repeats a call that finds no server after 1, 2, 4, 8, 16 and 32 seconds, whatever time is left, and
keeps a failure's status code to itself. Both is changed where gRPC offers it: by an interceptor of the channel.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import grpc
from weaviate.connect import ConnectionParams

if TYPE_CHECKING:
    from lambdas.shared.deadline import Deadline

LEAST_SECONDS = 0.001
PASSING: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED"})
"""Codes of an outage, or of a moment: nothing is wrong with the request."""

seconds_at_most: ContextVar[tuple[Deadline, float]] = ContextVar("seconds_at_most")
"""Of the call that is being made: the deadline, and what one attempt may take."""


class Answer(Exception):  # noqa: N818 - it is what the server said, and only sometimes an error
    """A call that failed; not a `grpc.RpcError`, which the client would repeat, or make a sentence of."""

    def __init__(self, code: str, details: str) -> None:
        """Remember what gRPC said.

        Args:
            code: such as UNAVAILABLE.
            details: a sentence of the server's, or of gRPC's.
        """
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed later."""
        return self.code in PASSING

    @property
    def about_the_key(self) -> bool:
        """Whether the key is what was refused."""
        return self.code in {"UNAUTHENTICATED", "PERMISSION_DENIED"}


class _Once(grpc.UnaryUnaryClientInterceptor):
    """Ends each call in time, and raises an `Answer` where it failed."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        deadline, most = seconds_at_most.get()
        seconds = max(LEAST_SECONDS, min(most, deadline.left()))
        outcome = continuation(client_call_details._replace(timeout=seconds), request)
        if outcome.code() is not grpc.StatusCode.OK:
            raise Answer(outcome.code().name, str(outcome.details()))
        return outcome


class BoundedParams(ConnectionParams):
    """Where Weaviate is; and a channel whose calls are made once.

    `_grpc_channel` is the client's own name for making one: the layer pins its version, and a test counts the calls.
    """

    def _grpc_channel(self, *args: Any, **kwargs: Any) -> Any:
        channel: Any = super()._grpc_channel(*args, **kwargs)
        return grpc.intercept_channel(channel, _Once())
