"""The whole local stack, started and stopped as one: local AWS, Lambda host, stand-ins, the deployed program, secrets.

    with LocalCloud("tests", systems=["embedding"]) as cloud:
        cloud.send({"text": "…"}, function="embedding")

Used by `python -m sandbox`, by the tests as a fixture and by the chaos runs. It knows no system: what one needs and is
shown with is in `sandbox.demos`.
"""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from layer_builds.plan import REPOSITORY
from ops.secret import SECRETS_MANAGER, place, put_in_parameter_store, put_in_secrets_manager
from sandbox.account import ACCOUNT, Account
from sandbox.demos import demo
from sandbox.deploy import Deployer, Event
from sandbox.emulator import Emulator
from sandbox.forward import Fronts
from sandbox.lambda_code import PROXY_VARIABLE, CodeStore
from sandbox.lambda_host import LambdaHost
from sandbox.stack import load_stack, machine_values, merged
from sandbox.standins.running import Running
from sandbox.systems import chosen, only, section
from sandbox.workspace import SANDBOX_DIR, SandboxError, Workspace, running, undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import boto3

    from sandbox.demos import Demo
    from sandbox.stack import Stack

STATE_FILE = SANDBOX_DIR / "state.json"
STACK = "local"
Stage = Literal["aws", "host", "deploy", "secrets", "ready"]


@dataclass(frozen=True, slots=True)
class Progress:
    """What `follow` hears: a stage that begins, or something that happened in the deployment."""

    stage: Stage
    event: Event | None = None


class LocalCloud:
    """A context manager; everything below is valid inside its `with` block."""

    account: Account
    """Root access to the local AWS."""
    emulator: Emulator
    """The local AWS itself: what roles have asked it for."""
    host: LambdaHost
    """The Lambda host: list and kill function processes."""
    systems: list[str]
    """The systems that are deployed."""
    stand_ins: dict[str, Running]
    """The services that they call, by name: URL, key, and the server's state with its faults and request log."""
    outputs: dict[str, Any]
    """The stack's outputs, as the program exports them."""

    def __init__(
        self,
        name: str = "local",
        *,
        systems: Sequence[str] = (),
        follow: Callable[[Progress], None] = lambda _: None,
        config: Mapping[str, Any] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        at: Mapping[str, Mapping[str, str]] | None = None,
        account: str = ACCOUNT,
        retry_seconds: int | None = 1,
        async_retry_seconds: float = 0.5,
        root: Path = SANDBOX_DIR,
    ) -> None:
        """Nothing starts before `with`.

        Args:
            name: the workspace's name, for people.
            systems: which of the local stack's to deploy, with their neighbours; none means all.
            follow: hears how the start goes on.
            config: laid over Pulumi.local.yaml, by full key: {"strata:embedding": {"timeout_seconds": 40}}.
            options: of stand-ins, by service: {"openai": {"latency_seconds": 0.1}}.
            at: where a system reaches a service, when that is not the stand-in itself: system → service → URL.
            account: 12 digits.
            retry_seconds: when a failed message is visible again; None waits for the queue's visibility timeout.
            async_retry_seconds: first wait between attempts at an async event.
            root: where the workspace is made.

        """
        self._name = name
        self._wanted = list(systems)
        self._follow = follow
        self._config = dict(config or {})
        self._options = dict(options or {})
        self._at = dict(at or {})
        self._account = account
        self._retry_seconds = retry_seconds
        self._async_retry_seconds = async_retry_seconds
        self._root = root
        self._stack = contextlib.ExitStack()
        self.stand_ins = {}

    def __enter__(self) -> LocalCloud:
        try:
            self._start(self._stack)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        with undisturbed():
            self._stack.close()

    # --- what it is used for ---

    def function(self, name: str) -> dict[str, Any]:
        """The stack's output about one function: name, alias_arn, role_arn, log_group, queue_url, dlq_url …"""
        return self.outputs["functions"][name]

    def state(self, service: str) -> Any:
        """The state of a stand-in: its faults, keys, request log, and what is its own."""
        return self.stand_ins[service].state

    def client(self, service: str) -> Any:
        """A boto3 client with root credentials."""
        return self.account.client(service)

    def session(self) -> boto3.Session:
        """A boto3 session with root credentials; its clients need `endpoint_url=cloud.account.endpoint`."""
        return self.account.session()

    def send(self, *messages: Mapping[str, Any] | str, function: str) -> None:
        """Send messages to a function's queue: objects as JSON, texts as they are."""
        bodies = [message if isinstance(message, str) else json.dumps(message) for message in messages]
        url = self.function(function)["queue_url"]
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[start : start + 10])]
            answer = self.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
            if answer.get("Failed"):
                raise SandboxError(f"the queue refused messages: {answer['Failed']}")

    def messages_left(self, url: str) -> int:
        """How many messages a queue holds, those in work and those that are delayed included."""
        names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
        found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def failed_events(self, function: str) -> int:
        """How many events a function's dead-letter queue holds: Lambda has tried them as often as it does."""
        return self.messages_left(self.function(function)["async_dlq_url"])

    def set_secret(self, variable: str, value: str, function: str) -> None:
        """Put a value into a function's secret (OPENAI_API_KEY …), as `ops secret set` does."""
        service, identifier = place(self.function(function)["secrets"][variable])
        if service == SECRETS_MANAGER:
            put_in_secrets_manager(self.client("secretsmanager"), identifier, value)
        else:
            put_in_parameter_store(self.client("ssm"), identifier, value)

    def set_key(self, service: str, key: str) -> None:
        """Put a stand-in's key into the secret of every function that calls it; what the server accepts is its own."""
        called = self.stand_ins[service]
        variable = called.declared.secret
        for function, output in self.outputs["functions"].items():
            if variable in output.get("secrets", {}):
                url = self._at.get(function, {}).get(service, called.url)
                self.set_secret(variable, called.declared.value(url, key), function)

    def logs(self, function: str) -> list[str]:
        """All log messages of a function so far, oldest first in each stream."""
        self.host.flush_logs()
        return log_messages(self.client("logs"), self.function(function)["log_group"])

    def layers(self, function: str) -> Path:
        """The folder that a function's processes see as /opt: what was deployed, whatever lies in this checkout.

        Raises:
            SandboxError: the function has no layers.
        """
        store = CodeStore(self.account, self.workspace.folder("opened"))
        found = store.version(self.function(function)["name"], "$LATEST", None).layers
        if found is None:
            raise SandboxError(f"{function} has no layers")
        return found

    def write_state(self, path: Path = STATE_FILE) -> None:
        """Describe this cloud in a file for other programs (ops, `python -m sandbox send`); only we may read it."""
        state = {
            "name": self.workspace.path.name,
            "endpoint": self.account.endpoint,
            "account": self.account.account,
            "region": self.account.region,
            "stack": STACK,
            "systems": self.systems,
            "stand_ins": {name: {"url": each.url, "key": each.key} for name, each in self.stand_ins.items()},
            "host_url": self.host.url,
            "outputs": self.outputs,
        }
        partial = path.with_name(f"{path.name}.{self.workspace.path.name}")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(state, indent=2) + "\n")
        partial.replace(path)
        self._stack.callback(_forget_state, path, self.workspace.path.name)

    # --- starting ---

    def _start(self, stack: contextlib.ExitStack) -> None:
        loaded = load_stack(REPOSITORY, STACK).with_values(self._config)
        self.systems = chosen(loaded.config, self._wanted)
        loaded = loaded.with_config(only(loaded.config, self.systems))
        demos = {system: found for system in self.systems if (found := demo(system)) is not None}
        # The first here, so the last to close: the servers wait for the functions' connections to end.
        stack.callback(self._stop_stand_ins)
        self.workspace = Workspace(self._name, self._root)
        stack.callback(self.workspace.close)
        self.workspace.open()
        deployer = stack.enter_context(Deployer(self.workspace))
        with ThreadPoolExecutor(1) as threads:  # what they import takes as long as the emulator does
            making = threads.submit(self._make_stand_ins, demos)
            self._start_aws(loaded)
            making.result()
        self._follow(Progress("deploy"))
        at = {name: url for each in self.stand_ins.values() for name, url in each.urls.items()}
        addresses = {
            section(system): dict(found.config({**at, **self._at.get(system, {})})) for system, found in demos.items()
        }
        ordered = loaded.with_values(self._values(loaded.config)).with_values(addresses).with_values(self._config)
        self._begin_stand_ins(demos, ordered)
        outputs = deployer.run(self.account, ordered, lambda event: self._follow(Progress("deploy", event)))
        fronts = Fronts(self.account.endpoint)
        stack.callback(fronts.stop)
        self.outputs = fronts.moved(outputs)
        self._move_origins(fronts)
        self._follow(Progress("secrets"))
        for name, each in self.stand_ins.items():
            self.set_key(name, each.key)
            each.opened()
        for found in demos.values():
            found.prepare(self)
        self._follow(Progress("ready"))

    def _make_stand_ins(self, demos: Mapping[str, Demo]) -> None:
        for name in dict.fromkeys(name for found in demos.values() for name in found.stand_ins):
            self.stand_ins[name] = Running(name)

    def _begin_stand_ins(self, demos: Mapping[str, Demo], stack: Stack) -> None:
        """What they serve is made while the program is deployed."""
        options: dict[str, Any] = {}
        for system, found in demos.items():
            options = merged(options, found.options(stack.config[section(system)]))
        options = merged(options, self._options)
        for name, each in self.stand_ins.items():
            each.begin(self.workspace.folder(f"data/{name}"), options.get(name, {}))

    def _start_aws(self, stack: Stack) -> None:
        self._follow(Progress("aws"))
        self.emulator = Emulator(
            self.workspace,
            account=self._account,
            region=str(stack.config.get("aws:region", "eu-central-1")),
            async_retry_seconds=self._async_retry_seconds,
        )
        self.account = self.emulator.start()
        self._follow(Progress("host"))
        self.host = LambdaHost(self.workspace)
        self.host.start(self.account, retry_seconds=self._retry_seconds)

    def _move_origins(self, fronts: Fronts) -> None:
        """Let pages that are served by an API use the buckets that admit it: by the address that browsers know."""
        s3 = self.client("s3")
        for bucket in self.outputs.get("buckets", {}).values():
            with contextlib.suppress(ClientError):  # most have no rules
                rules = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
                s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": fronts.moved(rules)})

    def _stop_stand_ins(self) -> None:
        for each in self.stand_ins.values():
            each.stop()

    def _values(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What only this run knows of every system's config."""
        machine = machine_values(config)
        return merged(machine, {key: {"environment": {PROXY_VARIABLE: self.host.url}} for key in machine})


def log_messages(logs: Any, group: str) -> list[str]:
    """All messages in a log group, oldest first in each stream.

    Args:
        logs: a boto3 client of CloudWatch Logs.
        group: its name.
    """
    messages: list[str] = []
    for page in logs.get_paginator("describe_log_streams").paginate(logGroupName=group):
        for stream in page["logStreams"]:
            place = {"logGroupName": group, "logStreamName": stream["logStreamName"], "startFromHead": True}
            found = logs.get_log_events(**place)
            while found["events"]:
                messages += [event["message"] for event in found["events"]]
                found = logs.get_log_events(**place, nextToken=found["nextForwardToken"])
    return messages


def _forget_state(path: Path, name: str) -> None:
    """Remove the state file if it is still this cloud's."""
    with contextlib.suppress(OSError, ValueError):
        if json.loads(path.read_text())["name"] == name:
            path.unlink()


def read_state(path: Path = STATE_FILE) -> dict[str, Any]:
    """The running local cloud, as another program sees it.

    Raises:
        SandboxError: none runs.

    """
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        raise SandboxError("no local cloud is running here: start one with `make up`") from None
    if not running(path.parent / state["name"]):
        raise SandboxError("the local cloud that ran here has ended without cleaning up: start one with `make up`")
    return state


def wait_until(true: Callable[[], bool], what: str, timeout_seconds: float = 120.0, every_seconds: float = 0.1) -> None:
    """Poll until something holds.

    Raises:
        SandboxError: it does not within the time; names `what`.

    """
    deadline = time.monotonic() + timeout_seconds
    while not true():
        if time.monotonic() > deadline:
            raise SandboxError(f"waited {timeout_seconds:.0f} s in vain for {what}")
        time.sleep(every_seconds)
