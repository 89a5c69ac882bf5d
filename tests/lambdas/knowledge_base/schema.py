"""Requests from an OpenAPI document, right and wrong, and what every answer is held against (schemathesis)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def described(app: Any) -> Any:
    """The API as it describes itself, asked in the process."""
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def cases(operation: Any, named: Mapping[str, str]) -> list[Any]:
    """Strategies for the requests of one route; with what its path names, if that is there, as well as without."""
    made = [operation.as_strategy(mode) for mode in GenerationMode]
    if named:
        made += [operation.as_strategy(mode, path_parameters=dict(named)) for mode in GenerationMode]
    return made
