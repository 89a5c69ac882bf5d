"""What is live while an update runs: the live version's timeout beside its queue's visibility timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.engine.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.account import Account


class TimeoutWatch(Watch):
    """The two, at every look."""

    poll_seconds = 0.05

    def __init__(self, account: Account, function: Mapping[str, Any]) -> None:
        super().__init__()
        self.seen: list[tuple[int, int]] = []
        """Timeout of the live version, and how long its queue hid a message at the least around that moment."""
        self._lambda, self._sqs = account.client("lambda"), account.client("sqs")
        self._function = function

    def look(self) -> None:
        """Look once."""
        before = self._hidden()
        live = self._lambda.get_function_configuration(FunctionName=self._function["name"], Qualifier="live")
        self.seen.append((int(live["Timeout"]), min(before, self._hidden())))

    def _hidden(self) -> int:
        found = self._sqs.get_queue_attributes(
            QueueUrl=self._function["queue_url"], AttributeNames=["VisibilityTimeout"]
        )
        return int(found["Attributes"]["VisibilityTimeout"])
