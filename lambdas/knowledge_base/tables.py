"""DynamoDB tables as plain Python values, over botocore's client.

Owns the forms of values (whole numbers come back as int) and what a failed condition is: an answer, not an exception.
A write of which the answer was lost is sent again by botocore, and then its own first try can be what fails its
condition: when the item is as the write makes it, it was made.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from lambdas.shared.json_values import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_write = TypeSerializer()
_read = TypeDeserializer()
_set = re.compile(r"([\w.#]+) = :(\w+)")
_path = re.compile(r"[\w.#]+")
_CONDITION_FAILED = "ConditionalCheckFailedException"


class Table:
    """One table; items are dictionaries of str, int, float, bool, None, bytes, list and dict."""

    def __init__(self, client: Any, name: str) -> None:
        """Args: client: botocore's for DynamoDB; name: of the table."""
        self._client = client
        self.name = name

    def get(self, key: Mapping[str, str]) -> dict[str, Any] | None:
        """The item as it is now (a consistent read)."""
        answer = self._client.get_item(TableName=self.name, Key=_items(key), ConsistentRead=True)
        return _values(answer["Item"]) if answer.get("Item") else None

    def put(self, item: Mapping[str, Any], condition: str = "", /, **values: Any) -> bool:
        """Write an item.

        Args:
            item: the whole of it.
            condition: DynamoDB's, with `:name` for the values; attributes that are its reserved words as `#name`.
            values: of the condition.

        Returns:
            Whether the condition held.
        """
        written = _items(item)

        def done(found: Mapping[str, Any]) -> bool:
            return found == _values(written)

        return self._conditional(self._client.put_item, condition, "", values, done, Item=written) is not None

    def update(
        self, key: Mapping[str, str], expression: str, condition: str = "", /, **values: Any
    ) -> dict[str, Any] | None:
        """Change attributes.

        Args:
            key: of the item.
            expression: DynamoDB's: `SET #status = :status REMOVE progress`.
            condition: as for `put`.
            values: of both.

        Returns:
            The item as it is then; None when the condition did not hold.
        """
        answer = self._conditional(
            self._client.update_item,
            condition,
            expression,
            values,
            lambda found: _is_applied(found, expression, values),
            Key=_items(key),
            UpdateExpression=expression,
            ReturnValues="ALL_NEW",
        )
        return None if answer is None else _values(answer.get("Attributes", {}))

    def delete(self, key: Mapping[str, str], condition: str = "", /, **values: Any) -> bool:
        """Remove an item; that it is not there is no error. Returns whether the condition held."""
        request = {"Key": _items(key)}
        answer = self._conditional(self._client.delete_item, condition, "", values, lambda found: not found, **request)
        return answer is not None

    def query(
        self,
        key: tuple[str, str],
        /,
        *,
        limit: int,
        after: Mapping[str, str] | None = None,
        newest_first: bool = False,
        where: str = "",
        **values: Any,
    ) -> tuple[list[dict[str, Any]], bool]:
        """Items of one hash key, in the order of their range key.

        Args:
            key: name and value of the hash key.
            limit: items at most. With `where`, of those that it leaves.
            after: the whole key of the item that is before the first.
            newest_first: the other way round.
            where: a filter expression of DynamoDB's.
            values: of the filter.

        Returns:
            The items, and whether there are more.
        """
        found: list[dict[str, Any]] = []
        start = _items(after) if after else None
        while True:
            answer = self._client.query(
                TableName=self.name,
                ConsistentRead=True,
                KeyConditionExpression="#hash_key = :hash_key",
                ScanIndexForward=not newest_first,
                Limit=limit + 1,
                **({"FilterExpression": where} if where else {}),
                **({"ExclusiveStartKey": start} if start else {}),
                ExpressionAttributeNames={"#hash_key": key[0], **_names(where)},
                ExpressionAttributeValues={":hash_key": _write.serialize(key[1]), **_bound(values)},
            )
            found += map(_values, answer["Items"])
            start = answer.get("LastEvaluatedKey")
            if start is None or len(found) > limit:
                return found[:limit], len(found) > limit

    def _conditional(
        self,
        call: Any,
        condition: str,
        expression: str,
        values: Mapping[str, Any],
        done: Callable[[Mapping[str, Any]], bool],
        **request: Any,
    ) -> dict[str, Any] | None:
        """Make a request; `done` says of an item, empty when there is none, whether it is as the request makes it."""
        if condition:
            request["ConditionExpression"] = condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        names = _names(f"{condition} {expression}")
        if names:
            request["ExpressionAttributeNames"] = names
        if values:
            request["ExpressionAttributeValues"] = _bound(values)
        try:
            return call(TableName=self.name, **request)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != _CONDITION_FAILED:
                raise
            item: dict[str, Any] = cast("dict[str, Any]", error.response).get("Item") or {}
            tried_before = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
            return {"Attributes": item} if tried_before and done(_values(item)) else None


def _is_applied(found: Mapping[str, Any], expression: str, values: Mapping[str, Any]) -> bool:
    """Whether an item has what an update sets, and has not what it removes."""
    sets, _, removes = expression.partition("REMOVE")
    wanted = _values(_items(values))
    return all(_at(found, path) == wanted[name] for path, name in _set.findall(sets)) and all(
        _at(found, path) is None for path in _path.findall(removes)
    )


def _at(item: Mapping[str, Any], path: str) -> Any:
    value: Any = item
    for name in path.split("."):
        value = value.get(name.removeprefix("#")) if is_object(value) else None
    return value


def _names(expression: str) -> dict[str, str]:
    """`#status` stands for the attribute `status`."""
    return {f"#{name}": name for name in re.findall(r"#(\w+)", expression)}


def _bound(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f":{name}": _write.serialize(_decimals(value)) for name, value in values.items()}


def _items(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _write.serialize(_decimals(value)) for name, value in values.items()}


def _values(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(_read.deserialize(value)) for name, value in item.items()}


def _decimals(value: Any) -> Any:
    """The same, with the numbers that DynamoDB takes."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if is_object(value):
        return {name: _decimals(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_decimals(part) for part in cast("Iterable[Any]", value)]
    return value


def _plain(value: Any) -> Any:
    """The same, with Python's numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if is_object(value):
        return {name: _plain(part) for name, part in value.items()}
    if is_list(value):
        return [_plain(part) for part in value]
    return bytes(value) if hasattr(value, "value") else value  # Binary
