"""Filters of gRPC requests: which objects of a tenant they let through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lambdas.shared.json_values import is_list
from sandbox.standins.weaviate.errors import RefusedError, UnsupportedError
from sandbox.standins.weaviate.words import STOPWORDS, TOKENIZATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.standins.weaviate.store import Collection, Stored

    Predicate = Callable[[Stored], bool]

MOST_NESTED = 50
_GO_NAMES = {"value_text": "string", "value_int": "int", "value_boolean": "bool", "value_number": "float64"}
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "GREATER_THAN": lambda value, than: value > than,
    "GREATER_THAN_EQUAL": lambda value, than: value >= than,
    "LESS_THAN": lambda value, than: value < than,
    "LESS_THAN_EQUAL": lambda value, than: value <= than,
}


def predicate(filters: Any, collection: Collection, depth: int = 0) -> Predicate:
    """What a filter says of an object.

    Args:
        filters: `weaviate.v1.Filters`.
        collection: whose properties it names.
        depth: of this filter in others.

    Raises:
        RefusedError: the server refuses it.
        UnsupportedError: the stand-in does.
    """
    operator: str = cast("Any", type(filters)).Operator.Name(filters.operator).removeprefix("OPERATOR_")
    if operator in {"AND", "OR", "NOT"}:
        if depth == MOST_NESTED:
            raise UnsupportedError(f"filter of more than {MOST_NESTED} in each other")
        parts = [predicate(each, collection, depth + 1) for each in filters.filters]
        if operator == "NOT":
            return lambda stored: not any(part(stored) for part in parts)
        joined = all if operator == "AND" else any
        return lambda stored: joined(part(stored) for part in parts)
    name = filters.target.property or next(iter(filters.on), "")
    if not name:
        raise UnsupportedError("filter on references")
    value = _value(filters)
    if name in {"_id", "id"}:
        return _by_id(operator, value)
    return _by_property(operator, value, collection, name, str(filters.WhichOneof("test_value")))


def _value(filters: Any) -> Any:
    kind = filters.WhichOneof("test_value")
    if kind is None:
        raise RefusedError("unknown value type <nil>")
    value = getattr(filters, kind)
    return list(value.values) if kind.endswith("_array") else value


def _by_id(operator: str, value: Any) -> Predicate:
    values = set[Any](value if is_list(value) else [value])
    if operator in {"EQUAL", "CONTAINS_ANY"}:
        return lambda stored: stored.id in values
    if operator in {"NOT_EQUAL", "CONTAINS_NONE"}:
        return lambda stored: stored.id not in values
    raise UnsupportedError(f"filter {operator} by id")


def _by_property(operator: str, value: Any, collection: Collection, name: str, kind: str) -> Predicate:
    known = collection.property(name)
    if not (known["indexFilterable"] or known["indexSearchable"]):
        raise RefusedError(
            f"Filtering by property '{name}' requires inverted index. Is `indexFilterable` option of property '{name}' "
            "enabled? Set it to `true` or leave empty"
        )
    if operator == "IS_NULL":
        raise RefusedError(
            "Nullstate must be indexed to be filterable! Add `indexNullState: true` to the invertedIndexConfig"
        )
    texts = known["dataType"][0] in {"text", "text[]"}
    values: list[Any] = value if is_list(value) else [value]
    if texts and not all(isinstance(each, str) for each in values):
        raise RefusedError(f"expected value to be string, got '{_GO_NAMES.get(kind, kind)}'")
    equal = [_text(each, collection, known) if texts else _plain(each, name) for each in values]
    match operator:
        case "EQUAL" | "CONTAINS_ANY":
            return lambda stored: any(each(stored) for each in equal)
        case "NOT_EQUAL" | "CONTAINS_NONE":
            return lambda stored: not any(each(stored) for each in equal)
        case "CONTAINS_ALL":
            return lambda stored: all(each(stored) for each in equal)
        case _ if operator in _COMPARED and not texts:
            compare = _COMPARED[operator]
            return lambda stored: name in stored.properties and compare(stored.properties[name], value)
        case _:
            raise UnsupportedError(f"filter {operator} on a property of the type {known['dataType'][0]}")


def _text(value: str, collection: Collection, known: dict[str, Any]) -> Predicate:
    """Equal, as texts are compared: all tokens are there."""
    tokens = set(TOKENIZATIONS[known["tokenization"]](value))
    if known["tokenization"] == "word":
        tokens -= STOPWORDS[collection.config["invertedIndexConfig"]["stopwords"]["preset"]]
    name = known["name"]
    return lambda stored: name in stored.words and bool(tokens) and tokens <= stored.words[name].keys()


def _plain(value: Any, name: str) -> Predicate:
    return lambda stored: stored.properties.get(name) == value
