"""The report of a demonstration that needs no more than lines: what was sent, what became of it, is it right."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud import LocalCloud


@dataclass(frozen=True, slots=True)
class Check:
    """One line."""

    sent: str
    outcome: str
    right: bool


@dataclass(slots=True)
class Checklist:
    """What a system was shown with."""

    checks: list[Check] = field(default_factory=list[Check])

    def add(self, sent: str, outcome: str, *, right: bool = True) -> None:
        """Note what became of something."""
        self.checks.append(Check(sent, outcome, right))

    def add_health(self, cloud: LocalCloud, function: str) -> None:
        """Send the test event through the alias, and note what the function found in its layers."""
        found = cloud.client("lambda").invoke(
            FunctionName=cloud.function(function)["name"], Qualifier="live", Payload=b'{"test": true}'
        )
        report: dict[str, Any] = json.load(found["Payload"])
        versions = ", ".join(f"{name} {version}" for name, version in report.get("versions", {}).items())
        problems = "; ".join(report.get("problems", [report.get("errorMessage", "no health report")]))
        self.add('{"test": true}', problems or versions, right=bool(report.get("ok")))

    def faults(self) -> list[str]:
        """The lines that are not right."""
        found = [f"{check.sent}: {check.outcome}" for check in self.checks if not check.right]
        return found if self.checks else ["nothing was looked at"]

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        return {"checks": [asdict(check) for check in self.checks]}

    def tables(self) -> Iterator[Table]:
        """One table."""
        table = Table("Sent", "What happened")
        for check in self.checks:
            mark = "[green]✓[/green]" if check.right else "[red]✗[/red]"
            table.add_row(escape(check.sent), f"{mark} {escape(check.outcome)}")
        yield table
