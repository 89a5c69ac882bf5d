"""Structured output: which schemas OpenAI's strict mode takes. What is answered in them is in `extracts.py`.

The rules are those of https://platform.openai.com/docs/guides/structured-outputs#supported-schemas. Schemas that are
not strict, and the form `json_object`, are not implemented, and refused in words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from lambdas.shared.json_values import is_list, is_object
from sandbox.standins.openai.problems import OpenAIError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
REFUSED: Final = (
    "allOf",
    "not",
    "oneOf",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "then",
    "else",
    "patternProperties",
    "unevaluatedProperties",
    "default",
)
MOST_PROPERTIES: Final = 5_000
MOST_LEVELS: Final = 10
ROOT: Final = "#"
DEFINITIONS: Final = "#/$defs/"


def parse_form(found: Any) -> dict[str, Any] | None:
    """Check a `response_format`.

    Returns:
        The schema; None for plain text.

    Raises:
        OpenAIError: 400, with the API's message.
    """
    if found is None or found == {"type": "text"}:
        return None
    if not is_object(found) or found.get("type") != "json_schema":
        raise _refused("the OpenAI stand-in implements response_format json_schema only")
    described = found.get("json_schema")
    if not is_object(described) or not is_object(described.get("schema")):
        raise OpenAIError(
            400,
            "Missing required parameter: 'response_format.json_schema'.",
            param="response_format.json_schema",
            code="missing_required_parameter",
        )
    name = described.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        message = "Invalid 'response_format.json_schema.name': expected a string that matches '^[a-zA-Z0-9_-]+$'."
        raise OpenAIError(400, message, param="response_format.json_schema.name", code="invalid_value")
    if described.get("strict") is not True:
        raise _refused("the OpenAI stand-in implements strict schemas only")
    schema: dict[str, Any] = described["schema"]
    _Check(name, schema).whole()
    return schema


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema itself, where another one only names it."""
    while isinstance(reference := schema.get("$ref"), str):
        schema = root if reference == ROOT else root["$defs"][reference.removeprefix(DEFINITIONS)]
    return schema


def _refused(message: str) -> OpenAIError:
    return OpenAIError(400, message, param="response_format")


class _Check:
    """One schema, walked through."""

    def __init__(self, name: str, root: dict[str, Any]) -> None:
        self._name = name
        self._root = root
        self._properties = 0

    def whole(self) -> None:
        """Check the schema and its definitions.

        Raises:
            OpenAIError: 400.
        """
        if self._root.get("type") != "object":
            found = self._root.get("type")
            raise self._error((), f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{found}\"'.")
        self._check(self._root, (), 1)
        for name, schema in self._root.get("$defs", {}).items():
            self._check(schema, ("$defs", name), 1)
        if self._properties > MOST_PROPERTIES:
            raise self._error((), f"schema exceeds the limit of {MOST_PROPERTIES} object properties.")

    def _error(self, place: tuple[str, ...], what: str) -> OpenAIError:
        return _refused(f"Invalid schema for response_format '{self._name}': In context={place!r}, {what}")

    def _check(self, schema: Any, place: tuple[str, ...], level: int) -> None:
        if not is_object(schema):
            raise self._error(place, f"{schema!r} is not of type 'object', 'boolean'.")
        if level > MOST_LEVELS:
            raise self._error(place, f"schema exceeds the limit of {MOST_LEVELS} levels of nesting.")
        if lacking := next((word for word in REFUSED if word in schema), None):
            raise self._error(place, f"'{lacking}' is not permitted.")
        if "$ref" in schema:
            self._check_reference(schema["$ref"], place)
            return
        if "anyOf" not in schema and "enum" not in schema and "const" not in schema:
            self._check_type(schema, place)
        for step, part in self._parts(schema):
            self._check(part, (*place, *step), level + 1)

    def _check_reference(self, reference: Any, place: tuple[str, ...]) -> None:
        known = {ROOT, *(f"{DEFINITIONS}{name}" for name in self._root.get("$defs", {}))}
        if reference not in known:
            raise self._error(place, f"reference to component '{reference}' which was not found in the schema.")

    def _check_type(self, schema: dict[str, Any], place: tuple[str, ...]) -> None:
        found = schema.get("type")
        kinds: list[Any] = found if is_list(found) else [found]
        if not kinds or not all(isinstance(kind, str) and kind in TYPES for kind in kinds):
            raise self._error(place, "schema must have a 'type' key.")
        if "object" in kinds:
            self._check_object(schema, place)
        if "array" in kinds and "items" not in schema:
            raise self._error(place, "array schema missing items.")

    def _check_object(self, schema: dict[str, Any], place: tuple[str, ...]) -> None:
        if schema.get("additionalProperties") is not False:
            raise self._error(place, "'additionalProperties' is required to be supplied and to be false.")
        properties: dict[str, Any] = schema.get("properties") or {}
        self._properties += len(properties)
        required = schema.get("required")
        missing = [name for name in properties if not is_list(required) or name not in required]
        if missing or not is_list(required):
            what = "'required' is required to be supplied and to be an array including every key in properties."
            raise self._error(place, what + (f" Missing '{missing[0]}'." if missing else ""))
        if extra := [name for name in required if name not in properties]:
            raise self._error(place, f"'required' is required to be an array of properties. Extra '{extra[0]}'.")

    @staticmethod
    def _parts(schema: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
        properties: dict[str, Any] = schema.get("properties") or {}
        for name, part in properties.items():
            yield ("properties", name), part
        if "items" in schema:
            yield ("items",), schema["items"]
        choices: list[Any] = schema.get("anyOf") or []
        for number, part in enumerate(choices):
            yield ("anyOf", str(number)), part
