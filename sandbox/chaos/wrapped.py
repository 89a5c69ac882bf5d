"""The deployed function without what protects its inputs: for controls, in tests and benchmarks."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from layer_builds.plan import root_files
from sandbox.chaos.controls import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.cloud import LocalCloud

ALIAS: Final = "live"
IN_FRONT_OF: Final = "STRATA_IN_FRONT_OF"
"""The variable that tells the module in front which handler it is in front of."""
DEAD_LETTER_QUEUE: Final = "DEAD_LETTER_QUEUE_URL"
"""The variable with the queue to which a function sends what no retry can help."""
ACKNOWLEDGES_FIRST: Final = Path(__file__).with_name("acknowledges_first.py")


def put_in_front(cloud: LocalCloud, function: str, source: Path) -> str:
    """Publish the function's own package with one more module, whose `handler` is called, and make it live.

    Args:
        cloud: where the function is.
        function: as the stack's output calls it.
        source: the module.

    Returns:
        The new version.
    """
    from components.code_package import code_package  # imports Pulumi

    name, client = cloud.function(function)["name"], cloud.client("lambda")
    handler = client.get_function_configuration(FunctionName=name)["Handler"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in code_package(function, at_root=root_files(handler)).files.items():
            archive.writestr(path, text)
        archive.writestr(source.name, source.read_text(encoding="utf-8"))
    client.update_function_code(FunctionName=name, ZipFile=packed.getvalue())
    client.update_function_configuration(FunctionName=name, Handler=f"{source.stem}.handler")
    return publish(cloud, function, lambda variables: {**variables, IN_FRONT_OF: handler})


def publish(cloud: LocalCloud, function: str, change: Callable[[dict[str, str]], Mapping[str, str]]) -> str:
    """Publish the function as it is with other variables, and make it live.

    Args:
        cloud: where the function is.
        function: as the stack's output calls it.
        change: gives the new variables for those that there are.

    Returns:
        The new version.
    """
    name, client = cloud.function(function)["name"], cloud.client("lambda")
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=name, Environment={"Variables": dict(change(variables))})
    version = str(client.publish_version(FunctionName=name)["Version"])
    go_live(cloud, function, version)
    return version


def acknowledge_first(cloud: LocalCloud, function: str) -> None:
    """Let a queue's messages be deleted before they are worked on."""
    put_in_front(cloud, function, ACKNOWLEDGES_FIRST)


def acknowledge_whole_batches(cloud: LocalCloud, function: str) -> None:
    """Let the queue delete a batch's messages when the function answers, also those that it gives back."""
    client = cloud.client("lambda")
    for mapping in client.list_event_source_mappings(FunctionName=cloud.function(function)["alias_arn"])[
        "EventSourceMappings"
    ]:
        client.update_event_source_mapping(UUID=mapping["UUID"], FunctionResponseTypes=[])


def keep_no_failures(cloud: LocalCloud, function: str, *, tries_again: bool) -> None:
    """Let a failed asynchronous event be kept nowhere, neither by Lambda nor by the function.

    Args:
        cloud: where the function is.
        function: as the stack's output calls it.
        tries_again: whether it is at least tried again, twice.
    """
    publish(cloud, function, lambda given: {name: value for name, value in given.items() if name != DEAD_LETTER_QUEUE})
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=cloud.function(function)["name"], Qualifier=ALIAS, MaximumRetryAttempts=2 if tries_again else 0
    )


def of_a_queue(function: str) -> tuple[Control, ...]:
    """The controls of a function behind a queue."""
    return (
        Control(
            name="acknowledge-late",
            removed="a message is deleted only when its work is done",
            remove=partial(acknowledge_first, function=function),
        ),
        Control(
            name="partial-batch-response",
            removed="what the function gives back stays in the queue",
            remove=partial(acknowledge_whole_batches, function=function),
        ),
    )


def of_events(function: str) -> tuple[Control, ...]:
    """The controls of a function that gets events asynchronously."""
    return (
        Control(
            name="retries",
            removed="a failed event is tried again, then kept in the dead-letter queue",
            remove=partial(keep_no_failures, function=function, tries_again=False),
        ),
        Control(
            name="dead-letter-queue",
            removed="what failed each time, or is refused, is kept in the dead-letter queue",
            remove=partial(keep_no_failures, function=function, tries_again=True),
        ),
    )


def go_live(cloud: LocalCloud, function: str, version: str) -> None:
    """Move the alias, and with it the queue."""
    cloud.client("lambda").update_alias(
        FunctionName=cloud.function(function)["name"], Name=ALIAS, FunctionVersion=version
    )
