"""Secrets that were made without a value have none, as in AWS; the emulator makes them a version without content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = tuple[int, dict[str, str], bytes]
HTTP_OK = 200
VALUES = ("SecretString", "SecretBinary")


def amend(module: dict[str, Any]) -> None:
    """Replace CreateSecret in the emulator's module."""
    original: Callable[[dict[str, Any]], Answer] = module["_create_secret"]

    def create_secret(request: dict[str, Any]) -> Answer:
        status, headers, body = original(request)
        if status != HTTP_OK or any(request.get(value) is not None for value in VALUES):
            return status, headers, body
        module["_secrets"][request["Name"]]["Versions"].clear()
        answer = {key: value for key, value in json.loads(body).items() if key != "VersionId"}
        return status, headers, json.dumps(answer).encode()

    module["_create_secret"] = create_secret
