"""`python -m sandbox up`: keep the local cloud running, and say how to use it; `send` and `search` use it."""

from __future__ import annotations

import json
import shlex
import sys
import threading
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sandbox.account import Account
from sandbox.cloud import STATE_FILE, read_state
from sandbox.demo import CONFIG
from sandbox.screen import Steps, console
from sandbox.start import started

if TYPE_CHECKING:
    from rich.console import Console

PYTHON = ".venv/bin/python"


def run(*, as_json: bool) -> int:
    """Run until Ctrl-C (which ends it well: 0)."""
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
    table = Table(title="Running", title_justify="left", show_header=False)
    table.add_row("Local AWS", f"{state['endpoint']}  account {state['account']}, {state['region']}")
    table.add_row("Queue", function["queue_url"])
    table.add_row("Failure queue", function["dlq_url"])
    table.add_row("Function", f"{function['name']}, alias live")
    table.add_row("OpenAI stand-in", state["openai_url"])
    table.add_row("Pinecone stand-in", state["pinecone_url"])
    table.add_row("All outputs, and keys", str(STATE_FILE.relative_to(STATE_FILE.parent.parent)))
    screen.print(table)
    for title, command in commands(state).items():
        screen.print(f"\n[bold]{title}[/bold]")
        screen.print(command, soft_wrap=True, markup=False)
    screen.print("\nCtrl-C stops it and removes everything.")


def send(text: str) -> int:
    """Send a message to the running cloud: the text as given (JSON or plain), `-` is standard input."""
    state = read_state()
    body = sys.stdin.read() if text == "-" else text
    account = Account(state["endpoint"], state["account"], state["region"])
    queue = state["outputs"]["functions"]["embedding"]["queue_url"]
    answer = account.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    print(f"sent {answer['MessageId']}")
    return 0


def search(question: str, count: int) -> int:
    """Search the running cloud's index."""
    from openai import OpenAI  # noqa: PLC0415 - a second of import that only this needs
    from pinecone import Pinecone  # noqa: PLC0415

    state = read_state()
    openai = OpenAI(api_key=state["keys"]["OPENAI_API_KEY"], base_url=state["openai_url"])
    index = Pinecone(api_key=state["keys"]["PINECONE_API_KEY"]).Index(host=state["pinecone_url"])
    found = openai.embeddings.create(model="text-embedding-3-small", input=[question], dimensions=384)
    matches: Any = index.query(vector=found.data[0].embedding, top_k=count, include_metadata=True).matches
    for match in matches:
        text = " ".join(str((match.metadata or {}).get("text", "")).split())
        print(f"{match.score:.3f}  {match.id}  {text[:90]}")
    if not matches:
        print("the index is empty")
    return 0
