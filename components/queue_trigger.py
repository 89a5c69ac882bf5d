"""SQS → function: the queue, its failure queue, the mapping on the alias, and their alarms.

Owns the delivery contract: a message is retried `max_receive_count` times, then kept for 14 days in the failure queue;
only the messages that the function reports as failed return; never more than `maximum_concurrency` invocations at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components import alarms, limits, policies

if TYPE_CHECKING:
    from pulumi import Input

    from components.function import LambdaFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTriggerArgs:
    """How messages reach the function."""

    function: LambdaFunction
    service: Input[str]
    """The function's metrics dimension, POWERTOOLS_SERVICE_NAME: the failed-messages alarm looks at it."""
    batch_size: int
    batching_window_seconds: int
    maximum_concurrency: int
    max_receive_count: int
    max_message_bytes: int
    alarm_topic_arn: str | None = None

    def __post_init__(self) -> None:
        limits.check("batch_size", self.batch_size, limits.BATCH_SIZE)
        limits.check("batching_window_seconds", self.batching_window_seconds, limits.BATCHING_WINDOW)
        limits.check("maximum_concurrency", self.maximum_concurrency, limits.MAXIMUM_CONCURRENCY)
        limits.check("max_receive_count", self.max_receive_count, limits.MAX_RECEIVE_COUNT)
        limits.check("max_message_bytes", self.max_message_bytes, limits.MESSAGE_SIZE)
        if self.batch_size > limits.LARGEST_BATCH_WITHOUT_WINDOW and self.batching_window_seconds < 1:
            raise ValueError(
                f"batch_size is {self.batch_size} without a batching window: AWS wants batching_window_seconds of at "
                f"least 1 for more than {limits.LARGEST_BATCH_WITHOUT_WINDOW} messages ({limits.SQS_MAPPING})"
            )
        reserved = self.function.reserved_concurrency
        if reserved is not None and self.maximum_concurrency > reserved:
            raise ValueError(
                f"maximum_concurrency is {self.maximum_concurrency}, above the function's reserved concurrency of "
                f"{reserved}: the difference would be throttled into the failure queue. Lower one or raise the other."
            )


class QueueTrigger(pulumi.ComponentResource):
    """A queue that feeds a function's alias."""

    def __init__(self, name: str, args: QueueTriggerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:QueueTrigger", name, None, opts)
        child = ResourceOptions(parent=self)
        function = args.function
        self.visibility_timeout_seconds = visibility_timeout(function.timeout_seconds, args.batching_window_seconds)
        self.dlq = aws.sqs.Queue(
            f"{name}-dlq",
            message_retention_seconds=limits.FAILURE_RETENTION_SECONDS,
            max_message_size=args.max_message_bytes,
            sqs_managed_sse_enabled=True,
            opts=child,
        )
        self.queue = self._create_queue(name, args, child)
        policy = function.allow("queue-policy", [policies.consume_queue(self.queue.arn)], child)
        self.mapping = self._create_mapping(name, args, ResourceOptions(parent=self, depends_on=[policy]))
        alarms.create(
            name,
            alarms.queue_alarms(
                self.queue.name,
                self.dlq.name,
                args.service,
                oldest_message_seconds=2 * self.visibility_timeout_seconds,
            ),
            args.alarm_topic_arn,
            child,
        )
        self.register_outputs({"queue_url": self.queue.url, "dlq_url": self.dlq.url})

    def exports(self) -> dict[str, Input[object]]:
        """Return the trigger's part of the function's stack output."""
        return {
            "queue_url": self.queue.url,
            "queue_arn": self.queue.arn,
            "dlq_url": self.dlq.url,
            "dlq_arn": self.dlq.arn,
        }

    def _create_queue(self, name: str, args: QueueTriggerArgs, opts: ResourceOptions) -> aws.sqs.Queue:
        redrive = {"deadLetterTargetArn": self.dlq.arn, "maxReceiveCount": args.max_receive_count}
        return aws.sqs.Queue(
            f"{name}-queue",
            visibility_timeout_seconds=self.visibility_timeout_seconds,
            message_retention_seconds=limits.QUEUE_RETENTION_SECONDS,
            max_message_size=args.max_message_bytes,
            # Without spaces, as SQS writes it: read back, it is the same text.
            redrive_policy=pulumi.Output.json_dumps(redrive, separators=(",", ":")),
            sqs_managed_sse_enabled=True,
            opts=opts,
        )

    def _create_mapping(
        self, name: str, args: QueueTriggerArgs, opts: ResourceOptions
    ) -> aws.lambda_.EventSourceMapping:
        return aws.lambda_.EventSourceMapping(
            f"{name}-mapping",
            event_source_arn=self.queue.arn,
            function_name=args.function.alias.arn,
            batch_size=args.batch_size,
            maximum_batching_window_in_seconds=args.batching_window_seconds,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(
                maximum_concurrency=args.maximum_concurrency
            ),
            opts=opts,
        )


def visibility_timeout(function_timeout_seconds: int, batching_window_seconds: int) -> int:
    """Return how long a message in work stays hidden, in seconds: AWS's advice, see `limits.SQS_MAPPING`.

    Args:
        function_timeout_seconds: The function's timeout; Lambda refuses a mapping to a queue that hides for less.
        batching_window_seconds: How long Lambda gathers a batch, during which its messages are hidden already.
    """
    return limits.VISIBILITY_FACTOR * function_timeout_seconds + batching_window_seconds
