"""One request, carried out: in a transaction under the role that it is signed with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from lambdas.shared.json_values import is_list, is_object
from sandbox.standins.supabase import catalog, statements
from sandbox.standins.supabase.errors import RefusedError, not_played
from sandbox.standins.supabase.statements import CALL, UPDATED, Part, Source, part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from sandbox.standins.supabase.asked import Asked
    from sandbox.standins.supabase.catalog import Function, Table
    from sandbox.standins.supabase.query import Query

MAX_ROWS: Final = 1_000
"""Of one answer: a project's default."""


@dataclass(slots=True)
class Answer:
    """What goes back."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """A request that has been read."""

    method: str
    query: Query
    asked: Asked
    claims: Mapping[str, Any]
    body: Any = None
    """Parsed; None where there is none."""

    @property
    def limit(self) -> int:
        """How many rows at most."""
        limits = [given for given in (self.query.limit, self.asked.limit) if given is not None]
        return min([MAX_ROWS, *limits])


def on_table(connection: psycopg.Connection[Any], name: str, work: Work) -> Answer:
    """Read, insert, update or delete rows of a table or view."""
    table = catalog.table(connection, name)
    if work.method in {"GET", "HEAD"}:
        connection.execute("set transaction read only")
        sign(connection, work, {})
        source = statements.table_source(table)
        return _read(connection, source, part("{}", source.text), work)
    sign(connection, work, {})
    if work.method == "POST":
        return _insert(connection, table, work)
    if work.query.limit is not None or work.query.offset:
        raise not_played("limits of updates and deletes")
    if not work.query.conditions:
        # Supabase loads `safeupdate` for its API.
        word = "UPDATE" if work.method == "PATCH" else "DELETE"
        raise RefusedError(400, "21000", f"{word} requires a WHERE clause")
    if work.method == "DELETE":
        return _changed(connection, table, statements.delete(table, work.query), work)
    names, body = _payload(table, work)
    if not names:
        return Answer(200, "[]") if work.asked.returning else Answer(204)
    return _changed(connection, table, statements.update(table, names, body, work.query), work)


def on_function(connection: psycopg.Connection[Any], name: str, work: Work) -> Answer:
    """Call a function: by POST with named arguments, by GET when it only reads."""
    given: Any = work.query.arguments if work.method in {"GET", "HEAD"} else ({} if work.body is None else work.body)
    if not is_object(given):
        raise not_played("a function with one unnamed argument")
    function = catalog.function(connection, name, given)
    if work.method in {"GET", "HEAD"} or not function.volatile:
        connection.execute("set transaction read only")
    sign(connection, work, function.settings)
    calling = statements.call(function, list(given), json.dumps(given))
    if function.returns_nothing:
        part("select from {}", calling).run(connection)
        return Answer(204)
    if function.returns_rows and function.returns_set:
        return _read(connection, Source((CALL,)), calling, work)
    return Answer(200, _value(connection, function, calling), rows=1)


def sign(connection: psycopg.Connection[Any], work: Work, settings: Mapping[str, str]) -> None:
    """From here on the transaction is the caller's: role, claims, and the role's and the function's settings."""
    role = str(work.claims["role"])
    all_settings = {
        **catalog.role_settings(connection, role),
        **settings,
        "request.jwt.claims": json.dumps(dict(work.claims)),
        "request.method": work.method,
        UPDATED: "",
        "role": role,
    }
    names, values = list(all_settings), list(all_settings.values())
    connection.execute(
        "select set_config(s.n, s.v, true) from unnest(%s::text[], %s::text[]) as s(n, v)", (names, values)
    )


def _read(connection: psycopg.Connection[Any], source: Source, rows_of: Part, work: Work) -> Answer:
    query, asked = work.query, work.asked
    if asked.offset:
        query.offset += asked.offset
    statement = statements.read(source, rows_of, query, limit=work.limit, count=asked.count)
    rows, body, total = _one(connection, statement)
    if total is not None and query.offset > 0 and query.offset >= total:
        raise RefusedError(
            416,
            "PGRST103",
            "Requested range not satisfiable",
            details=f"An offset of {query.offset} was requested, but there are only {total} rows.",
        )
    partial = total is not None and rows < total
    shown = _content_range(query.offset, rows, total)
    return Answer(206 if partial else 200, _single(asked, rows, body), {"Content-Range": shown}, rows)


def _insert(connection: psycopg.Connection[Any], table: Table, work: Work) -> Answer:
    names, body = _payload(table, work)
    asked = work.asked
    if work.body == []:
        return Answer(201, "[]" if asked.returning else "", {"Content-Range": "*/*"})
    conflict = work.query.on_conflict or table.primary_key
    table.check(conflict)
    if not names and is_list(work.body) and len(work.body) > 1:
        raise not_played("several rows of nothing but defaults")
    change = statements.insert(table, names, body, conflict, asked.resolution)
    answer = _changed(connection, table, change, work)
    updated = int(_one(connection, part("select current_setting({}, true)", statements.bound(UPDATED)))[0] or 0)
    answer.status = 200 if updated and updated == answer.rows else 201
    return answer


def _changed(connection: psycopg.Connection[Any], table: Table, change: Part, work: Work) -> Answer:
    rows, body = _one(connection, statements.changed(table, change, work.query, returning=work.asked.returning))
    if not work.asked.returning:
        return Answer(204, "", {"Content-Range": _content_range(0, rows, None)}, rows)
    return Answer(200, _single(work.asked, rows, body), {"Content-Range": _content_range(0, rows, None)}, rows)


def _payload(table: Table, work: Work) -> tuple[Sequence[str], str]:
    """The columns that a body sets, and the body as a JSON array."""
    rows = work.body if is_list(work.body) else [work.body]
    if work.body is None or not all(isinstance(row, dict) for row in rows):
        raise RefusedError(400, "PGRST102", "Empty or invalid json")
    names = work.query.columns
    if names is None:
        keys = {frozenset(row) for row in rows}
        if len(keys) > 1:
            raise RefusedError(400, "PGRST102", "All object keys must match")
        names = tuple(rows[0]) if rows else ()
    table.check(names)
    return names, json.dumps(rows)


def _value(connection: psycopg.Connection[Any], function: Function, calling: Part) -> str:
    """What a function gives that is not rows: its value, or a list of them."""
    one = part("{}", sql.Identifier(CALL))
    values = "select json_agg({})::text from {}" if function.returns_set else "select to_json({})::text from {}"
    found = _one(connection, part(values, one, calling))
    return found[0] if found and found[0] is not None else ("[]" if function.returns_set else "null")


def _one(connection: psycopg.Connection[Any], statement: Part) -> Any:
    return statement.run(connection).fetchone()


def _single(asked: Asked, rows: int, body: str) -> str:
    if not asked.single:
        return body
    if rows != 1:
        raise RefusedError(
            406,
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
            details=f"The result contains {rows} rows",
        )
    return json.dumps(json.loads(body)[0], ensure_ascii=False)


def _content_range(offset: int, rows: int, total: int | None) -> str:
    shown = f"{offset}-{offset + rows - 1}" if rows else "*"
    return f"{shown}/{'*' if total is None else total}"
