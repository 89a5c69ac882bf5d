"""A secret by reference: `X_SECRET_ARN` or `X_PARAMETER` names it, Powertools reads and caches it.

Owns where a value comes from, when it is read again and what is said when it is not there. A value never leaves this
module but to the client that needs it: not in an error, not in a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.shared.key_values import KeyFormError, key_of
from lambdas.shared.lazy import lazy_packages

with lazy_packages("aws_lambda_powertools.utilities.parameters"):  # the others bring more of boto3
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
    from aws_lambda_powertools.utilities.parameters.secrets import SecretsProvider
    from aws_lambda_powertools.utilities.parameters.ssm import SSMProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

T = TypeVar("T")

MAX_AGE_SECONDS = 300
"""A rotated value is used after this long, or at once when the old one is refused."""
EMPTY_CODES = frozenset({"ResourceNotFoundException", "ParameterNotFound"})
"""What Secrets Manager answers for a secret that was made and never given a value; what SSM answers for none."""


class SecretError(Exception):
    """The secret could not be read; says why and what to do."""


class Secret:
    """One secret of one function."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        *,
        function: str,
        form: Callable[[str, str], str] = key_of,
    ) -> None:
        """Find out where the value is kept; nothing is read yet.

        Args:
            name: such as `OPENAI_API_KEY`.
            environment: the function's variables.
            function: its name in the stack, for the command in the message.
            form: takes the name and what is stored, and returns the value; raises a `KeyFormError` when it is none.

        Raises:
            SecretError: no variable names the secret, or two do.
        """
        self.name = name
        self._function = function
        self._form = form
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

    def before(self) -> tuple[str, float] | None:
        """The value before the current one, and the second (Unix time) in which it was replaced; None without one.

        Raises:
            SecretError: it is of no use.
        """
        if self._plain:
            return None
        try:
            value, replaced = self._before_secret() if self._arn else self._before_parameter()
        except (BotoCoreError, ClientError, KeyError):
            return None
        return self._checked(value, hand_out=False), replaced.timestamp()

    def _before_secret(self) -> tuple[str, datetime]:
        client: Any = self._connected().client
        replaced = client.get_secret_value(SecretId=self._arn)["CreatedDate"]
        return client.get_secret_value(SecretId=self._arn, VersionStage="AWSPREVIOUS")["SecretString"], replaced

    def _before_parameter(self) -> tuple[str, datetime]:
        client: Any = self._connected().client
        current = client.get_parameter(Name=self._parameter, WithDecryption=True)["Parameter"]
        named = f"{self._parameter}:{current['Version'] - 1}"
        return client.get_parameter(Name=named, WithDecryption=True)["Parameter"]["Value"], current["LastModifiedDate"]

    def renewing(self, work: Callable[[], T], refused: tuple[type[Exception], ...]) -> T:
        """Do something with the value; when it is refused, read the value again, and once more when it has changed.

        Args:
            work: asks for the value itself.
            refused: the exceptions that mean it.

        Raises:
            Exception: what `work` raised, if need be the second time.
            SecretError: the value cannot be read again, or it is empty.
        """
        try:
            return work()
        except refused:
            if not self.refresh():
                raise
            return work()

    def _read(self, *, force: bool) -> str | bytes:
        if self._plain:
            return self._plain
        provider = self._connected()
        try:
            get = cast("Any", provider).get  # its types are partial
            if isinstance(provider, SSMProvider):
                value = get(self._parameter, max_age=MAX_AGE_SECONDS, decrypt=True, force_fetch=force)
            else:
                value = get(self._arn, max_age=MAX_AGE_SECONDS, force_fetch=force)
        except GetParameterError as error:
            if _has_no_value(error):
                return ""
            # What AWS answered: an operation, a code and a name, never a value.
            raise SecretError(f"{self.name} could not be read from {self._arn or self._parameter}: {error}") from None
        return value if isinstance(value, str | bytes) else ""

    def _connected(self) -> SecretsProvider | SSMProvider:
        if self._provider is None:
            # boto3's own defaults (60 s, 5 attempts) are longer than the function may run.
            config = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})
            try:
                self._provider = SecretsProvider(boto_config=config) if self._arn else SSMProvider(boto_config=config)
            except BotoCoreError as error:
                raise SecretError(
                    f"{self.name} could not be read from {self._arn or self._parameter}: {error}"
                ) from None
        return self._provider

    def _checked(self, value: str | bytes, *, hand_out: bool = True) -> str:
        stored = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        try:
            key = self._form(self.name, stored)
        except KeyFormError as error:
            command = f"python -m ops secret set --stack {self._stack} {self._function} {self.name}"
            raise SecretError(f"{self.name} {error}: run `{command}`, which reads the value from stdin") from None
        if hand_out:
            self._last = key
        return key


def _has_no_value(error: GetParameterError) -> bool:
    """Whether AWS said that there is nothing, by what Powertools keeps as its exception's context only."""
    cause = error.__context__
    if isinstance(cause, ClientError):
        return cause.response.get("Error", {}).get("Code") in EMPTY_CODES
    return isinstance(cause, KeyError)  # an answer without SecretString and SecretBinary
