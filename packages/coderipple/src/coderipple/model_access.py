"""What the agents' process gets to call its model with, and nothing else: a key, or a session for the model alone."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final, cast

from coderipple.errors import ConfigurationError, RetryLaterError
from lambdas.orchestrator.contract import MODEL_ACTIONS
from lambdas.shared.secret import SecretError

if TYPE_CHECKING:
    from coderipple.config import Config
    from lambdas.shared.secret import Secret

SESSION_SECONDS: Final = 900
"""The shortest that STS gives, and as long as a function runs."""


def session_policy() -> str:
    """What the session may do, at most: the role's own policy names the models."""
    statement = {"Effect": "Allow", "Action": list(MODEL_ACTIONS), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def model_access(config: Config, key: Secret | None) -> dict[str, Any]:
    """Return what the process is sent, for the provider that config names.

    Raises:
        ConfigurationError: the key is of no use, or the role may not be assumed.
        RetryLaterError: STS failed.
    """
    common = {"provider": config.model_provider, "id": config.model_id, "timeout": config.model_timeout_seconds}
    if key is not None:
        try:
            return {**common, "key": key.value(), "url": config.openai_base_url}
        except SecretError as error:
            raise ConfigurationError(str(error)) from None
    url = os.environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
    return {**common, "credentials": _scoped(config), "region": os.environ["AWS_REGION"], "url": url}


def _scoped(config: Config) -> list[str]:
    import boto3  # the webhook's path needs no client for STS
    from botocore.config import Config as ClientConfig
    from botocore.exceptions import BotoCoreError, ClientError

    settings = ClientConfig(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    try:
        sts = cast("Any", boto3).client("sts", config=settings)  # Any: the stubs name services that are not installed
        answer = sts.assume_role(
            RoleArn=str(config.model_role_arn),
            RoleSessionName="coderipple-agents",
            DurationSeconds=SESSION_SECONDS,
            Policy=session_policy(),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDenied":
            raise ConfigurationError(f"the function may not assume {config.model_role_arn}") from None
        raise RetryLaterError(f"STS answered {error.response['Error']['Code']}") from None
    except BotoCoreError as error:
        raise RetryLaterError(f"STS could not be asked: {type(error).__name__}") from None
    credentials = answer["Credentials"]
    return [credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]]
