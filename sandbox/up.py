"""`python -m sandbox up`: keep the local cloud running, and say how to use it; `send` and `search` use it."""

from __future__ import annotations

import json
import shlex
import sys
import threading
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox.account import Account
from sandbox.cloud import STATE_FILE, read_state
from sandbox.demo import CONFIG
from sandbox.screen import Steps, console
from sandbox.start import started
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from rich.console import Console

PYTHON = ".venv/bin/python"


def run(*, as_json: bool) -> int:
    """Run until Ctrl-C (which ends it well: 0).

    Raises:
        SandboxError: another one runs here, whose state file this one would take over.
    """
    _refuse_a_second()
    screen = console(quiet=as_json)
    steps = Steps(screen)
    try:
        with started(steps, "up", config=CONFIG) as cloud:
            cloud.write_state()
            state = read_state()
            if as_json:
                shown = {key: value for key, value in state.items() if key != "keys"}
                print(json.dumps({**shown, "commands": commands(state)}), flush=True)
            else:
                _print(screen, state)
            threading.Event().wait()
    except KeyboardInterrupt:
        screen.print("\nStopped; nothing is left behind.")
    return 0


def _refuse_a_second() -> None:
    try:
        name = read_state()["name"]
    except SandboxError:
        return
    raise SandboxError(f"`make up` runs here already ({name}, by its process id): use it, or end it with Ctrl-C first")


def commands(state: dict[str, Any]) -> dict[str, str]:
    """Commands that work while it runs, from the repository's folder."""
    queue = state["outputs"]["functions"]["embedding"]["queue_url"]
    account = Account(state["endpoint"], state["account"], state["region"])
    variables = " ".join(f"{name}={value}" for name, value in account.environment().items())
    body = json.dumps({"id": "hello", "text": "The kettle sings on the stove."})
    return {
        "Send a text": f"{PYTHON} -m sandbox send 'The kettle sings on the stove.'",
        "Search": f"{PYTHON} -m sandbox search 'boiling water'",
        "Look at the log": f"{PYTHON} -m ops tail --stack local embedding",
        "AWS's own command line": (
            f"{variables} aws sqs send-message --queue-url {queue} --message-body {shlex.quote(body)}"
        ),
        "boto3": f"env {variables} {PYTHON} -c \"import boto3; boto3.client('sqs').send_message("
        f"QueueUrl='{queue}', MessageBody='Plain text is a message too.')\"",
    }


def _print(screen: Console, state: dict[str, Any]) -> None:
    function = state["outputs"]["functions"]["embedding"]
    rows = {
        "Local AWS": f"{state['endpoint']}  account {state['account']}, {state['region']}",
        "Queue": function["queue_url"],
        "Failure queue": function["dlq_url"],
        "Function": f"{function['name']}, alias live",
        "OpenAI stand-in": state["openai_url"],
        "Pinecone stand-in": state["pinecone_url"],
        "All outputs, and keys": str(STATE_FILE.relative_to(STATE_FILE.parent.parent)),
    }
    screen.print("\n[bold]Running[/bold]")
    for title, value in rows.items():  # no table: it would cut an address off where the terminal is narrow
        screen.print(f"{title:<23}{value}", soft_wrap=True, markup=False)
    for title, command in commands(state).items():
        screen.print(f"\n[bold]{title}[/bold]")
        screen.print(command, soft_wrap=True, markup=False)
    screen.print("\nCtrl-C stops it and removes everything.")


def send(text: str) -> int:
    """Send a message to the running cloud: the text as given (JSON or plain), `-` is standard input.

    Raises:
        SandboxError: none runs, or its queue does not take this text.
    """
    state = read_state()
    body = _body(text)
    account = Account(state["endpoint"], state["account"], state["region"])
    queue = state["outputs"]["functions"]["embedding"]["queue_url"]
    try:
        answer = account.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    except ClientError as error:
        raise SandboxError(f"the queue did not take the message: {error.response['Error']['Message']}") from None
    print(f"sent {answer['MessageId']}")
    return 0


def _body(text: str) -> str:
    try:
        body = sys.stdin.read() if text == "-" else text
        body.encode()  # an argument that is not UTF-8 arrives in pieces that no message can hold
    except (UnicodeEncodeError, UnicodeDecodeError) as error:
        raise SandboxError(f"the text is not UTF-8 ({error.reason}): nothing was sent") from None
    return body


def search(question: str, count: int) -> int:
    """Search the running cloud's index.

    Raises:
        SandboxError: none runs, or it does not take the question.
    """
    from openai import OpenAI, OpenAIError  # noqa: PLC0415 - a second of import that only this needs
    from pinecone import Pinecone, PineconeException  # noqa: PLC0415

    state = read_state()
    openai = OpenAI(api_key=state["keys"]["OPENAI_API_KEY"], base_url=state["openai_url"])
    index = Pinecone(api_key=state["keys"]["PINECONE_API_KEY"]).Index(host=state["pinecone_url"])
    try:
        found = openai.embeddings.create(model="text-embedding-3-small", input=[question], dimensions=384)
        matches: Any = index.query(vector=found.data[0].embedding, top_k=count, include_metadata=True).matches
    except (OpenAIError, PineconeException, UnicodeError) as error:
        raise SandboxError(f"the search failed: {error}") from None
    for match in matches:
        text = " ".join(str((match.metadata or {}).get("text", "")).split())
        print(f"{match.score:.3f}  {match.id}  {text[:90]}")
    if not matches:
        print("the index is empty")
    return 0
