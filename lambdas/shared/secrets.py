"""A secret by reference: `X_SECRET_ARN` or `X_PARAMETER` names it, Powertools reads and caches it.

Owns where a value comes from, when it is read again and what is said when it is not there. A value never leaves this
module but to the client that needs it: not in an error, not in a log.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import SecretsProvider, SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_AGE_SECONDS = 300
"""A rotated value is used after this long, or at once when the old one is refused."""
EMPTY_CODES = frozenset({"ResourceNotFoundException", "ParameterNotFound"})
"""What Secrets Manager answers for a secret that was made and never given a value; what SSM answers for none."""
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")


class SecretError(Exception):
    """The secret cannot be had; says why and what to do."""


class Secret:
    """One secret of one function."""

    def __init__(self, name: str, environment: Mapping[str, str], *, function: str) -> None:
        """Find out where the value is kept; nothing is read yet.

        Args:
            name: such as `OPENAI_API_KEY`.
            environment: the function's variables.
            function: its name in the stack, for the command in the message.

        Raises:
            SecretError: no variable names the secret, or two do.
        """
        self.name = name
        self._function = function
        self._stack = environment.get("STRATA_STACK") or "<stack>"
        self._arn = environment.get(f"{name}_SECRET_ARN") or ""
        self._parameter = environment.get(f"{name}_PARAMETER") or ""
        # A plain value counts on a developer's machine only: in Lambda it would be readable in the console.
        in_lambda = "AWS_LAMBDA_FUNCTION_NAME" in environment
        self._plain = "" if in_lambda else environment.get(name) or ""
        if self._arn and self._parameter:
            raise SecretError(f"{name}_SECRET_ARN and {name}_PARAMETER are both set: keep one of them")
        if not (self._arn or self._parameter or self._plain):
            raise SecretError(f"neither {name}_SECRET_ARN nor {name}_PARAMETER is set: one must name the secret")
        self._provider: SecretsProvider | SSMProvider | None = None
        self._last = ""

    def prepare(self) -> None:
        """Make the AWS client, which takes processor time and no network.

        Raises:
            SecretError: the environment lacks what every AWS client needs, such as a region.
        """
        if not self._plain:
            self._connected()

    def value(self) -> str:
        """The value, from the cache when it is younger than `MAX_AGE_SECONDS`.

        Raises:
            SecretError: it cannot be read, or it is empty.
        """
        value = self._read(force=False)
        try:
            return self._checked(value)
        except SecretError:  # a useless value is not kept: somebody may have set a better one a moment ago
            return self._checked(self._read(force=True))

    def refresh(self) -> bool:
        """Forget the cached value and read it again, because a server refused it.

        Returns:
            Whether the value is another one than the one handed out last.

        Raises:
            SecretError: it cannot be read, or it is empty.
        """
        before = self._last
        return self._checked(self._read(force=True)) != before

    def _read(self, *, force: bool) -> str | bytes:
        if self._plain:
            return self._plain
        provider = self._connected()
        try:
            if isinstance(provider, SSMProvider):
                value = provider.get(self._parameter, max_age=MAX_AGE_SECONDS, decrypt=True, force_fetch=force)
            else:
                value = provider.get(self._arn, max_age=MAX_AGE_SECONDS, force_fetch=force)
        except GetParameterError as error:
            if _has_no_value(error):
                return ""
            # What AWS answered: an operation, a code and a name, never a value.
            raise SecretError(f"{self.name} cannot be read from {self._arn or self._parameter}: {error}") from None
        return value if isinstance(value, str | bytes) else ""

    def _connected(self) -> SecretsProvider | SSMProvider:
        if self._provider is None:
            # boto3's own defaults (60 s, 5 attempts) are longer than the function may run.
            config = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})
            try:
                self._provider = SecretsProvider(boto_config=config) if self._arn else SSMProvider(boto_config=config)
            except BotoCoreError as error:
                raise SecretError(f"{self.name} cannot be read from {self._arn or self._parameter}: {error}") from None
        return self._provider

    def _checked(self, value: str | bytes) -> str:
        text = (value.decode("utf-8", "replace") if isinstance(value, bytes) else value).strip()
        command = f"python -m ops secret set --stack {self._stack} {self._function} {self.name}"
        if not text:
            raise SecretError(f"{self.name} is empty: run `{command}`, which reads the value from stdin")
        if _HEADER_VALUE.fullmatch(text) is None:
            raise SecretError(
                f"{self.name} has spaces, control or non-ASCII characters within and cannot be sent as a key: "
                f"set it again with `{command}`"
            )
        self._last = text
        return text


def _has_no_value(error: GetParameterError) -> bool:
    """Whether AWS said that there is nothing, by what Powertools keeps as its exception's context only."""
    cause = error.__context__
    if isinstance(cause, ClientError):
        return cause.response.get("Error", {}).get("Code") in EMPTY_CODES
    return isinstance(cause, KeyError)  # an answer without SecretString and SecretBinary
