"""`python -m sandbox up`: keep the local cloud running, and say how to use it; `send` uses it."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from layer_builds.plan import REPOSITORY
from sandbox.account import Account
from sandbox.changes import Changes
from sandbox.cloud import STATE_FILE, read_state
from sandbox.demos import demo
from sandbox.screen import Steps, console
from sandbox.stack import left_out, local_systems
from sandbox.start import started
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from sandbox.cloud import LocalCloud

PYTHON = ".venv/bin/python"
LOOK_SECONDS = 1.0
RESTART = "This cloud runs the code as it was at the start: Ctrl-C, then `make up`, deploys a change in lambdas/."
SHOWN = {
    "queue_url": "queue",
    "dlq_url": "dead-letter queue",
    "async_dlq_url": "dead-letter queue of its events",
    "topic_arn": "topic",
    "bucket": "bucket",
    "api_url": "API",
    "function_url": "URL",
}
"""Of a function's outputs, what can be used from outside."""


def run(systems: Sequence[str], *, as_json: bool) -> int:
    """Run until Ctrl-C (which ends it well: 0).

    Args:
        systems: which to deploy; none means all of the local stack's.
        as_json: print one line of JSON instead.

    Raises:
        SandboxError: another one runs here, whose state file this one would take over; or there is no such system.
    """
    local_systems(systems)
    _refuse_a_second()
    screen = console(quiet=as_json)
    steps = Steps(screen)
    for reason in left_out(systems):
        screen.print(f"left out: {reason}", soft_wrap=True)
    try:
        with started(steps, "up", systems=systems) as cloud:
            cloud.write_state()
            state = read_state()
            welcome = welcomes(cloud)
            if as_json:
                shown = state | {"stand_ins": {name: each["url"] for name, each in state["stand_ins"].items()}}
                shown |= {"welcome": welcome}
                print(json.dumps({**shown, "commands": commands(state)}), flush=True)
            else:
                _print(screen, state, welcome)
            changes = Changes(REPOSITORY / "lambdas", cloud.systems)
            while True:
                time.sleep(LOOK_SECONDS)
                tell(screen, changes)
    except KeyboardInterrupt:
        screen.print("\nStopped; nothing is left behind.")
    return 0


def tell(screen: Console, changes: Changes) -> None:
    """Say which files are no longer as they were deployed."""
    if found := changes.new():
        names = ", ".join(f"lambdas/{path}" for path in found)
        screen.print(f"[yellow]Changed: {names}.[/yellow] {RESTART}", soft_wrap=True)


def _refuse_a_second() -> None:
    try:
        name = read_state()["name"]
    except SandboxError:
        return
    raise SandboxError(f"`make up` runs here already ({name}, by its process id): use it, or end it with Ctrl-C first")


def commands(state: dict[str, Any]) -> dict[str, str]:
    """Commands that work while it runs, from the repository's folder: each system's own, and those for all."""
    account = Account(state["endpoint"], state["account"], state["region"])
    variables = " ".join(f"{name}={value}" for name, value in account.environment().items())
    found: dict[str, str] = {}
    for system in state["systems"]:
        part = demo(system)
        for title, command in part.commands.items() if part else ():
            found[f"{system}: {title}"] = command.replace("python ", f"{PYTHON} ", 1)
        found[f"{system}: Look at the log"] = f"{PYTHON} -m ops tail --stack local {system}"
    return found | {"AWS's own command line": f"{variables} aws sqs list-queues", "boto3": _boto3(variables)}


def _boto3(variables: str) -> str:
    return f"env {variables} {PYTHON} -c \"import boto3; print(boto3.client('sqs').list_queues()['QueueUrls'])\""


def welcomes(cloud: LocalCloud) -> dict[str, str]:
    """What the systems tell people once, by title: it may hold a password, and is in no file."""
    found = {system: demo(system) for system in cloud.systems}
    return {
        f"{system}: {title}": text
        for system, part in found.items()
        for title, text in (part.welcome(cloud).items() if part else ())
    }


def _print(screen: Console, state: dict[str, Any], welcome: dict[str, str]) -> None:
    rows = {"Local AWS": f"{state['endpoint']}  account {state['account']}, {state['region']}"}
    for name, output in state["outputs"]["functions"].items():
        rows[name] = f"{output['name']}, alias live"
        rows |= {f"{name}: {title}": output[key] for key, title in SHOWN.items() if output.get(key)}
    rows |= {f"{name} stand-in": each["url"] for name, each in state["stand_ins"].items()}
    rows |= welcome
    rows["All outputs, and keys"] = str(STATE_FILE.relative_to(STATE_FILE.parent.parent))
    screen.print("\n[bold]Running[/bold]")
    width = max(map(len, rows)) + 2
    for title, value in rows.items():  # no table: it would cut an address off where the terminal is narrow
        screen.print(f"{title:<{width}}{value}", soft_wrap=True, markup=False)
    for title, command in commands(state).items():
        screen.print(f"\n[bold]{title}[/bold]")
        screen.print(command, soft_wrap=True, markup=False)
    screen.print(f"\n{RESTART}", soft_wrap=True)
    screen.print("Ctrl-C stops it and removes everything.")


def send(function: str, text: str) -> int:
    """Send a message to a queue of the running cloud: the text as given (JSON or plain), `-` is standard input.

    Raises:
        SandboxError: none runs, it has no such queue, or its queue does not take this text.
    """
    state = read_state()
    queues = {name: output.get("queue_url") for name, output in state["outputs"]["functions"].items()}
    if not queues.get(function):
        known = ", ".join(name for name, queue in queues.items() if queue)
        raise SandboxError(f"no function {function!r} with a queue runs here: there is {known or 'none'}")
    body = _body(text)
    account = Account(state["endpoint"], state["account"], state["region"])
    try:
        answer = account.client("sqs").send_message(QueueUrl=queues[function], MessageBody=body)
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
