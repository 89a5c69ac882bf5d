"""SQL of a parsed request: identifiers quoted, every value of the request a bound parameter, types from the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast

from psycopg import sql

from sandbox.standins.supabase.catalog import SCHEMA
from sandbox.standins.supabase.query import NUMBER, OPERATORS, Filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg
    from psycopg.sql import Composable

    from sandbox.standins.supabase.catalog import Function, Table
    from sandbox.standins.supabase.query import Column, Group, Order, Query, Selected

UPDATED: Final = "strata.updated"
"""A setting of the transaction that counts rows which an upsert found already there."""
BODY: Final = "pgrst_body"
CALL: Final = "pgrst_call"


@dataclass(frozen=True, slots=True)
class Part:
    """SQL, and the values of its placeholders in order."""

    text: Composable
    values: tuple[Any, ...] = ()

    def run(self, connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
        """Have it done."""
        return connection.execute(sql.Composed([self.text]), self.values)


def part(template: str, *pieces: Part | Composable) -> Part:
    """SQL with `{}` for each piece; their values follow in the same order."""
    composed = sql.SQL(cast("LiteralString", template)).format(
        *(piece.text if isinstance(piece, Part) else piece for piece in pieces)
    )
    return Part(composed, tuple(value for piece in pieces if isinstance(piece, Part) for value in piece.values))


def bound(value: Any) -> Part:
    """A value of the request."""
    return Part(sql.Placeholder(), (value,))


def joined(separator: str, pieces: Sequence[Part]) -> Part:
    """Parts with something between them."""
    text = sql.SQL(cast("LiteralString", separator)).join([piece.text for piece in pieces])
    return Part(text, tuple(value for piece in pieces for value in piece.values))


@dataclass(frozen=True, slots=True)
class Source:
    """Where columns are looked up: a table, or the rows of a call."""

    name: tuple[str, ...]

    @property
    def text(self) -> Composable:
        """Its name in SQL."""
        return sql.Identifier(*self.name)

    def column(self, column: Column) -> Part:
        """A column, or what its path finds."""
        found = part("{}", sql.Identifier(*self.name, column.name))
        if column.path:
            found = part("to_jsonb({})", found)
        for arrow, key in column.path:
            step = "int" if NUMBER.fullmatch(key) else "text"
            found = part(f"{{}} {arrow} {{}}::{step}", found, bound(key))
        return found

    def selected(self, items: Iterable[Selected]) -> Part:
        """The list behind `select`; everything when nothing is named."""
        pieces: list[Part] = []
        for item in items:
            value = self.column(item.column)
            cast = part("{}", value) if item.cast is None else part(f"({{}})::{item.cast}", value)
            pieces.append(part("{} as {}", cast, sql.Identifier(item.alias or item.column.label)))
        return joined(", ", pieces) if pieces else part("{}.*", self.text)

    def where(self, conditions: Iterable[Filter | Group]) -> Part:
        """The clause, or nothing."""
        pieces = [self.condition(condition) for condition in conditions]
        return part(" where {}", joined(" and ", pieces)) if pieces else part("")

    def condition(self, condition: Filter | Group) -> Part:
        """One condition, or a group of them."""
        negation = "not " if condition.negated else ""
        if not isinstance(condition, Filter):
            inner = joined(f" {condition.word} ", [self.condition(member) for member in condition.conditions])
            return part(f"{negation}({{}})", inner)
        column, value = self.column(condition.column), condition.value
        if condition.operator == "in":
            return part(f"{negation}({{}} = any ({{}}))", column, bound(_array(value)))
        assert isinstance(value, str)  # noqa: S101 - only `in` has several
        if condition.operator == "is":
            return part(f"{negation}({{}} is {value.lower().replace('_', ' ')})", column)
        if condition.operator in {"like", "ilike"}:
            value = value.replace("*", "%")
        return part(f"{negation}({{}} {OPERATORS[condition.operator]} {{}})", column, bound(value))

    def order(self, items: Iterable[Order]) -> Part:
        """The clause, or nothing."""
        pieces = [
            part(
                "{}" + (" desc" if item.descending else "") + (f" nulls {item.nulls}" if item.nulls else ""),
                self.column(item.column),
            )
            for item in items
        ]
        return part(" order by {}", joined(", ", pieces)) if pieces else part("")


def table_source(table: Table) -> Source:
    """A table of the exposed schema."""
    return Source((SCHEMA, table.name))


def read(source: Source, source_rows: Part, query: Query, *, limit: int, count: bool) -> Part:
    """Rows as one JSON text: columns `rows`, `body`, `total` (null unless counted)."""
    where = source.where(query.conditions)
    page = part(" limit {}::bigint offset {}::bigint", bound(limit), bound(query.offset))
    chosen = part(
        "select {} from {}{}{}{}", source.selected(query.selected), source_rows, where, source.order(query.order), page
    )
    total = part("(select count(*) from {}{})", source_rows, where) if count else part("null::bigint")
    return part(
        "with pgrst_source as ({}) select (select count(*) from pgrst_source) as rows, "
        "coalesce((select json_agg(_t) from (select * from pgrst_source) as _t), '[]')::text as body, {} as total",
        chosen,
        total,
    )


def insert(table: Table, names: Sequence[str], body: str, conflict: Sequence[str], resolution: str | None) -> Part:
    """Rows of a JSON array into a table, up to and without `returning`."""
    target, columns = table_source(table).text, _identifiers(names)
    if not names:
        return part("insert into {} default values", target)
    rows = part("select {} from {}", columns, _recordset(table, names, body))
    stored = part("insert into {} ({}) {}", target, columns, rows)
    if resolution is None or not conflict:
        return stored
    others = [name for name in names if name not in conflict]
    if resolution == "ignore-duplicates" or not others:
        return part("{} on conflict ({}) do nothing", stored, _identifiers(conflict))
    updates = joined(", ", [part("{} = excluded.{}", sql.Identifier(name), sql.Identifier(name)) for name in others])
    counted = part(
        f"set_config('{UPDATED}', (coalesce(nullif(current_setting('{UPDATED}', true), ''), '0')::int + 1)::text, true)"
        " is not null"
    )
    return part("{} on conflict ({}) do update set {} where {}", stored, _identifiers(conflict), updates, counted)


def update(table: Table, names: Sequence[str], body: str, query: Query) -> Part:
    """The columns of a JSON object into the rows that the conditions choose."""
    source = table_source(table)
    sets = joined(", ", [part("{} = {}", sql.Identifier(name), sql.Identifier(BODY, name)) for name in names])
    rows = _recordset(table, names, body)
    return part("update {} set {} from {}{}", source.text, sets, rows, source.where(query.conditions))


def delete(table: Table, query: Query) -> Part:
    """The rows that the conditions choose, away."""
    source = table_source(table)
    return part("delete from {}{}", source.text, source.where(query.conditions))


def changed(table: Table, change: Part, query: Query, *, returning: bool) -> Part:
    """A change that answers `rows` and `body`, and returns only what is asked for: reading takes a right of its own."""
    if not returning:
        return part(
            "with changed as ({} returning 1) select (select count(*) from changed) as rows, '' as body", change
        )
    names = [item.column.name for item in query.selected] or list(table.columns)
    kept = joined(", ", [part("{}", sql.Identifier(SCHEMA, table.name, name)) for name in dict.fromkeys(names)])
    chosen = Source(("changed",)).selected(query.selected)
    return part(
        "with changed as ({} returning {}) select (select count(*) from changed) as rows, "
        "coalesce((select json_agg(_t) from (select {} from changed) as _t), '[]')::text as body",
        change,
        kept,
        chosen,
    )


def call(function: Function, given: Sequence[str], body: str) -> Part:
    """A function's call, as something to select from."""
    name = sql.Identifier(SCHEMA, function.name)
    arguments = joined(
        ", ", [part("{} => {}", sql.Identifier(argument), sql.Identifier(BODY, argument)) for argument in given]
    )
    if not given:
        return part("{}() as {}", name, sql.Identifier(CALL))
    types = {argument: function.arguments[argument] for argument in given}
    record = part("json_to_record({}::json) as {}({})", bound(body), sql.Identifier(BODY), _typed(types))
    return part("{}, lateral {}({}) as {}", record, name, arguments, sql.Identifier(CALL))


def _recordset(table: Table, names: Sequence[str], body: str) -> Part:
    types = {name: table.columns[name] for name in names}
    return part("json_to_recordset({}::json) as {}({})", bound(body), sql.Identifier(BODY), _typed(types))


def _typed(types: dict[str, str]) -> Part:
    """Names and types; the types are PostgreSQL's own words for them."""
    return joined(", ", [part(f"{{}} {kind}", sql.Identifier(name)) for name, kind in types.items()])


def _identifiers(names: Iterable[str]) -> Composable:
    return sql.SQL(", ").join([sql.Identifier(name) for name in names])


def _array(values: Iterable[str]) -> str:
    """An array as PostgreSQL reads it from text: the element type is the column's."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"
