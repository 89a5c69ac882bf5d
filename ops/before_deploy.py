"""What stops a deployment before its first update, because that would do what nobody means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.pins import missing_pins
from ops.stack_file import read_config
from ops.versions import CODE, CONFIGURATION, edits, versions_of

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_lambda import LambdaClient

    from ops.stack import Function, Stack


def check_before(stack: Stack | None, config_file: Path, *, refresh: bool) -> None:
    """Refuse to begin.

    Args:
        stack: None is one that is not deployed.
        refresh: the first update puts back what was edited outside Pulumi.

    Raises:
        OpsError: says all that is in the way.
    """
    wrong = [f"{key}: {found}" for key, found in missing_pins(stack, read_config(config_file)).items()]
    if stack is not None and not refresh:
        client = stack.client("lambda")
        edited = [found for function in stack.functions.values() if (found := edited_outside(client, function))]
        remedy = (
            f"The next version would be published with it. `ops deploy --stack {stack.name} --refresh` puts back what "
            "the program says, and deploys"
        )
        wrong += [f"{'; '.join(edited)}. {remedy}"] if edited else []
    if wrong:
        raise OpsError("; ".join(wrong))


def edited_outside(client: LambdaClient, function: Function) -> str | None:
    """What of `$LATEST` would go into the next version though nobody committed it; None: nothing.

    The code of a zip would not: it is uploaded with every version.
    """
    versions = versions_of(client, function)
    ours = versions.get(function.published)
    if ours is None:
        return None
    latest = versions["$LATEST"]
    keys = [*CONFIGURATION, *([CODE] if ours.get("PackageType") == "Image" else [])]
    found = edits(latest, ours, keys)
    if not found:
        return None
    return (
        f"{function.key}: $LATEST has another {', '.join(found)} than version {function.published}, which was "
        "published last: it was edited outside Pulumi, or an update was cut off"
    )
