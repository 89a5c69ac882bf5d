"""The query string: which columns, which rows, in which order. Parsed here; made into SQL in `statements`.

https://docs.postgrest.org/en/v14/references/api/tables_views.html and …/url_grammar.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from sandbox.standins.supabase.errors import RefusedError, not_played
from sandbox.standins.supabase.scanner import Scanner, parse_error

if TYPE_CHECKING:
    from collections.abc import Iterator

RESERVED: Final = {"select", "columns", "on_conflict", "order", "limit", "offset"}
OPERATORS: Final = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "isdistinct": "is distinct from",
}
IS: Final = ("null", "not_null", "true", "false", "unknown")
ELSEWHERE: Final = ("fts", "plfts", "phfts", "wfts", "sl", "sr", "nxr", "nxl", "adj")
"""Operators of PostgREST's that nobody here needs."""
CASTS: Final = ("text", "integer", "int", "bigint", "numeric", "float8", "boolean", "json", "jsonb", "date", "uuid")
AGGREGATES: Final = re.compile(r"(^|\.)(count|sum|avg|min|max)\(\)")
NUMBER: Final = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or what a JSON path finds in it."""

    name: str
    path: tuple[tuple[str, str], ...] = ()
    """Steps: `->` or `->>`, and the key or index."""

    @property
    def label(self) -> str:
        """What its value is called where no alias says otherwise: the last key of its path."""
        return next((key for _, key in reversed(self.path) if not NUMBER.fullmatch(key)), self.name)


@dataclass(frozen=True, slots=True)
class Selected:
    """One item of `select`."""

    column: Column
    alias: str | None = None
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a column."""

    column: Column
    operator: str
    value: str | tuple[str, ...]
    """A tuple for `in`."""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that are joined."""

    word: str
    """`and` or `or`."""
    conditions: tuple[Filter | Group, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One item of `order`."""

    column: Column
    descending: bool = False
    nulls: str | None = None
    """`first`, `last`, or PostgreSQL's own way."""


@dataclass(slots=True)
class Query:
    """All of it."""

    selected: tuple[Selected, ...] = ()
    """Empty: every column."""
    conditions: list[Filter | Group] = field(default_factory=list["Filter | Group"])
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    columns: tuple[str, ...] | None = None
    """Of the body, where the client says so."""
    on_conflict: tuple[str, ...] = ()
    arguments: dict[str, str] = field(default_factory=dict[str, str])
    """What was not understood as a filter: arguments of a function called by GET."""


def parse(text: str, *, arguments: bool = False) -> Query:
    """Read a query string.

    Args:
        text: percent-encoded, `+` for a blank.
        arguments: it belongs to a function that is called by GET: what is not a filter is an argument.

    Raises:
        RefusedError: PGRST100, or something that this stand-in does not play.
    """
    query = Query()
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in RESERVED:
            _reserved(query, name, value)
        elif name in {"and", "or", "not.and", "not.or"}:
            scanner = Scanner(value, name)
            query.conditions.append(_group(scanner, name.removeprefix("not."), negated=name.startswith("not.")))
            scanner.end()
        elif arguments and not _looks_like_a_filter(value):
            query.arguments[name] = value
        elif "." in name.split("->")[0]:
            raise not_played("filters on other tables' rows (resource embedding)")
        else:
            query.conditions.append(_filter(column(name), value))
    return query


def column(text: str) -> Column:
    """A column's name, with `->` and `->>` steps into JSON."""
    parts = re.split(r"(->>|->)", text)
    if not all(parts):
        raise parse_error(text, "a column's name")
    return Column(_unquoted(parts[0]), tuple(zip(parts[1::2], parts[2::2], strict=True)))


def names(text: str) -> tuple[str, ...]:
    """`columns` and `on_conflict`: names, which may be quoted."""
    return tuple(Scanner(text, "columns").names())


def _reserved(query: Query, name: str, value: str) -> None:
    match name:
        case "select":
            query.selected = tuple(_select(value))
        case "columns":
            query.columns = names(value)
        case "on_conflict":
            query.on_conflict = names(value)
        case "order":
            query.order = tuple(_order(item) for item in value.split(",")) if value else ()
        case "limit":
            query.limit = _number(name, value)
        case _:
            query.offset = _number(name, value)


def _number(name: str, value: str) -> int:
    if not NUMBER.fullmatch(value):
        raise parse_error(value, f"a number for {name}")
    if int(value) < 0:
        raise RefusedError(
            416,
            "PGRST103",
            "Requested range not satisfiable",
            details=f"{name.capitalize()} should be greater than or equal to zero.",
        )
    return int(value)


def _select(text: str) -> Iterator[Selected]:
    for item in text.split(","):
        if item in {"", "*"} and text in {"", "*"}:
            return
        if AGGREGATES.search(item):
            raise RefusedError(400, "PGRST123", "Use of aggregate functions is not allowed")
        if "(" in item or item.startswith("...") or item == "*":
            raise not_played(f"`{item}` among selected columns (resource embedding, or `*` beside others)")
        yield _selected(item)


def _selected(item: str) -> Selected:
    rest, _, cast = item.partition("::")
    head, colon, tail = rest.partition(":")
    if cast and cast not in CASTS:
        raise not_played(f"the cast to {cast!r}")
    return Selected(column(tail if colon else rest), _unquoted(head) if colon else None, cast or None)


def _order(text: str) -> Order:
    rest, nulls, descending = text, None, False
    for suffix, value in ((".nullsfirst", "first"), (".nullslast", "last")):
        if rest.endswith(suffix):
            rest, nulls = rest.removesuffix(suffix), value
    for suffix in (".asc", ".desc"):
        if rest.endswith(suffix):
            rest, descending = rest.removesuffix(suffix), suffix == ".desc"
    if "." in rest.split("->")[0] or not rest:
        raise parse_error(text, "an order: column.desc.nullslast")
    return Order(column(rest), descending, nulls)


def _looks_like_a_filter(value: str) -> bool:
    operator = value.removeprefix("not.").partition(".")[0]
    return "." in value and (operator in OPERATORS or operator in {"in", "is"})


def _filter(of: Column, text: str) -> Filter:
    """A condition that is a whole parameter: its value goes to the end."""
    negated = text.startswith("not.")
    operator, dot, value = text.removeprefix("not.").partition(".")
    if not dot:
        raise parse_error(text, "operator.value, such as eq.1")
    if operator == "in":
        scanner = Scanner(value, "in")
        listed = scanner.items()
        scanner.end()
        return Filter(of, operator, listed, negated)
    return Filter(of, _known(operator, value), value, negated)


def _known(operator: str, value: str) -> str:
    if operator in ELSEWHERE or "(" in operator:
        raise not_played(f"the operator {operator}")
    if operator == "is" and value.lower() not in IS:
        raise parse_error(value, f"one of {', '.join(IS)}")
    if operator != "is" and operator not in OPERATORS:
        raise parse_error(operator, "an operator: eq, gt, in, is …")
    return operator


def _group(scanner: Scanner, word: str, *, negated: bool) -> Group:
    """`(a.eq.1,not.and(b.gt.2,c.is.null))`"""
    conditions: list[Filter | Group] = []
    scanner.expect("(")
    while True:
        conditions.append(_member(scanner))
        if not scanner.take(","):
            break
    scanner.expect(")")
    return Group(word, tuple(conditions), negated)


def _member(scanner: Scanner) -> Filter | Group:
    for prefix in ("and", "or", "not.and", "not.or"):
        if scanner.starts(f"{prefix}("):
            scanner.take(prefix)
            return _group(scanner, prefix.removeprefix("not."), negated=prefix.startswith("not."))
    of = column(scanner.until("."))
    scanner.expect(".")
    negated = scanner.take("not.")
    operator = scanner.until(".")
    scanner.expect(".")
    if operator == "in":
        return Filter(of, operator, scanner.items(), negated)
    value = scanner.value()
    return Filter(of, _known(operator, value), value, negated)


def _unquoted(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name
