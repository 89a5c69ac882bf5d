"""What stops a deployment before its first update, because that would do what nobody means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from components.names import PROJECT
from ops.errors import OpsError
from ops.mock_plan import FUNCTION, function_key
from ops.pins import missing_pins, pins
from ops.stack_file import read_config
from ops.values import as_object
from ops.versions import CONFIGURATION, edits, versions_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_lambda import LambdaClient

    from ops.stack import Function, Stack

LAYER: Final = "aws:lambda/layerVersion:LayerVersion"


def check_before(
    stack: Stack | None, config_file: Path, plan: Mapping[str, Any], *, untried: Collection[str], refresh: bool
) -> None:
    """Refuse to begin.

    Args:
        stack: None is one that is not deployed.
        plan: of the program, from `make_plan`.
        untried: functions that nothing invokes yet.
        refresh: the first update puts back what was edited outside Pulumi.

    Raises:
        OpsError: says all that is in the way.
    """
    config = read_config(config_file)
    wrong = [f"{key}: {found}" for key, found in missing_pins(stack, config).items()]
    if stack is not None and (lost := layers_that_go(stack, config, plan)):
        wrong.append(
            f"{told_to_go(lost)}. Turn it on in a deployment of its own first: with the layers as they are deployed"
        )
    if stack is not None and not refresh:
        client = stack.client("lambda")
        edited = [found for function in stack.functions.values() if (found := edited_outside(client, function))]
        remedy = (
            f"The next version would be published with it. `ops deploy --stack {stack.name} --refresh` puts back what "
            "the program says, and deploys"
        )
        wrong += [f"{'; '.join(edited)}. {remedy}"] if edited else []
    if stack is not None:
        wrong += replaced(stack, config, plan, untried)
    if wrong:
        raise OpsError("; ".join(wrong))


def replaced(stack: Stack, config: Mapping[str, Any], plan: Mapping[str, Any], untried: Collection[str]) -> list[str]:
    """Functions that become images, or zips again: AWS makes another function, and the old one goes in that update.

    There is nothing to call before traffic moves, unless nothing invokes the function yet, and the numbers of the old
    one's versions are none of the new one's.
    """
    client = stack.client("lambda")
    functions = {key: function for key, function in stack.functions.items() if key not in untried}
    found: list[str] = []
    for resource in (each for each in plan["resources"] if each["type"] == FUNCTION):
        key = function_key(resource)
        if key not in functions:
            continue
        kind = resource["inputs"].get("packageType", "Zip")
        now = client.get_function_configuration(FunctionName=functions[key].name).get("PackageType", "Zip")
        if kind == now:
            continue
        pinned = f", without live_version of {PROJECT}:{key}," if key in pins(config) else ""
        found.append(
            f"{key} becomes {'an image' if kind == 'Image' else 'a zip'}, which to AWS is another function: traffic "
            "moves in the update that makes it, before anybody has called it, and the old one and its versions are "
            "gone then. Try it in a stack of its own, with the same section and `ops deploy`. Here deploy everything "
            f"else first, then this alone{pinned} with `pulumi up --stack {stack.name}`, and call it with `ops smoke "
            f"--stack {stack.name}`"
        )
    return found


def layers_that_go(stack: Stack, config: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    """Layers whose deployed version is deleted by the very update that turns `keep_versions` on.

    What becomes of a replaced version was said when it was made.
    """
    section = as_object(config.get(f"{PROJECT}:layers"))
    if section is None or section.get("keep_versions") is not True:
        return []
    exported = (as_object(stack.outputs.get("layers")) or {}).values()
    deployed = {layer["name"]: layer["digest"] for layer in map(as_object, exported) if layer and is_not_kept(layer)}
    inputs = [each["inputs"] for each in plan["resources"] if each["type"] == LAYER]
    planned = {each["layerName"]: each["description"] for each in inputs}
    return sorted(name for name, digest in deployed.items() if planned.get(name) != digest)


def told_to_go(lost: Sequence[str]) -> str:
    """What is wrong with layers that go."""
    return (
        f"layers.keep_versions is turned on, and {', '.join(lost)} changes in the same update, which deletes the "
        "version that was to be kept"
    )


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
