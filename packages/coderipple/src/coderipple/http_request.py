"""A request as API Gateway hands it on: its method, path, headers and the bytes that were sent.

Owns the event's shape and the two ways in which GitHub encodes a payload. What the payload means is the parser's.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs

from coderipple.errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 8
"""GitHub's form has one."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """As it was sent: what the signature is of."""

    def payload(self) -> dict[str, Any]:
        """The webhook's JSON object.

        Raises:
            PayloadError: the body is neither JSON nor a form with JSON in its field `payload`.
        """
        try:
            text = self.body.decode("utf-8")
        except UnicodeDecodeError:
            raise PayloadError("the body is not UTF-8") from None
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
            text = _form_field(text, "payload")
        return json_object(text)


def _form_field(text: str, name: str) -> str:
    try:
        return parse_qs(text, max_num_fields=MOST_FIELDS).get(name, [""])[0]
    except ValueError:
        raise PayloadError(f"the body is a form of more than {MOST_FIELDS} fields") from None


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part: object = event.get(name) or {}
    if not isinstance(part, dict):
        raise PayloadError(f"the event's {name} is not an object")
    return cast("dict[str, Any]", part)


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Headers by their names in lower case; of several with one name the last, as API Gateway has it.

    A load balancer that is told to hand on several of a name sends no others.
    """
    several: Mapping[str, list[str] | None] = _part(event, "multiValueHeaders")
    last = {name: values[-1] for name, values in several.items() if isinstance(values, list) and values}
    return {str(name).lower(): str(value) for name, value in {**last, **_part(event, "headers")}.items()}


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        PayloadError: it is not one.
    """
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise PayloadError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise PayloadError("the body is not a JSON object")
    return cast("dict[str, Any]", value)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def is_http(event: object) -> bool:
    """Whether an event came through an API or a function URL: from anyone, so it needs a signature."""
    return isinstance(event, dict) and ("requestContext" in event or "httpMethod" in event)


def read_request(event: Mapping[str, Any]) -> HttpRequest:
    """Read an event of an HTTP API (payload version 2.0, and 1.0).

    Raises:
        PayloadError: it is not such an event, or its body says that it is base64, and is not.
    """
    context = _part(event, "requestContext")
    http = _part(context, "http")
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise PayloadError("the event's body is not a string")
    raw = body.encode("utf-8", "surrogatepass")
    if event.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(raw, validate=True)
        except (binascii.Error, ValueError):
            raise PayloadError("the body is not base64, and the event says that it is") from None
    return HttpRequest(
        method=str(http.get("method") or event.get("httpMethod") or ""),
        path=str(event.get("rawPath") or event.get("path") or ""),
        headers=_headers(event),
        body=raw,
    )
