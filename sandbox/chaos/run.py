"""`python -m sandbox chaos [SYSTEM …]`: one cloud, its systems under their plans of faults all at once, the verdicts.

With --control each protection is taken away in turn. Exit codes: 0 when it is as it should be (nothing lost; with
--control: what that protection keeps is lost, and nothing else), 1 otherwise.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.chaos import LAMBDA, shown
from sandbox.chaos.controls import rounds
from sandbox.chaos.ending import Ending, dead_letters, wait
from sandbox.chaos.gate import Gate
from sandbox.chaos.hands import CloudHands, StandInProcess
from sandbox.chaos.leases import Lapses
from sandbox.chaos.shown import Outcome
from sandbox.chaos.trials import prepared
from sandbox.screen import Steps, console
from sandbox.standins.serving import Server
from sandbox.start import started
from sandbox.systems import section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.chaos.trials import Trial, Wanted
    from sandbox.cloud import LocalCloud

LOOK_SECONDS = 0.5


def run(wanted: Wanted, *, as_json: bool) -> int:
    """Run as often as asked, print the verdicts; the exit code.

    Raises:
        SandboxError: a system has no part in this, or the options do not fit.
    """
    trials = prepared(wanted)
    screen = console(quiet=as_json)
    for trial in trials:
        shown.announce(screen, trial.options, trial.plan, trial.part.counted)
    together = rounds(trials) if wanted.control else [trials]
    runs = [beside for _ in range(wanted.runs) for beside in together]
    outcomes: dict[str, list[Outcome]] = {}
    for number, beside in enumerate(runs):
        if len(runs) > 1:
            names = ", ".join(trial.name for trial in beside)
            screen.print(f"[bold]Run {number + 1} of {len(runs)}[/bold]  {names}", soft_wrap=True)
        for name, outcome in run_once(beside, Steps(screen)).items():
            outcomes.setdefault(name, []).append(outcome)
        screen.print()
    reports = {trial.name: shown.Report(trial.options, trial.plan, outcomes[trial.name]) for trial in trials}
    if as_json:
        print(json.dumps(shown.document(reports), indent=2))
    else:
        shown.show(screen, reports.values())
    return 0 if all(report.ok for report in reports.values()) else 1


def run_once(trials: Sequence[Trial], steps: Steps) -> dict[str, Outcome]:
    """A fresh cloud, the plans, the verdicts by the trials' names.

    Raises:
        SandboxError: the work did not end, or the sandbox itself failed.
    """
    trials = [replace(trial, work=trial.part.make(trial.options), gates=_gates(trial)) for trial in trials]
    with contextlib.ExitStack() as stack:
        at = {
            trial.system: {name: stack.enter_context(Server(gate)).url for name, gate in trial.gates.items()}
            for trial in trials
        }
        config = {section(trial.system): dict(trial.part.config(trial.options)) for trial in trials}
        names = [trial.system for trial in trials]
        cloud = stack.enter_context(started(steps, "chaos", systems=names, config=config, at=at))
        processes = _processes(cloud, trials, stack)
        hands = {trial.system: _arm(cloud, trial, processes) for trial in trials}
        lapses = [Lapses(cloud, trial.system, trial.part.lease) for trial in trials if trial.part.lease]
        begun = time.monotonic()
        with steps.step("Everything sent") as step:
            _send(cloud, trials, lapses)
            step.detail = ", ".join(f"{trial.work.sent:,} to {trial.system}" for trial in trials)
        with steps.step("Work, and faults") as step:
            wait(cloud, lambda: _look(trials, lapses), step.say)
            seconds = round(time.monotonic() - begun, 1)
        with steps.step("What came of it") as step:
            dead = {name: dead_letters(cloud, name) for name in cloud.outputs["functions"]}
            ending = Ending(cloud, processes, dead)
            outcomes = {trial.name: _outcome(ending, trial, hands[trial.system], seconds) for trial in trials}
            step.detail = "; ".join(outcome.verdict.summary() for outcome in outcomes.values())
    return outcomes


def _gates(trial: Trial) -> dict[str, Gate]:
    return {service: Gate(service, counted, trial.plan) for service, counted in trial.part.counted.items()}


def _processes(cloud: LocalCloud, trials: Sequence[Trial], stack: contextlib.ExitStack) -> dict[str, StandInProcess]:
    """Start the stand-ins that can be killed; whoever calls such a service calls the process."""
    started: dict[str, StandInProcess] = {}
    for trial in trials:
        for name, given in trial.part.processes.items():
            started[name] = StandInProcess(cloud, name, given)
            stack.callback(started[name].kill)
            started[name].start()
    return started


def _arm(cloud: LocalCloud, trial: Trial, processes: dict[str, StandInProcess]) -> CloudHands:
    """From here on faults happen."""
    if trial.options.control:
        trial.options.control.remove(cloud)
    hands = CloudHands(cloud, trial.system, processes)
    for service, gate in trial.gates.items():
        gate.forward.target = _target(cloud, service, processes)
        gate.hands = hands
    hands.plan(trial.plan)
    return hands


def _target(cloud: LocalCloud, service: str, processes: dict[str, StandInProcess]) -> Callable[[], str | None]:
    if service in processes:
        return lambda: processes[service].url
    return lambda: cloud.stand_ins[service].url


def _send(cloud: LocalCloud, trials: Sequence[Trial], lapses: Sequence[Lapses]) -> None:
    """All systems at once; dead runs' leases end meanwhile."""
    errors: list[Exception] = []

    def send(trial: Trial) -> None:
        try:
            trial.work.send(cloud)
        except Exception as error:  # noqa: BLE001 - raised below, on the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=send, args=(trial,), name=f"send {trial.system}") for trial in trials]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            for lapse in lapses:
                lapse()
            thread.join(LOOK_SECONDS)
    if errors:
        raise errors[0]


def _look(trials: Sequence[Trial], lapses: Sequence[Lapses]) -> str:
    """How many faults there were at services; what went wrong with the run itself is raised. Dead runs' leases end."""
    for lapse in lapses:
        lapse()
    gates = [gate for trial in trials for gate in trial.gates.values()]
    for gate in gates:
        if gate.error is not None:
            raise gate.error
    return f"{sum(len(gate.happened) for gate in gates)} faults at services so far"


def _outcome(ending: Ending, trial: Trial, hands: CloudHands, seconds: float) -> Outcome:
    """The verdict, and how the function ran, from its own log."""
    lines = ending.cloud.logs(trial.system)
    runs = [json.loads(line)["record"]["metrics"] for line in lines if '"platform.report"' in line]
    reasons = (json.loads(line)["reason"] for line in lines if '"message failed"' in line)
    gates = trial.gates.items()
    return Outcome(
        verdict=trial.work.judge(ending),
        planned=len(trial.plan.steps),
        happened=[f"{step.service} {step.kind}" for _, gate in gates for step in gate.happened],
        at_lambda=len(trial.plan.of(LAMBDA)) - hands.left(),
        unfelt=[service for service in trial.felt if not trial.gates[service].refusals],
        refusals={service: gate.refusals for service, gate in gates},
        starts={name: ending.processes[name].starts for name in trial.part.processes},
        invocations=len(runs),
        cold_starts=sum("initDurationMs" in metrics for metrics in runs),
        failed_deliveries=dict(Counter(reasons).most_common()),
        seconds=seconds,
    )
