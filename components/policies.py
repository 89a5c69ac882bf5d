"""IAM policies as pure functions: what a role may do, why, and on what.

Owns statements and documents. Attaching them to roles belongs to the components. No `*` action can be written here;
a `*` resource needs its reason in words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pulumi import Input


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One Allow statement of a role's policy."""

    sid: str
    """Letters and digits: what the statement is for."""
    actions: tuple[str, ...]
    """Full action names, `service:Action`."""
    resources: tuple[Input[str], ...]
    """ARNs. `*` only together with `reason`."""
    conditions: Mapping[str, Mapping[str, Input[str]]] = field(default_factory=dict[str, "Mapping[str, Input[str]]"])
    reason: str = ""
    """Why the resource cannot be named."""

    def __post_init__(self) -> None:
        wide = [action for action in self.actions if "*" in action]
        if wide or not self.actions:
            raise ValueError(f"statement {self.sid}: name each action; {', '.join(wide) or 'none'} is not one")
        if "*" in self.resources and not self.reason:
            raise ValueError(f"statement {self.sid}: resource * needs a written reason")

    def render(self) -> dict[str, Any]:
        """Return the statement as IAM's JSON."""
        conditions = (
            {"Condition": {test: dict(keys) for test, keys in self.conditions.items()}} if self.conditions else {}
        )
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
            **conditions,
        }


def document(statements: Sequence[Statement]) -> dict[str, Any]:
    """Return the policy document of a role, in the order given."""
    return {"Version": "2012-10-17", "Statement": [statement.render() for statement in statements]}


def trust_lambda() -> dict[str, Any]:
    """Return who may take an execution role: the Lambda service, nobody else."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ],
    }


def write_logs(log_streams_arn: Input[str]) -> Statement:
    """Write to one log group, which exists already: creating groups is not granted.

    Args:
        log_streams_arn: The log group's ARN followed by `:*`, which is how IAM names its streams.
    """
    return Statement(
        sid="WriteLogs", actions=("logs:CreateLogStream", "logs:PutLogEvents"), resources=(log_streams_arn,)
    )


def send_traces() -> Statement:
    """Send X-Ray segments."""
    return Statement(
        sid="SendTraces",
        actions=("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
        resources=("*",),
        reason="X-Ray's write actions have no resource types: "
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html",
    )


def read_secrets(secret_arns: Sequence[Input[str]]) -> Statement:
    """Read the current value of named secrets."""
    return Statement(sid="ReadSecrets", actions=("secretsmanager:GetSecretValue",), resources=tuple(secret_arns))


def read_parameters(parameter_arns: Sequence[Input[str]]) -> Statement:
    """Read named Parameter Store parameters."""
    return Statement(sid="ReadParameters", actions=("ssm:GetParameter",), resources=tuple(parameter_arns))


def decrypt(key_arn: Input[str], service: str, via: Input[str]) -> Statement:
    """Decrypt with a customer key, only through the service that holds the secret.

    Args:
        key_arn: The customer key.
        service: `Secrets` or `Parameters`, for the statement's name.
        via: The service's endpoint in this region, `secretsmanager.<region>.amazonaws.com`.
    """
    return Statement(
        sid=f"Decrypt{service}",
        actions=("kms:Decrypt",),
        resources=(key_arn,),
        conditions={"StringEquals": {"kms:ViaService": via}},
    )


def consume_queue(queue_arn: Input[str]) -> Statement:
    """Do what an event source mapping does in the role's name with one queue."""
    return Statement(
        sid="ConsumeQueue",
        actions=("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        resources=(queue_arn,),
    )


def read_objects(objects_arn: Input[str]) -> Statement:
    """Read the objects of one bucket, or of a prefix in it; listing them is not granted.

    Args:
        objects_arn: The bucket's ARN, `/`, the prefix, `*`.
    """
    return Statement(sid="ReadObjects", actions=("s3:GetObject",), resources=(objects_arn,))


def send_failures(queue_arn: Input[str]) -> Statement:
    """Let Lambda put failed asynchronous events into their queue, in the role's name."""
    return Statement(sid="SendFailures", actions=("sqs:SendMessage",), resources=(queue_arn,))


def tls_only(bucket_arn: Input[str], objects_arn: Input[str]) -> dict[str, Any]:
    """Return a bucket policy that refuses every request without TLS (a denial, hence every action)."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn, objects_arn],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def accept_bucket_events(
    topic_arn: Input[str], bucket_arns: Sequence[Input[str]], account_id: Input[str]
) -> dict[str, Any]:
    """Return a topic policy that lets S3 publish the events of these buckets of this account, and nothing else."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AcceptBucketEvents",
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {
                    "ArnEquals": {"aws:SourceArn": list(bucket_arns)},
                    "StringEquals": {"aws:SourceAccount": account_id},
                },
            }
        ],
    }
