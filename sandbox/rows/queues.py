"""SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.rows.arguments import Made, document

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row

ATTRIBUTES: Final = {
    "VisibilityTimeout": "visibilityTimeoutSeconds",
    "MessageRetentionPeriod": "messageRetentionSeconds",
    "MaximumMessageSize": "maxMessageSize",
    "DelaySeconds": "delaySeconds",
    "ReceiveMessageWaitTimeSeconds": "receiveWaitTimeSeconds",
    "KmsMasterKeyId": "kmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds": "kmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled": "sqsManagedSseEnabled",
    "FifoQueue": "fifoQueue",
    "ContentBasedDeduplication": "contentBasedDeduplication",
}
PROVIDER_DEFAULTS: Final = {"MaximumMessageSize": "262144"}
"""What the provider sends when the program says nothing, where that is not SQS's own default:
https://www.pulumi.com/registry/packages/aws/api-docs/sqs/queue/#max_message_size."""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) else str(value)


def queue(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.sqs.Queue."""
    given = {key: _text(value) for key, value in arguments.renamed(**ATTRIBUTES).items()}
    attributes = {**PROVIDER_DEFAULTS, **given}
    fifo = ".fifo" if attributes.get("FifoQueue") == "true" else ""
    name = arguments.take("name") or cloud.physical_name(arguments.name) + fifo
    for api, key in {
        "RedrivePolicy": "redrivePolicy",
        "RedriveAllowPolicy": "redriveAllowPolicy",
        "Policy": "policy",
    }.items():
        if value := arguments.take(key):
            attributes[api] = document(value)
    tags = cloud.tags(arguments)

    def make() -> Made:
        url = cloud.client("sqs").create_queue(QueueName=name, Attributes=attributes, tags=tags)["QueueUrl"]
        return Made(url, {"name": name, "url": url, "arn": cloud.arn("sqs", name)})

    return make


def queue_policy(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.sqs.QueuePolicy."""
    url, policy = arguments.need("queueUrl"), document(arguments.need("policy"))

    def make() -> Made:
        cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return Made(url)

    return make


ROWS: dict[str, Row] = {"aws:sqs/queue:Queue": queue, "aws:sqs/queuePolicy:QueuePolicy": queue_policy}
