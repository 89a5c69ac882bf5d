"""The database roles that a request can have, by what it is signed with."""

from __future__ import annotations

from typing import Final

ANON: Final = "anon"
AUTHENTICATED: Final = "authenticated"
SERVICE: Final = "service_role"
ROLES: Final = (ANON, AUTHENTICATED, SERVICE)
