"""The part of a function's config that is the same for every system, and what follows from a section's fields.

Owns runtime, size, concurrency, network and live version, and the rules between them. A system's own keys are on its
page, a trigger's keys in the trigger's file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator

from components import limits, values
from components.bucket_trigger import BucketKeys, BucketUse, ObjectFilter
from components.fields import facts, key, variable_text
from components.function_url import FunctionUrlKeys
from components.section import Rule, Section
from layer_builds.plan import DEFAULT_RUNTIME, REFUSED_RUNTIMES, RUNTIMES, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMON_VARIABLES: Final = frozenset({"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "STRATA_STACK"})
"""What every function gets from the stack."""


class SecretReference(Section):
    """Where a secret is: exactly one of the two."""

    announced: ClassVar[bool] = True
    """The function learns of it by `<NAME>_SECRET_ARN` or `<NAME>_PARAMETER`."""

    secret_arn: Annotated[str, AfterValidator(values.secret_arn)] | None = key(
        "A Secrets Manager secret, by its whole ARN.", default=None
    )
    parameter: Annotated[str, AfterValidator(values.parameter_name)] | None = key(
        "A Parameter Store SecureString, by its name.", default=None
    )


class NamedParameter(SecretReference):
    """A parameter whose name the function has in a variable of its own: `fields.parameter`."""

    announced: ClassVar[bool] = False


def one_reference(value: SecretReference) -> SecretReference:
    """Accept a reference with exactly one of its two keys."""
    if (value.secret_arn is None) == (value.parameter is None):
        raise ValueError("it must hold either secret_arn or parameter")
    return value


Reference = Annotated[SecretReference, AfterValidator(one_reference)]
"""The type of a secret's field."""


class VpcKeys(Section):
    """Subnets and security groups of a function that has to reach something private."""

    subnet_ids: Annotated[list[str], AfterValidator(values.subnet_ids)] = key(
        "Subnets, in two zones or more where one may fail. They need a route (NAT or endpoints) to AWS's APIs."
    )
    security_group_ids: Annotated[list[str], AfterValidator(values.security_group_ids)] = key(
        "Security groups, which decide what the function reaches."
    )


def snapstart_fits(section: FunctionSettings) -> str | None:
    """SnapStart excludes some runtimes and features: limits.SNAPSTART."""
    if not section.snapstart:
        return None
    if section.runtime in limits.RUNTIMES_WITHOUT_SNAPSTART:
        return f"is true on {section.runtime}: SnapStart needs python3.12 or newer ({limits.SNAPSTART}). Raise runtime."
    if section.provisioned_concurrency is not None:
        return "is true together with provisioned_concurrency: Lambda takes one of the two. Leave one out."
    if section.ephemeral_storage_mb > limits.SNAPSTART_STORAGE_MB:
        return (
            f"is true with ephemeral_storage_mb {section.ephemeral_storage_mb}: SnapStart takes "
            f"{limits.SNAPSTART_STORAGE_MB} MB at most ({limits.SNAPSTART}). Lower it, or leave snapstart out."
        )
    return None


def provisioned_fits(section: FunctionSettings) -> str | None:
    """What is kept warm comes out of what is reserved."""
    warm, reserved = section.provisioned_concurrency, section.reserved_concurrency
    if warm is None or reserved is None or warm <= reserved:
        return None
    return (
        f"is {warm}, above reserved_concurrency, {reserved}: Lambda refuses that. Lower it, or raise or remove "
        "reserved_concurrency."
    )


def variables_are_free(section: FunctionSettings) -> str | None:
    """Extra variables do not override what the stack sets itself."""
    taken = sorted(section.environment.keys() & section.own_variables())
    if not taken:
        return None
    return f"sets {', '.join(taken)}, which the stack sets itself: use the key that is meant for it."


class FunctionSettings(Section):
    """What every function has."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("environment",), variables_are_free),
        Rule(("snapstart", "runtime", "provisioned_concurrency", "ephemeral_storage_mb"), snapstart_fits),
        Rule(("provisioned_concurrency", "reserved_concurrency"), provisioned_fits),
    )
    wired: ClassVar[tuple[str, ...]] = ()
    """Variables whose values the system's page takes from its resources and neighbours: `RESULT_BUCKET`."""

    runtime: Annotated[str, AfterValidator(values.runtime_name)] = key(
        f"Lambda's Python: {', '.join(RUNTIMES)}. "
        + "".join(f"Not {name}: {reason}. " for name, reason in REFUSED_RUNTIMES.items()).strip(),
        default=DEFAULT_RUNTIME,
    )
    architecture: Literal["arm64", "x86_64"] = key("Lambda's CPU.", default="arm64")
    memory_mb: int = key("Memory; CPU grows with it.", default=1_024, limit=limits.FUNCTION_MEMORY)
    timeout_seconds: int = key("When Lambda cuts an invocation off.", default=120, limit=limits.FUNCTION_TIMEOUT)
    ephemeral_storage_mb: int = key("Size of /tmp.", default=512, limit=limits.EPHEMERAL_STORAGE)
    reserved_concurrency: int | None = key(
        "Invocations kept for this function alone; unset shares the account's. A new account may have 10 in all, of "
        "which none can be reserved.",
        default=None,
        limit=limits.RESERVED_CONCURRENCY,
    )
    provisioned_concurrency: int | None = key(
        "Environments of the live version that are kept warm, and paid for all the time.",
        default=None,
        limit=limits.PROVISIONED_CONCURRENCY,
    )
    snapstart: bool = key(
        "Start published versions from a snapshot of the initialised function; billed by cached memory and restore.",
        default=False,
    )
    vpc: VpcKeys | None = key("Run in a VPC: `{subnet_ids: […], security_group_ids: […]}`.", default=None)
    function_url: FunctionUrlKeys | None = key(
        "An HTTPS address without an API: `{auth: AWS_IAM}`, or `{auth: NONE, reason: …}`.", default=None
    )
    live_version: int | None = key(
        "The version that traffic goes to; unset is the newest. `ops rollback` sets it.", default=None, at_least=1
    )
    environment: Annotated[dict[str, str], AfterValidator(values.plain_variables)] = key(
        "Extra plain environment variables.", default=dict, hidden=True
    )

    @property
    def target(self) -> Target:
        """Runtime and architecture, as the layer builder names them."""
        return Target(self.runtime, self.architecture)

    def variables(self) -> dict[str, str]:
        """Return the variables that the section's fields become."""
        found = {
            facts(field).variable: variable_text(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if facts(field).variable
        }
        return {name: text for name, text in found.items() if text is not None}

    def secrets(self) -> Iterator[tuple[str, SecretReference | None]]:
        """Yield each secret's name, and what config says about it."""
        for name, field in type(self).model_fields.items():
            if secret := facts(field).secret:
                given = getattr(self, name)
                yield secret, NamedParameter(parameter=given) if isinstance(given, str) else given

    @classmethod
    def secret_variables(cls) -> dict[str, list[str]]:
        """Return each secret's name, and the variables that may say where it is."""
        declared = [fact for fact in map(facts, cls.model_fields.values()) if fact.secret]
        return {
            fact.secret: [
                *(f"{fact.secret}_{kind}" for kind in ("SECRET_ARN", "PARAMETER")),
                *([fact.variable] if fact.variable else []),
            ]
            for fact in declared
        }

    def bucket_uses(self) -> Iterator[BucketUse]:
        """Yield what the system does with the stack's buckets; a page that writes into one adds that."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, BucketKeys):
                told_of = ObjectFilter(prefix=value.prefix, suffix=value.suffix)
                yield BucketUse(bucket=value.name, told_of=told_of)

    @classmethod
    def own_variables(cls) -> frozenset[str]:
        """Return every variable that the stack itself may set on the function, but for those of its layers."""
        declared = [facts(field) for field in cls.model_fields.values()]
        references = {name for names in cls.secret_variables().values() for name in names}
        return COMMON_VARIABLES | set(cls.wired) | references | {fact.variable for fact in declared if fact.variable}
