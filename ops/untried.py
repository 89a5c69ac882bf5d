"""Functions that nothing invokes yet, and what of the program would.

A deployment makes that only when the function has answered its test event. Which functions these are is asked of AWS
and written nowhere: the deployment after one that was refused, or cut off, finds the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops.aws_errors import code_of
from ops.mock_plan import FUNCTION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_lambda import LambdaClient

    from ops.stack import Function, Stack

TRIGGERS: Final = {
    "aws:lambda/eventSourceMapping:EventSourceMapping": "functionName",
    "aws:lambda/functionUrl:FunctionUrl": "functionName",
    "aws:lambda/permission:Permission": "function",
}
"""What Lambda itself wants before anything but its owner may invoke a function → the input that names it.

Subscriptions, notifications and routes depend on it.
"""


def untried(stack: Stack | None, plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Functions that nothing invokes yet → globs of the URNs of what would.

    A function that nothing is to invoke, but whoever has its name and the right to, is not among them.

    Args:
        stack: None is one that is not deployed.
        plan: from `make_plan`.
    """
    deployed = {} if stack is None else stack.functions
    client = None if stack is None else stack.client("lambda")
    return {
        key: urns
        for key, urns in triggers(plan).items()
        if client is None or key not in deployed or not is_invoked(client, deployed[key])
    }


def triggers(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Function → globs of the URNs of what would invoke it.

    Globs, because the CLI refuses a URN that it does not know yet when it refreshes.

    Args:
        plan: from `make_plan`, whose ARNs end in the logical name.
    """
    functions = {str(each["name"]).rsplit("-", 1)[0] for each in plan["resources"] if each["type"] == FUNCTION}
    found: dict[str, list[str]] = {}
    for resource in plan["resources"]:
        kind = resource["type"]
        if kind not in TRIGGERS:
            continue
        target = str(resource["inputs"][TRIGGERS[kind]]).rsplit("/", 1)[-1].rsplit("-", 1)[0]
        if target in functions:
            found.setdefault(target.replace("-", "_"), []).append(f"**{kind}::{resource['name']}")
    return found


def is_invoked(client: LambdaClient, function: Function) -> bool:
    """Whether anything but people with the right to can invoke a function's alias."""
    qualified: dict[str, str] = {"FunctionName": function.name, "Qualifier": function.alias}
    if exists(lambda: client.get_policy(**qualified)) or exists(lambda: client.get_function_url_config(**qualified)):
        return True
    mappings = client.list_event_source_mappings(FunctionName=f"{function.arn}:{function.alias}")
    return bool(mappings["EventSourceMappings"])


def exists(ask: Callable[[], object]) -> bool:
    """Whether AWS knows what is asked for."""
    try:
        ask()
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return False
        raise
    return True
