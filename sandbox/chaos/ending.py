"""When all work is over: waiting for that, emptying the dead-letter queues, and what a verdict can look at."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ops.failure_reasons import from_log, of_event
from sandbox.cloud import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.chaos.hands import StandInProcess
    from sandbox.cloud import LocalCloud

PATIENCE_SECONDS = 1_200.0
CALM_SECONDS = 4.0
"""Everything has to be at rest for this long: a message may be on its way back, an event between two attempts."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of a dead-letter queue."""

    body: str
    reason: str
    """What the function logged of it last, or what Lambda's record says; empty when neither says anything."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a verdict looks at."""

    cloud: LocalCloud
    processes: Mapping[str, StandInProcess]
    """The services that ran in processes of their own."""
    dead: Mapping[str, list[DeadLetter]] = field(default_factory=dict[str, "list[DeadLetter]"])
    """All that was in the dead-letter queues, by function."""

    def get(self, service: str, path: str, header: str = "api-key") -> Any:
        """Ask a stand-in over its API, with its key in that header."""
        if service in self.processes:
            return self.processes[service].call("GET", path, header=header)
        running = self.cloud.stand_ins[service]
        request = urllib.request.Request(f"{running.url}{path}", headers={header: running.key})  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return json.load(answer)


def wait(cloud: LocalCloud, look: Callable[[], str], say: Callable[[str], object]) -> None:
    """Until no message is left and no process works, for a while.

    Args:
        cloud: whose queues and functions are looked at, all of them.
        look: is called now and then; raises what went wrong with the run, and returns what else is shown.
        say: hears how it goes on.
    """
    queues = [each["queue_url"] for each in cloud.outputs["functions"].values() if each.get("queue_url")]
    calm_since: float | None = None

    def over() -> bool:
        nonlocal calm_since
        left = sum(cloud.messages_left(url) for url in queues)
        say(f"{left:,} messages left, {look()}")
        busy = left > 0 or any(each["state"] != "idle" for each in cloud.host.environments())
        calm_since = None if busy else calm_since or time.monotonic()
        return calm_since is not None and time.monotonic() - calm_since >= CALM_SECONDS

    wait_until(over, "every queue to be empty and every process idle", PATIENCE_SECONDS, 0.5)


def dead_letters(cloud: LocalCloud, function: str) -> list[DeadLetter]:
    """Take everything out of a function's dead-letter queues."""
    output = cloud.function(function)
    cloud.host.flush_logs()
    found: list[DeadLetter] = []
    if url := output.get("dlq_url"):
        messages = _taken(cloud, url)
        reasons = from_log(cloud.client("logs"), output["log_group"], messages).by_message
        found += [DeadLetter(each["Body"], reasons.get(each["MessageId"], "")) for each in messages]
    if url := output.get("async_dlq_url"):
        found += [DeadLetter(each["Body"], of_event(each)) for each in _taken(cloud, url)]
    return found


def _taken(cloud: LocalCloud, url: str) -> list[Any]:
    sqs, messages = cloud.client("sqs"), list[Any]()
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages"):
        messages += found
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return messages
