"""Whose AWS account is published to: the caller's credentials, checked against the stack's."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from layer_builds.host.processes import redact
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def aws_errors(doing: str) -> Generator[None]:
    """Turn what boto3 raises into an error that says what was being done.

    Args:
        doing: For example `publishing layer x to bucket y in eu-central-1`.

    Raises:
        LayerBuildError: AWS refused, or could not be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "?")
        raise LayerBuildError(
            f"AWS refused {error.operation_name} while {doing} ({code}): {redact(str(error))}"
        ) from None
    except BotoCoreError as error:
        raise LayerBuildError(f"{doing} failed: {redact(str(error))}") from None


def checked_session(profile: str | None, region: str, account: str) -> tuple[Any, Any]:
    """A session of the account that the stack is of, and the configuration of its clients.

    Args:
        profile: A profile of the AWS configuration; None is boto3's default chain.
        region: For its clients.
        account: Twelve digits.

    Raises:
        LayerBuildError: the credentials are of another account.
    """
    import boto3
    from botocore.config import Config

    # Any: the stubs name services whose types are not installed.
    session: Any = boto3.Session(profile_name=profile, region_name=region)
    config = Config(retries={"mode": "standard", "max_attempts": 5}, user_agent_extra="strata-layer-builds")
    sts = session.client("sts", config=config)
    found = sts.get_caller_identity()["Account"]
    if found != account:
        raise LayerBuildError(
            f"the credentials here are of AWS account {found}, and the stack is of {account}: nothing was uploaded. "
            "Set AWS_PROFILE (or `aws:profile` of the stack) to the same account for both"
        )
    return session, config
