"""Deleting layer versions that `layers.keep_versions` kept and nothing uses any more.

A layer version is in use while any version of any function in the region has it attached, published ones included:
those are what a rollback goes to. `--function-versions` therefore clears old published versions first, never one that
an alias leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from components.names import PROJECT
from layer_builds.plan import ALL_TARGETS
from layer_builds.plan import layer_names as repository_layers
from ops.errors import OpsError
from ops.former_layers import FormerLayers, former_layers
from ops.report import Report, Table
from ops.values import as_object
from ops.versions import alias_versions, published_versions

if TYPE_CHECKING:
    from collections.abc import Collection

    from mypy_boto3_lambda import LambdaClient

    from ops.stack import Function, Stack


@dataclass(slots=True, kw_only=True)
class Decision:
    """What is to happen to one version, and why."""

    name: str
    version: int
    delete: bool
    reason: str
    deleted: bool = False
    """Whether it has happened."""


def prune(stack: Stack, *, keep: int, function_versions: bool = False, dry_run: bool = False) -> Report:
    """Delete the stack's old layer versions, keeping the `keep` newest of each layer and every one in use.

    Args:
        function_versions: first delete published function versions beyond the `keep` newest that no alias leads to.
    """
    stack.check_account()
    client = stack.client("lambda")
    functions: list[Decision] = []
    layers: list[Decision] = []
    stopped = None
    former = FormerLayers()
    try:
        if function_versions:
            functions += [
                decision
                for function in stack.functions.values()
                for decision in decide_function(client, function, keep)
            ]
            if not dry_run:
                delete_functions(client, functions)
        users = users_of_layers(client, without={(decision.name, decision.version) for decision in doomed(functions)})
        names, former = layer_names(stack)
        layers += [decision for name in names for decision in decide_layer(client, name, keep=keep, users=users)]
        layers += [
            decision
            for name, digests in former.digests.items()
            for decision in decide_layer(client, name, keep=keep, users=users, ours=digests)
        ]
        if not dry_run:
            delete_layers(client, layers)
    except (ClientError, BotoCoreError, OpsError) as error:
        if not any(decision.deleted for decision in [*functions, *layers]):
            raise
        stopped = str(error)
    return report(functions, layers, former, dry_run=dry_run, stopped=stopped)


def delete_functions(client: LambdaClient, functions: list[Decision]) -> None:
    """Delete the function versions that are to go, noting each."""
    for decision in doomed(functions):
        client.delete_function(FunctionName=decision.name, Qualifier=str(decision.version))
        decision.deleted = True


def delete_layers(client: LambdaClient, layers: list[Decision]) -> None:
    """Delete the layer versions that are to go, noting each."""
    for decision in doomed(layers):
        client.delete_layer_version(LayerName=decision.name, VersionNumber=decision.version)
        decision.deleted = True


def doomed(decisions: list[Decision]) -> list[Decision]:
    """Those to be deleted."""
    return [decision for decision in decisions if decision.delete]


def layer_names(stack: Stack) -> tuple[list[str], FormerLayers]:
    """Names in AWS of the stack's layers, those of runtimes and CPUs that it no longer uses included.

    Also returns those of layers that the repository has no more.
    """
    exported = as_object(stack.outputs.get("layers"))
    if exported is None:
        raise OpsError(f"stack {stack.name} exports no layers: {stack.how_to_deploy()}")
    # Names and not a prefix: strata-prod- is the beginning of the layers of a stack prod-eu as well.
    stem = f"{PROJECT}-{stack.name.rsplit('/', 1)[-1]}"
    possible = {f"{stem}-{layer}-{target.tag}" for layer in repository_layers() for target in ALL_TARGETS}
    pages = stack.client("lambda").get_paginator("list_layers").paginate()
    there = {layer["LayerName"] for page in pages for layer in page["Layers"]}
    names = (possible & there) | {str(layer["name"]) for layer in exported.values()}
    return sorted(names), former_layers(stack, stem, there, names)


def decide_function(client: LambdaClient, function: Function, keep: int) -> list[Decision]:
    """Which published versions of a function go."""
    versions = published_versions(client, function)
    pointed = alias_versions(client, function.name)
    newest = set(versions[-keep:])
    decisions: list[Decision] = []
    for version in reversed(versions):
        if str(version) in pointed:
            decisions.append(Decision(name=function.name, version=version, delete=False, reason="an alias leads to it"))
        elif version in newest:
            decisions.append(
                Decision(name=function.name, version=version, delete=False, reason=f"of the newest {keep}")
            )
        else:
            decisions.append(Decision(name=function.name, version=version, delete=True, reason="no alias leads to it"))
    return decisions


def users_of_layers(client: LambdaClient, *, without: set[tuple[str, int]]) -> dict[str, list[str]]:
    """Layer version ARN → `function:version` of everything in the region that has it attached."""
    users: dict[str, list[str]] = {}
    # Function by function: ListFunctions with FunctionVersion=ALL is one call less each, but an endpoint that does not
    # know the parameter answers with $LATEST only, and prune would then delete what a rollback needs.
    names = [
        function["FunctionName"]
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
    ]
    versions_of = client.get_paginator("list_versions_by_function")
    for name in map(str, names):
        for function in (version for page in versions_of.paginate(FunctionName=name) for version in page["Versions"]):
            version = str(function["Version"])
            if version.isdigit() and (name, int(version)) in without:
                continue
            for layer in function.get("Layers", []):
                users.setdefault(str(layer["Arn"]), []).append(f"{name}:{version}")
    return users


def decide_layer(
    client: LambdaClient, name: str, *, keep: int, users: dict[str, list[str]], ours: Collection[str] | None = None
) -> list[Decision]:
    """Which versions of a layer go.

    Args:
        keep: how many of the newest stay.
        users: who has a version attached.
        ours: digests of the versions that may go; None is any.
    """
    pages = client.get_paginator("list_layer_versions").paginate(LayerName=name)
    found = sorted(
        (
            (int(version["Version"]), str(version["LayerVersionArn"]))
            for page in pages
            for version in page["LayerVersions"]
            if ours is None or version.get("Description") in ours
        ),
        reverse=True,
    )
    decisions: list[Decision] = []
    for place, (version, arn) in enumerate(found):
        used = users.get(arn)
        if used:
            more = f" and {len(used) - 1} more" if len(used) > 1 else ""
            reason = f"used by {used[0]}{more}"
        elif place < keep:
            reason = f"of the newest {keep}"
        else:
            reason = "nothing uses it"
        decisions.append(Decision(name=name, version=version, delete=not used and place >= keep, reason=reason))
    return decisions


def report(
    functions: list[Decision], layers: list[Decision], former: FormerLayers, *, dry_run: bool, stopped: str | None
) -> Report:
    """What was deleted and what was kept, and why; with `stopped`, what was done until AWS refused a step."""
    decisions = {"function version": functions, "layer version": layers}
    rows = [
        [verb(decision, dry_run=dry_run), kind, decision.name, str(decision.version), decision.reason]
        for kind, ones in decisions.items()
        for decision in ones
    ]
    counted = [
        sum(decision.delete if dry_run else decision.deleted for decision in ones) for ones in (layers, functions)
    ]
    notes = [
        f"{'would delete' if dry_run else 'deleted'} {counted[0]} layer versions and {counted[1]} function versions"
    ]
    if former.doubtful:
        notes.append(f"left alone, since {former.why}: {', '.join(former.doubtful)}")
    if stopped is not None:
        notes.append(f"stopped there: {stopped}. Run it again for the rest")
    return Report(
        ok=stopped is None,
        data={
            "dry_run": dry_run,
            "stopped": stopped,
            "left_alone": list(former.doubtful),
            **{
                kind.replace(" ", "_") + "s": [
                    {
                        "name": decision.name,
                        "version": decision.version,
                        "deleted": decision.deleted,
                        "reason": decision.reason,
                    }
                    for decision in ones
                ]
                for kind, ones in decisions.items()
            },
        },
        tables=[Table(title="prune", columns=["", "what", "name", "version", "why"], rows=rows)] if rows else [],
        notes=notes,
    )


def verb(decision: Decision, *, dry_run: bool) -> str:
    """What a row says of a version."""
    if not decision.delete:
        return "kept"
    return "would delete" if dry_run else "deleted" if decision.deleted else "still there"
