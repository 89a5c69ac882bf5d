"""`python -m sandbox roles [SYSTEM …]`: what each role was asked for in the demonstrations, against what it may do.

Nothing more is granted than is used, and without any one statement the calls that it is for are refused. Exit codes: 0
when that holds for every role, 1 otherwise.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from sandbox.demos import demo
from sandbox.role_calls import Role
from sandbox.screen import Steps, console
from sandbox.start import started
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

    from sandbox.cloud import LocalCloud
    from sandbox.emulator_asked import Asked

UNSEEN: Final[Mapping[str, str]] = {
    "sqs:ReceiveMessage": "Lambda polls in the role's name; the emulator asks nobody",
    "sqs:DeleteMessage": "Lambda polls in the role's name; the emulator asks nobody",
    "sqs:GetQueueAttributes": "Lambda polls in the role's name; the emulator asks nobody",
    "xray:PutTraceSegments": "Lambda sends traces in the role's name; the emulator has no X-Ray",
    "xray:PutTelemetryRecords": "Lambda sends traces in the role's name; the emulator has no X-Ray",
    "s3:GetObjectVersion": "for buckets that keep versions, which those of the demonstration do not",
    "s3:ListBucket": "with it S3 says 404 of an object that is not there; the emulator does so without",
}
"""What is needed in AWS, or of other buckets, and no call in a demonstration shows: why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One statement of a function's role."""

    function: str
    policy: str
    sid: str
    actions: list[str]
    resources: list[str]
    used: list[str] = field(default_factory=list[str])
    """Its actions that were asked for."""
    unused: list[str] = field(default_factory=list[str])
    """Those that were not, and that nothing explains."""
    explained: dict[str, str] = field(default_factory=dict[str, str])
    """Those that were not, and why."""
    still_allowed: list[str] = field(default_factory=list[str])
    """Calls that are not refused without it."""

    @property
    def ok(self) -> bool:
        """Whether all of it is used, and needed."""
        return not self.unused and not self.still_allowed

    def said(self) -> str:
        """In words."""
        found = [f"not used: {', '.join(self.unused)}"] if self.unused else []
        found += [f"allowed without it: {', '.join(self.still_allowed)}"] if self.still_allowed else []
        return "; ".join([*found, *dict.fromkeys(self.explained.values())]) or "used, and refused without it"


def run(wanted: Sequence[str], *, as_json: bool) -> int:
    """Show the systems, then look at their roles; the exit code.

    Raises:
        SandboxError: a demonstration failed: its roles would look unused.
    """
    screen = console(quiet=as_json)
    steps = Steps(screen)
    with started(steps, "roles", systems=wanted) as cloud:
        for system in cloud.systems:
            _exercise(cloud, system, steps)
        with steps.step("Each statement removed in turn") as step:
            grants = [grant for system in cloud.systems for grant in check(cloud, system, cloud.emulator.asked())]
            step.detail = f"{len(grants)} statements of {len(cloud.systems)} roles"
    ok = all(grant.ok for grant in grants)
    if as_json:
        found = [{**asdict(grant), "ok": grant.ok} for grant in grants]
        print(json.dumps({"ok": ok, "statements": found}, indent=2))
    else:
        _print(screen, grants, ok=ok)
    return 0 if ok else 1


def _exercise(cloud: LocalCloud, system: str, steps: Steps) -> None:
    found = demo(system)
    if found is None:
        raise SandboxError(f"{system} has no demonstration, so nothing shows what its role is for")
    with steps.group(system):
        report = found.run(cloud, steps, False)
    if faults := report.faults():
        raise SandboxError(f"the demonstration of {system} went wrong: {'; '.join(faults)}")


def check(cloud: LocalCloud, function: str, asked: Iterable[Asked] | None = None) -> list[Grant]:
    """Look at every statement of a function's role, and take each away for a moment.

    Args:
        cloud: where the function is.
        function: as the stack's outputs call it.
        asked: what roles asked for; calls are then made again on the same resources. None makes a call of each action
            on what the statement names, and calls no action unused.
    """
    role = Role(cloud, cloud.function(function)["role_arn"])
    noted = None if asked is None else {each for each in asked if each.role == role.name and each.allowed}
    return [_without(role, function, policy, statement, noted) for policy, statement in _statements(role)]


def _statements(role: Role) -> Iterator[tuple[str, dict[str, Any]]]:
    for policy, document in role.policies().items():
        for statement in document["Statement"]:
            yield policy, statement


def _without(role: Role, function: str, policy: str, statement: dict[str, Any], asked: set[Asked] | None) -> Grant:
    actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
    own = {each for each in asked or () if each.statement == statement["Sid"] and each.action in actions}
    used = sorted({each.action for each in own})
    named = {(action, resources[0]) for action in actions if action not in used}
    calls = sorted({(each.action, each.resource) for each in own} | named)
    refused_with = [f"{action} on {resource}" for action, resource in calls if not role.may(action, resource)]
    if refused_with:
        raise SandboxError(f"{function}: {statement['Sid']} does not allow {', '.join(refused_with)}")
    found = demo(function)
    reviewed: Mapping[tuple[str, str], str] = found.beside if found is not None else {}
    reasons = {**UNSEEN, **{action: why for (sid, action), why in reviewed.items() if sid == statement["Sid"]}}
    not_used = [] if asked is None else [action for action in actions if action not in used]
    document = role.policies()[policy]
    left = [each for each in document["Statement"] if each["Sid"] != statement["Sid"]]
    role.put(policy, {**document, "Statement": left})
    try:
        still = [f"{action} on {resource}" for action, resource in calls if role.may(action, resource)]
    finally:
        role.put(policy, document)
    return Grant(
        function=function,
        policy=policy,
        sid=statement["Sid"],
        actions=actions,
        resources=resources,
        used=used,
        unused=[action for action in not_used if action not in reasons],
        explained={action: reasons[action] for action in not_used if action in reasons},
        still_allowed=still,
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _print(screen: Console, grants: Sequence[Grant], *, ok: bool) -> None:
    table = Table("Function", "Statement", "May", "What was found", title="Roles", title_justify="left")
    for grant in grants:
        mark = "[green]✓[/green]" if grant.ok else "[red]✗[/red]"
        table.add_row(grant.function, grant.sid, "\n".join(grant.actions), f"{mark} {grant.said()}")
    screen.print(table)
    verdict = "Nothing more is granted than is used, and nothing less would do."
    screen.print(
        f"[bold green]{verdict}[/bold green]" if ok else "[bold red]A role is not right: see ✗ above.[/bold red]"
    )
