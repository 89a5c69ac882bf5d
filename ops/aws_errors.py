"""What AWS refuses, in words with a remedy."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

LOG_IN = "log in again (`aws sso login`)"
NO_RIGHT = "this identity lacks that right; docs/deploy.md lists what each command needs"
REMEDIES = {
    "ExpiredToken": LOG_IN,
    "ExpiredTokenException": LOG_IN,
    "AccessDenied": NO_RIGHT,
    "AccessDeniedException": NO_RIGHT,
}


def code_of(error: ClientError) -> str:
    """AWS's code for an error, such as `AccessDenied`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def explain(error: Exception) -> tuple[str, str] | None:
    """What happened, and the remedy ("" where none is known); None when neither AWS nor the way to it is the cause."""
    if isinstance(error, ClientError):
        return str(error), REMEDIES.get(code_of(error), "")
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "no AWS credentials", "set AWS_PROFILE, or `aws:profile` in the stack's config, or run `aws sso login`"
    if isinstance(error, NoRegionError):
        return "no region", "set `aws:region` in the stack's config, or AWS_REGION"
    return (str(error), "") if isinstance(error, BotoCoreError) else None
