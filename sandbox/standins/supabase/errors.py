"""What is answered instead of rows: PostgREST's errors, PostgreSQL's with their HTTP status, the gateway's refusals.

https://docs.postgrest.org/en/v14/references/errors.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sandbox.standins.supabase.roles import ANON

if TYPE_CHECKING:
    import psycopg

STATUS_BY_STATE: Final = (
    # The first that a SQLSTATE begins with counts.
    ("08", 503),
    ("09", 500),
    ("0L", 403),
    ("0P", 403),
    ("23503", 409),
    ("23505", 409),
    ("25006", 405),
    ("25", 500),
    ("28", 403),
    ("2D", 500),
    ("38", 500),
    ("39", 500),
    ("3B", 500),
    ("40", 500),
    ("53400", 500),
    ("53", 503),
    ("54", 500),
    ("55", 500),
    ("57P01", 503),
    ("57", 500),
    ("58", 500),
    ("F0", 500),
    ("HV", 500),
    ("P0001", 400),
    ("P0", 500),
    ("XX", 500),
    ("42883", 404),
    ("42P01", 404),
    ("42P17", 500),
)


class RefusedError(Exception):
    """An answer other than what was asked for."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        details: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details
        self.hint = hint

    @property
    def body(self) -> dict[str, Any]:
        """As PostgREST writes it; the gateway in front of it writes no code."""
        if self.code is None:
            return {"message": str(self), **({"hint": self.hint} if self.hint else {})}
        return {"code": self.code, "details": self.details, "hint": self.hint, "message": str(self)}


def not_played(what: str) -> RefusedError:
    """For what PostgREST can do and this stand-in cannot: never a wrong answer."""
    return RefusedError(501, "STANDIN", f"this stand-in does not play {what}", hint="See sandbox/standins/supabase.")


def of_database(error: psycopg.Error, role: str) -> RefusedError:
    """PostgreSQL's error as PostgREST forwards it.

    Args:
        error: with a SQLSTATE; without one the connection is gone.
        role: under which it happened: who is not signed in is told to.
    """
    state = error.diag.sqlstate or error.sqlstate
    if state is None:
        return RefusedError(503, "PGRST001", "Database client error. Retrying the connection.", details=str(error))
    status = next((status for prefix, status in STATUS_BY_STATE if state.startswith(prefix)), 400)
    if state == "42501":
        status = 401 if role == ANON else 403
    message = error.diag.message_primary or str(error)
    return RefusedError(status, state, message, details=error.diag.message_detail, hint=error.diag.message_hint)


def unreachable(error: Exception) -> RefusedError:
    """No connection could be made."""
    return RefusedError(
        503, "PGRST000", "Database connection error. Retrying the connection.", details=str(error).strip()
    )
