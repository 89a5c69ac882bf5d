"""An endpoint that has what the emulator lacks: SQS's move task, over the real wire, in front of the emulator.

StartMessageMoveTask and ListMessageMoveTasks as the API reference describes them; every other request is passed on.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.ops.front import Answer, Front

if TYPE_CHECKING:
    from sandbox.account import Account


class MoveTasks(Front):
    """With `failure`, tasks move nothing and fail for that reason; they are listed after `unlisted` looks.

    With `busy`, one is running already, which ends with the second look.
    """

    def __init__(
        self, account: Account, failure: str | None = None, *, unlisted: int = 0, busy: str | None = None
    ) -> None:
        super().__init__(account)
        self.failure, self.unlisted, self.busy = failure, unlisted, busy
        self.tasks: list[dict[str, Any]] = []
        self.looks = 0

    def own(self, request: str, target: str, body: bytes) -> Answer | None:
        """What the emulator lacks."""
        actions = {"StartMessageMoveTask": self.start, "ListMessageMoveTasks": self.list}
        if target not in actions:
            return None
        if target == "StartMessageMoveTask" and self.busy:
            self.tasks.append({"SourceArn": self.busy, "moved": 5})
            words = {"__type": "com.amazonaws.sqs#UnsupportedOperation", "message": "There is already a task running."}
            return Answer(400, json.dumps(words).encode(), {"Content-Type": "application/x-amz-json-1.0"})
        answer = actions[target](json.loads(body))
        return Answer(200, json.dumps(answer).encode(), {"Content-Type": "application/x-amz-json-1.0"})

    def start(self, request: dict[str, Any]) -> dict[str, Any]:
        sqs = self.account.client("sqs")
        source, target = (
            sqs.get_queue_url(QueueName=request[key].rsplit(":", 1)[1])["QueueUrl"]
            for key in ("SourceArn", "DestinationArn")
        )
        moved = 0
        while not self.failure and (found := sqs.receive_message(QueueUrl=source).get("Messages")):
            for message in found:
                sqs.send_message(QueueUrl=target, MessageBody=message["Body"])
                sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
                moved += 1
        self.tasks.append({"SourceArn": request["SourceArn"], "moved": moved})
        return {"TaskHandle": "handle"}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        task = next(one for one in reversed(self.tasks) if one["SourceArn"] == request["SourceArn"])
        self.looks += 1
        if self.looks <= self.unlisted:
            return {"Results": []}
        status = "RUNNING" if self.looks == self.unlisted + 1 else "FAILED" if self.failure else "COMPLETED"
        reason = {"FailureReason": self.failure} if self.failure else {}
        return {"Results": [{"Status": status, "ApproximateNumberOfMessagesMoved": task["moved"], **reason}]}
