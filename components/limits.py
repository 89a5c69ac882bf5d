"""AWS's limits, each with its unit and the page that states it.

Owns the numbers only. Settings check stack config against them and components check their arguments, so a value
that AWS would refuse in the middle of a deployment is refused before anything is registered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LAMBDA_QUOTAS: Final = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
SQS_MAPPING: Final = "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"
SQS_QUOTAS: Final = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"
ASYNC_RETRIES: Final = "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html"
HTTP_QUOTAS: Final = "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"
RECOVERY_WINDOW: Final = "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html"


@dataclass(frozen=True, slots=True)
class Limit:
    """An inclusive range that AWS accepts."""

    low: int
    high: int
    unit: str
    """What the number counts; empty for a plain count."""
    link: str

    def __str__(self) -> str:
        return f"{self.low:,} to {self.high:,}{' ' if self.unit else ''}{self.unit}"

    def above(self, low: int) -> Limit:
        """Return the part of the range from a number on."""
        return replace(self, low=low)


FUNCTION_MEMORY: Final = Limit(128, 10_240, "MB", LAMBDA_QUOTAS)
FUNCTION_TIMEOUT: Final = Limit(1, 900, "seconds", LAMBDA_QUOTAS)
EPHEMERAL_STORAGE: Final = Limit(512, 10_240, "MB", LAMBDA_QUOTAS)
SNAPSTART: Final = "https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html"
SNAPSTART_STORAGE_MB: Final = 512
RUNTIMES_WITHOUT_SNAPSTART: Final = frozenset({"python3.11"})
VPC_SUBNETS: Final = Limit(1, 16, "subnets", "https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html")
VPC_SECURITY_GROUPS: Final = Limit(1, 5, "security groups", VPC_SUBNETS.link)
PROVISIONED_CONCURRENCY: Final = Limit(
    1, 1_000_000, "", "https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html"
)
RESERVED_CONCURRENCY: Final = Limit(
    0, 1_000_000, "", "https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"
)
"""0 stops a function; the real upper bound is the account's own limit less 100."""
ENVIRONMENT_BYTES: Final = Limit(0, 4_096, "bytes", LAMBDA_QUOTAS)
REFERENCE_BYTES: Final = 150
"""The most that the ARN of a secret made by the stack has; it is known after deploying only."""

BATCH_SIZE: Final = Limit(1, 10_000, "messages", SQS_MAPPING)
LARGEST_BATCH_WITHOUT_WINDOW: Final = 10
BATCHING_WINDOW: Final = Limit(0, 300, "seconds", SQS_MAPPING)
MAXIMUM_CONCURRENCY: Final = Limit(2, 1_000, "invocations", SQS_MAPPING)
MAX_RECEIVE_COUNT: Final = Limit(5, 1_000, "receives", SQS_MAPPING)
"""AWS accepts 1; fewer than 5 sends messages to the dead-letter queue when Lambda merely throttles."""
VISIBILITY_FACTOR: Final = 6
"""Visibility timeout: at least this many function timeouts, plus the batching window. See SQS_MAPPING."""
MESSAGE_DELAY: Final = Limit(0, 900, "seconds", SQS_QUOTAS)
MESSAGE_SIZE: Final = Limit(1_024, 1_048_576, "bytes", SQS_QUOTAS)
PROVIDER_MESSAGE_BYTES: Final = 262_144
"""The AWS provider's own default for a queue, and the most that its older versions accept:
https://github.com/pulumi/pulumi-aws/issues/6321."""
QUEUE_RETENTION_SECONDS: Final = 4 * 24 * 3_600
DLQ_RETENTION_SECONDS: Final = 14 * 24 * 3_600

BUCKET_LABEL_LENGTH: Final = 24
"""A bucket's name in the config: with project, longest stack and random part it stays within S3's 63 characters."""
S3_KEY_BYTES: Final = 1_024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

ASYNC_RETRY_ATTEMPTS: Final = Limit(0, 2, "retries", ASYNC_RETRIES)
ASYNC_EVENT_AGE: Final = Limit(60, 21_600, "seconds", ASYNC_RETRIES)

HTTP_INTEGRATION_TIMEOUT_SECONDS: Final = 30
"""Hard: an HTTP API answers 503 after this, whatever the function's timeout. See HTTP_QUOTAS."""
HTTP_THROTTLE_RATE: Final = Limit(1, 10_000, "requests a second", HTTP_QUOTAS)
HTTP_THROTTLE_BURST: Final = Limit(1, 5_000, "requests", HTTP_QUOTAS)

LOG_RETENTION_DAYS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653),
)
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
SECRET_RECOVERY: Final = Limit(7, 30, "days", RECOVERY_WINDOW)
"""0 is accepted as well: deletion at once, without recovery."""

RESERVED_VARIABLES: Final = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""

PHYSICAL_NAME_LENGTHS: Final = {
    "aws:lambda/function:Function": 64,
    "aws:iam/role:Role": 64,
    "aws:iam/rolePolicy:RolePolicy": 128,
    "aws:sqs/queue:Queue": 80,
    "aws:sns/topic:Topic": 256,
    "aws:s3/bucket:Bucket": 63,
    "aws:secretsmanager/secret:Secret": 512,
    "aws:cloudwatch/logGroup:LogGroup": 512,
    "aws:cloudwatch/metricAlarm:MetricAlarm": 255,
    "aws:apigatewayv2/api:Api": 128,
    "aws:dynamodb/table:Table": 255,
    "aws:ecr/repository:Repository": 256,
}
"""The longest physical name of each type that the program leaves to Pulumi's autonaming."""
LAYER_NAME_LENGTH: Final = 64
"""AWS takes 140; ARNs are printed and compared by people, so the project stays at the common 64."""
STACK_NAME_LENGTH: Final = 16
"""With it the longest name of the longest function stays within 63 (S3) and 64 (functions and roles) characters."""


def check_retention(days: int) -> None:
    """Refuse a number of days that CloudWatch Logs does not know.

    Raises:
        ValueError: with the numbers that it knows.
    """
    if days not in LOG_RETENTION_DAYS:
        known = ", ".join(map(str, LOG_RETENTION_DAYS))
        raise ValueError(f"log retention is {days} days: CloudWatch Logs accepts one of {known}")


def check(name: str, value: int, limit: Limit) -> None:
    """Refuse a plain value outside AWS's range.

    Args:
        name: The argument, with its unit, as the caller wrote it.
        value: The number to check.
        limit: The range that AWS accepts.

    Raises:
        ValueError: The value is outside; says which range and where AWS states it.
    """
    if not limit.low <= value <= limit.high:
        raise ValueError(f"{name} is {value}: AWS accepts {limit} ({limit.link})")


def check_environment(variables: Mapping[str, object]) -> None:
    """Refuse variables that are too large together: Lambda measures their JSON text.

    Args:
        variables: Name → value. One that is known after deploying only (an Output) counts as REFERENCE_BYTES.

    Raises:
        ValueError: as `check`.
    """
    known = {name: value if isinstance(value, str) else "?" * REFERENCE_BYTES for name, value in variables.items()}
    text = json.dumps(known, ensure_ascii=False, separators=(",", ":"))
    check("the environment's size", len(text.encode()), ENVIRONMENT_BYTES)
