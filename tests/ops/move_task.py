"""An endpoint that has what the emulator lacks: SQS's move task, over the real wire, in front of the emulator.

StartMessageMoveTask and ListMessageMoveTasks as the API reference describes them; every other request is passed on.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.account import Account


class MoveTasks:
    """Use as a context manager; gives its address. With `failure`, tasks move nothing and fail for that reason."""

    def __init__(self, account: Account, failure: str | None = None) -> None:
        self.account, self.failure = account, failure
        self.tasks: list[dict[str, Any]] = []
        self.looks = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

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
        status = "RUNNING" if self.looks == 1 else "FAILED" if self.failure else "COMPLETED"
        reason = {"FailureReason": self.failure} if self.failure else {}
        return {"Results": [{"Status": status, "ApproximateNumberOfMessagesMoved": task["moved"], **reason}]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tasks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                own = {"StartMessageMoveTask": tasks.start, "ListMessageMoveTasks": tasks.list}.get(action)
                if own is not None:
                    self.answer(200, json.dumps(own(json.loads(body))).encode(), "application/x-amz-json-1.0")
                    return
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                request = urllib.request.Request(tasks.account.endpoint + self.path, body, headers)  # noqa: S310 (the emulator)
                try:
                    with urllib.request.urlopen(request) as answer:  # noqa: S310
                        self.answer(answer.status, answer.read(), answer.headers["Content-Type"])
                except urllib.error.HTTPError as error:
                    self.answer(error.code, error.read(), error.headers["Content-Type"])

            def answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:  # type: ignore[override]
                pass

        return Handler
