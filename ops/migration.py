"""The embedding_processor's migration: written for a model's dimension, and applied to a database exactly once.

The database's address has a password in it: it comes from stdin or from where a secret is kept, and is never printed,
logged, or put into an exception.
"""

from __future__ import annotations

import hashlib
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from layer_builds.plan import REPOSITORY
from ops.errors import OpsError, UsageError
from ops.report import Report

if TYPE_CHECKING:
    from collections.abc import Generator

    import psycopg

FOLDER: Final = REPOSITORY / "lambdas" / "embedding_processor" / "migrations"
TEMPLATE: Final = Path(__file__).with_name("content_embeddings.sql.tmpl")
NAME: Final = re.compile(r"content_embeddings_(\d+)")
LARGEST_DIMENSION: Final = 4_000
"""Of an HNSW index over halfvec. https://github.com/pgvector/pgvector#hnsw"""
CONNECT_SECONDS: Final = 15
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
EXISTS: Final = ("42P07", "42723")
TABLES: Final = ("content_embeddings", "content_embedding_sources", "content_embeddings_staged")
FUNCTIONS: Final = (
    "match_content_embeddings(vector, integer, jsonb)",
    "content_embedding_models(jsonb)",
    "replace_content_embeddings(text, text, text, jsonb)",
    "stage_content_embeddings(text, text, jsonb)",
    "begin_content_embeddings(text, text, text)",
    "check_content_embedding_rows(text, jsonb)",
    "lock_content_embedding_source(text, text)",
    "content_embeddings_dimension()",
)
REMOVE: Final = "".join(
    ["set local search_path = public, extensions;\n"]
    + [f"drop function public.{function};\n" for function in FUNCTIONS]
    + [f"drop table public.{table};\n" for table in TABLES]
    + ["delete from strata.migrations where name ~ '^content_embeddings_[0-9]+$';\n"]
)
"""What a migration made, and every row in it."""
RECORD: Final = """
select pg_advisory_xact_lock(hashtext('strata.migrations'));
create schema if not exists strata;
create table if not exists strata.migrations (
    name text primary key, digest text not null, applied_at timestamptz not null default now()
);
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One, for vectors of one length."""

    dimension: int

    def __post_init__(self) -> None:
        if not 1 <= self.dimension <= LARGEST_DIMENSION:
            raise UsageError(
                f"a dimension of {self.dimension:,} cannot be indexed: it must be from 1 to {LARGEST_DIMENSION:,}. A "
                "model with longer vectors has to shorten them (Matryoshka models can)"
            )

    @property
    def name(self) -> str:
        """Of its file, and in the database's record."""
        return f"content_embeddings_{self.dimension}"

    @property
    def file(self) -> Path:
        """Where it is kept."""
        return FOLDER / f"{self.name}.sql"

    @property
    def text(self) -> str:
        """All of it."""
        template = Template(TEMPLATE.read_text(encoding="utf-8"))
        return template.substitute(dimension=self.dimension, half_limit=f"{LARGEST_DIMENSION:,}")

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def write(dimension: int) -> Report:
    """Write the migration for vectors of a length to its file."""
    migration = Migration(dimension)
    migration.file.parent.mkdir(exist_ok=True)
    same = migration.file.exists() and migration.file.read_text(encoding="utf-8") == migration.text
    if not same:
        migration.file.write_text(migration.text, encoding="utf-8", newline="\n")
    shown = migration.file.relative_to(REPOSITORY)
    return Report(
        data={"file": str(shown), "dimension": dimension, "digest": migration.digest, "written": not same},
        notes=[f"{shown} {'is as it should be' if same else 'was written'}; `python -m ops supabase apply` applies it"],
    )


def apply(url: str, dimension: int, *, replace: bool = False) -> Report:
    """Apply a migration in one transaction; when that was done before, change nothing.

    Args:
        url: of the database, as its owner: `postgresql://postgres:…@…`.
        dimension: of the model's vectors.
        replace: where another one was applied, drop what it made first, every row included.

    Raises:
        OpsError: another dimension or another text was applied before, or the database refuses; nothing has changed.
    """
    migration = Migration(dimension)
    with connected(url) as connection, connection.transaction():
        connection.execute(RECORD.encode())
        rows: list[tuple[str, str]] = connection.execute("select name, digest from strata.migrations").fetchall()
        applied = {name: digest for name, digest in rows if NAME.fullmatch(name)}
        if applied.get(migration.name) == migration.digest:
            return _report(migration, "is applied already; nothing was changed", changed=False)
        if applied and not replace:
            raise OpsError(_refusal(migration, next(iter(applied))))
        if applied:
            connection.execute(REMOVE.encode())
        connection.execute(migration.text.encode())
        connection.execute(
            "insert into strata.migrations (name, digest) values (%s, %s)", (migration.name, migration.digest)
        )
    return _report(migration, "was applied", changed=True)


def _report(migration: Migration, what: str, *, changed: bool) -> Report:
    return Report(
        data={"migration": migration.name, "digest": migration.digest, "changed": changed},
        notes=[f"{migration.name} {what}"],
    )


def _refusal(migration: Migration, applied: str) -> str:
    before = NAME.fullmatch(applied)
    assert before is not None  # noqa: S101 - only such names are looked at
    replace = (
        "start anew with --replace, which drops the tables and every row in them, and put the objects through the "
        "function again"
    )
    if int(before[1]) == migration.dimension:
        return (
            f"{applied} was applied from another text, before this version of Strata changed it. Make the difference "
            f"by hand (`git log -p ops/content_embeddings.sql.tmpl`) and update its digest in strata.migrations to "
            f"{migration.digest}; or {replace}"
        )
    return (
        f"the table holds vectors of {before[1]} dimensions, and {migration.dimension} were asked for: a column has "
        f"one length, and vectors of two models cannot be compared. Use a model of {before[1]} dimensions; or {replace}"
    )


@contextmanager
def connected(url: str) -> Generator[psycopg.Connection[Any]]:
    """A connection, encrypted unless it stays on this machine. What goes wrong is told without the address.

    Raises:
        UsageError: that is no database's address, or the client is not installed.
        OpsError: the database cannot be reached or refuses.
    """
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise UsageError("psycopg is not installed: `uv sync --inexact --group database`, or `make env`") from None
    if scheme_of(url) not in {"postgresql", "postgres"}:
        raise UsageError("what was given is not a database's address: postgresql://user:password@host:5432/postgres")
    try:
        given = conninfo_to_dict(url)
        if "sslmode" not in given and given.get("host") not in LOOPBACK:
            given["sslmode"] = "require"
        connection = psycopg.connect(**given, connect_timeout=CONNECT_SECONDS, autocommit=True)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise OpsError(f"the database cannot be reached: {without(url, str(error))}") from None
    try:
        with connection:
            yield connection
    except psycopg.Error as error:
        raise OpsError(_database_said(error, url)) from None


def _database_said(error: psycopg.Error, url: str) -> str:
    said = error.diag.message_primary or str(error)
    if error.sqlstate in EXISTS:
        return f"{said}, and not by this command: drop it first, or apply by hand what it lacks. Nothing was changed"
    return f"the database refused ({error.sqlstate}): {without(url, said)}. Nothing was changed"


def scheme_of(url: str) -> str:
    """The scheme of an address; empty when it is not one. The parser's own error would show it."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def without(url: str, text: str) -> str:
    """A text in which neither the address nor its password stands."""
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    for secret in (url, password):
        if secret:
            text = text.replace(secret, "…")
    return text.strip()


def address(reference: str | None, region: str | None) -> str:
    """The database's address: from stdin, or from where a secret is kept.

    Args:
        reference: a secret's ARN, or a parameter's name; None for stdin.
        region: of the secret or parameter, where the reference does not say.
    """
    from ops.secret import read_value

    if reference is None:
        return read_value(sys.stdin)
    return _kept(reference, region)


def _kept(reference: str, region: str | None) -> str:
    from boto3 import Session
    from botocore.exceptions import BotoCoreError, ClientError

    from ops.aws_errors import code_of
    from ops.secret import SECRETS_MANAGER, place

    service, identifier = place(reference)
    where = reference.split(":")[3] if reference.startswith("arn:") else region
    session: Any = Session(region_name=where)  # the stubs know too many services to be read
    try:
        if service == SECRETS_MANAGER:
            secrets = session.client("secretsmanager")
            return str(secrets.get_secret_value(SecretId=identifier)["SecretString"]).strip()
        parameters = session.client("ssm")
        return str(parameters.get_parameter(Name=identifier, WithDecryption=True)["Parameter"]["Value"]).strip()
    except ClientError as error:
        raise OpsError(f"{reference} could not be read: {code_of(error)}") from None
    except BotoCoreError as error:
        raise OpsError(f"{reference} could not be read: {error}") from None
