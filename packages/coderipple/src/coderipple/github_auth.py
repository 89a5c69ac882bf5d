"""Tokens for GitHub: one that is stored, or of an app's installation, limited to one repository.

Owns how they are got and for how long they are used. They stay in this process: the agents' gets none.
https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import jwt

from coderipple.errors import ConfigurationError
from coderipple.github_client import GitHubClient, NotFoundError
from lambdas.shared.deadline import Deadline
from lambdas.shared.secret import SecretError

if TYPE_CHECKING:
    from coderipple.config import Config, Secrets
    from coderipple.github_client import Credentials
    from lambdas.shared.secret import Secret

PERMISSIONS = {"contents": "write", "pull_requests": "write", "metadata": "read"}
"""Of an installation's token: an app may have more."""
CLOCK_SKEW_SECONDS = 60
JWT_SECONDS = 540
"""GitHub takes 10 minutes at most."""
RESERVE_SECONDS = 120
"""A token that ends sooner is not used."""


class StoredToken:
    """A fine-grained personal token."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def token(self, *, renew: bool = False) -> str:
        """The stored value; read again when it was refused."""
        try:
            if renew:
                self._secret.refresh()
            return self._secret.value()
        except SecretError as error:
            raise ConfigurationError(str(error)) from None


class InstallationToken:
    """Of a GitHub App, for one repository."""

    def __init__(self, config: Config, key: Secret, repository: str, installation: int | None) -> None:
        self._config = config
        self._key = key
        self._repository = repository
        self._installation = installation
        self._token = ""
        self._until = 0.0

    def token(self, *, renew: bool = False) -> str:
        """A token that is good for some minutes at least.

        Raises:
            ConfigurationError: the app's key is of no use, or it is not installed there.
            RetryLaterError: GitHub could not be asked.
        """
        if renew or time.time() > self._until - RESERVE_SECONDS:
            self._renew(force=renew)
        return self._token

    def _renew(self, *, force: bool) -> None:
        try:
            if force:
                self._key.refresh()
            authorization = f"Bearer {self._jwt()}"
        except SecretError as error:
            raise ConfigurationError(str(error)) from None
        with GitHubClient(self._config.github_api_url, None, Deadline.after(30)) as client:
            answer = client.request(
                "POST",
                f"/app/installations/{self._installed(client, authorization)}/access_tokens",
                body={"repositories": [self._repository.partition("/")[2]], "permissions": PERMISSIONS},
                authorization=authorization,
            )
        self._token = str(answer["token"])
        self._until = datetime.fromisoformat(str(answer["expires_at"])).timestamp()

    def _installed(self, client: GitHubClient, authorization: str) -> int:
        if self._installation is None:
            try:
                found = client.request("GET", f"/repos/{self._repository}/installation", authorization=authorization)
            except NotFoundError:
                raise ConfigurationError(f"the GitHub App is not installed in {self._repository}") from None
            self._installation = int(found["id"])
        return self._installation

    def _jwt(self) -> str:
        now = int(time.time())
        claims = {"iat": now - CLOCK_SKEW_SECONDS, "exp": now + JWT_SECONDS, "iss": self._config.github_app_id}
        try:
            return jwt.encode(claims, self._key.value(), algorithm="RS256")
        except (ValueError, TypeError, jwt.InvalidKeyError):
            raise ConfigurationError("GITHUB_APP_PRIVATE_KEY is not an RSA private key") from None


def credentials_for(config: Config, secrets: Secrets, repository: str, installation: int | None) -> Credentials:
    """Return where tokens for a repository come from."""
    if secrets.github_app_key is not None:
        return InstallationToken(config, secrets.github_app_key, repository, installation)
    if secrets.github_token is None:  # get_secrets makes one of the two
        raise ConfigurationError("there is neither a token nor an app's key")
    return StoredToken(secrets.github_token)
