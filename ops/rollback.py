"""Moving the alias `live` to another version, and writing that down where the next preview reads it.

The alias moves within a second and nothing is built. `live_version` in the stack's config file keeps `pulumi up` from
moving it forward again, until `--to latest` takes the line out. Pulumi's state is then made to follow, by a refresh of
the alias alone: otherwise the next preview would show a change that has been made already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.names import logical_name
from ops.errors import OpsError, UsageError
from ops.lambda_calls import try_version
from ops.live_version import Edit, with_live_version
from ops.pulumi_cli import run_pulumi
from ops.report import Report
from ops.stack_lock import running_updates
from ops.version_fit import configuration, differences, fit_of
from ops.versions import live_version, newest_version, published_versions, shares, told

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from ops.stack import Function, Stack

LATEST = "latest"
PREVIOUS = "previous"
CANDIDATES = 10
"""Newest versions among which one that fits is looked for."""


def rollback(
    stack: Stack,
    key: str,
    *,
    to: str = PREVIOUS,
    dry_run: bool = False,
    force: bool = False,
    untested: bool = False,
) -> Report:
    """Move a function's alias.

    Args:
        to: a version's number, `previous` (in a canary the version that it began from; else the newest one that works
            below where the alias is), or `latest` (the newest that `pulumi up` published, and `live_version` is
            removed from the config).
        dry_run: change nothing, say what would change; the version is called with its test event all the same.
        force: also while an update of the stack is running.
        untested: do not call the version first.

    Raises:
        OpsError: an update is running, the version does not fit today's triggers or fails its test event, or a step
            failed; says what is true.
    """
    function = stack.function(key)
    stack.check_account()
    client = stack.client("lambda")
    remarks = look_for_updates(stack, force=force or dry_run)
    now = live_version(client, function)
    canary = shares(client, function)
    versions = published_versions(client, function)
    if to == PREVIOUS and not canary:
        target, passed_over = newest_that_works(stack, function, now=now, versions=versions, untested=untested)
        remarks += passed_over
    else:
        named = {PREVIOUS: now, LATEST: newest_version(client, function)}
        target = named[to] if to in named else chosen(to, versions=versions, key=key)
    if target != now:
        remarks += check_fit(stack, function, target, now=now, versions=versions)
        # What `newest_that_works` found has been called already.
        if to != PREVIOUS and not untested:
            check_answer(stack, function, target)
    # The edit is made in memory first: a config file that cannot be edited stops the rollback before anything moves.
    edit = None
    if stack.config_file is not None:
        edit = with_live_version(stack.config_file, key, None if to == LATEST else target)
    if not dry_run:
        if target != now or canary:
            move_alias(client, function, target)
        write(edit, key=key, target=target)
        follow(stack, function, target)
        look_again(client, function, target)
    if canary:
        remarks.insert(0, f"the canary {'would end' if dry_run else 'has ended'}: {told(canary)} of the traffic before")
    return report(function, edit, now=now, target=target, dry_run=dry_run, remarks=remarks)


def look_for_updates(stack: Stack, *, force: bool) -> list[str]:
    """Refuse while an update runs: it has read the config already, and moves the alias when it gets there."""
    if stack.project is None:
        return []
    try:
        updates = running_updates(stack.name, stack.project)
    except OpsError as error:
        return [f"whether an update of the stack is running is not known: {error}"]
    if updates and not force:
        raise OpsError(
            f"an update of stack {stack.name} is running, by {', '.join(updates)}: it would move the alias again when "
            f"it ends. Wait for it; if it was cut off, run `pulumi cancel --stack {stack.name}`; or use --force to "
            "move the alias now, and run rollback once more after the update"
        )
    return [f"an update of the stack is running, by {update}: it may move the alias again" for update in updates]


def check_fit(stack: Stack, function: Function, target: str, *, now: str, versions: list[int]) -> list[str]:
    """Refuse a version that does not fit what its triggers were made for; says how a fitting one differs."""
    fit = fit_of(stack, function, target)
    if fit.problems:
        others = [version for version in versions[-CANDIDATES:] if str(version) not in {target, now}]
        good = [str(version) for version in others if not fit_of(stack, function, str(version)).problems]
        raise OpsError(
            f"version {target} of {function.key} does not fit the stack as it is now: {'; '.join(fit.problems)}. "
            f"Versions that fit: {', '.join(good) or 'none of the newest'}"
        )
    client = stack.client("lambda")
    found = differences(configuration(client, function, now), configuration(client, function, target))
    return [*([f"version {target} has {', '.join(found)}"] if found else []), *fit.notes]


def check_answer(stack: Stack, function: Function, target: str) -> None:
    """Refuse a version that fails its test event: it may never have been live."""
    problem = try_version(stack.invoker(), function, target)
    if problem is not None:
        raise OpsError(
            f"version {target} of {function.key} fails its test event: {problem}. Traffic stays at the version that "
            "has it. Choose another version, or move traffic there all the same with --untested"
        )


def newest_that_works(
    stack: Stack, function: Function, *, now: str, versions: list[int], untested: bool
) -> tuple[str, list[str]]:
    """The newest version below where the alias is that fits and answers, and why newer ones were passed over.

    Which of them have been live is written nowhere. A deployment that was refused leaves its version behind.

    Raises:
        OpsError: there is none.
    """
    below = [version for version in versions if now.isdigit() and version < int(now)]
    passed_over: list[str] = []
    for version in map(str, reversed(below[-CANDIDATES:])):
        problems = fit_of(stack, function, version).problems
        if not problems and not untested:
            problem = try_version(stack.invoker(), function, version)
            problems = [] if problem is None else [f"it fails its test event: {problem}"]
        if not problems:
            return version, passed_over
        passed_over.append(f"version {version} was passed over: {'; '.join(problems)}")
    if passed_over:
        raise OpsError(
            f"the alias is at version {now}, and no older one works: {'. '.join(passed_over)}. --untested does not "
            "call them first"
        )
    known = ", ".join(map(str, versions[-10:])) or "none"
    raise OpsError(f"the alias is at version {now}, and no older one is left (there are: {known})")


def look_again(client: LambdaClient, function: Function, target: str) -> None:
    """The alias after all of it."""
    now = live_version(client, function)
    if now != target:
        raise OpsError(
            f"the alias of {function.key} was moved to version {target}, and is at {now} again: an update of the stack "
            "ended meanwhile. The config is right: run rollback once more"
        )


def chosen(to: str, *, versions: list[int], key: str) -> str:
    """The version of this number; one that does not exist is refused with those that do."""
    known = ", ".join(map(str, versions[-10:])) or "none"
    if to not in map(str, versions):
        raise UsageError(f"function {key} has no version {to!r}; the newest are: {known} (or say: previous, latest)")
    return to


def move_alias(client: LambdaClient, function: Function, target: str) -> None:
    """All traffic to one version; weights of an unfinished canary are taken off as well."""
    client.update_alias(
        FunctionName=function.name,
        Name=function.alias,
        FunctionVersion=target,
        RoutingConfig={"AdditionalVersionWeights": {}},
    )


def write(edit: Edit | None, *, key: str, target: str) -> None:
    """Save the config file; the alias has moved already, so a failure says what to write by hand."""
    if edit is None or not edit.changes:
        return
    try:
        edit.save()
    except OSError as error:
        raise OpsError(
            f"the alias of {key} is at version {target} now, but {edit.file} could not be written ({error}): "
            f"{edit.by_hand}, or the next `pulumi up` moves the alias again"
        ) from None


def follow(stack: Stack, function: Function, target: str) -> None:
    """Let Pulumi's state know where the alias is. Traffic and config are right without it: a failure says just that."""
    if stack.project is None:
        return
    alias = f"**::{logical_name(function.key)}-{function.alias}"
    try:
        run_pulumi(["refresh", "--yes", "--skip-preview", "--stack", stack.name, "--target", alias], stack.project)
    except OpsError as error:
        raise OpsError(
            f"the alias of {function.key} is at version {target} now, and the config says so, but Pulumi's state does "
            f"not: run `pulumi refresh --stack {stack.name}`, or the next preview shows a change. {error}"
        ) from None


def report(
    function: Function, edit: Edit | None, *, now: str, target: str, dry_run: bool, remarks: list[str]
) -> Report:
    """What moved and what was written."""
    would = "would move" if dry_run else "moved"
    notes = [
        f"{function.key}: alias {function.alias} {would} from version {now} to {target}"
        if target != now
        else f"{function.key}: alias {function.alias} is at version {target} already"
    ]
    if edit is None:
        notes.append("nothing written: the local cloud has no stack config that outlives it")
    elif edit.changes:
        notes.append(f"{edit.file.name}: {edit.summary}; commit it, so everyone's next preview shows no change")
    else:
        notes.append(f"{edit.file.name} says so already")
    notes += remarks
    return Report(
        data={
            "function": function.key,
            "from": now,
            "to": target,
            "moved": target != now and not dry_run,
            "config_file": None if edit is None else str(edit.file),
            "config_changed": edit is not None and edit.changes and not dry_run,
            "dry_run": dry_run,
            "remarks": remarks,
        },
        notes=notes,
    )
