"""Moving traffic to new versions in steps, while the functions' alarms are watched."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from components.names import PROJECT, logical_name
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_lambda import LambdaClient

    from ops.stack import Function, Stack

POLL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Move:
    """One function's way from the version that is live to a new one."""

    function: Function
    old: str
    new: str


def roll_out(
    stack: Stack,
    moves: Sequence[Move],
    percents: Sequence[int],
    step_seconds: float,
    *,
    say: Callable[[str], None],
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Give new versions these shares of the traffic, one after the other; all functions together.

    The alias stays at the old version, and whatever ends this gives that one all of the traffic again.

    Args:
        percents: shares, rising; none does nothing.
        step_seconds: how long each share is watched.
        say: progress callback.

    Raises:
        OpsError: an alarm of one of the functions started, or somebody else moved an alias.
    """
    client = stack.client("lambda")
    revisions = {move.function.key: found(client, move) for move in moves}
    before = ringing(stack, moves)
    if before:
        say(f"in ALARM already, so a new version is not what rings them: {', '.join(sorted(before))}")
    try:
        for percent in percents:
            say(f"{percent} % of the traffic goes to the new versions, watched for {step_seconds:.0f} s")
            for move in moves:
                revisions[move.function.key] = give(client, move, percent, revisions[move.function.key])
            end = clock() + step_seconds
            while (left := end - clock()) > 0:
                wait(min(POLL_SECONDS, left))
                if started := ringing(stack, moves) - before:
                    raise OpsError(
                        f"with {percent} % of the traffic on new versions, {', '.join(sorted(started))} started: the "
                        "old versions have all of it again"
                    )
    finally:
        give_back(client, moves, revisions)


def give_back(client: LambdaClient, moves: Sequence[Move], revisions: Mapping[str, str]) -> None:
    """Give every old version all traffic again, whatever becomes of another one.

    Raises:
        OpsError: some could not be given it; says which, and what to run.
    """
    failed: list[str] = []
    for move in moves:
        # An alias that somebody has moved meanwhile is theirs: a rollback takes the shares off itself.
        with contextlib.suppress(MovedError):
            try:
                give(client, move, 0, revisions[move.function.key])
            except (ClientError, BotoCoreError) as error:
                failed.append(f"{move.function.key} ({error})")
    if failed:
        raise OpsError(
            f"a share of the traffic may still go to the new version of {', '.join(failed)}: run `ops rollback --to "
            "<the old version>` for it, or `ops deploy --take-over`"
        )


class MovedError(OpsError):
    """Somebody else has moved an alias: the operator who rolls back is right."""

    def __init__(self, move: Move) -> None:
        super().__init__(
            f"the alias of {move.function.key} was moved meanwhile, by a rollback or an update; it is left where it "
            f"is now, and every other one at its old version. `ops doctor` says where; deploy again when it may move"
        )


def found(client: LambdaClient, move: Move) -> str:
    """The revision of an alias that is where the deployment left it.

    Raises:
        MovedError: it is not.
    """
    alias = client.get_alias(FunctionName=move.function.name, Name=move.function.alias)
    if alias["FunctionVersion"] != move.old or alias.get("RoutingConfig", {}).get("AdditionalVersionWeights"):
        raise MovedError(move)
    return alias["RevisionId"]


def give(client: LambdaClient, move: Move, percent: int, revision: str) -> str:
    """Leave the alias where it is, with this share going to the new version.

    Args:
        revision: that the alias has to be of still.

    Returns:
        The revision that it is of then.

    Raises:
        MovedError: it is of another.
    """
    shares = {move.new: percent / 100} if percent else {}
    with contextlib.suppress(client.exceptions.PreconditionFailedException):
        return client.update_alias(
            FunctionName=move.function.name,
            Name=move.function.alias,
            FunctionVersion=move.old,
            RoutingConfig={"AdditionalVersionWeights": shares},
            RevisionId=revision,
        )["RevisionId"]
    # A request whose answer was lost is made again, and finds the revision that it has made itself.
    alias = client.get_alias(FunctionName=move.function.name, Name=move.function.alias)
    if (alias["FunctionVersion"], alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})) != (
        move.old,
        shares,
    ):
        raise MovedError(move)
    return alias["RevisionId"]


def ringing(stack: Stack, moves: Sequence[Move]) -> set[str]:
    """Names of the functions' alarms that are in the state ALARM.

    Those of the stack are told apart by what they watch: the names of `embedding_processor` begin as `embedding`'s do.
    """
    stem = f"{PROJECT}-{stack.name.rsplit('/', 1)[-1]}"
    watched = {dimension for move in moves for dimension in watched_of(move.function, stem)}
    pages = stack.client("cloudwatch").get_paginator("describe_alarms")
    return {
        alarm["AlarmName"]
        for page in pages.paginate(AlarmNamePrefix=f"{stem}-", StateValue="ALARM")
        for alarm in page["MetricAlarms"]
        if any((each["Name"], each["Value"]) in watched for each in alarm.get("Dimensions", []))
    }


def watched_of(function: Function, stem: str) -> set[tuple[str, str]]:
    """The dimensions of a function's alarms: of `components.alarms`."""
    return {
        ("FunctionName", function.name),
        ("service", f"{stem}-{logical_name(function.key)}"),
        ("ApiId", function.api_id),
        *(("QueueName", name) for name in function.queues),
    }
