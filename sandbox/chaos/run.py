"""`python -m sandbox chaos`: the whole system under a plan of faults, and the verdict.

Exit codes: 0 when it is as it should be (nothing lost; with --control: something lost), 1 otherwise.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sandbox.chaos.gate import Gate
from sandbox.chaos.hands import CloudHands, IndexServer
from sandbox.chaos.messages import make_messages, with_duplicates
from sandbox.chaos.plan import KINDS, PATHS, Plan, make_plan
from sandbox.chaos.verdict import SHOWN, Verdict, judge
from sandbox.chaos.wrapped import put_in_front
from sandbox.cloud import wait_until
from sandbox.screen import Steps, console
from sandbox.serving import Server
from sandbox.start import started
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from rich.console import Console

    from sandbox.cloud import LocalCloud

DIMENSIONS = 384
PATIENCE_SECONDS = 1_200.0
CALM_SECONDS = 3.0
"""The queue has to stay empty for this long: a message may be on its way back to it."""
CONTROL = Path(__file__).with_name("unprotected.py")


@dataclass(frozen=True, slots=True)
class Options:
    """What to run."""

    seed: int = 1
    messages: int = 1_000
    """Distinct ones."""
    duplicates: int = 100
    batch_size: int = 10
    control: bool = False
    """With the handler that acknowledges first."""
    runs: int = 1
    """How often; all have to come to the same verdict."""


@dataclass(slots=True)
class Outcome:
    """One run."""

    verdict: Verdict
    happened: list[str] = field(default_factory=list[str])
    """Faults, as "server kind", in the order in which they were carried out."""
    planned: int = 0
    refusals: dict[str, int] = field(default_factory=dict[str, int])
    """Requests refused for their key, by server."""
    index_starts: int = 0
    invocations: int = 0
    cold_starts: int = 0
    failed_deliveries: dict[str, int] = field(default_factory=dict[str, int])
    """Messages that the function itself gave back, by its reason. Killed processes give nothing back."""
    seconds: float = 0.0
    """From the first message sent to the last one settled."""

    @property
    def carried_out(self) -> bool:
        """Whether every fault of the plan happened, and each rotation was felt."""
        return len(self.happened) == self.planned and all(self.refusals.values())

    def ok(self, *, control: bool) -> bool:
        """Whether the run shows what it is for. The control makes fewer requests, so it does not meet every fault."""
        return bool(self.verdict.lost) if control else self.carried_out and self.verdict.nothing_lost


def run(options: Options, *, as_json: bool) -> int:
    """Run as often as asked, print the verdict; the exit code."""
    screen = console(quiet=as_json)
    try:
        messages = make_messages(options.seed, options.messages)
        good = sum(message.text is not None for message in messages)
        plan = make_plan(options.seed, math.ceil(good / options.batch_size))
    except ValueError as error:
        raise SandboxError(str(error)) from None
    screen.print(
        f"[bold]Chaos[/bold]  seed {options.seed}, plan {plan.digest}: {len(plan.steps)} faults, "
        f"{options.messages:,} messages, {options.duplicates} duplicates, in batches of {options.batch_size}"
    )
    for server, path in PATHS.items():
        steps = ", ".join(f"{number} {step.kind}" for number, step in plan.of(server).items())
        screen.print(f"[dim]{server}, at the requests to {path}: {steps}[/dim]", soft_wrap=True)
    screen.print()
    outcomes: list[Outcome] = []
    for number in range(options.runs):
        if options.runs > 1:
            screen.print(f"[bold]Run {number + 1} of {options.runs}[/bold]")
        outcomes.append(run_once(options, plan, Steps(screen)))
        screen.print()
    same = len({outcome.verdict.key() for outcome in outcomes}) == 1 or options.control
    ok = same and all(outcome.ok(control=options.control) for outcome in outcomes)
    if as_json:
        print(json.dumps(_document(options, plan, outcomes, ok=ok, same=same), indent=2))
    else:
        _print(screen, options, plan, outcomes, same=same)
    return 0 if ok else 1


def run_once(options: Options, plan: Plan, steps: Steps) -> Outcome:
    """A fresh cloud, the plan, the verdict.

    Raises:
        SandboxError: the work did not end, or the sandbox itself failed.
    """
    messages = make_messages(options.seed, options.messages)
    bodies = with_duplicates(options.seed, messages, options.duplicates)
    gates = {server: Gate(server, plan) for server in ("openai", "index")}
    with contextlib.ExitStack() as stack:
        urls = {server: stack.enter_context(Server(gate)).url for server, gate in gates.items()}
        section = {
            "openai_base_url": f"{urls['openai']}/v1",
            "pinecone_index_host": urls["index"],
            "batch_size": options.batch_size,
            "dimensions": DIMENSIONS,
        }
        cloud = stack.enter_context(started(steps, "chaos", config={"strata:embedding": section}))
        index = IndexServer(cloud, DIMENSIONS, cloud.keys["PINECONE_API_KEY"])
        stack.callback(index.kill)
        index.start()
        if options.control:
            put_in_front(cloud, CONTROL)
        hands = CloudHands(cloud, index, plan)
        gates["openai"].target, gates["index"].target = (lambda: cloud.openai_url), (lambda: index.url)
        for gate in gates.values():
            gate.hands = hands
        begun = time.monotonic()
        with steps.step("Messages sent") as step:
            cloud.send(*bodies)
            step.detail = f"{len(bodies):,}, of which {options.duplicates} twice"
        with steps.step("Work, and faults") as step:
            _wait(cloud, gates, step.say)
            outcome = Outcome(Verdict(0, 0), seconds=round(time.monotonic() - begun, 1), planned=len(plan.steps))
        with steps.step("Vectors compared with direct embeddings") as step:
            dead = failure_queue(cloud)
            outcome.verdict = judge(messages, len(bodies), index.vectors(), dead, cloud.openai.model)
            step.detail = f"{outcome.verdict.stored:,} vectors, {len(set(dead))} messages in the failure queue"
        outcome.happened = [f"{step.server} {step.kind}" for gate in gates.values() for step in gate.happened]
        outcome.refusals = {server: gate.refusals for server, gate in gates.items()}
        outcome.index_starts = index.starts
        _describe(cloud, outcome)
    return outcome


def failure_queue(cloud: LocalCloud) -> list[str]:
    """Take everything out of the failure queue: the bodies."""
    sqs, url = cloud.client("sqs"), cloud.function()["dlq_url"]
    bodies: list[str] = []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in found]
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def _wait(cloud: LocalCloud, gates: dict[str, Gate], say: Any) -> None:
    """Until no message is left and no process works, for a while."""
    url = cloud.function()["queue_url"]
    calm_since: float | None = None

    def over() -> bool:
        nonlocal calm_since
        for gate in gates.values():
            if gate.error is not None:
                raise gate.error
        left = cloud.messages_left(url)
        faults = sum(len(gate.happened) for gate in gates.values())
        say(f"{left:,} messages left, {faults} faults so far")
        busy = left > 0 or any(each["state"] != "idle" for each in cloud.host.environments())
        calm_since = None if busy else calm_since or time.monotonic()
        return calm_since is not None and time.monotonic() - calm_since >= CALM_SECONDS

    wait_until(over, "the queue to be empty and every process idle", PATIENCE_SECONDS, 0.5)


def _describe(cloud: LocalCloud, outcome: Outcome) -> None:
    """How the function ran, from its own log."""
    lines = cloud.logs()
    runs = [json.loads(line)["record"]["metrics"] for line in lines if '"platform.report"' in line]
    reasons = (json.loads(line)["reason"] for line in lines if '"message failed"' in line)
    outcome.failed_deliveries = dict(Counter(reasons).most_common())
    outcome.invocations = len(runs)
    outcome.cold_starts = sum("initDurationMs" in metrics for metrics in runs)


# --- what is shown ---


def _document(options: Options, plan: Plan, outcomes: list[Outcome], *, ok: bool, same: bool) -> dict[str, Any]:
    return {
        "ok": ok,
        "options": asdict(options),
        "plan": {"digest": plan.digest, "steps": [asdict(step) for step in plan.steps]},
        "same_verdict": same,
        "runs": [
            {
                **{key: value for key, value in asdict(outcome).items() if key != "verdict"},
                "ok": outcome.ok(control=options.control),
                "verdict": outcome.verdict.to_json(),
            }
            for outcome in outcomes
        ],
    }


def _print(screen: Console, options: Options, plan: Plan, outcomes: list[Outcome], *, same: bool) -> None:
    faults = Table("At", "Fault", "Planned", "Happened", title="The plan", title_justify="left")
    for kind in KINDS:
        happened = " ".join(str(each.happened.count(f"{kind.server} {kind.name}")) for each in outcomes)
        faults.add_row(kind.server, kind.meaning, str(plan.count(kind)), happened)
    for column in faults.columns[2:]:
        column.justify = "right"
    screen.print(faults)
    names = [f"Run {number + 1}" for number in range(len(outcomes))] if len(outcomes) > 1 else [""]
    result = Table("", *names, title="Afterwards", title_justify="left", show_header=len(outcomes) > 1)
    for title, value in _ROWS:
        result.add_row(title, *(value(outcome) for outcome in outcomes))
    for column in result.columns[1:]:
        column.justify = "right"
    screen.print(result)
    for outcome in outcomes:
        for what in ("lost", "doubled", "wrong"):
            if found := getattr(outcome.verdict, what):
                screen.print(f"{what}: {', '.join(found[:SHOWN])}{' …' if len(found) > SHOWN else ''}", soft_wrap=True)
        if not (options.control or outcome.carried_out):
            screen.print("[red]Not every fault of the plan happened, so this run proves nothing.[/red]")
    _print_verdict(screen, options, outcomes, same=same)


_ROWS = (
    ("Distinct messages", lambda each: f"{each.verdict.distinct:,}"),
    ("Vectors in the index", lambda each: f"{each.verdict.stored:,}"),
    ("In the failure queue only", lambda each: f"{each.verdict.failed:,}"),
    ("… although they were good", lambda each: f"{each.verdict.failed_although_good:,}"),
    ("Stored, and a delivery in the failure queue", lambda each: f"{each.verdict.both:,}"),
    ("Lost", lambda each: f"{len(each.verdict.lost):,}"),
    ("Doubled", lambda each: f"{len(each.verdict.doubled):,}"),
    ("Vectors that are not their text's", lambda each: f"{len(each.verdict.wrong):,}"),
    ("Largest difference to a direct embedding", lambda each: f"{each.verdict.largest_difference:.1e}"),
    ("Requests with a key no longer valid", lambda each: f"{sum(each.refusals.values())}"),
    ("Starts of the index server", lambda each: f"{each.index_starts}"),
    ("Invocations, cold starts", lambda each: f"{each.invocations}, {each.cold_starts}"),
    (
        "Messages given back by the function",
        lambda each: ", ".join(f"{count} {reason}" for reason, count in each.failed_deliveries.items()) or "none",
    ),
    ("Seconds", lambda each: f"{each.seconds:.0f}"),
)


def _print_verdict(screen: Console, options: Options, outcomes: list[Outcome], *, same: bool) -> None:
    good = same and all(outcome.ok(control=options.control) for outcome in outcomes)
    if options.control:
        words = "lost messages, as it must" if good else "was expected to lose messages and did not"
        text = f"The control, which acknowledges before it stores, {words}."
    elif good:
        text = "Nothing lost, nothing doubled." + (" The same verdict every time." if len(outcomes) > 1 else "")
    else:
        text = "Something is not as it should be: see above." if same else "The same plan gave different verdicts."
    screen.print(f"[bold {'green' if good else 'red'}]{text}[/bold {'green' if good else 'red'}]")
