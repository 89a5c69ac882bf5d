"""Runs a Pulumi program against a monitor that answers like AWS and keeps every request.

The program runs the way Pulumi's language host runs it: in a stack, in an event loop of its own, drained before
anything is asserted. Nothing is left behind in Pulumi's global state.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pulumi
from google.protobuf import empty_pb2, json_format
from pulumi.runtime import Settings, configure
from pulumi.runtime.config import set_all_config
from pulumi.runtime.mocks import MockCallArgs, MockEngine, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.stack import run_in_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

ACCOUNT = "123456789012"
REGION = "eu-central-1"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"


@dataclass(frozen=True, slots=True)
class Registered:
    """One registration, as it went over the wire."""

    urn: str
    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    """Plain JSON; secrets and assets keep their signature."""
    request: Any
    """`RegisterResourceRequest`: aliases, protect, dependencies and the other options."""

    @property
    def component(self) -> bool:
        return not self.request.custom

    @property
    def dependencies(self) -> set[str]:
        return set(self.request.dependencies)


@dataclass(slots=True)
class Program:
    """What a program registered, in order, and what it gave out."""

    resources: list[Registered] = field(default_factory=list[Registered])
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    """URN → what `register_outputs` was called with."""
    calls: list[str] = field(default_factory=list[str])

    @property
    def exports(self) -> dict[str, Any]:
        """The stack's outputs, secrets unwrapped."""
        return next((plain(values) for urn, values in self.outputs.items() if "::pulumi:pulumi:Stack::" in urn), {})

    def all(self, kind: str) -> list[Registered]:
        """Every resource of a type, by its whole token or its last part."""
        return [one for one in self.resources if one.type == kind or one.type.rpartition(":")[2] == kind]

    def one(self, kind: str, name: str | None = None) -> Registered:
        """The only resource of a type (and name)."""
        found = [one for one in self.all(kind) if name is None or one.name == name]
        assert len(found) == 1, f"{len(found)} of {kind} {name or ''}: {[one.name for one in self.all(kind)]}"
        return found[0]

    def children(self, parent: Registered) -> set[str]:
        """The names of what was registered under a component."""
        return {one.name for one in self.resources if one.parent == parent.urn}

    def behind(self, resource: Registered) -> set[str]:
        """The names of all that must exist before a resource is created, near and far."""
        by_urn = {one.urn: one for one in self.resources}
        seen: set[str] = set()
        todo = list(resource.dependencies)
        while todo:
            urn = todo.pop()
            if urn in by_urn and urn not in seen:
                seen.add(urn)
                todo += by_urn[urn].dependencies
        return {by_urn[urn].name for urn in seen}


def plain(value: Any) -> Any:
    """A value without the wrapping of secrets."""
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        if mapping.get(SIGNATURE) == SECRET:
            return plain(mapping["value"])
        return {key: plain(item) for key, item in mapping.items()}
    if isinstance(value, list):
        return [plain(item) for item in cast("list[Any]", value)]
    return value


def secrets_in(value: Any) -> Iterator[Any]:
    """Every wrapped value, however deep."""
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        if mapping.get(SIGNATURE) == SECRET:
            yield mapping["value"]
        for item in mapping.values():
            yield from secrets_in(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from secrets_in(item)


def strings_in(value: Any) -> Iterator[str]:
    """Every string, however deep, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield key
            yield from strings_in(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from strings_in(item)


class Aws(Mocks):
    """What AWS makes of each type: physical names, ARNs, URLs. A type that is not here is an error."""

    def __init__(self, project: str, stack: str, program: Program) -> None:
        self.prefix = f"{project}-{stack}"
        self.program = program

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        self.program.calls.append(args.token)
        match args.token:
            case "aws:index/getCallerIdentity:getCallerIdentity":
                arn = f"arn:aws:iam::{ACCOUNT}:user/tester"
                return {"accountId": ACCOUNT, "arn": arn, "userId": "AIDA", "id": ACCOUNT}, []
            case "aws:index/getRegion:getRegion":
                return {"id": REGION, "region": REGION, "name": REGION, "description": "", "endpoint": ""}, []
            case _:
                raise NotImplementedError(f"the program calls {args.token}, which the tests do not answer")

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        kind = args.typ.rpartition(":")[2]
        name = str(args.inputs.get("name") or f"{self.prefix}-{args.name}-0a1b2c")
        if args.typ.startswith("strata:") or args.typ == "tests:index:Owner":
            return "", {}
        outputs = {**args.inputs, **getattr(self, f"_{kind.lower()}", self._unknown)(name, args)}
        return str(outputs.pop("id", name)), outputs

    def _unknown(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        raise NotImplementedError(f"the program registers {args.typ}, which the tests do not know")

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"

    def _command(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        return {"stdout": "{}", "stderr": ""}

    def _layerversion(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        return {"arn": self._arn("lambda", f"layer:{args.inputs['layerName']}:1"), "version": "1"}

    def _function(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        return {"name": name, "arn": self._arn("lambda", f"function:{name}"), "version": "7", "invokeArn": "$LATEST"}

    def _alias(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        arn = self._arn("lambda", f"function:{args.inputs['functionName']}:{name}")
        return {
            "id": arn,
            "arn": arn,
            "invokeArn": f"arn:aws:apigateway:{REGION}:lambda:path/functions/{arn}/invocations",
        }

    def _loggroup(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        return {"name": name, "arn": self._arn("logs", f"log-group:{name}")}

    def _role(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        return {"name": name, "arn": f"arn:aws:iam::{ACCOUNT}:role/{name}"}

    def _queue(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"
        return {"id": url, "url": url, "name": name, "arn": self._arn("sqs", name)}

    def _functionurl(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        return {"functionUrl": f"https://abc123.lambda-url.{REGION}.on.aws/"}

    def _table(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        return {"name": name, "arn": self._arn("dynamodb", f"table/{name}")}

    def _repository(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        url = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}"
        return {"name": name, "arn": self._arn("ecr", f"repository/{name}"), "repositoryUrl": url}

    def _topic(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        arn = self._arn("sns", name)
        return {"id": arn, "arn": arn, "name": name}

    def _secret(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        arn = self._arn("secretsmanager", f"secret:{name}-AbCdEf")
        return {"id": arn, "arn": arn, "name": name}

    def _bucket(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        return {"id": name, "bucket": name, "arn": f"arn:aws:s3:::{name}"}

    def _api(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        execution = self._arn("execute-api", "api123")
        return {
            "id": "api123",
            "executionArn": execution,
            "apiEndpoint": f"https://api123.execute-api.{REGION}.amazonaws.com",
        }

    def _nothing(self, name: str, args: MockResourceArgs) -> dict[str, Any]:
        return {}

    _rolepolicy = _eventsourcemapping = _metricalarm = _bucketpolicy = _bucketpublicaccessblock = _nothing
    _bucketserversideencryptionconfiguration = _bucketnotification = _functioneventinvokeconfig = _permission = _nothing
    _bucketversioning = _bucketlifecycleconfiguration = _bucketcorsconfiguration = _nothing
    _queuepolicy = _provisionedconcurrencyconfig = _lifecyclepolicy = _nothing
    _topicpolicy = _topicsubscription = _integration = _route = _stage = _nothing


class RecordingMonitor(MockMonitor):
    """Keeps every request as it came."""

    def __init__(self, mocks: Mocks, program: Program) -> None:
        super().__init__(mocks)
        self.program = program
        self.lock = threading.Lock()

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """The engine's: the types of all parents but the stack, which the base class cuts to one."""
        chain = parent.split("::")[2] if parent and "::pulumi:pulumi:Stack::" not in parent else ""
        qualified = f"{chain}${type_}" if chain else type_
        return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{qualified}::{name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        response = super().RegisterResource(request)
        if request.type == "pulumi:pulumi:Stack":
            return response
        inputs = json_format.MessageToDict(request.object)
        with self.lock:
            self.program.resources.append(
                Registered(response.urn, request.type, request.name, request.parent, inputs, request)
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> empty_pb2.Empty:  # noqa: N802 - gRPC's name
        with self.lock:
            self.program.outputs[request.urn] = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()


class Build:
    """Runs programs. Each call is a stack of its own."""

    def __call__(
        self,
        body: Callable[[], Any],
        *,
        config: Mapping[str, str] | None = None,
        encrypted: Collection[str] = (),
        project: str = "strata",
        stack: str = "test",
        preview: bool = False,
    ) -> Program:
        """Run a program to its end; an exception of its own comes through."""
        program = Program()
        self.last = program

        def run() -> None:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            try:
                set_all_config(dict(config or {}), list(encrypted))
                monitor = RecordingMonitor(Aws(project, stack, program), program)
                configure(Settings(project, stack, monitor, MockEngine(None), 16, preview, organization="organization"))
                loop.run_until_complete(run_in_stack(lambda: _nothing_returned(body)))
            finally:
                asyncio.set_event_loop(None)
                loop.close()

        contextvars.Context().run(run)
        return program


def _nothing_returned(body: Callable[[], Any]) -> None:
    body()
