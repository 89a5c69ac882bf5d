"""What stops a deployment before its first update, because that would do what nobody means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from components.names import PROJECT
from ops.errors import OpsError
from ops.mock_plan import make_plan
from ops.pins import missing_pins
from ops.stack_file import read_config
from ops.values import as_object
from ops.versions import CONFIGURATION, edits, versions_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_lambda import LambdaClient

    from ops.stack import Function, Stack

LAYER: Final = "aws:lambda/layerVersion:LayerVersion"


def check_before(stack: Stack | None, config_file: Path, *, refresh: bool) -> None:
    """Refuse to begin.

    Args:
        stack: None is one that is not deployed.
        refresh: the first update puts back what was edited outside Pulumi.

    Raises:
        OpsError: says all that is in the way.
    """
    config = read_config(config_file)
    wrong = [f"{key}: {found}" for key, found in missing_pins(stack, config).items()]
    if stack is not None and (lost := layers_that_go(stack, config, config_file)):
        wrong.append(
            f"layers.keep_versions is turned on, and {', '.join(lost)} changes in the same update, which deletes the "
            "version that was to be kept. Turn it on in a deployment of its own first: with the layers as they are "
            "deployed"
        )
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


def layers_that_go(stack: Stack, config: Mapping[str, Any], config_file: Path) -> list[str]:
    """Layers whose deployed version is deleted by the very update that turns `keep_versions` on.

    What becomes of a replaced version was said when it was made.
    """
    section = as_object(config.get(f"{PROJECT}:layers"))
    if section is None or section.get("keep_versions") is not True or stack.project is None:
        return []
    exported = (as_object(stack.outputs.get("layers")) or {}).values()
    deployed = {layer["name"]: layer["digest"] for layer in map(as_object, exported) if layer and is_not_kept(layer)}
    if not deployed:
        return []
    plan = make_plan(stack.project, stack.name, config_file=config_file)
    inputs = [each["inputs"] for each in plan["resources"] if each["type"] == LAYER]
    planned = {each["layerName"]: each["description"] for each in inputs}
    return sorted(name for name, digest in deployed.items() if planned.get(name) != digest)


def is_not_kept(layer: Mapping[str, Any]) -> bool:
    """Whether a layer's deployed version is deleted when it is replaced; an older program did not say."""
    return layer.get("kept") is False


def edited_outside(client: LambdaClient, function: Function) -> str | None:
    """What of `$LATEST` would go into the next version though nobody committed it; None: nothing.

    The code of a zip would not: it is uploaded with every version.
    """
    versions = versions_of(client, function)
    published = function.published
    ours = versions.get(published)
    if ours is None:
        return None
    found = edits(versions["$LATEST"], ours, CONFIGURATION)
    if ours.get("PackageType") == "Image":
        images = {image_of(client, function, version) for version in ("$LATEST", published)}
        found += ["ImageUri"] if len(images) > 1 else []
    if not found:
        return None
    return (
        f"{function.key}: $LATEST has another {', '.join(found)} than version {published}, which was "
        "published last: it was edited outside Pulumi, or an update was cut off"
    )


def image_of(client: LambdaClient, function: Function, version: str) -> str:
    """The image that a version was made of."""
    return client.get_function(FunctionName=function.name, Qualifier=version)["Code"].get("ImageUri", "")
