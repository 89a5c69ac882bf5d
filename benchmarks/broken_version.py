"""A broken version deployed under load: how many events reach it, and how soon the last good one has all traffic again.

    python -m benchmarks.broken_version [--json] [--page]

Deploys the embedding system with the real pulumi CLI to the emulator and keeps messages coming while `ops deploy` runs:
once with a version that cannot be imported, once with one that answers its test event and fails every message, which a
canary has to find. The emulator evaluates no alarms, so this does, from the function's log: the alarms are the
program's own, only the look at them is ours. Needs `pulumi` on PATH, and takes about four minutes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks import page
from sandbox.account import ACCOUNT
from sandbox.cloud import log_messages
from sandbox.emulator import Emulator
from sandbox.workspace import Workspace
from tests.engine import world as worlds
from tests.engine.machine import embedding_alone
from tests.engine.pulumi_cli import Checkout, copy_checkout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.pulumi_cli import Run
    from tests.engine.world import World

STACK = "broken"
KEYS = {"OPENAI_API_KEY": "sk-bench-openai", "PINECONE_API_KEY": "sk-bench-pinecone"}
PER_SECOND = 5.0
TEXTS = 50
CANARY_PERCENT = 20
STEP_SECONDS = 120
EVALUATION_SECONDS = 10.0
"""How often the alarm is looked at. CloudWatch looks once a minute."""
TARGET_SECONDS = 60.0
HANDLER = Path("lambdas/embedding/handler.py")
UNIMPORTABLE = "\n\nimport no_such_module\n"
FAILS_ITS_WORK = """

_whole = handler


def handler(event, context):
    if "Records" in event:
        raise RuntimeError("broken on purpose")
    return _whole(event, context)
"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a version, from the function's log."""

    version: str
    ended: float
    """Unix time."""
    failed: bool


@dataclass
class Bench:
    """A deployed stack, and what happens to it."""

    checkout: Checkout
    world: World
    function: dict[str, Any] = field(default_factory=dict[str, Any])
    sent: list[str] = field(default_factory=list[str])
    """Ids of the messages so far."""
    weights: list[tuple[float, str, dict[str, float]]] = field(default_factory=list[Any])
    """When, the version that the alias leads to, and the shares of others."""
    rang: list[float] = field(default_factory=list[float])
    """When the alarm started."""
    over: threading.Event = field(default_factory=threading.Event)

    def client(self, service: str) -> Any:
        """A boto3 client of the account."""
        return self.checkout.account.client(service)

    def deploy_first(self) -> None:
        """The good version, its secrets, and the canary's config."""
        config = embedding_alone(self.world.host.url, self.world.openai_url, self.world.pinecone_url)
        rollout = {"canary_percents": [CANARY_PERCENT], "step_seconds": STEP_SECONDS}
        self.checkout.stack(STACK, {**config, "strata:rollout": rollout})
        self.checkout.pulumi("up", "--yes", "--skip-preview", "--stack", STACK).ok()
        for name, value in KEYS.items():
            self.checkout.python("ops", "secret", "set", "--stack", STACK, "embedding", name, stdin=value).ok()
        self.world.openai.keys.rotate(KEYS["OPENAI_API_KEY"])
        self.world.pinecone.keys.rotate(KEYS["PINECONE_API_KEY"])
        self.function = self.checkout.outputs(STACK)["functions"]["embedding"]

    def deploy(self, change: str) -> tuple[Run, str]:
        """`ops deploy` with a change of the handler, taken back afterwards: the run and the version it published."""
        source = self.checkout.path / HANDLER
        good = source.read_text(encoding="utf-8")
        source.write_text(good + change, encoding="utf-8")
        run = self.checkout.python("ops", "deploy", "--stack", STACK)
        source.write_text(good, encoding="utf-8")
        return run, str(self.checkout.outputs(STACK)["functions"]["embedding"]["published"])

    def invocations(self) -> Iterator[Invocation]:
        """Every run so far, test events among them."""
        self.world.host.flush_logs()
        versions: dict[str, str] = {}
        for line in log_messages(self.client("logs"), self.function["log_group"]):
            if '"platform.' not in line:
                continue
            entry = json.loads(line)
            record = entry["record"]
            if entry["type"] == "platform.start":
                versions[record["requestId"]] = record["version"]
            elif entry["type"] == "platform.report":
                ended = dt.datetime.fromisoformat(entry["time"]).timestamp()
                yield Invocation(versions[record["requestId"]], ended, record["status"] != "success")

    # --- beside the deployments, each in a thread of its own ---

    def send(self) -> None:
        """Messages at a steady pace."""
        queue, sqs = self.function["queue_url"], self.client("sqs")
        while not self.over.wait(1 / PER_SECOND):
            name = f"message-{len(self.sent):05}"
            body = {"id": name, "text": f"Text number {len(self.sent) % TEXTS} sings on the stove."}
            sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))
            self.sent.append(name)

    def watch_alias(self) -> None:
        """Where traffic goes."""
        client, name = self.client("lambda"), self.function["name"]
        while not self.over.wait(0.1):
            alias = client.get_alias(FunctionName=name, Name="live")
            shares = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
            self.weights.append((time.time(), alias["FunctionVersion"], shares))

    def evaluate_alarms(self) -> None:
        """What CloudWatch does with the function's `errors` alarm: it starts when an invocation failed."""
        cloudwatch = self.client("cloudwatch")
        pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"strata-{STACK}-embedding-errors")
        [alarm] = [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]]
        begun = time.time()
        while not self.over.wait(EVALUATION_SECONDS):
            if any(run.failed and run.ended > begun for run in self.invocations()):
                cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="an invocation failed")
                self.rang.append(time.time())
                return

    def settle(self) -> tuple[int, int]:
        """Stop sending, wait for the queue to run empty; messages without a vector, and dead ones."""
        self.over.set()
        self.world.until_left(self.function["queue_url"], 0)
        stored = sum(self.world.pinecone.store.counts().values())
        return len(set(self.sent)) - stored, self.world.left(self.function["dlq_url"])


def measure(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """Deploy the good version, then both broken ones under load."""
    say("deploy the good version")
    bench.deploy_first()
    for work in (bench.send, bench.watch_alias):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(5)
    say("deploy a version that cannot be imported")
    refused, unimportable = bench.deploy(UNIMPORTABLE)
    # `ops deploy` itself calls it with one test event.
    reached = sum(run.version == unimportable for run in bench.invocations()) - 1
    threading.Thread(target=bench.evaluate_alarms, daemon=True).start()
    say("deploy a version that fails every message")
    stopped, failing = bench.deploy(FAILS_ITS_WORK)
    failed = sorted(run.ended for run in bench.invocations() if run.version == failing and run.failed)
    back = max((at for at, _, shares in bench.weights if shares), default=0.0)
    say("let the queue run empty")
    lost, dead = bench.settle()
    seconds = back - failed[0] if failed else float("nan")
    found: dict[str, Any] = {
        "unimportable": {"refused": refused.code != 0, "events": reached},
        "failing": {
            "stopped": stopped.code != 0,
            "failed_batches": len(failed),
            "seconds_from_first_failure": seconds,
            "seconds_from_alarm": back - bench.rang[0] if bench.rang else float("nan"),
            "live": bench.weights[-1][1],
        },
        "messages": {"sent": len(bench.sent), "lost": lost, "dead": dead},
        "load_average": page.load_average(),
    }
    safe = refused.code != 0 and reached == 0 and stopped.code != 0 and bench.weights[-1][1:] == ("1", {})
    return {**found, "ok": safe and lost == dead == 0 and bool(failed) and seconds < TARGET_SECONDS}


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    failing, messages = found["failing"], found["messages"]
    rows = [
        ["events that reached a version that cannot be imported", str(found["unimportable"]["events"]), "0"],
        [
            "from the first batch that failed on a canary to all traffic on the last good version",
            f"{failing['seconds_from_first_failure']:.1f} s",
            f"under {TARGET_SECONDS:.0f} s",
        ],
        ["of it from the alarm", f"{failing['seconds_from_alarm']:.1f} s", ""],
        ["batches that failed on it, and were handled by the good version later", str(failing["failed_batches"]), ""],
        [f"messages lost, or dead, of {messages['sent']:,}", str(messages["lost"] + messages["dead"]), "0"],
    ]
    return (
        "## A broken version under load\n"
        f"The embedding system, deployed with the real CLI and provider, gets {PER_SECOND:g} messages a second while "
        f"`ops deploy` publishes a version that cannot be imported, and then, with a canary of {CANARY_PERCENT} %, one "
        "that answers its test event and fails every message. Alarms are evaluated every "
        f"{EVALUATION_SECONDS:.0f} s by the benchmark; CloudWatch looks once a minute and has its metrics a minute or "
        f"two later, which has to be added. Load average of the machine {found['load_average']:.1f}.\n\n"
        f"{page.table(['', 'measured', 'wanted'], rows)}\n"
    )


def main() -> int:
    """Measure, print, and with --page write the section; exit code 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    screen = Console(stderr=True)
    key = os.environ.get("AWS_ACCESS_KEY_ID", "")
    number = key if len(key) == len(ACCOUNT) and key.isdigit() else ACCOUNT
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        (folder / "backend").mkdir()
        workspace = stack.enter_context(Workspace("bench", folder / "sandbox"))
        account = Emulator(workspace, account=number).start()
        world = worlds.start(account, workspace, stack)
        bench = Bench(Checkout(copy_checkout(folder / "checkout"), account, folder / "backend"), world)
        stack.callback(bench.over.set)
        found = measure(bench, lambda text: screen.print(f"[dim]{text}[/dim]"))
    print(json.dumps(found, indent=2) if given.json else markdown(found))
    if given.page:
        page.section(
            "broken_version",
            "python -m benchmarks.broken_version --page",
            markdown(found),
            {"Python": platform.python_version()},
        )
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
