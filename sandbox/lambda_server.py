"""The Lambda host's process: takes invocations from the emulator's hook and runs each in an environment of its own.

`POST /` is an invocation (event as the body, `X-Amzn-Lambda-*` headers); the answer is 200 with the function's payload
or 500 with its error. `/_host/…` is for the sandbox itself: the list of environments, killing them, faults, log flush.
The host decides no policy of AWS's own: reserved concurrency, mappings and retries of async events are the emulator's.
Two waits are shortened on the function's behalf because nobody waits an hour for a demonstration: a message that failed
becomes visible again after `--retry-seconds` (AWS: the queue's visibility timeout), set with ChangeMessageVisibility.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.shared.json_values import is_object
from sandbox.account import Account
from sandbox.httpd import Request, Response, serve
from sandbox.lambda_code import CodeStore, FunctionVersion, running_runtime
from sandbox.lambda_environment import Environment, Invocation, Outcome
from sandbox.lambda_faults import WORKING_SECONDS, PlannedFaults
from sandbox.lambda_logs import LogWriter
from sandbox.lambda_roles import Roles
from sandbox.workspace import end_with_parent, record

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger("sandbox.lambda_server")
IDLE_SECONDS = 600.0
"""An environment unused for this long is ended."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the host is started with."""

    account: Account
    folder: Path
    retry_seconds: int | None
    role_lifetime: timedelta


class Host:
    """The environments of all functions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._account = settings.account
        self._code = CodeStore(settings.account, settings.folder)
        self._roles = Roles(settings.account, settings.role_lifetime)
        self._logs = LogWriter(self._roles)
        self._environments: list[Environment] = []
        self._numbers = count(1)
        self._faults = PlannedFaults()
        self._interpreters: dict[str, tuple[Path, Path]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._isolations: set[str] = set()

    # --- invocations ---

    async def handle(self, request: Request) -> Response:
        """Answer one HTTP request."""
        if request.path.startswith("/_host/"):
            return await self._control(request)
        header = request.headers
        name = header.get("x-amzn-lambda-function-name", "")
        version = header.get("x-amzn-lambda-function-version", "$LATEST")
        invocation = Invocation(
            request_id=header.get("x-amzn-lambda-request-id", ""),
            arn=header.get("x-amzn-lambda-function-arn", ""),
            event=request.body,
            trace=header.get("x-amzn-trace-id"),
        )
        expected, fault = header.get("x-strata-fingerprint"), self._faults.begin(name)
        if fault == "twice":
            self._later(self._invoke(name, version, expected, invocation))
        try:
            outcome = await self._invoke(name, version, expected, invocation, fault)
        except Exception as error:
            LOGGER.exception("%s:%s could not be run", name, version)
            outcome = Outcome.error("Sandbox.Failure", f"the Lambda host could not run {name}:{version}: {error}")
        if outcome.failed and (target := header.get("x-strata-on-failure")):
            self._later(asyncio.to_thread(self._deliver_failure, name, version, target, invocation, outcome))
        if self._settings.retry_seconds is not None and b'"aws:sqs"' in request.body:
            self._later(asyncio.to_thread(self._shorten_retry, request.body, outcome))
        headers = {
            "Content-Type": "application/json",
            "X-Amz-Log-Result": base64.b64encode(outcome.log_tail).decode(),
        }
        if outcome.failed:
            return Response(500, outcome.payload, headers | {"X-Amz-Function-Error": "Unhandled"})
        return Response(200, outcome.payload, headers)

    async def _invoke(
        self, name: str, version: str, expected: str | None, invocation: Invocation, fault: str | None = None
    ) -> Outcome:
        function = self._code.known(name, version, expected)
        if function is None:
            function = await asyncio.to_thread(self._code.version, name, version, expected)
        environment = self._idle(function) or await self._start(function)
        outcome = await environment.invoke(invocation, self._killing(environment, fault))
        if environment.isolation not in self._isolations:
            self._isolations.add(environment.isolation)
            LOGGER.info("functions run with: %s", environment.isolation)
        if environment.state == "dead":
            self._forget(environment)
            if fault == "answered":
                self._faults.put_off(name, fault)
        elif fault == "answered" or self._faults.take(name, "answered"):
            await self._end(environment, "fault")
            message = f"RequestId: {invocation.request_id} Error: Runtime exited with error: signal: killed"
            return Outcome.error("Runtime.ExitError", message)
        return outcome

    def _idle(self, function: FunctionVersion) -> Environment | None:
        """An idle environment of this very version whose credentials last; older kinds of it are ended."""
        found: Environment | None = None
        for environment in list(self._environments):
            if environment.state != "idle" or environment.function.name != function.name:
                continue
            if environment.function.version != function.version:
                continue
            if environment.function.fingerprint != function.fingerprint or not self._roles.fresh(environment.keys):
                self._forget(environment)
                self._later(environment.close("replaced"))
            elif found is None or environment.last_used > found.last_used:
                found = environment
        if found is not None:
            found.state = "running"  # taken, before anybody else looks
        return found

    async def _start(self, function: FunctionVersion) -> Environment:
        keys = await asyncio.to_thread(self._roles.keys, function.role)
        interpreter, runtime = await asyncio.to_thread(self._interpreter, function.runtime)
        folder = self._settings.folder / "environments" / str(next(self._numbers))
        environment = Environment(function, keys, self._logs, folder)
        self._environments.append(environment)
        try:
            await environment.start(interpreter, runtime, self._account.endpoint, self._account.region)
        except BaseException:
            await self._end(environment, "it did not start")
            raise
        record(self._settings.folder.parent, environment.pid, f"{function.name}:{function.version}")
        return environment

    def _interpreter(self, runtime: str) -> tuple[Path, Path]:
        """The Python and the folder of its runtime's packages for a Lambda runtime."""
        if runtime not in self._interpreters:
            from layer_builds.host.interpreters import find_python, runtime_root  # slow, and once
            from layer_builds.plan import RUNTIMES  # slow, and once

            running = Path(sys.executable).resolve()
            python = running if runtime == running_runtime() else find_python(RUNTIMES[runtime])
            self._interpreters[runtime] = (python, runtime_root(python))
        return self._interpreters[runtime]

    @staticmethod
    def _soon(work: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(WORKING_SECONDS, work)

    def _later(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            LOGGER.error("background work failed: %r", error)

    # --- what follows a failure ---

    def _deliver_failure(self, name: str, version: str, target: str, invocation: Invocation, outcome: Outcome) -> None:
        """Send a failed async event to its destination, with the function's own permissions, as Lambda does."""
        function = self._code.version(name, version, None)
        service = target.split(":")[2]
        record = {
            "version": "1.0",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "requestContext": {
                "requestId": invocation.request_id,
                "functionArn": invocation.arn,
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": json.loads(invocation.event or b"null"),
            "responseContext": {"statusCode": 200, "executedVersion": version, "functionError": "Unhandled"},
            "responsePayload": json.loads(outcome.payload or b"null"),
        }
        client = self._roles.client(function.role, service)
        body = json.dumps(record)
        try:
            if service == "sqs":
                client.send_message(QueueUrl=self._queue_url(target), MessageBody=body)
            elif service == "sns":
                client.publish(TopicArn=target, Message=body)
            else:
                LOGGER.warning("failure destinations of kind %s are not modelled: %s", service, target)
        except (ClientError, BotoCoreError) as error:
            LOGGER.warning("DestinationDeliveryFailures: %s may not send to %s: %s", name, target, error)

    def _queue_url(self, arn: str) -> str:
        return self._account.client("sqs").get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]

    def _shorten_retry(self, event: bytes, outcome: Outcome) -> None:
        """Make failed messages of a mapping's batch visible again soon."""
        records: list[dict[str, Any]] = json.loads(event).get("Records") or []
        records = [entry for entry in records if entry.get("eventSource") == "aws:sqs"]
        if not outcome.failed:
            answer = json.loads(outcome.payload or b"null")
            failures: list[dict[str, Any]] = (answer.get("batchItemFailures") if is_object(answer) else None) or []
            failed = {entry.get("itemIdentifier") for entry in failures}
            records = [entry for entry in records if entry["messageId"] in failed]
        if not records:
            return
        entries = [
            {"Id": str(i), "ReceiptHandle": entry["receiptHandle"], "VisibilityTimeout": self._settings.retry_seconds}
            for i, entry in enumerate(records)
        ]
        url = self._queue_url(records[0]["eventSourceARN"])
        for start in range(0, len(entries), 10):
            part = entries[start : start + 10]
            self._account.client("sqs").change_message_visibility_batch(QueueUrl=url, Entries=part)

    # --- the sandbox's own calls ---

    async def _control(self, request: Request) -> Response:
        wish = json.loads(request.body or b"{}")
        action = request.path.removeprefix("/_host/")
        if action == "environments":
            answer: Any = [environment.describe() for environment in self._environments]
        elif action == "kill":
            answer = self._kill(wish)
        elif action == "faults":
            if "phase" in wish:
                self._faults.plan(wish["function"], wish["phase"], times=wish.get("count", 1), at=wish.get("at", ()))
            answer = {"left": self._faults.left(wish["function"])}
        elif action == "flush":
            await asyncio.to_thread(self._logs.flush)
            answer = {}
        else:
            return Response(404)
        return Response(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _kill(self, wish: dict[str, Any]) -> list[int]:
        """SIGKILL what matches: by pid, or by function and state ("init", "running", "idle")."""
        killed: list[int] = []
        for environment in list(self._environments):
            known = environment.describe()
            if all(known.get(key) == value for key, value in wish.items()):
                killed.append(environment.pid)
                environment.kill("fault")
                if environment.state == "idle":
                    self._forget(environment)
                    self._later(environment.close("fault"))
        return killed

    def _killing(self, environment: Environment, fault: str | None) -> Callable[[], None] | None:
        """What is done to an environment once it has the event in hand, where a fault is planned."""
        if fault == "working":
            kill = partial(self._kill, {"pid": environment.pid})
            return lambda: self._soon(kill)
        if fault == "running" or self._faults.take(environment.function.name, "running"):
            return lambda: environment.kill("fault")
        return None

    async def _end(self, environment: Environment, why: str) -> None:
        self._forget(environment)
        await environment.close(why)

    def _forget(self, environment: Environment) -> None:
        """No longer offer or list an environment; the reaper may have come before whoever waited for its end."""
        if environment in self._environments:
            self._environments.remove(environment)

    async def reap(self) -> None:
        """End environments that were idle for long; forget those that died idle."""
        while True:
            await asyncio.sleep(1)
            for environment in list(self._environments):
                old = time.monotonic() - environment.last_used > IDLE_SECONDS
                if environment.state == "dead" or (environment.state == "idle" and old):
                    await self._end(environment, "idle")

    async def close(self) -> None:
        """End all environments and write the last log lines."""
        await asyncio.gather(*(self._end(environment, "the sandbox ends") for environment in list(self._environments)))
        await asyncio.to_thread(self._logs.close)


async def run(settings: Settings, port_file: Path) -> None:
    """Serve until the parent goes."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    end_with_parent(lambda: loop.call_soon_threadsafe(ended.set))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    host = Host(settings)
    server = await serve(host.handle)
    partial = port_file.with_suffix(".part")
    partial.write_text(str(server.port))
    partial.rename(port_file)
    reaper = asyncio.create_task(host.reap())
    await ended.wait()
    reaper.cancel()
    await host.close()
    sys.stderr.flush()
    os._exit(0)  # threads may still wait for an answer that nobody will read


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description="The sandbox's Lambda host (started by the sandbox).")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--retry-seconds", type=int)
    parser.add_argument("--role-lifetime-seconds", type=int, default=3600)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    settings = Settings(
        account=Account(given.endpoint, given.account, given.region),
        folder=given.folder,
        retry_seconds=given.retry_seconds,
        role_lifetime=timedelta(seconds=given.role_lifetime_seconds),
    )
    asyncio.run(run(settings, given.folder / "port"))


if __name__ == "__main__":
    main()
