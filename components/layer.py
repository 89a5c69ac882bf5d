"""A layer in AWS: published by pulumi-command under its digest, then a layer version made from that object.

Owns the hand-over from the layer builder to Pulumi. What is in a layer, how it is built and what its digest covers
belong to `layer_builds`. A preview computes the digest only: no build, no Docker, no network.
"""

from __future__ import annotations

import asyncio
import platform
import shlex
from asyncio.subprocess import PIPE, STDOUT
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pulumi
import pulumi_aws as aws
import pulumi_command as command
from pulumi import ResourceOptions

from components import limits, values
from layer_builds.plan import layer_digest

if TYPE_CHECKING:
    from pulumi import Input

    from layer_builds.plan import LayerSpec, Target

Builder = Literal["native", "docker"]
Compiler = Literal["pinned", "running"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonLayerArgs:
    """What to publish, from what, and where to."""

    layer: LayerSpec
    """From `layer_builds.load_layer`."""
    target: Target
    """Runtime and architecture."""
    bucket: Input[str]
    """Where the zip goes: the stack's own artifact bucket or a shared one."""
    account_id: Input[str]
    """The provider's account; publishing with other credentials is refused."""
    region: Input[str]
    """The provider's region."""
    builder: Builder = "native"
    compiler: Compiler = "pinned"
    """`running` compiles bytecode with the Python that runs the program: for the local stack."""
    keep_versions: bool = False
    """Keep replaced layer versions; `ops prune` then deletes old ones."""
    profile: str | None = None
    """The AWS profile of the provider: a Command has the CLI's environment, not the provider's configuration."""

    def __post_init__(self) -> None:
        if self.profile is not None:
            values.profile(self.profile)
        physical_layer_name(self.layer.name, self.target)

    @property
    def compiler_version(self) -> str | None:
        """The CPython patch version that compiles, None for the pinned one of the runtime."""
        return platform.python_version() if self.compiler == "running" else None


class PythonLayer(pulumi.ComponentResource):
    """A published layer version."""

    arn: pulumi.Output[str]
    """The layer version's ARN."""

    def __init__(self, name: str, args: PythonLayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:PythonLayer", name, None, opts)
        self.spec = args.layer
        self.target = args.target
        self.kept = args.keep_versions
        self.digest = layer_digest(args.layer, args.target, compiler=args.compiler_version)
        self.key = f"layers/{args.layer.name}/{self.digest}.zip"
        self.bucket = pulumi.Output.from_input(args.bucket)
        create = publish_command(args)
        publishing, making = _hooks(name, create)
        publish = command.local.Command(
            f"{name}-publish",
            create=create,
            # Not the account or region: moving a stack is a new stack. A new bucket has to be filled, new inputs built.
            triggers=[self.digest, args.bucket],
            opts=ResourceOptions(parent=self, hooks=publishing),
        )
        self.layer_name = physical_layer_name(args.layer.name, args.target)
        version = aws.lambda_.LayerVersion(
            f"{name}-version",
            layer_name=self.layer_name,
            description=self.digest,
            s3_bucket=args.bucket,
            s3_key=self.key,
            compatible_runtimes=[args.target.runtime],
            compatible_architectures=[args.target.architecture],
            # By config: functions outside this stack may use the version that this one replaces. Not by skip_destroy:
            # when that changes, the provider replaces the version, and deletes the one that was to be kept.
            opts=ResourceOptions(parent=self, depends_on=[publish], retain_on_delete=args.keep_versions, hooks=making),
        )
        self.arn = version.arn
        self.register_outputs({"arn": self.arn, "digest": self.digest, "key": self.key})

    def exports(self) -> dict[str, Input[str] | bool]:
        """Return the stack's output about this layer."""
        return {
            "arn": self.arn,
            "name": self.layer_name,
            "digest": self.digest,
            "bucket": self.bucket,
            "key": self.key,
            # When the layer changes, it is the option of the former update that counts.
            "kept": self.kept,
        }


def publish_command(args: PythonLayerArgs) -> pulumi.Output[str]:
    """Return the command line that builds and uploads: plain words only, no path of this machine."""
    fixed = [
        *("uv run --frozen python -m layer_builds publish", args.layer.name),
        *("--runtime", args.target.runtime, "--architecture", args.target.architecture, "--builder", args.builder),
        *(["--compiler", args.compiler] if args.compiler != "pinned" else []),
        *(["--profile", args.profile] if args.profile is not None else []),
    ]
    return pulumi.Output.concat(
        " ".join(fixed), " --bucket ", args.bucket, " --account ", args.account_id, " --region ", args.region
    )


def _hooks(name: str, create: pulumi.Output[str]) -> tuple[pulumi.ResourceHookBinding, pulumi.ResourceHookBinding]:
    """Return the hooks of the Command and of the layer version, which see to it that a version's artifact is there.

    A version may be made when the Command has nothing to do: it was deleted outside Pulumi, or the update before was
    cut off between the two. The artifact may have gone since, so the Command's line runs once more.
    """
    published: list[str] = []

    def note(done: pulumi.ResourceHookArgs) -> None:
        published.append(done.urn)

    async def publish(_: pulumi.ResourceHookArgs) -> None:
        line = None if published else await create.future()
        if line is not None:
            await _run(line)

    after, before = pulumi.ResourceHook(f"{name}-published", note), pulumi.ResourceHook(f"{name}-artifact", publish)
    return (
        pulumi.ResourceHookBinding(after_create=[after], after_update=[after]),
        pulumi.ResourceHookBinding(before_create=[before]),
    )


async def _run(line: str) -> None:
    process = await asyncio.create_subprocess_exec(*shlex.split(line), stdout=PIPE, stderr=STDOUT)
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{line} exited with {process.returncode}:\n{output.decode(errors='replace').strip()}")


def physical_layer_name(layer: str, target: Target) -> str:
    """Return `<project>-<stack>-<layer>-py313-arm64`, the name that others find the layer by.

    Raises:
        ValueError: It is longer than 64 characters.
    """
    name = f"{pulumi.get_project()}-{pulumi.get_stack()}-{layer}-{target.tag}"
    if len(name) > limits.LAYER_NAME_LENGTH:
        raise ValueError(
            f"the layer's name {name} has {len(name)} characters, more than {limits.LAYER_NAME_LENGTH}: "
            "shorten the stack's or the layer's name"
        )
    return name
