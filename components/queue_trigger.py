"""SQS → function: its config keys and their rules, the queue, its dead-letter queue, the mapping, and their alarms.

Owns the delivery contract: a message is retried `max_receive_count` times, then kept for 14 days in the dead-letter
queue; only the messages that the function reports as failed return; never more than `maximum_concurrency` invocations
at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components import alarms, limits, policies
from components.fields import key
from components.section import Rule, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi import Input, Resource

    from components.function import LambdaFunction


class HasConcurrency(Protocol):
    """A function, or its section of the config."""

    @property
    def reserved_concurrency(self) -> int | None:
        """Invocations kept for it alone."""
        ...


def concurrency_fits(queue: QueueKeys, function: HasConcurrency) -> str | None:
    """The mapping asks for no more invocations than the function may have."""
    reserved = function.reserved_concurrency
    if reserved is None or queue.maximum_concurrency <= reserved:
        return None
    return (
        f"is {queue.maximum_concurrency}, above reserved_concurrency, {reserved}: Lambda would throttle the difference "
        "until messages end in the dead-letter queue. Lower it, or raise or remove reserved_concurrency."
    )


def window_fits(queue: QueueKeys) -> str | None:
    """AWS refuses large batches without a window."""
    if queue.batch_size <= limits.LARGEST_BATCH_WITHOUT_WINDOW or queue.batching_window_seconds >= 1:
        return None
    return (
        f"is {queue.batching_window_seconds} with batch_size {queue.batch_size}: AWS requires a window of at least "
        f"1 s for more than {limits.LARGEST_BATCH_WITHOUT_WINDOW} messages ({limits.SQS_MAPPING}). Set it to 1 or "
        f"more, or batch_size to {limits.LARGEST_BATCH_WITHOUT_WINDOW} or less."
    )


class QueueKeys(Section):
    """How messages reach the function."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("maximum_concurrency",), concurrency_fits, outer=("reserved_concurrency",)),
        Rule(("batching_window_seconds", "batch_size"), window_fits),
    )

    maximum_concurrency: int = key(
        "Invocations that the queue may start at once.", default=5, limit=limits.MAXIMUM_CONCURRENCY
    )
    batch_size: int = key("Messages that one invocation gets at most.", default=10, limit=limits.BATCH_SIZE)
    batching_window_seconds: int = key(
        "How long Lambda waits for a batch to fill.", default=0, limit=limits.BATCHING_WINDOW
    )
    max_receive_count: int = key(
        "Deliveries of a message before it goes to the dead-letter queue.", default=5, limit=limits.MAX_RECEIVE_COUNT
    )
    max_message_bytes: int = key(
        "The largest message, attributes included, that the queue takes.",
        default=limits.PROVIDER_MESSAGE_BYTES,
        limit=limits.MESSAGE_SIZE,
    )


@dataclass(frozen=True, slots=True)
class Queues:
    """A queue, and where its messages go that fail again and again."""

    queue: aws.sqs.Queue
    dlq: aws.sqs.Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTriggerArgs:
    """A function, and how messages reach it."""

    function: LambdaFunction
    keys: QueueKeys
    queues: Queues | None = None
    """From `make_queues`, where the function itself sends to its queue and has to know it; else they are made here."""
    source_bucket_arns: Sequence[Input[str]] = ()
    """Buckets that may send their events into the queue."""
    account_id: Input[str] = ""
    """Only buckets of this account may."""

    def __post_init__(self) -> None:
        self.keys.check("queue", self.function)


class QueueTrigger(pulumi.ComponentResource):
    """A queue that feeds a function's alias."""

    ready: tuple[Resource, ...]
    """What must exist before a bucket sends: the policy that admits it."""

    def __init__(self, name: str, args: QueueTriggerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:QueueTrigger", name, None, opts)
        child = ResourceOptions(parent=self)
        function, keys = args.function, args.keys
        # Messages that wait cannot be sent again.
        kept = ResourceOptions(parent=self, protect=function.protect_data)
        self.visibility_timeout_seconds = visibility_timeout(function.timeout_seconds, keys.batching_window_seconds)
        made = args.queues if args.queues is not None else make_queues(name, keys, function.timeout_seconds, kept)
        self.queue, self.dlq = made.queue, made.dlq
        self.ready = tuple(self._admit_buckets(name, args, child))
        policy = function.allow("queue-policy", [policies.consume_queue(self.queue.arn)], child)
        self.mapping = self._create_mapping(name, args, ResourceOptions(parent=self, depends_on=[policy]))
        alarms.create(
            name,
            alarms.queue_alarms(
                self.queue.name,
                self.dlq.name,
                function.service,
                oldest_message_seconds=stuck_after(self.visibility_timeout_seconds),
            ),
            function.alarm_topic_arn,
            child,
        )
        function.queue = self
        function.add_outputs(
            {
                "queue_url": self.queue.url,
                "queue_arn": self.queue.arn,
                "dlq_url": self.dlq.url,
                "dlq_arn": self.dlq.arn,
            },
        )
        self.register_outputs({"queue_url": self.queue.url, "dlq_url": self.dlq.url})

    def _admit_buckets(self, name: str, args: QueueTriggerArgs, opts: ResourceOptions) -> list[Resource]:
        if not args.source_bucket_arns:
            return []
        document = policies.accept_bucket_events(
            "sqs:SendMessage", self.queue.arn, args.source_bucket_arns, args.account_id
        )
        policy = pulumi.Output.json_dumps(document)
        return [aws.sqs.QueuePolicy(f"{name}-queue-admits", queue_url=self.queue.url, policy=policy, opts=opts)]

    def _create_mapping(
        self, name: str, args: QueueTriggerArgs, opts: ResourceOptions
    ) -> aws.lambda_.EventSourceMapping:
        return aws.lambda_.EventSourceMapping(
            f"{name}-mapping",
            event_source_arn=self.queue.arn,
            function_name=args.function.alias.arn,
            batch_size=args.keys.batch_size,
            maximum_batching_window_in_seconds=args.keys.batching_window_seconds,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(
                maximum_concurrency=args.keys.maximum_concurrency
            ),
            opts=opts,
        )


def make_queues(name: str, keys: QueueKeys, function_timeout_seconds: int, opts: ResourceOptions) -> Queues:
    """Make a queue and its dead-letter queue.

    Args:
        name: The function's logical name.
        keys: How messages reach the function.
        function_timeout_seconds: Its timeout.
        opts: The owner's options for children.
    """
    dlq = aws.sqs.Queue(
        f"{name}-dlq",
        message_retention_seconds=limits.DLQ_RETENTION_SECONDS,
        max_message_size=keys.max_message_bytes,
        sqs_managed_sse_enabled=True,
        opts=opts,
    )
    redrive = {"deadLetterTargetArn": dlq.arn, "maxReceiveCount": keys.max_receive_count}
    queue = aws.sqs.Queue(
        f"{name}-queue",
        visibility_timeout_seconds=visibility_timeout(function_timeout_seconds, keys.batching_window_seconds),
        message_retention_seconds=limits.QUEUE_RETENTION_SECONDS,
        max_message_size=keys.max_message_bytes,
        # Without spaces, as SQS writes it: read back, it is the same text.
        redrive_policy=pulumi.Output.json_dumps(redrive, separators=(",", ":")),
        sqs_managed_sse_enabled=True,
        opts=opts,
    )
    return Queues(queue, dlq)


def visibility_timeout(function_timeout_seconds: int, batching_window_seconds: int) -> int:
    """Return the visibility timeout of an in-flight message, in seconds: AWS's advice, see `limits.SQS_MAPPING`.

    Never less than the longest timeout that a version can have: which version is live is not known here, and an update
    moves queue and alias in no order that suits both a raised and a lowered timeout (docs/adr/0009).

    Args:
        function_timeout_seconds: The function's timeout; Lambda refuses a mapping to a queue that hides for less.
        batching_window_seconds: How long Lambda gathers a batch, during which its messages are hidden already.
    """
    advised = limits.VISIBILITY_FACTOR * function_timeout_seconds + batching_window_seconds
    return max(advised, limits.FUNCTION_TIMEOUT.high + batching_window_seconds)


def stuck_after(visibility_timeout_seconds: int) -> int:
    """Return the age of the oldest message, in seconds, at which a queue counts as stuck."""
    return 2 * visibility_timeout_seconds
