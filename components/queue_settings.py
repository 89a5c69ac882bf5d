"""The part of a function's config that is the same for every system behind a queue.

Owns the mapping's keys and the rules between them. The queue itself is `queue_trigger.py`'s.
"""

from __future__ import annotations

from typing import ClassVar

from components import limits
from components.function_settings import FunctionSettings
from components.validation import Rule, within


def concurrency_fits(section: QueueSettings) -> str | None:
    """The mapping asks for no more invocations than the function may have."""
    if section.reserved_concurrency is None or section.maximum_concurrency <= section.reserved_concurrency:
        return None
    return (
        f"is {section.maximum_concurrency}, above reserved_concurrency, {section.reserved_concurrency}: the difference "
        "would be throttled until messages end in the failure queue. Lower it, or raise or remove reserved_concurrency."
    )


def window_fits(section: QueueSettings) -> str | None:
    """AWS refuses large batches without a window."""
    if section.batch_size <= limits.LARGEST_BATCH_WITHOUT_WINDOW or section.batching_window_seconds >= 1:
        return None
    return (
        f"is {section.batching_window_seconds} with batch_size {section.batch_size}: AWS wants a window of at least "
        f"1 s for more than {limits.LARGEST_BATCH_WITHOUT_WINDOW} messages ({limits.SQS_MAPPING}). Set it to 1 or "
        f"more, or batch_size to {limits.LARGEST_BATCH_WITHOUT_WINDOW} or less."
    )


class QueueSettings(FunctionSettings):
    """A function that a queue feeds."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("maximum_concurrency", "reserved_concurrency"), concurrency_fits),
        Rule(("batching_window_seconds", "batch_size"), window_fits),
    )

    maximum_concurrency: int = within(
        limits.MAXIMUM_CONCURRENCY, "Invocations that the queue may start at once.", default=5
    )
    batch_size: int = within(limits.BATCH_SIZE, "Messages that one invocation gets at most.", default=10)
    batching_window_seconds: int = within(
        limits.BATCHING_WINDOW, "How long Lambda waits for a batch to fill.", default=0
    )
    max_receive_count: int = within(
        limits.MAX_RECEIVE_COUNT, "Deliveries of a message before it goes to the failure queue.", default=5
    )
    max_message_bytes: int = within(
        limits.MESSAGE_SIZE,
        "The largest message, attributes included, that the queue takes.",
        default=limits.PROVIDER_MESSAGE_BYTES,
    )
