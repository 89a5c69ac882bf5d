"""Who calls the stand-in, and what they may do: tokens, GitHub Apps and their installations.

Owns credentials and permissions. A token that is not known is 401; a repository that it does not reach is 404, so
nobody learns that it exists; a permission that it lacks is 403, as on github.com.
"""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import jwt

from sandbox.standins.github.problems import GitHubError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Level = Literal["read", "write"]
INSTALLATION_SECONDS: Final = 3_600
JWT_SECONDS: Final = 600
"""https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app"""
CLOCK_SECONDS: Final = 60
PERMISSIONS: Final = frozenset({"metadata", "contents", "pull_requests", "repository_hooks"})
RANKS: Final = {None: 0, "read": 1, "write": 2}


@dataclass(frozen=True, slots=True)
class User:
    """An account: a person, an organisation or an app's bot."""

    login: str
    id: int
    type: Literal["User", "Organization", "Bot"] = "User"

    @property
    def email(self) -> str:
        """The address that its commits carry."""
        return f"{self.id}+{self.login}@users.noreply.github.com"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something, as events tell it."""

    user: User
    app: App | None = None
    """The app in whose name it was done."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from."""

    name: str
    """Whose rate limit counts."""
    user: User | None = None
    permissions: Mapping[str, str] = field(default_factory=dict[str, str])
    repositories: frozenset[str] | None = None
    """Full names; None is all."""
    kind: Literal["nobody", "token", "installation", "app"] = "nobody"
    app: App | None = None

    @property
    def actor(self) -> Actor:
        """Who it acts as; whoever may write is somebody."""
        assert self.user is not None  # noqa: S101 - tokens have one
        return Actor(self.user, self.app)

    def may(self, permission: str, level: Level) -> bool:
        """Whether it has the permission; reading metadata comes with every token."""
        held = "read" if permission == "metadata" else None
        return max(RANKS[held], RANKS[self.permissions.get(permission)]) >= RANKS[level]

    def reaches(self, repository: str) -> bool:
        """Whether the token is of that repository, too."""
        within = self.repositories is None or repository.lower() in self.repositories
        return self.kind in {"token", "installation"} and within


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An app on some repositories of an account."""

    id: int
    account: User
    repositories: frozenset[str]
    """Full names, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A GitHub App: its public key checks who says to be it."""

    id: int
    slug: str
    public_key: str
    """PEM."""
    permissions: Mapping[str, str]
    installation: Installation

    @property
    def bot(self) -> User:
        """The account that its commits are by."""
        return User(f"{self.slug}[bot]", 100_000_000 + self.id, "Bot")


@dataclass(frozen=True, slots=True)
class _Token:
    caller: Caller
    expires: float | None = None


class Access:
    """Every token and app that the server knows."""

    def __init__(self) -> None:
        self._tokens: dict[str, _Token] = {}
        self._apps: dict[str, App] = {}

    def add_token(
        self,
        user: User,
        permissions: Mapping[str, str],
        repositories: Iterable[str] | None = None,
        *,
        value: str = "",
    ) -> str:
        """Make a fine-grained token; returns its text."""
        text = value or f"github_pat_{secrets.token_hex(20)}"
        limited = None if repositories is None else frozenset(name.lower() for name in repositories)
        self._tokens[text] = _Token(Caller(user.login, user, dict(permissions), limited, "token"))
        return text

    def revoke(self, value: str) -> None:
        """Refuse a token from now on."""
        self._tokens.pop(value, None)

    def add_app(self, app: App) -> App:
        """Register an app, known by its number and by its client id."""
        self._apps |= {str(app.id): app, f"Iv23li{app.id:014d}": app}
        return app

    def apps(self) -> list[App]:
        """All of them."""
        return list({app.id: app for app in self._apps.values()}.values())

    def caller(self, header: str, default: Caller | None, now: float) -> Caller:
        """Who an Authorization header names.

        Args:
            header: the whole header; empty is nobody.
            default: who the server's own key stands for, when the header holds it.
            now: seconds since the epoch.

        Raises:
            GitHubError: 401: the credentials are not valid.
        """
        if not header:
            return Caller("nobody")
        scheme, _, value = header.partition(" ")
        value = value.strip()
        if scheme.lower() not in {"bearer", "token"} or not value:
            raise _bad_credentials()
        if default is not None:
            return default
        if value.count(".") == 2:  # noqa: PLR2004 - the parts of a JWT
            app = self._app(value, now)
            return Caller(f"app {app.id}", kind="app", app=app)
        for known, token in self._tokens.items():
            if hmac.compare_digest(known.encode(), value.encode()):
                if token.expires is not None and token.expires <= now:
                    break
                return token.caller
        raise _bad_credentials()

    def _app(self, value: str, now: float) -> App:
        """Check an app's JSON web token as GitHub does."""
        try:
            claims = jwt.decode(value, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            raise GitHubError(401, "A JSON web token could not be decoded") from None
        app = self._apps.get(str(claims.get("iss", "")))
        if app is None:
            raise GitHubError(404, "Integration not found")
        try:
            jwt.decode(value, app.public_key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
        except jwt.InvalidTokenError:
            raise GitHubError(401, "A JSON web token could not be decoded") from None
        _check_times(claims, now)
        return app

    def installation_token(self, app: App, asked: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Make a token of the app's installation, narrowed to what was asked for.

        Raises:
            GitHubError: 422: it asks for more than the installation has.
        """
        granted = {**app.permissions, "metadata": "read"}
        permissions = {"metadata": "read", **(asked.get("permissions") or granted)}
        for name, level in permissions.items():
            if RANKS.get(level, 9) > RANKS[granted.get(name)]:
                raise invalid("The permissions requested are not granted to this installation.")
        names = app.installation.repositories
        if (wanted := asked.get("repositories")) is not None:
            owner = app.installation.account.login.lower()
            chosen = frozenset(f"{owner}/{str(name).lower()}" for name in wanted)
            if not chosen <= names:
                raise invalid("There is at least one repository that does not exist or is not accessible to the parent")
            names = chosen
        text = f"ghs_{secrets.token_hex(18)}"
        caller = Caller(f"installation {app.installation.id}", app.bot, permissions, names, "installation", app)
        self._tokens[text] = _Token(caller, now + INSTALLATION_SECONDS)
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + INSTALLATION_SECONDS))
        return {
            "token": text,
            "expires_at": expires,
            "permissions": permissions,
            "repository_selection": "selected",
        }


def check(caller: Caller, repository: str, permission: str, level: Level, *, private: bool) -> None:
    """Refuse what the caller may not do in a repository.

    Raises:
        GitHubError: 401, 403 or 404, as GitHub chooses between them.
    """
    if caller.kind == "app":
        raise GitHubError(403, "Resource not accessible by integration")
    if not caller.reaches(repository):
        if private:
            raise GitHubError(404, "Not Found")
        if level == "write":
            raise GitHubError(401, "Requires authentication") if caller.kind == "nobody" else _not_accessible(caller)
        return
    if not caller.may(permission, level) and (private or level == "write"):
        raise _not_accessible(caller)


def _not_accessible(caller: Caller) -> GitHubError:
    by = "integration" if caller.kind == "installation" else "personal access token"
    return GitHubError(403, f"Resource not accessible by {by}")


def _bad_credentials() -> GitHubError:
    return GitHubError(401, "Bad credentials")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    for claim, what in (("exp", "Expiration time"), ("iat", "Issued at")):
        if type(claims.get(claim)) is not int:
            raise GitHubError(401, f"'{what}' claim ('{claim}') must be a numeric value representing a time")
    if claims["exp"] <= now:
        raise GitHubError(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time")
    if claims["exp"] > now + JWT_SECONDS + CLOCK_SECONDS:
        raise GitHubError(401, "'Expiration time' claim ('exp') is too far in the future")
    if claims["iat"] > now + CLOCK_SECONDS:
        raise GitHubError(
            401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        )
