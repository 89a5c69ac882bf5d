"""Moving the alias `live` to another version, and writing that down where the next preview reads it.

The alias moves within a second and nothing is built. `live_version` in the stack's config file keeps `pulumi up` from
moving it forward again, until `--to latest` takes the line out. Pulumi's state is then made to follow, by a refresh of
the alias alone: otherwise the next preview would show a change that has been made already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from components.settings import logical_name
from ops.errors import OpsError, UsageError
from ops.report import Report
from ops.stack import run_pulumi
from ops.stack_config import Edit, with_live_version

if TYPE_CHECKING:
    from ops.stack import Function, Stack

LATEST = "latest"
PREVIOUS = "previous"


def rollback(stack: Stack, key: str, *, to: str = PREVIOUS, dry_run: bool = False) -> Report:
    """Move a function's alias.

    Args:
        to: a version's number, `previous` (the newest one below where the alias is), or `latest` (the newest of all,
            and `live_version` is removed from the config).
        dry_run: change nothing, say what would change.
    """
    function = stack.function(key)
    stack.check_account()
    client = stack.client("lambda")
    now = str(client.get_alias(FunctionName=function.name, Name=function.alias)["FunctionVersion"])
    versions = published_versions(client, function)
    target = choose(to, now=now, versions=versions, key=key)
    # The edit is made in memory first: a config file that cannot be edited stops the rollback before anything moves.
    edit = None
    if stack.config_file is not None:
        edit = with_live_version(stack.config_file, key, None if to == LATEST else target)
    if not dry_run:
        if target != now:
            move_alias(client, function, target)
        write(edit, key=key, target=target)
        follow(stack, function, target)
    return report(function, edit, now=now, target=target, dry_run=dry_run)


def published_versions(client: Any, function: Function) -> list[int]:
    """Numbers of a function's published versions, ascending."""
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function.name)
    found = [str(version["Version"]) for page in pages for version in page["Versions"]]
    return sorted(int(version) for version in found if version.isdigit())


def choose(to: str, *, now: str, versions: list[int], key: str) -> str:
    """The version that `to` means; what does not exist is refused with what does."""
    known = ", ".join(map(str, versions[-10:])) or "none"
    if not versions:
        raise OpsError(f"function {key} has no published version")
    if to == LATEST:
        return str(versions[-1])
    if to == PREVIOUS:
        below = [version for version in versions if now.isdigit() and version < int(now)]
        if not below:
            raise OpsError(f"the alias is at version {now}, and no older one is left (there are: {known})")
        return str(below[-1])
    if not to.isdigit() or int(to) not in versions:
        raise UsageError(f"function {key} has no version {to!r}; the newest are: {known} (or say: previous, latest)")
    return str(int(to))


def move_alias(client: Any, function: Function, target: str) -> None:
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


def report(function: Function, edit: Edit | None, *, now: str, target: str, dry_run: bool) -> Report:
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
        notes.append(f"{edit.file.name}: {edit.summary}; commit it, so that everybody's next preview shows no change")
    else:
        notes.append(f"{edit.file.name} says so already")
    return Report(
        data={
            "function": function.key,
            "from": now,
            "to": target,
            "moved": target != now and not dry_run,
            "config_file": None if edit is None else str(edit.file),
            "config_changed": edit is not None and edit.changes and not dry_run,
            "dry_run": dry_run,
        },
        notes=notes,
    )


def alias_versions(client: Any, name: str) -> set[str]:
    """Every version that an alias of this function leads to, canary weights included."""
    try:
        pages = client.get_paginator("list_aliases").paginate(FunctionName=name)
        aliases = [alias for page in pages for alias in page["Aliases"]]
    except ClientError as error:
        raise OpsError(f"the aliases of {name} cannot be listed: {error}") from None
    weighted = [alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}) for alias in aliases]
    return {str(alias["FunctionVersion"]) for alias in aliases} | {str(one) for weights in weighted for one in weights}
