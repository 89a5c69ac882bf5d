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


def decrypt(key_arn: Input[str], service: str, via: Input[str], *, and_encrypt: bool = False) -> Statement:
    """Decrypt with a customer key, only through the service that holds what it encrypts.

    Args:
        key_arn: The customer key.
        service: `Secrets`, `Parameters` or `Objects`, for the statement's name.
        via: The service's endpoint in this region, `secretsmanager.<region>.amazonaws.com`.
        and_encrypt: Also what writing through the service needs.
    """
    return Statement(
        sid=f"Decrypt{service}",
        actions=("kms:Decrypt", "kms:GenerateDataKey") if and_encrypt else ("kms:Decrypt",),
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


def send_messages(queue_arn: Input[str]) -> Statement:
    """Send messages to one queue."""
    return Statement(sid="SendMessages", actions=("sqs:SendMessage",), resources=(queue_arn,))


def delay_messages(queue_arn: Input[str]) -> Statement:
    """Say when a message that was received is delivered again."""
    return Statement(sid="DelayMessages", actions=("sqs:ChangeMessageVisibility",), resources=(queue_arn,))


def find_objects(sid: str, bucket_arn: Input[str]) -> Statement:
    """List a bucket: without it S3 answers 403 for an object that is not there, and 404 with it.

    Args:
        sid: Of the statement.
        bucket_arn: The bucket.
    """
    return Statement(sid=sid, actions=("s3:ListBucket",), resources=(bucket_arn,))


def use_table(
    sid: str, actions: Sequence[str], table_arn: Input[str], index_arns: Sequence[Input[str]] = ()
) -> Statement:
    """Work with the items of one DynamoDB table.

    Args:
        sid: The statement's name: which table.
        actions: `dynamodb:GetItem` and so on, those that the code calls.
        table_arn: The table.
        index_arns: Its indexes that are queried.
    """
    return Statement(sid=sid, actions=tuple(actions), resources=(table_arn, *index_arns))


def invoke_function(alias_arn: Input[str]) -> Statement:
    """Invoke another function, at its live alias only."""
    return Statement(sid="InvokeFunction", actions=("lambda:InvokeFunction",), resources=(alias_arn,))


def manage_network_interfaces() -> Statement:
    """Let Lambda put the function into a VPC, in the role's name."""
    return Statement(
        sid="ManageNetworkInterfaces",
        actions=(
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ),
        resources=("*",),
        reason="Lambda refuses a function whose role is not allowed these on every resource: "
        "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions",
    )


def send_failures(queue_arn: Input[str]) -> Statement:
    """Let Lambda put failed asynchronous events into their dead-letter queue, in the role's name."""
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
    action: str, target_arn: Input[str], bucket_arns: Sequence[Input[str]], account_id: Input[str]
) -> dict[str, Any]:
    """Return a topic's or queue's policy that admits S3 with the events of these buckets, and nothing else.

    Args:
        action: `sns:Publish` or `sqs:SendMessage`.
        target_arn: The topic or queue.
        bucket_arns: The buckets.
        account_id: Their owner.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AcceptBucketEvents",
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": action,
                "Resource": target_arn,
                "Condition": {
                    "ArnEquals": {"aws:SourceArn": list(bucket_arns)},
                    "StringEquals": {"aws:SourceAccount": account_id},
                },
            }
        ],
    }
