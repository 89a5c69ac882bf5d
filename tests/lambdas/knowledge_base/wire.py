"""Answers in place of AWS's, given where a request would leave botocore's client: all else of the client is real."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lambdas.knowledge_base.services import Services


class _Raw(io.BytesIO):
    """A body as urllib3 has it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.getvalue()


def answer(request: Any, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> AWSResponse:
    """An answer to a request."""
    raw: Any = _Raw(body)
    given: Any = dict(headers or {})
    return AWSResponse(request.url, status, given, raw)


class Broken:
    """Within, an operation is answered with an error."""

    def __init__(self, client: Any, operation: str, status: int = 403, code: str = "AccessDenied") -> None:
        self._client = client
        self._event = f"before-send.{client.meta.service_model.service_id.hyphenize()}.{operation}"
        self._body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self._status = status
        self.asked = 0

    def __enter__(self) -> Broken:
        self._client.meta.events.register(self._event, self._answer)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.meta.events.unregister(self._event, self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        self.asked += 1
        return answer(request, self._body, self._status)


def lambda_client(services: Services, invoked: Callable[[Any], AWSResponse]) -> Callable[..., Any]:
    """What makes clients as `services` does, but for Lambda's, whose invocations are answered here."""
    make = services.client

    def client(service: str, *given: Any) -> Any:
        made = make(service, *given)
        if service == "lambda":
            made.meta.events.register("before-send.lambda.Invoke", lambda request, **_: invoked(request))
        return made

    return client
