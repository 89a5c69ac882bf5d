"""What every system of a stack stands on, and where it meets its neighbours.

Owns account, artifact bucket, layers, images, buckets that several systems share, and the way from a system's package
and section to its function. A layer is published once per runtime and architecture, however many functions attach it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pulumi

from components import policies
from components.account import current_account
from components.alarms import METRICS_NAMESPACE
from components.artifact_bucket import ArtifactBucket, ArtifactBucketArgs
from components.async_failures import dead_letter_queue
from components.container_image import ContainerImage, ContainerImageArgs
from components.function import SERVICE_VARIABLE, LambdaFunction, LambdaFunctionArgs
from components.layer import PythonLayer, PythonLayerArgs
from components.private_bucket import PrivateBucketArgs
from components.secret import function_secret, secret_statements
from components.shared_bucket import SharedBucket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pulumi_aws as aws
    from pulumi import Input, ResourceOptions

    from components.function_settings import FunctionSettings
    from components.package import Package
    from components.policies import Statement
    from components.settings import Settings
    from layer_builds.plan import LayerSpec, Target


S_co = TypeVar("S_co", bound="FunctionSettings", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemArgs(Generic[S_co]):
    """What a system is made of: read and checked before anything is registered."""

    name: str
    """Of the config section, the folder in `lambdas/` and the stack's output."""
    settings: S_co
    package: Package


class House:
    """The shared resources of one stack. Not a component: it has no resource of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.account = current_account()
        self.artifact_bucket: Input[str] = (
            settings.layers.bucket
            if settings.layers.bucket is not None
            else ArtifactBucket("artifacts", ArtifactBucketArgs(kms_key_arn=settings.secrets.kms_key_arn)).bucket_name
        )
        self._layers: dict[tuple[str, str], PythonLayer] = {}
        self._buckets: dict[str, SharedBucket] = {}
        self._functions: dict[str, LambdaFunction] = {}

    def function(
        self,
        name: str,
        args: SystemArgs[FunctionSettings],
        *,
        statements: Sequence[Statement] = (),
        wired: Mapping[str, Input[str]] | None = None,
        dead_letters: aws.sqs.Queue | None = None,
        opts: ResourceOptions,
    ) -> LambdaFunction:
        """Register a system's function as its config says.

        Args:
            name: The logical name.
            args: The system's package and config.
            statements: What the code calls; reading its secrets is added.
            wired: The values of the variables that the settings declare as `wired`.
            dead_letters: From `dead_letters()`, where the function has to know its queue for asynchronous events.
            opts: The system's options for children.

        Raises:
            ValueError: `wired` sets a variable that the settings do not declare; its size would not have been planned.
        """
        settings, stack = args.settings, self.settings
        wired = dict(wired or {})
        if undeclared := sorted(wired.keys() - set(settings.wired)):
            raise ValueError(f"{type(settings).__name__}.wired does not declare {', '.join(undeclared)}")
        secrets = [
            function_secret(name, variable, given, stack.secrets, opts, protect=stack.protection.data)
            for variable, given in settings.secrets()
        ]
        may_read = secret_statements(secrets, stack.secrets.kms_key_arn, self.account)
        function = LambdaFunction(
            name,
            LambdaFunctionArgs(
                package=args.package,
                settings=settings,
                **self._shipped(name, args.package, opts),
                environment={**plain_variables(name, settings), **wired},
                secrets=secrets,
                statements=[*may_read, *statements],
                dead_letters=dead_letters,
                log_retention_days=stack.observability.log_retention_days,
                alarm_topic_arn=stack.observability.alarm_topic_arn,
                protect_data=stack.protection.data,
                permissions_boundary_arn=stack.roles.permissions_boundary_arn,
            ),
            opts,
        )
        self._functions[args.name] = function
        return function

    def dead_letters(self, name: str, parent: pulumi.Resource) -> aws.sqs.Queue:
        """Make the dead-letter queue of asynchronous events before their function, which can then be told of it.

        Args:
            name: The function's logical name.
            parent: The system.
        """
        return dead_letter_queue(f"{name}-async", parent, protect=self.settings.protection.data)

    def of(self, system: str) -> LambdaFunction | None:
        """Return a neighbour's function, None when the stack does not have that system.

        A system that names the neighbour in `needs` or `uses` is registered after it.
        """
        return self._functions.get(system)

    def bucket(self, name: str) -> SharedBucket:
        """Return a bucket of the stack, making it for the first system that asks.

        Args:
            name: As the config says, `BucketKeys.name`.
        """
        if name not in self._buckets:
            args = PrivateBucketArgs(
                kms_key_arn=self.settings.secrets.kms_key_arn, protect=self.settings.protection.data
            )
            self._buckets[name] = SharedBucket(name, args, self.account.account_id)
        return self._buckets[name]

    def reading(self, bucket: SharedBucket, prefix: str = "") -> list[Statement]:
        """Return what a function needs to read a bucket's objects: the customer key as well, where the stack has one.

        Args:
            bucket: One of the stack's.
            prefix: Of the objects' keys.
        """
        return [policies.read_objects(bucket.objects_arn(prefix)), *self.bucket_key(and_encrypt=False)]

    def bucket_key(self, *, and_encrypt: bool) -> list[Statement]:
        """Return what using the stack's buckets needs beside S3's permissions: the customer key, where there is one.

        Args:
            and_encrypt: The function writes objects, too.
        """
        key, via = self.settings.secrets.kms_key_arn, self.account.endpoint("s3")
        return [] if key is None else [policies.decrypt(key, "Objects", via, and_encrypt=and_encrypt)]

    def finish(self) -> None:
        """Make what could be made only when all systems were there: each bucket's one notification."""
        for bucket in self._buckets.values():
            bucket.finish()

    def layer(self, spec: LayerSpec, target: Target) -> PythonLayer:
        """Return the published layer, publishing it for the first function that asks.

        Args:
            spec: The layer.
            target: The function's runtime and architecture.
        """
        key = (spec.name, str(target))
        if key not in self._layers:
            args = PythonLayerArgs(
                layer=spec,
                target=target,
                bucket=self.artifact_bucket,
                account_id=self.account.account_id,
                region=self.account.region,
                builder=self.settings.layers.builder,
                compiler=self.settings.layers.compiler,
                keep_versions=self.settings.layers.keep_versions,
                profile=self.settings.profile,
            )
            self._layers[key] = PythonLayer(f"{spec.name}-{target.tag.replace('_', '-')}", args)
        return self._layers[key]

    def exports(self) -> dict[str, Input[object]]:
        """Return the stack's outputs. A layer for two targets is listed with its target."""
        names = [name for name, _ in self._layers]
        layers = {
            name if names.count(name) == 1 else f"{name}-{layer.target.tag}": layer.exports()
            for (name, _), layer in self._layers.items()
        }
        buckets = {name: bucket.name for name, bucket in self._buckets.items()}
        return {
            "artifact_bucket": self.artifact_bucket,
            "layers": layers,
            "functions": {system: function.outputs() for system, function in self._functions.items()},
            **({"buckets": buckets} if buckets else {}),
        }

    def _shipped(self, name: str, package: Package, opts: ResourceOptions) -> dict[str, Any]:
        """Return the arguments that say where the package is: its layers, or its image."""
        if package.kind == "zip":
            return {"layers": [self.layer(layer, package.target) for layer in package.layers]}
        args = ContainerImageArgs(
            package=package,
            base=self.settings.images.bases[package.target.runtime],
            account_id=self.account.account_id,
            region=self.account.region,
            profile=self.settings.profile,
            builder=self.settings.layers.builder,
            compiler=self.settings.layers.compiler,
        )
        return {"image_uri": ContainerImage(name, args, opts).uri}


def service_name(name: str) -> str:
    """Return a function's name in metrics and logs, from its logical name: stacks in one account do not mix."""
    return f"{pulumi.get_project()}-{pulumi.get_stack()}-{name}"


def plain_variables(name: str, settings: FunctionSettings) -> dict[str, Input[str]]:
    """Return a function's variables that are known from the config alone.

    Args:
        name: The logical name.
        settings: The system's section.
    """
    return {
        **settings.environment,
        **settings.variables(),
        SERVICE_VARIABLE: service_name(name),
        "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
        "STRATA_STACK": pulumi.get_stack(),
    }
