"""Whether a published version of a function fits what its triggers were made for, and how it differs from another.

A version keeps its own timeout, layers and variables for ever; the queue, the role and the secrets are today's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from components.limits import HTTP_INTEGRATION_TIMEOUT_SECONDS
from ops.aws_errors import code_of
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

    from ops.stack import Function, Stack

IN_SECRETS_MANAGER = re.compile(r"arn:[\w-]+:secretsmanager:")


@dataclass(frozen=True, slots=True)
class Fit:
    """What is wrong with a version, and what is only worth knowing."""

    problems: list[str] = field(default_factory=list[str])
    """With the remedy."""
    notes: list[str] = field(default_factory=list[str])


def fit_of(stack: Stack, function: Function, version: str) -> Fit:
    """Compare a version with today's queue, API, secrets, layers and log group."""
    client = stack.client("lambda")
    found = configuration(client, function, version)
    today = todays(client, function) or found
    state = found.get("State", "Active")
    broken = f"Lambda says {state} ({found.get('StateReason', 'no reason given')}); choose another version"
    problems = [broken] if state == "Failed" else []
    problems += [*too_slow(stack, function, found), *lost_secrets(function, found, today)]
    layers = [str(layer["Arn"]) for layer in found.get("Layers", [])]
    notes = [f"its layer {arn} is deleted; the version keeps its copy" for arn in layers if is_gone(client, arn)]
    notes += cut_off(function, found, today)
    group = found.get("LoggingConfig", {}).get("LogGroup", function.log_group)
    if group != function.log_group:
        notes.append(f"it logs to {group}, and `ops tail` reads {function.log_group}")
    return Fit(problems, notes)


def configuration(client: LambdaClient, function: Function, version: str) -> FunctionConfigurationResponseTypeDef:
    """A version's configuration.

    Raises:
        OpsError: there is no such version.
    """
    try:
        return client.get_function_configuration(FunctionName=function.name, Qualifier=version)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            raise OpsError(f"function {function.key} has no version {version}") from None
        raise


def todays(client: LambdaClient, function: Function) -> FunctionConfigurationResponseTypeDef | None:
    """The configuration that the program published last; None where that is not known any more."""
    try:
        return configuration(client, function, function.published) if function.published else None
    except OpsError:
        return None


def cut_off(
    function: Function, found: FunctionConfigurationResponseTypeDef, today: FunctionConfigurationResponseTypeDef
) -> list[str]:
    """A version that may run longer than the API in front of it waits, which was made for today's timeout."""
    waits = min(today["Timeout"], HTTP_INTEGRATION_TIMEOUT_SECONDS)
    timeout = found["Timeout"]
    if not function.api_id or min(timeout, HTTP_INTEGRATION_TIMEOUT_SECONDS) <= waits:
        return []
    problem = f"its timeout is {timeout} s, and the API in front of it answers 503 after {waits} s, which is today's"
    return [f"{problem} timeout_seconds: what takes longer is cut off until strata:{function.key} says more"]


def too_slow(stack: Stack, function: Function, found: FunctionConfigurationResponseTypeDef) -> list[str]:
    """A version that may run longer than its queue hides a message: another invocation would get the message too."""
    if function.queue is None:
        return []
    attributes = stack.client("sqs").get_queue_attributes(
        QueueUrl=function.queue.url, AttributeNames=["VisibilityTimeout"]
    )["Attributes"]
    timeout, hidden = found["Timeout"], int(attributes["VisibilityTimeout"])
    if timeout <= hidden:
        return []
    problem = (
        f"its timeout is {timeout} s, and its queue's visibility timeout {hidden} s: messages would be handled twice"
    )
    remedy = "the queue was changed outside Pulumi, or made by an older program: run `pulumi up --refresh` first"
    return [f"{problem}; {remedy}, or choose a version with a shorter timeout"]


def lost_secrets(
    function: Function, found: FunctionConfigurationResponseTypeDef, today: FunctionConfigurationResponseTypeDef
) -> list[str]:
    """Secrets that a version reads and today's role may not.

    A secret that the program does not declare any more is known by its ARN, unless the program sets the variable still.
    """
    readable, declared = set(function.secrets.values()), function.secret_variables
    variables = found.get("Environment", {}).get("Variables", {})
    still_set = today.get("Environment", {}).get("Variables", {}).items()
    lost = [
        (declared.get(name, name), reference)
        for name, reference in sorted(variables.items())
        if reference not in readable
        and (name in declared or (IN_SECRETS_MANAGER.match(reference) and (name, reference) not in still_set))
    ]
    return [
        f"it reads {name} from {reference}, and the function's role may no longer; point strata:{function.key} at it "
        "again and run `pulumi up`, or choose another version"
        for name, reference in lost
    ]


def is_gone(client: LambdaClient, layer_arn: str) -> bool:
    """Whether a layer version is deleted; one that may not be looked at is taken for there."""
    try:
        client.get_layer_version_by_arn(Arn=layer_arn)
    except ClientError as error:
        return code_of(error) == "ResourceNotFoundException"
    return False


def differences(before: FunctionConfigurationResponseTypeDef, after: FunctionConfigurationResponseTypeDef) -> list[str]:
    """What one version has otherwise than another: `timeout 300 s, not 30`."""
    units = {"Timeout": "timeout {} s", "MemorySize": "memory {} MB", "Runtime": "{}", "Handler": "handler {}"}
    old, new = dict[str, Any](before), dict[str, Any](after)
    found = [
        f"{text.format(new.get(key))}, not {old.get(key)}"
        for key, text in units.items()
        if new.get(key) != old.get(key)
    ]
    return [*found, *layer_changes(layers_of(before), layers_of(after))]


def layers_of(found: FunctionConfigurationResponseTypeDef) -> list[str]:
    """The layer versions that a version has attached."""
    return [str(layer["Arn"]) for layer in found.get("Layers", [])]


def layer_changes(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Layers that are attached now and were not, by name and version."""
    return [f"layer {':'.join(arn.rsplit(':', 2)[-2:])}" for arn in after if arn not in before]
