"""What the exposed schema holds, asked of PostgreSQL for each request: never out of date, unlike PostgREST's cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sandbox.standins.supabase.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import psycopg

SCHEMA: Final = "public"
HOISTED: Final = ("statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation")
"""Settings of a function that count for its whole transaction: `db-hoisted-tx-settings`' default."""

_COLUMNS: Final = """
select a.attname, format_type(a.atttypid, a.atttypmod),
       coalesce(a.attnum = any(i.indkey), false)
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_index i on i.indrelid = c.oid and i.indisprimary
where c.relnamespace = %s::regnamespace and c.relname = %s and c.relkind in ('r', 'v', 'm', 'p', 'f')
order by a.attnum
"""
_FUNCTIONS: Final = """
select p.oid::bigint, p.proretset, p.provolatile = 'v', r.typtype = 'c' or p.prorettype = 'record'::regtype,
       p.prorettype = 'void'::regtype, p.proargnames, p.proargmodes::text[], p.pronargs, p.pronargdefaults,
       (select array_agg(format_type(t, null) order by n) from unnest(p.proargtypes) with ordinality as x(t, n)),
       p.proconfig
from pg_proc p join pg_type r on r.oid = p.prorettype
where p.pronamespace = %s::regnamespace and p.proname = %s and p.prokind = 'f'
"""
_ROLE_SETTINGS: Final = """
select split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) as setting
where r.rolname = %s and s.setdatabase = 0
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view."""

    name: str
    columns: Mapping[str, str]
    """Name → type, as SQL writes it."""
    primary_key: tuple[str, ...]

    def check(self, names: Iterable[str]) -> None:
        """Refuse columns that it does not have."""
        for name in names:
            if name not in self.columns:
                raise RefusedError(
                    400, "PGRST204", f"Could not find the '{name}' column of '{self.name}' in the schema cache"
                )


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called by name."""

    name: str
    returns_set: bool
    volatile: bool
    returns_rows: bool
    """Composite, so its columns can be selected and filtered."""
    returns_nothing: bool
    arguments: Mapping[str, str]
    """Name → type of those that are given; in order."""
    required: int
    """How many of them have no default."""
    settings: Mapping[str, str]
    """Of HOISTED."""

    def takes(self, given: Iterable[str]) -> bool:
        """Whether it can be called with these."""
        names = set(given)
        return names <= self.arguments.keys() and set(list(self.arguments)[: self.required]) <= names


def table(connection: psycopg.Connection[Any], name: str) -> Table:
    """A table of the exposed schema.

    Raises:
        RefusedError: there is none of that name.
    """
    rows = connection.execute(_COLUMNS, (SCHEMA, name)).fetchall()
    if not rows:
        raise RefusedError(404, "PGRST205", f"Could not find the table '{SCHEMA}.{name}' in the schema cache")
    return Table(name, {column: kind for column, kind, _ in rows}, tuple(column for column, _, key in rows if key))


def function(connection: psycopg.Connection[Any], name: str, given: Iterable[str]) -> Function:
    """The function that takes these arguments.

    Raises:
        RefusedError: none does, or several do.
    """
    names = sorted(given)
    rows = connection.execute(_FUNCTIONS, (SCHEMA, name)).fetchall()
    fitting = [found for found in map(_function(name), rows) if found.takes(names)]
    if len(fitting) == 1:
        return fitting[0]
    asked = f"{SCHEMA}.{name}({', '.join(names)})" if names else f"{SCHEMA}.{name} without parameters"
    if fitting:
        raise RefusedError(
            300,
            "PGRST203",
            f"Could not choose the best candidate function between: {len(fitting)} of {asked}",
            hint="Try renaming the parameters or the function itself in the database so function overloading can be "
            "resolved",
        )
    searched = f"parameters {', '.join(names)}" if names else "no parameters"
    raise RefusedError(
        404,
        "PGRST202",
        f"Could not find the function {asked} in the schema cache",
        details=f"Searched for the function {SCHEMA}.{name} with {searched}, but no matches were found in the schema "
        "cache.",
    )


def role_settings(connection: psycopg.Connection[Any], role: str) -> dict[str, str]:
    """What `alter role … set` says of a role: PostgREST applies it to each of the role's transactions."""
    return dict(connection.execute(_ROLE_SETTINGS, (role,)).fetchall())


def _function(name: str) -> Any:
    def made(row: tuple[Any, ...]) -> Function:
        _, is_set, volatile, composite, void, names, modes, count, defaults, types, config = row
        moded = zip(names or (), modes or "i" * len(names or ()), strict=False)
        inputs = [given for given, mode in moded if mode in "ib"]
        settings = dict(setting.split("=", 1) for setting in config or ())
        return Function(
            name=name,
            returns_set=is_set,
            volatile=volatile,
            returns_rows=composite,
            returns_nothing=void,
            arguments=dict(zip(inputs, types or (), strict=False)),
            required=count - defaults,
            settings={key: value for key, value in settings.items() if key in HOISTED},
        )

    return made
