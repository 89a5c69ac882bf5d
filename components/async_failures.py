"""What happens to an asynchronous event (S3, SNS) that a function could not handle: two retries, then a queue.

Owns the dead-letter queue, the event-invoke config of the alias, and their alarms. One per function, shared by its
asynchronous triggers: Lambda has one such config per alias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components import alarms, limits, policies

if TYPE_CHECKING:
    from components.function import LambdaFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncFailuresArgs:
    """How long Lambda tries."""

    function: LambdaFunction
    retries: int = limits.ASYNC_RETRY_ATTEMPTS.high
    event_age_seconds: int = limits.ASYNC_EVENT_AGE.high
    """An event that is older is given up, retries left or not."""

    def __post_init__(self) -> None:
        limits.check("retries", self.retries, limits.ASYNC_RETRY_ATTEMPTS)
        limits.check("event_age_seconds", self.event_age_seconds, limits.ASYNC_EVENT_AGE)


def dead_letter_queue(name: str, parent: pulumi.Resource, *, protect: bool) -> aws.sqs.Queue:
    """Make the queue that failed events end in.

    Args:
        name: What is before `-dlq` in its logical name.
        parent: Whose it is.
        protect: Refuse to delete it: events that failed cannot be made again.
    """
    return aws.sqs.Queue(
        f"{name}-dlq",
        message_retention_seconds=limits.DLQ_RETENTION_SECONDS,
        sqs_managed_sse_enabled=True,
        opts=ResourceOptions(parent=parent, protect=protect),
    )


class AsyncFailures(pulumi.ComponentResource):
    """The dead-letter queue of a function's asynchronous events."""

    def __init__(self, name: str, args: AsyncFailuresArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:AsyncFailures", name, None, opts)
        child = ResourceOptions(parent=self)
        function = args.function
        self.queue = function.dead_letters or dead_letter_queue(name, self, protect=function.protect_data)
        policy = function.allow("async-policy", [policies.send_failures(self.queue.arn)], child)
        self.config = aws.lambda_.FunctionEventInvokeConfig(
            f"{name}-invoke-config",
            function_name=function.function.name,
            qualifier=function.alias.name,
            maximum_retry_attempts=args.retries,
            maximum_event_age_in_seconds=args.event_age_seconds,
            destination_config={"on_failure": {"destination": self.queue.arn}},
            # Lambda checks when the destination is set that the role may send to it.
            opts=ResourceOptions(parent=self, depends_on=[policy]),
        )
        watched = alarms.async_alarms(function.function.name, self.queue.name)
        alarms.create(name, watched, function.alarm_topic_arn, child)
        function.add_outputs({"async_dlq_url": self.queue.url, "async_dlq_arn": self.queue.arn})
        self.register_outputs({"queue_url": self.queue.url})
