"""A second mapping of one source to one function is refused, as in AWS; the emulator makes it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = tuple[int, dict[str, str], bytes]


def amend(module: dict[str, Any]) -> None:
    """Replace CreateEventSourceMapping in the emulator's module."""
    original: Callable[[dict[str, Any]], Answer] = module["_create_esm"]

    def create_mapping(request: dict[str, Any]) -> Answer:
        name, qualifier, error = module["_resolve_existing_esm_function"](request.get("FunctionName", ""))
        if not error:
            source = request.get("EventSourceArn")
            function = module["_func_arn"](name) + (f":{qualifier}" if qualifier else "")
            for mapping in list(module["_esms"].values()):
                if (mapping["EventSourceArn"], mapping["FunctionArn"]) == (source, function):
                    message = (
                        f'The event source arn (" {source} ") and function (" {function} ") provided mapping already '
                        f"exists. Please update or delete the existing mapping with UUID {mapping['UUID']}"
                    )
                    refusal: Answer = module["error_response_json"](
                        "ResourceConflictException", message, HTTPStatus.CONFLICT
                    )
                    return refusal
        return original(request)

    module["_create_esm"] = create_mapping
