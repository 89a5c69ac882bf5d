"""Serve a stand-in's gRPC service on loopback, beside its HTTP: the same faults, keys and request log.

Owns the wire as `serving.py` does for HTTP. A path in a script of faults is the method's, such as
`/weaviate.v1.Weaviate/Search`. A fault's HTTP status becomes the code that a proxy between client and server makes of
it, a dropped connection UNAVAILABLE, which is what gRPC's clients make of one.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # the sandbox forks to start programs, which call nothing here

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from sandbox.standins.faults import Fault
    from sandbox.standins.serving import ServerState

THREADS = 16
STOP_SECONDS = 1.0
_CODES = {
    400: grpc.StatusCode.INTERNAL,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.UNIMPLEMENTED,
    429: grpc.StatusCode.UNAVAILABLE,
    500: grpc.StatusCode.UNKNOWN,
    502: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.UNAVAILABLE,
}
"""https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md"""


class RpcError(Exception):
    """A service's refusal of a call."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code


class Handlers:
    """What the generated code adds to, in the place of a server."""

    def __init__(self, *services: Callable[[Handlers], object]) -> None:
        """Args: services: each adds what a generated `add_…Servicer_to_server` adds to a server."""
        self._generic: list[Any] = []
        for service in services:
            service(self)

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """As `grpc.Server` has it."""
        self._generic.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """As `grpc.Server` has it; the generic ones do the same."""

    def find(self, details: grpc.HandlerCallDetails) -> Any:
        """The handler of a method, or None."""
        return next((found for each in self._generic if (found := each.service(details)) is not None), None)


class _Later(grpc.GenericRpcHandler):
    """Exists from the start, so its port is known, and is filled in when what it serves can be made."""

    def __init__(self) -> None:
        self.served: tuple[ServerState, Handlers, Mapping[str, str]] | None = None

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        if self.served is None:
            closed: grpc.RpcMethodHandler[Any, None] = grpc.unary_unary_rpc_method_handler(_not_open)
            return closed
        state, handlers, metadata = self.served
        found = handlers.find(handler_call_details)
        if found is None or found.unary_unary is None:
            return found
        return grpc.unary_unary_rpc_method_handler(
            _faulty(handler_call_details.method, found.unary_unary, state, metadata),
            found.request_deserializer,
            found.response_serializer,
        )


def _not_open(_: Any, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNAVAILABLE, "the sandbox is still starting")


def _faulty(
    method: str, work: Callable[[Any, Any], Any], state: ServerState, metadata: Mapping[str, str]
) -> Callable[[Any, Any], Any]:
    """A call with its faults and its entry in the log."""

    def called(request: Any, context: grpc.ServicerContext) -> Any:
        started, status = time.time(), 200
        fault = state.faults.next(method)
        context.send_initial_metadata(tuple(metadata.items()))
        try:
            return _done(fault, work, request, context)
        except RpcError as error:
            status = error.code.value[0]  # type: ignore[index]
            code, details = error.code, str(error)
        finally:
            state.log.add("RPC", method, status, started, {})
        return context.abort(code, details)

    return called


def _done(fault: Fault | None, work: Callable[[Any, Any], Any], request: Any, context: grpc.ServicerContext) -> Any:
    if fault is None:
        return work(request, context)
    if fault.delay_seconds:
        time.sleep(fault.delay_seconds)
    if fault.drop not in {None, "before"}:
        with suppress(RpcError):  # whatever came of it, nobody learns of it
            work(request, context)
    if fault.drop is not None:
        raise RpcError(grpc.StatusCode.UNAVAILABLE, "Socket closed")
    if fault.status is not None or fault.body is not None:
        status = fault.status or 200
        code = _CODES.get(status, grpc.StatusCode.UNKNOWN)
        raise RpcError(code, f"Received http2 header with status: {status}")
    return work(request, context)


class RpcServer:
    """A gRPC server on 127.0.0.1: UNAVAILABLE until it is told what to serve; also a context manager."""

    def __init__(self, port: int = 0) -> None:
        """Take a port; 0 takes a free one.

        Raises:
            RuntimeError: it is taken.
        """
        self._later = _Later()
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS, "strata-stand-in-rpc"),
            handlers=[self._later],
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)],
        )
        self.port: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> RpcServer:
        """Start; the port is open then."""
        self._server.start()
        return self

    def serve(self, state: ServerState, handlers: Handlers, metadata: Mapping[str, str]) -> RpcServer:
        """Serve this from now on.

        Args:
            state: with its faults and its log.
            handlers: the methods.
            metadata: of every answer: says what it is.
        """
        self._later.served = state, handlers, metadata
        return self

    def stop(self) -> None:
        """Stop, ending calls that are under way; a second call does nothing."""
        self._server.stop(None).wait(STOP_SECONDS)

    def __enter__(self) -> RpcServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
