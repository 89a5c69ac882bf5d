"""Pulumi's resource monitor for the local AWS: the program's own runtime registers resources, a table makes them.

The program runs unchanged under Pulumi's runtime, which resolves inputs and orders resources by their dependencies;
this monitor takes the place of the engine behind it. Custom resources come from `sandbox.rows`; component resources are
only noted; `command:local:Command` really runs. It creates and nothing else: a sandbox's cloud is new each time, so
there is no state, no diff, no update and no delete.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import empty_pb2
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks

from lambdas.shared.json_values import is_list, is_object
from sandbox import warm
from sandbox.lambda_package import IMAGES
from sandbox.rows import ROWS, Arguments, Cloud, UnsupportedError
from sandbox.rows.arguments import Made
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMMAND = "command:local:Command"
STDERR_LINES = 20


def plain(value: Any) -> Any:
    """A deserialised value without the wrapping of secrets."""
    if rpc.is_rpc_secret(value):
        return plain(rpc.unwrap_rpc_secret(value))
    if is_object(value):
        return {key: plain(item) for key, item in value.items()}
    if is_list(value):
        return [plain(item) for item in value]
    return value


class Maker(Mocks):
    """Makes resources and answers invokes; `tell` hears of each (event, details)."""

    def __init__(self, cloud: Cloud, program: Path, tell: Callable[[str, dict[str, Any]], None]) -> None:
        self._cloud = cloud
        self._program = program
        self._tell = tell

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Make one resource. Raises UnsupportedError for a type or an argument without a row."""
        inputs = {key: plain(value) for key, value in cast("dict[str, Any]", cast("Any", args).inputs).items()}
        if not args.custom:
            return None, inputs
        started = time.monotonic()
        self._tell("creating", {"type": args.typ, "name": args.name})
        made = self._make(args.typ, args.name, inputs)
        seconds = round(time.monotonic() - started, 3)
        self._tell("created", {"type": args.typ, "name": args.name, "id": made.id, "seconds": seconds})
        return made.id, {**inputs, **made.outputs}

    def _make(self, kind: str, name: str, inputs: Mapping[str, Any]) -> Made:
        arguments = Arguments(kind, name, inputs)
        if kind == COMMAND:
            return self._command(arguments)
        row = ROWS.get(kind)
        if row is None:
            raise UnsupportedError(
                f"the sandbox has no row for the resource type {kind} ({name!r}): add one to sandbox/rows"
            )
        make = row(arguments, self._cloud)
        arguments.finished()
        try:
            return make()
        except (ClientError, BotoCoreError) as error:
            raise SandboxError(f"{kind} {name!r}: {error}") from error

    def _command(self, arguments: Arguments) -> Made:
        """Run a command's `create` in the program's folder: the builder's own at once, any other through the shell."""
        create = arguments.need("create")
        folder = arguments.take("dir") or str(self._program)
        extra: dict[str, str] = arguments.take("environment") or {}
        arguments.take("triggers")
        arguments.take("delete")
        arguments.take("update")
        arguments.finished()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        images = {"STRATA_IMAGES": str(IMAGES)}
        environment = {**os.environ, **self._cloud.account.environment(), **images, "PATH": path, **extra}
        lines: list[str] = []

        def told(line: str) -> None:
            lines.append(line)
            self._tell("progress", {"name": arguments.name, "line": line})

        own = warm.words(create)
        if own is not None:
            code, stdout = warm.run(own, folder, environment, told)
        else:
            code, stdout = _through_the_shell(create, folder, environment, told)
        if code != 0:
            tail = "\n".join(lines[-STDERR_LINES:])
            raise subprocess.SubprocessError(f"{arguments.name}: `{create}` failed ({code}):\n{tail}")
        return Made(f"command-{arguments.name}", {"stdout": stdout, "stderr": "\n".join(lines)})

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Answer a data source."""
        account = self._cloud.account
        if args.token == "aws:index/getCallerIdentity:getCallerIdentity":  # noqa: S105 - a type token
            found = self._cloud.client("sts").get_caller_identity()
            identity = {"accountId": found["Account"], "arn": found["Arn"], "userId": found["UserId"]}
            return {**identity, "id": found["Account"]}, []
        if args.token == "aws:index/getRegion:getRegion":  # noqa: S105 - a type token
            return {
                "id": account.region,
                "region": account.region,
                "name": account.region,
                "description": account.region,
                "endpoint": f"ec2.{account.region}.amazonaws.com",
            }, []
        if args.token == "aws:index/getPartition:getPartition":  # noqa: S105 - a type token
            partition = {"partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}
            return {**partition, "id": "aws"}, []
        raise UnsupportedError(f"the sandbox cannot answer {args.token}: add it to sandbox/monitor.py")


def _through_the_shell(
    command: str, folder: str, environment: Mapping[str, str], tell: Callable[[str], object]
) -> tuple[int, str]:
    """Exit code and standard output."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None  # noqa: S101 - piped
    assert process.stdout is not None  # noqa: S101 - piped
    for line in process.stderr:
        tell(line.rstrip())
    stdout = process.stdout.read().strip()
    return process.wait(), stdout


class Monitor(MockMonitor):
    """The monitor that the runtime talks to; keeps the stack's outputs and the registered types."""

    def __init__(self, maker: Maker) -> None:
        super().__init__(maker)
        self.outputs: dict[str, Any] = {}
        self._stack_urn = ""

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        """Register a resource; the root stack is remembered for its outputs."""
        answer = super().RegisterResource(request)  # pyright: ignore[reportUnknownMemberType] (has no types)
        if request.type == "pulumi:pulumi:Stack":
            self._stack_urn = answer.urn
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        """Keep what the program exports."""
        if request.urn == self._stack_urn:
            self.outputs = {key: plain(value) for key, value in rpc.deserialize_properties(request.outputs).items()}
        return empty_pb2.Empty()
