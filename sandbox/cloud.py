"""The whole local stack, started and stopped as one: local AWS, Lambda host, stand-ins, the deployed program, secrets.

    with LocalCloud("tests") as cloud:
        cloud.send({"text": "…"})

Used by `python -m sandbox`, by the tests as a fixture and by the chaos runs.
"""

from __future__ import annotations

import contextlib
import io
import json
import secrets
import threading
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from components.settings import PROJECT
from sandbox.account import ACCOUNT, Account
from sandbox.deploy import Deployer, Event
from sandbox.emulator import Emulator
from sandbox.lambda_code import PROXY_VARIABLE
from sandbox.lambda_host import LambdaHost
from sandbox.openai_server import OpenAIState
from sandbox.openai_server import create_app as openai_app
from sandbox.pinecone_server import IndexSpec, PineconeState
from sandbox.pinecone_server import create_app as pinecone_app
from sandbox.serving import Server
from sandbox.stack import load_stack, machine_values, merged
from sandbox.vocabulary import FILE_NAME, find_vocabulary
from sandbox.workspace import REPOSITORY, SANDBOX_DIR, SandboxError, Workspace, running, undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    import boto3
    from starlette.types import ASGIApp, Receive, Scope, Send

STATE_FILE = SANDBOX_DIR / "state.json"
STACK = "local"
LAYER = "openai-pinecone"
Stage = Literal["aws", "host", "deploy", "secrets", "ready"]


@dataclass(frozen=True, slots=True)
class Progress:
    """What `follow` hears: a stage that begins, or something that happened in the deployment."""

    stage: Stage
    event: Event | None = None


class _Later:
    """An ASGI app that exists from the start, so that its port is known, and is filled in when it can be made."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b"the sandbox is still starting"})


class LocalCloud:
    """A context manager; everything below is valid inside its `with` block."""

    account: Account
    """Root access to the local AWS."""
    host: LambdaHost
    """The Lambda host: list and kill function processes."""
    openai: OpenAIState
    """The OpenAI-compatible server: its faults, keys and request log."""
    pinecone: PineconeState
    """The Pinecone-compatible server."""
    openai_url: str
    pinecone_url: str
    outputs: dict[str, Any]
    """The stack's outputs, as the program exports them."""
    keys: dict[str, str]
    """The API keys that the stand-ins accept and the secrets hold: OPENAI_API_KEY, PINECONE_API_KEY."""

    def __init__(
        self,
        name: str = "local",
        *,
        follow: Callable[[Progress], None] = lambda _: None,
        config: Mapping[str, Any] | None = None,
        account: str = ACCOUNT,
        retry_seconds: int | None = 1,
        async_retry_seconds: float = 0.5,
        openai_latency_seconds: float = 0.0,
        index_on_disk: bool = False,
        root: Path = SANDBOX_DIR,
    ) -> None:
        """Nothing starts before `with`.

        Args:
            name: the workspace's name, for people.
            follow: hears how the start goes on.
            config: laid over Pulumi.local.yaml, by full key: {"strata:embedding": {"timeout_seconds": 40}}.
            account: 12 digits.
            retry_seconds: when a failed message is visible again; None waits for the queue's visibility timeout.
            async_retry_seconds: first wait between attempts at an async event.
            openai_latency_seconds: what each embeddings call takes at least.
            index_on_disk: keep the vectors in a file, so that `restart_index` loses none.
            root: where the workspace is made.

        """
        self._name = name
        self._follow = follow
        self._config = dict(config or {})
        self._account = account
        self._retry_seconds = retry_seconds
        self._async_retry_seconds = async_retry_seconds
        self._latency = openai_latency_seconds
        self._index_on_disk = index_on_disk
        self._servers: dict[str, Server] = {}
        self._root = root
        self._stack = contextlib.ExitStack()

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

    def function(self, name: str = "embedding") -> dict[str, Any]:
        """The stack's output about one function: name, alias_arn, role_arn, log_group, queue_url, dlq_url …"""
        return self.outputs["functions"][name]

    def client(self, service: str) -> Any:
        """A boto3 client with root credentials."""
        return self.account.client(service)

    def session(self) -> boto3.Session:
        """A boto3 session with root credentials; its clients need `endpoint_url=cloud.account.endpoint`."""
        return self.account.session()

    def send(self, *messages: Mapping[str, Any] | str, function: str = "embedding") -> None:
        """Send messages to a function's queue: objects as JSON, texts as they are."""
        bodies = [message if isinstance(message, str) else json.dumps(message) for message in messages]
        url = self.function(function)["queue_url"]
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[start : start + 10])]
            answer = self.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
            if answer.get("Failed"):
                raise SandboxError(f"the queue refused messages: {answer['Failed']}")

    def messages_left(self, url: str) -> int:
        """How many messages a queue holds, those in work included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def set_secret(self, variable: str, value: str, function: str = "embedding") -> None:
        """Put a value into a function's secret (OPENAI_API_KEY …), as `ops secret set` does."""
        arn = self.function(function)["secrets"][variable]
        self.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=value)

    def restart_index(self, down_seconds: float = 0.0) -> None:
        """Stop the Pinecone-compatible server, and start a new one on the same port with what is on disk.

        Args:
            down_seconds: how long nobody answers.

        """
        old = self._servers["pinecone"]
        old.stop()
        self.pinecone.store.close()
        time.sleep(down_seconds)
        self.pinecone = self._open_index()
        self._servers["pinecone"] = Server(pinecone_app(self.pinecone), old.port).start()

    def logs(self, function: str = "embedding") -> list[str]:
        """All log messages of a function so far, oldest first in each stream."""
        self.host.flush_logs()
        return log_messages(self.client("logs"), self.function(function)["log_group"])

    def write_state(self, path: Path = STATE_FILE) -> None:
        """Describe this cloud in a file for other programs (ops, `python -m sandbox send`); only we may read it."""
        state = {
            "name": self.workspace.path.name,
            "endpoint": self.account.endpoint,
            "account": self.account.account,
            "region": self.account.region,
            "stack": STACK,
            "openai_url": f"{self.openai_url}/v1",
            "pinecone_url": self.pinecone_url,
            "keys": self.keys,
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
        later = {name: _Later() for name in ("openai", "pinecone")}
        stack.callback(self._stop_servers)
        self._servers = {name: Server(app).start() for name, app in later.items()}
        self.openai_url, self.pinecone_url = self._servers["openai"].url, self._servers["pinecone"].url
        # After the servers, so that it closes before them: they wait for the functions' connections to end.
        self.workspace = Workspace(self._name, self._root)
        stack.callback(self.workspace.close)
        self.workspace.open()
        deployer = stack.enter_context(Deployer(self.workspace))
        self._follow(Progress("aws"))
        emulator = Emulator(
            self.workspace,
            account=self._account,
            region=str(loaded.config.get("aws:region", "eu-central-1")),
            async_retry_seconds=self._async_retry_seconds,
        )
        self.account = emulator.start()
        self._follow(Progress("host"))
        self.host = LambdaHost(self.workspace)
        self.host.start(self.account, retry_seconds=self._retry_seconds)
        self._follow(Progress("deploy"))
        ordered = loaded.with_values(self._values(loaded.config)).with_values(self._config)
        models = _Started(_load_model)
        self.outputs = deployer.run(self.account, ordered, lambda event: self._follow(Progress("deploy", event)))
        self._follow(Progress("secrets"))
        self.keys = {name: f"local-{secrets.token_hex(12)}" for name in ("OPENAI_API_KEY", "PINECONE_API_KEY")}
        for variable, value in self.keys.items():
            self.set_secret(variable, value)
        self.openai = OpenAIState(
            keys=[self.keys["OPENAI_API_KEY"]],
            vocabulary=self._vocabulary(),
            model=models.result(),
            latency_seconds=self._latency,
        )
        dimensions = int((ordered.config["strata:embedding"]).get("dimensions", 1536))
        self._index = IndexSpec(dimension=dimensions)
        self.pinecone = self._open_index()
        later["openai"].app, later["pinecone"].app = openai_app(self.openai), pinecone_app(self.pinecone)
        self._follow(Progress("ready"))

    def _open_index(self) -> PineconeState:
        data = self.workspace.folder("index") if self._index_on_disk else None
        return PineconeState(self._index, keys=[self.keys["PINECONE_API_KEY"]], data=data)

    def _stop_servers(self) -> None:
        for server in self._servers.values():
            server.stop()

    def _values(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What only this run knows of the stack's config."""
        machine = machine_values(config)
        proxy = {key: {"environment": {PROXY_VARIABLE: self.host.url}} for key in machine}
        stand_ins = {"openai_base_url": f"{self.openai_url}/v1", "pinecone_index_host": self.pinecone_url}
        return merged(merged(machine, proxy), {f"{PROJECT}:embedding": stand_ins})

    def _vocabulary(self) -> Path:
        """The folder with tiktoken's vocabulary: from the layer builder's assets, else out of the deployed layer."""
        with contextlib.suppress(FileNotFoundError):
            return find_vocabulary()
        layer = self.outputs["layers"][LAYER]
        content = self.client("s3").get_object(Bucket=layer["bucket"], Key=layer["key"])["Body"].read()
        folder = self.workspace.folder("vocabulary")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (folder / FILE_NAME).write_bytes(archive.read(f"tiktoken/{FILE_NAME}"))
        return find_vocabulary(folder)


def _load_model() -> Any:
    from sandbox.minilm import MiniLM  # noqa: PLC0415 - loads 90 MB; while the deployment runs

    return MiniLM()


class _Started:
    """A value that a thread computes meanwhile."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        self._make = make
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._make()
        except Exception as error:  # noqa: BLE001 - raised where the value is wanted
            self._error = error

    def result(self) -> Any:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value


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


def wait_until(true: Callable[[], bool], what: str, timeout_seconds: float = 60.0, every_seconds: float = 0.1) -> None:
    """Poll until something holds.

    Raises:
        SandboxError: it does not within the time; names `what`.

    """
    deadline = time.monotonic() + timeout_seconds
    while not true():
        if time.monotonic() > deadline:
            raise SandboxError(f"waited {timeout_seconds:.0f} s in vain for {what}")
        time.sleep(every_seconds)
