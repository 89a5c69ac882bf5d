"""The demonstration: the real layers, the real program, real input and what must come of it, on this machine.

What is sent and looked for is each system's own part (`sandbox.demos`); this runs them in one local cloud, and shows
how the functions ran.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from sandbox import stories
from sandbox.demos import demo, systems
from sandbox.screen import Steps, console
from sandbox.stack import left_out, local_systems
from sandbox.start import started
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from sandbox.cloud import LocalCloud
    from sandbox.demos import Report


@dataclass(frozen=True, slots=True)
class Ran:
    """How a function ran, by its own log."""

    runtime: str
    architecture: str
    invocations: int
    cold_starts: int
    init_ms: int
    """Of the slowest cold start."""
    median_ms: int
    max_memory_mb: int
    memory_mb: int
    layers_at: str


@dataclass(slots=True)
class Summary:
    """All of it, as `--json` prints it."""

    reports: dict[str, Report] = field(default_factory=dict[str, "Report"])
    errors: dict[str, str] = field(default_factory=dict[str, str])
    without: list[str] = field(default_factory=list[str])
    """Deployed systems that have no demonstration."""
    functions: dict[str, Ran] = field(default_factory=dict[str, Ran])
    layers: dict[str, str] = field(default_factory=dict[str, str])
    steps: dict[str, float] = field(default_factory=dict[str, float])
    """Title → seconds."""
    seconds: float = 0.0

    def faults(self) -> dict[str, list[str]]:
        """System → what went wrong in it; only those where something did."""
        found = {name: faults for name, report in self.reports.items() if (faults := report.faults())}
        return found | {name: [error] for name, error in self.errors.items()}

    @property
    def ok(self) -> bool:
        """Whether every system showed what it should, and one did."""
        return bool(self.reports) and not self.faults()

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        faults = self.faults()
        told = {name: report.to_json() for name, report in self.reports.items()}
        shown = {
            name: {"ok": name not in faults, "faults": faults.get(name, []), **told.get(name, {})}
            for name in (*told, *self.errors)
        }
        return {
            "ok": self.ok,
            "systems": shown,
            "without_demonstration": self.without,
            "functions": {name: asdict(ran) for name, ran in self.functions.items()},
            "layers": self.layers,
            "steps": self.steps,
            "seconds": self.seconds,
        }


def run(wanted: Sequence[str], *, as_json: bool, short: bool) -> int:
    """Run the demonstrations of these systems, of all when none is named; 0 when all went as it should, 1 otherwise.

    Raises:
        SandboxError: there is no such system, or it has no demonstration.
    """
    check(wanted)
    screen = console(quiet=as_json)
    steps, summary, begun = Steps(screen), Summary(), time.monotonic()
    screen.print("[bold]Strata[/bold]  all of it on this machine; the SaaS APIs are stand-ins\n")
    for reason in left_out(wanted):
        screen.print(f"[yellow]left out:[/yellow] {escape(reason)}", soft_wrap=True)
    with started(steps, "demo", systems=wanted) as cloud:
        shown = {name: found.neighbours if (found := demo(name)) else () for name in wanted or cloud.systems}
        stories.tell(steps, shown, lambda name, own: _show(cloud, name, own, summary, short=short))
        summary.functions = {name: _ran(cloud, name) for name in cloud.systems if name in cloud.outputs["functions"]}
        summary.layers = {name: layer["digest"][:12] for name, layer in cloud.outputs["layers"].items()}
        cleaning = time.monotonic()
    screen.print(f"[green]✓[/green] [bold]Cleaned up[/bold] [dim]in {time.monotonic() - cleaning:.1f} s[/dim]\n")
    summary.steps = {step.title: round(step.seconds, 2) for step in steps.done}
    summary.seconds = round(time.monotonic() - begun, 2)
    if as_json:
        print(json.dumps(summary.to_json(), indent=2))
    else:
        _print(screen, summary)
    return 0 if summary.ok else 1


def check(wanted: Sequence[str]) -> None:
    """Refuse what cannot be shown, before anything starts.

    Raises:
        SandboxError: the local stack has no such system, or the system no demonstration.
    """
    known = local_systems(wanted)
    for name in wanted:
        if demo(name) is None:
            raise SandboxError(
                f"{name} has no demonstration (sandbox/demos/{name}.py); `make up SYSTEM={name}` runs it all the same. "
                f"There is one of {', '.join(systems()) or 'no system'}"
            )
    if not any(demo(name) for name in known):
        raise SandboxError("no system of Pulumi.local.yaml has a demonstration: `make up` runs them all the same")


def _show(cloud: LocalCloud, system: str, steps: Steps, summary: Summary, *, short: bool) -> None:
    """One system's part. What goes wrong in it is noted, and the others go on."""
    found = demo(system)
    if found is None:
        summary.without.append(system)
        steps.say(f"\n[bold]{system}[/bold]  [dim]has no demonstration (sandbox/demos/{system}.py)[/dim]")
        return
    steps.say(f"\n[bold]{system}[/bold]  [dim]{found.about}[/dim]")
    try:
        with steps.group(system):
            summary.reports[system] = found.run(cloud, steps, short)
    except SandboxError as error:
        summary.errors[system] = str(error)
        steps.say(f"[red]✗[/red] {escape(str(error))}")


def _ran(cloud: LocalCloud, system: str) -> Ran:
    """How a function ran, by the platform's reports in its log."""
    runs = [json.loads(line)["record"]["metrics"] for line in cloud.logs(system) if '"platform.report"' in line]
    cold = [run["initDurationMs"] for run in runs if "initDurationMs" in run]
    durations = sorted(run["durationMs"] for run in runs)
    output = cloud.function(system)
    environments = [each for each in cloud.host.environments() if each["function"] == output["name"]]
    return Ran(
        runtime=output["runtime"],
        architecture=output["architecture"],
        invocations=len(runs),
        cold_starts=len(cold),
        init_ms=round(max(cold, default=0.0)),
        median_ms=round(durations[len(durations) // 2]) if durations else 0,
        max_memory_mb=max((run["maxMemoryUsedMB"] for run in runs), default=0),
        memory_mb=max((run["memorySizeMB"] for run in runs), default=0),
        layers_at=environments[0]["isolation"] if environments else "?",
    )


def _print(screen: Console, summary: Summary) -> None:
    for system, report in sorted(summary.reports.items()):
        screen.print(f"[bold]{system}[/bold]")
        for table in report.tables():
            screen.print(table)
    ran = Table("Function", "Invocations", "Cold start, warm run", "Memory", title="How they ran", title_justify="left")
    for name, function in summary.functions.items():
        ran.add_row(
            name,
            f"{function.invocations}, {function.cold_starts} cold",
            f"{function.init_ms} ms, median {function.median_ms} ms",
            f"{function.max_memory_mb} of {function.memory_mb} MB",
        )
    screen.print(ran)
    ran_here = [each for each in summary.functions.values() if each.invocations]
    on = {f"{each.runtime}, {each.architecture}; layers by {each.layers_at}" for each in ran_here}
    layers = ", ".join(f"{name} {digest}…" for name, digest in summary.layers.items())
    screen.print(f"[dim]{'; '.join(sorted(on))}. {layers}[/dim]", soft_wrap=True)
    screen.print(f"[dim]All in all {summary.seconds:.1f} s[/dim]")
    if summary.ok:
        screen.print("[bold green]Everything is where it belongs.[/bold green]")
        return
    screen.print("[bold red]Something went wrong:[/bold red]")
    for system, faults in summary.faults().items():
        for fault in faults:
            screen.print(f"[red]✗[/red] {system}: {escape(fault)}", soft_wrap=True)
