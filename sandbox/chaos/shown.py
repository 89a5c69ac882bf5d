"""What a run of faults shows: tables for people, one JSON document for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sandbox.chaos import LAMBDA
from sandbox.chaos.verdict import PROBLEMS, SHOWN

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rich.console import Console

    from sandbox.chaos import Options
    from sandbox.chaos.controls import Control
    from sandbox.chaos.plan import Kind, Plan
    from sandbox.chaos.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run of one system."""

    verdict: Verdict
    planned: int
    happened: list[str] = field(default_factory=list[str])
    """Faults at services, as "service kind", in the order in which they were carried out."""
    at_lambda: int = 0
    """How many of those of invocations were carried out."""
    unfelt: list[str] = field(default_factory=list[str])
    """Services whose key was rotated without anybody being refused."""
    refusals: dict[str, int] = field(default_factory=dict[str, int])
    """Requests refused for their key, by service."""
    starts: dict[str, int] = field(default_factory=dict[str, int])
    """Of the services that can be killed."""
    invocations: int = 0
    cold_starts: int = 0
    failed_deliveries: dict[str, int] = field(default_factory=dict[str, int])
    """Messages that the function itself gave back, by its reason. Killed processes give nothing back."""
    seconds: float = 0.0
    """From the first input sent to the last one settled."""

    @property
    def carried_out(self) -> bool:
        """Whether every fault of the plan happened, and each rotation was felt."""
        return len(self.happened) + self.at_lambda == self.planned and not self.unfelt

    def ok(self, control: Control | None) -> bool:
        """Whether the run shows what it is for. A control makes fewer requests, so it does not meet every fault."""
        return self.verdict.found == {control.seen} if control else self.carried_out and self.verdict.nothing_lost

    def rows(self) -> dict[str, str]:
        """What is shown: title → value."""
        returned = ", ".join(f"{count} {reason}" for reason, count in self.failed_deliveries.items())
        return {
            **self.verdict.rows(),
            **({"Requests with a key no longer valid": f"{sum(self.refusals.values())}"} if self.refusals else {}),
            **{f"Starts of the {name} stand-in": f"{starts}" for name, starts in self.starts.items()},
            "Invocations, cold starts": f"{self.invocations}, {self.cold_starts}",
            **({"Messages given back by the function": returned} if returned else {}),
            "Seconds": f"{self.seconds:.0f}",
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All runs of one system."""

    options: Options
    plan: Plan
    outcomes: Sequence[Outcome]

    @property
    def same(self) -> bool:
        """Whether the same plan gave the same verdict each time; of a control that is not expected."""
        return self.options.control is not None or len({outcome.verdict.key() for outcome in self.outcomes}) == 1

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        return self.same and all(outcome.ok(self.options.control) for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        control = self.options.control
        return {
            "ok": self.ok,
            "options": {**asdict(replace(self.options, control=None)), "control": control and control.name},
            "plan": {"digest": self.plan.digest, "steps": [asdict(step) for step in self.plan.steps]},
            "same_verdict": self.same,
            "runs": [
                {
                    **asdict(outcome),
                    "ok": outcome.ok(control),
                    "verdict": outcome.verdict.to_json(),
                }
                for outcome in self.outcomes
            ],
        }

    def show(self, screen: Console) -> None:
        """Print the plan, what came of it, the verdict."""
        screen.print(f"[bold]{self.options.system}[/bold]")
        screen.print(self._faults())
        screen.print(self._results())
        for outcome in self.outcomes:
            for what, found in outcome.verdict.problems.items():
                if found:
                    rest = " …" if len(found) > SHOWN else ""
                    screen.print(f"{what}: {', '.join(found[:SHOWN])}{rest}", soft_wrap=True, markup=False)
            if not outcome.carried_out:
                screen.print("[red]Not every fault of the plan happened, so this run proves nothing.[/red]")
        colour = "green" if self.ok else "red"
        screen.print(f"[bold {colour}]{self._verdict()}[/bold {colour}]\n")

    def _faults(self) -> Table:
        table = Table("At", "Fault", "Planned", "Happened", title="The plan", title_justify="left")
        for kind in self.plan.kinds:
            table.add_row(kind.service, kind.meaning, str(self.plan.count(kind)), self._happened(kind))
        for column in table.columns[2:]:
            column.justify = "right"
        return table

    def _happened(self, kind: Kind) -> str:
        if kind.service == LAMBDA:  # the host knows how many are left, not which
            all_of_them = len(self.plan.of(LAMBDA))
            return " ".join(
                str(self.plan.count(kind)) if outcome.at_lambda == all_of_them else "?" for outcome in self.outcomes
            )
        return " ".join(str(outcome.happened.count(f"{kind.service} {kind.name}")) for outcome in self.outcomes)

    def _results(self) -> Table:
        several = len(self.outcomes) > 1
        names = [f"Run {number + 1}" for number in range(len(self.outcomes))] if several else [""]
        table = Table("", *names, title="Afterwards", title_justify="left", show_header=several)
        rows: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            for title, value in outcome.rows().items():
                rows.setdefault(title, []).append(value)
        for title, values in rows.items():
            table.add_row(title, *values)
        for column in table.columns[1:]:
            column.justify = "right"
        return table

    def _verdict(self) -> str:
        if self.ok:
            return "Nothing lost, nothing doubled." + (
                " The same verdict every time." if len(self.outcomes) > 1 else ""
            )
        return "Something is not as it should be: see above." if self.same else "The same plan gave different verdicts."


def announce(screen: Console, options: Options, plan: Plan, counted: Mapping[str, str]) -> None:
    """Say what is going to happen."""
    screen.print(
        f"[bold]Chaos[/bold]  {options.name}, seed {options.seed}, plan {plan.digest}: {len(plan.steps)} faults, "
        f"{options.messages:,} inputs, {options.duplicates} of them twice",
        soft_wrap=True,
    )
    for service in dict.fromkeys(step.service for step in plan.steps):
        steps = ", ".join(f"{number} {step.kind}" for number, step in plan.of(service).items())
        where = f"{service}, at {counted[service]}" if service in counted else "its invocations"
        screen.print(f"[dim]{where}: {steps}[/dim]", soft_wrap=True, markup=True, highlight=False)
    screen.print()


def show(screen: Console, reports: Collection[Report]) -> None:
    """Print what came of it: a report each, of controls a row each."""
    controls = [report for report in reports if report.options.control]
    for report in reports:
        if report.options.control is None:
            report.show(screen)
    if controls:
        screen.print(_controls(controls))
        every = all(report.ok for report in controls)
        screen.print(
            "[bold green]Each protection keeps what is lost without it, and the check sees that.[/bold green]"
            if every
            else "[bold red]A control did not lose what it should, or something else: see ✗.[/bold red]"
        )


def _controls(reports: Collection[Report]) -> Table:
    table = Table("System", "Without this", "Must be", title="Controls", title_justify="left")
    for what in PROBLEMS:
        table.add_column(what.capitalize(), justify="right")
    for report in reports:
        control = report.options.control
        if control is not None:
            verdicts = [outcome.verdict.problems for outcome in report.outcomes]
            counts = (" ".join(str(len(found[what])) for found in verdicts) for what in PROBLEMS)
            mark = "[green]✓[/green]" if report.ok else "[red]✗[/red]"
            table.add_row(f"{mark} {report.options.system}", control.removed, control.seen, *counts)
    return table


def document(reports: Mapping[str, Report]) -> dict[str, Any]:
    """What `--json` prints: by system, of controls by system and protection."""
    return {
        "ok": all(report.ok for report in reports.values()),
        "systems": {name: report.to_json() for name, report in reports.items()},
    }
