"""A project's API keys, and what the gateway and PostgREST make of a request's two headers.

Both kinds are here: `sb_secret_…` and `sb_publishable_…`, which are no JWTs, and the legacy `service_role` and `anon`
keys, which are. The gateway lets through what comes with one of the project's keys in `apikey`. It gives PostgREST a
Bearer of its own for a key that is no JWT, when that key is the request's Bearer too; any other Bearer goes on as it
is, and PostgREST refuses what is not a JWT that the project signed.
https://supabase.com/docs/guides/api/api-keys
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import jwt

from sandbox.standins.faults import ApiKeys
from sandbox.standins.supabase.errors import RefusedError
from sandbox.standins.supabase.roles import ANON, ROLES, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECRET_PREFIX: Final = "sb_secret_"  # noqa: S105 - how such a key begins
PUBLISHABLE_PREFIX: Final = "sb_publishable_"
TEN_YEARS: Final = 10 * 365 * 86_400
NO_KEY: Final = "No `apikey` request header or url param was found."
WRONG_KEY: Final = "Double check your Supabase `anon` or `service_role` API key."
JWT_PARTS: Final = 3


class ProjectKeys(ApiKeys):
    """The keys of one project. `rotate` replaces all of them, the legacy ones and what signs JWTs included."""

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__(keys)
        self._signing_lock = threading.Lock()
        self._sign_anew()

    def _sign_anew(self) -> None:
        secret = secrets.token_urlsafe(40)
        issued = int(time.time())
        legacy = {
            role: jwt.encode(
                {"iss": "supabase", "ref": "local", "role": role, "iat": issued, "exp": issued + TEN_YEARS}, secret
            )
            for role in (ANON, SERVICE)
        }
        with self._signing_lock:
            self.jwt_secret, self._legacy = secret, legacy

    def rotate(self, *keys: str) -> None:
        """Accept these keys and no others."""
        super().rotate(*keys)
        self._sign_anew()

    def legacy(self, role: str) -> str:
        """The project's legacy key of that role: a JWT."""
        return self._legacy[role]

    def sign(self, **claims: Any) -> str:
        """A JWT of this project, as its sign-in service issues to people."""
        return jwt.encode(claims, self.jwt_secret)

    def role_of_key(self, key: str) -> str | None:
        """The role that an API key stands for; None when it is not one of the project's."""
        if super().accepts(key):
            return ANON if key.startswith(PUBLISHABLE_PREFIX) else SERVICE
        legacy = self._legacy.items()
        return next((role for role, known in legacy if secrets.compare_digest(key.encode(), known.encode())), None)

    def accepts(self, key: str) -> bool:
        """Whether it is one of the project's API keys."""
        return self.role_of_key(key) is not None

    def claims(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """Who asks: the claims of the JWT that PostgREST is given, `role` among them.

        Raises:
            RefusedError: 401, as the gateway or PostgREST says it.
        """
        key = headers.get("apikey", "")
        if not key:
            raise RefusedError(401, None, "No API key found in request", hint=NO_KEY)
        role = self.role_of_key(key)
        if role is None:
            raise RefusedError(401, None, "Invalid API key", hint=WRONG_KEY)
        if key.startswith(SECRET_PREFIX) and headers.get("user-agent", "").startswith("Mozilla/"):
            raise RefusedError(401, None, "Forbidden use of secret API key in browser")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip() or token.strip() == key:
            return {"role": role}
        return self._verified(token.strip())

    def _verified(self, token: str) -> dict[str, Any]:
        parts = token.count(".") + 1
        if parts != JWT_PARTS:
            raise RefusedError(401, "PGRST301", f"Expected 3 parts in JWT; got {parts}")
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self.jwt_secret, algorithms=["HS256"], options={"verify_aud": False, "verify_sub": False}
            )
        except jwt.ExpiredSignatureError:
            raise RefusedError(401, "PGRST303", "JWT expired") from None
        except (jwt.ImmatureSignatureError, jwt.InvalidIssuedAtError):
            raise RefusedError(401, "PGRST303", "JWT not yet valid") from None
        except jwt.InvalidSignatureError:
            raise RefusedError(
                401,
                "PGRST301",
                "No suitable key or wrong key type",
                details="None of the keys was able to decode the JWT",
            ) from None
        except jwt.PyJWTError as wrong:
            raise RefusedError(401, "PGRST301", "JWT cryptographic operation failed", details=str(wrong)) from None
        role = claims.setdefault("role", ANON)
        if role not in ROLES:
            raise RefusedError(403, "42501", f'permission denied to set role "{role}"')
        return claims
