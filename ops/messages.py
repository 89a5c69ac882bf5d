"""SQS messages as redrive handles them: received with all that belongs to them, weighed, batched, sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.shared.batches import packed
from ops.aws_errors import code_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
        MessageSystemAttributeValueTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

BATCH = 10
"""Messages in one receive or send. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
BATCH_BYTES = 262_144
"""Bytes in one send; the smallest value of the quota above that SQS has had."""


def receive(client: SQSClient, url: str, *, count: int, hidden_seconds: int) -> list[MessageTypeDef]:
    """Up to `count` messages with everything that belongs to them.

    Long polling asks every server of the queue, so no answer means no message.
    """
    response = client.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=count,
        WaitTimeSeconds=1,
        VisibilityTimeout=hidden_seconds,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )
    return list(response.get("Messages", []))


def batches(messages: Iterable[MessageTypeDef]) -> Iterator[list[MessageTypeDef]]:
    """Groups that one SendMessageBatch takes; a message over the batch's bytes goes alone."""
    return packed(messages, most=BATCH, size=weight, limit=BATCH_BYTES)


def weight(message: MessageTypeDef) -> int:
    """What SQS counts of a message, in bytes: body, and names, types and values of attributes."""
    total = len(message["Body"].encode())
    for name, value in message.get("MessageAttributes", {}).items():
        total += len(name) + len(value.get("DataType", "")) + len(value.get("StringValue", "").encode())
        total += len(value.get("BinaryValue", b""))
    return total


def sendable(value: MessageAttributeValueOutputTypeDef) -> MessageAttributeValueTypeDef:
    """An attribute without the lists that SQS gives and does not take."""
    made: MessageAttributeValueTypeDef = {"DataType": value["DataType"]}
    if "StringValue" in value:
        made["StringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        made["BinaryValue"] = value["BinaryValue"]
    return made


def entry(index: int, message: MessageTypeDef) -> SendMessageBatchRequestEntryTypeDef:
    """The same message, to be sent: body, attributes, trace, and the group and deduplication of a FIFO queue."""
    system = message.get("Attributes", {})
    made: SendMessageBatchRequestEntryTypeDef = {"Id": str(index), "MessageBody": message["Body"]}
    attributes = {name: sendable(value) for name, value in message.get("MessageAttributes", {}).items()}
    if attributes:
        made["MessageAttributes"] = attributes
    if "AWSTraceHeader" in system:
        trace: MessageSystemAttributeValueTypeDef = {"DataType": "String", "StringValue": system["AWSTraceHeader"]}
        made["MessageSystemAttributes"] = {"AWSTraceHeader": trace}
    if "MessageGroupId" in system:
        made["MessageGroupId"] = system["MessageGroupId"]
    if "MessageDeduplicationId" in system:
        made["MessageDeduplicationId"] = system["MessageDeduplicationId"]
    return made


def release(client: SQSClient, url: str, messages: Iterable[MessageTypeDef]) -> None:
    """Make received messages visible again at once."""
    for message in messages:
        try:
            client.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
        except ClientError as error:
            # Already visible again, or gone: both are what this is for.
            if code_of(error).rpartition(".")[2] not in {"MessageNotInflight", "ReceiptHandleIsInvalid"}:
                raise
