"""Deploying so that no event meets a version that has not answered its test event.

`pulumi up` publishes the new versions with every alias held where it is, and leaves out what would invoke functions
that nothing invokes so far; each new version is called by its number; then traffic moves, in steps if the config asks
for them, and what invokes the new functions is made: for all functions or for none.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.names import PROJECT
from components.stack_sections import RolloutSettings
from ops.before_deploy import check_before
from ops.canary import Move, found, roll_out
from ops.errors import OpsError, UsageError
from ops.lambda_calls import smoke, try_version
from ops.live_version import KEY
from ops.load_stack import ROOT, load_stack
from ops.mock_plan import make_plan
from ops.pins import pins
from ops.pulumi_cli import run_update
from ops.rollback import follow, move_alias
from ops.stack import LOCAL
from ops.stack_file import no_config, parse, read_config, stack_file
from ops.untried import untried
from ops.values import as_object
from ops.version_fit import fit_of
from ops.versions import live_version, newest_version, shares, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ops.report import Report
    from ops.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What one deployment knows from the beginning."""

    name: str
    file: Path
    root: Path
    say: Callable[[str], None]
    live: Mapping[str, str] = field(default_factory=dict[str, str])
    """Function → version that traffic goes to; without those that the config pins, and without new ones."""
    untried: Mapping[str, Sequence[str]] = field(default_factory=dict[str, "Sequence[str]"])
    """Functions that nothing invokes yet → globs of the URNs of what would."""

    def up(self, *arguments: str, live: Mapping[str, str]) -> None:
        """One `pulumi up` with these functions' traffic at these versions, by a config file of its own."""
        held = parse(self.file.read_text(encoding="utf-8"))
        for key, version in live.items():
            held.put(f"{PROJECT}:{key}", KEY, int(version))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / self.file.name
            file.write_text(held.text(), encoding="utf-8")
            run_update(["--stack", self.name, "--config-file", str(file), *arguments], self.root)


def deploy(
    name: str,
    *,
    config_file: Path | None = None,
    root: Path = ROOT,
    all_at_once: bool = False,
    take_over: bool = False,
    refresh: bool = False,
    say: Callable[[str], None] = lambda _: None,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Deploy a stack.

    Args:
        config_file: None is `Pulumi.<stack>.yaml`.
        all_at_once: leave out the config's steps.
        take_over: end what another deployment has begun to move: it was cut off.
        refresh: put back what was edited outside Pulumi.
        say: progress callback.

    Raises:
        OpsError: an update would do what nobody means, or failed; a new version does not work; an alarm started. Says
            where traffic is.
    """
    if name == LOCAL:
        raise UsageError("the local cloud is deployed by `make up`")
    file = config_file or stack_file(name, root)
    if not file.is_file():
        raise UsageError(no_config(file))
    plan = Deployment(name=name, file=file.resolve(), root=root, say=say)
    stack = load_stack(name, root=root, config_file=file)
    deployed = bool(as_object(stack.outputs.get("functions")))
    program = make_plan(root, name, config_file=file)
    if program["error"] is not None:
        raise OpsError(f"the program refuses to run, and nothing was changed: {program['error']}")
    if deployed:
        stack.check_account()
    plan = replace(plan, untried=untried(stack if deployed else None, program))
    if deployed:
        plan = with_live_versions(plan, stack)
    check_before(stack if deployed else None, file, program, untried=plan.untried, refresh=refresh)
    if deployed:
        end_canaries(plan, stack, take_over=take_over)
    publish(plan, refresh=refresh)
    stack = load_stack(name, root=root, config_file=file)
    moves, first = new_versions(plan, stack), first_versions(plan, stack)
    try_versions(stack, moves, first)
    rollout = RolloutSettings.model_validate(read_config(file).get(f"{PROJECT}:rollout") or {})
    if moves and not all_at_once:
        roll_out(stack, moves, rollout.canary_percents, rollout.step_seconds, say=say, wait=wait, clock=clock)
    for move in moves:
        found(stack.client("lambda"), move)
    if moves or first:
        move_all(plan, stack, moves, first)
    after = load_stack(name, root=root, config_file=file)
    check_published(stack, after)
    final = smoke(after)
    moved = {move.function.key: {"from": move.old, "to": move.new} for move in moves}
    notes = [f"{key}: version {one['from']} → {one['to']}" for key, one in moved.items()]
    notes += [f"{key}: version {version} is the first that is invoked" for key, version in first.items()]
    data = {"moved": moved, "first": first, **final.data}
    return replace(final, data=data, notes=[*final.notes, *(notes or ["no new version"])])


def publish(plan: Deployment, *, refresh: bool) -> None:
    """The update that changes nothing of what traffic meets."""
    plan.say("publish the new versions; traffic stays where it is")
    if plan.untried:
        plan.say(f"nothing invokes {', '.join(sorted(plan.untried))} yet: what does is left out of this update")
    left_out = [argument for urns in plan.untried.values() for urn in urns for argument in ("--exclude", urn)]
    dependents = ["--exclude-dependents"] if left_out else []
    plan.up(*(["--refresh"] if refresh else []), *left_out, *dependents, live=plan.live)


def with_live_versions(plan: Deployment, stack: Stack) -> Deployment:
    """Note where traffic is now."""
    client = stack.client("lambda")
    config = read_config(plan.file)
    held = pins(config).keys() | plan.untried.keys()
    free = {key: each for key, each in stack.functions.items() if is_configured(config, key) and key not in held}
    return replace(plan, live={key: live_version(client, function) for key, function in free.items()})


def is_configured(config: Mapping[str, Any], key: str) -> bool:
    """Whether a function is deployed on. An empty section is one that leaves every key at its default."""
    return as_object(config.get(f"{PROJECT}:{key}")) is not None


def end_canaries(plan: Deployment, stack: Stack, *, take_over: bool) -> None:
    """Refuse to deploy into a canary, or give the old versions all traffic again.

    A deployment that was killed leaves its canary behind; one that runs is told by nothing else.
    """
    client = stack.client("lambda")
    moving = {key: found for key in plan.live if (found := shares(client, stack.function(key)))}
    if moving and not take_over:
        raise OpsError(
            f"{'; '.join(f'{key}: {told(found)} of the traffic' for key, found in moving.items())}. Another `ops "
            "deploy` is moving traffic: wait for it. If it was cut off, --take-over gives the old version all traffic "
            "and deploys"
        )
    for key in moving:
        plan.say(f"{key}: version {plan.live[key]} has all traffic again")
        move_alias(client, stack.function(key), plan.live[key])


def new_versions(plan: Deployment, stack: Stack) -> list[Move]:
    """Functions whose newest version is not the one that traffic goes to."""
    client = stack.client("lambda")
    newest = {key: newest_version(client, stack.function(key)) for key in plan.live}
    return [Move(stack.function(key), old, newest[key]) for key, old in plan.live.items() if newest[key] != old]


def first_versions(plan: Deployment, stack: Stack) -> dict[str, str]:
    """Functions that nothing invokes yet → the version that their alias leads to already."""
    client = stack.client("lambda")
    return {key: live_version(client, stack.function(key)) for key in plan.untried}


def move_all(plan: Deployment, stack: Stack, moves: Sequence[Move], first: Mapping[str, str]) -> None:
    """`pulumi up` with traffic at the versions that were tried: for all functions or, if it fails, for none.

    Traffic would otherwise go to whatever this update publishes itself, which nobody has called. What invokes new
    functions is made by it; there is no older version that they could go back to.
    """
    if moves:
        plan.say("move all traffic to the new versions")
    if first:
        plan.say(f"make what invokes {', '.join(sorted(first))}")
    try:
        plan.up("--skip-preview", live={**plan.live, **{move.function.key: move.new for move in moves}, **first})
    except OpsError as error:
        client = stack.client("lambda")
        for move in moves:
            move_alias(client, move.function, move.old)
        for move in moves:
            follow(stack, move.function, move.old)
        new = f", and {', '.join(sorted(first))}, which has answered, may be invoked already" if first else ""
        raise OpsError(
            f"{error}. All traffic is on the old versions again{new}: fix the cause, and deploy again"
        ) from None


def check_published(before: Stack, after: Stack) -> None:
    """Nothing was published once the new versions had been tried.

    Raises:
        OpsError: something was; traffic is on the versions that were tried.
    """
    tried = before.functions
    untried = [
        f"version {function.published} of {key}"
        for key, function in after.functions.items()
        if key in tried and function.published != tried[key].published
    ]
    if untried:
        raise OpsError(
            f"{', '.join(untried)} was published while traffic moved, and nobody has tried it: the program or the "
            "function was edited meanwhile. Traffic is on the versions that were tried; deploy again before anybody "
            "runs a plain `pulumi up`"
        )


def try_versions(stack: Stack, moves: Sequence[Move], first: Mapping[str, str]) -> None:
    """Call each new version by its number, and compare it with its triggers."""
    client = stack.invoker()
    wrong: list[str] = []
    for key, version in {**{move.function.key: move.new for move in moves}, **first}.items():
        function = stack.function(key)
        problem = try_version(client, function, version)
        found = [problem] if problem is not None else fit_of(stack, function, version).problems
        wrong += [f"version {version} of {key}: {text}" for text in found]
    if wrong:
        new = f", and nothing invokes {', '.join(sorted(first))} yet" if first else ""
        raise OpsError(
            f"{'; '.join(wrong)}. Traffic stays where it was{new}. Fix it and deploy again; a plain `pulumi up` would "
            "let traffic meet what does not work"
        )
