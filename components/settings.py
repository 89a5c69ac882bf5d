"""The stack's config: which sections there are, and reading them all.

The only reader of stack config; defaults live in the sections' models only. No secret value ever gets in here: a
function's secrets are references. docs/config.md is generated from the models (`python -m components.config_docs`).
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field

from components import limits, values
from components.systems.embedding_settings import EmbeddingSettings
from components.validation import S, Section, SettingsError, read_section, shown, unknown_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from components.function_settings import FunctionSettings

PROJECT: Final = "strata"
PARTITIONS: Final = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
"""Of the regions whose names begin so; all others are in `aws`."""


class LayerSettings(Section):
    """How layers are built and kept."""

    builder: Literal["native", "docker"] = Field(
        default="native", description="`native` installs the target's wheels with uv; `docker` also builds from source."
    )
    compiler: Literal["pinned", "running"] = Field(
        default="pinned",
        description="Which Python writes the layers' bytecode: the pinned patch release of the runtime, or the one "
        "that runs Pulumi (the local stack).",
    )
    keep_versions: bool = Field(
        default=False,
        description="Keep replaced layer versions, also after `pulumi destroy`, for functions outside this stack; "
        "`ops prune` deletes old ones. Turn it on in an `up` of its own: versions that the same `up` replaces go.",
    )
    bucket: Annotated[str, AfterValidator(values.bucket_name)] | None = Field(
        default=None,
        description="An existing bucket that stacks and CI share as a build cache; unset makes one. A deploy role "
        "needs it as well: `ArtifactBucketName` in deploy.md.",
    )


class ObservabilitySettings(Section):
    """Logs and alarms of every function."""

    log_retention_days: Annotated[int, AfterValidator(values.log_retention)] = Field(
        default=30, description="Days that logs are kept."
    )
    alarm_topic_arn: Annotated[str, AfterValidator(values.topic_arn)] | None = Field(
        default=None, description="An SNS topic that is told when an alarm starts and ends; unset tells nobody."
    )


class SecretSettings(Section):
    """The secrets that the stack makes, and the key of all that it reads."""

    kms_key_arn: Annotated[str, AfterValidator(values.key_arn)] | None = Field(
        default=None,
        description="The customer key of the functions' secrets and of the artifact bucket that the stack makes: both "
        "are encrypted with it, and the functions' roles may decrypt with it through Secrets Manager and Parameter "
        "Store only. A deploy role needs it as well: `CustomerKeyArn` in deploy.md. Unset is AWS's own key.",
    )
    recovery_window_days: Annotated[int, AfterValidator(values.recovery_window)] = Field(
        default=30, description="Days in which a deleted secret can be restored; 0 deletes at once."
    )


class RoleSettings(Section):
    """The functions' roles."""

    permissions_boundary_arn: Annotated[str, AfterValidator(values.policy_arn)] | None = Field(
        default=None,
        description="A managed policy that limits every role the stack makes, whatever the role's own policies say; "
        "many organisations ask for one. Unset is none.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A stack's whole config, checked."""

    layers: LayerSettings
    observability: ObservabilitySettings
    secrets: SecretSettings
    roles: RoleSettings
    systems: Mapping[str, FunctionSettings]
    """By section; those that the stack does not configure are not in it, and not deployed."""
    profile: str | None
    """`aws:profile`, which publishing must use as well."""

    @property
    def embedding(self) -> EmbeddingSettings | None:
        """The embedding system's section; None: the stack does not have it."""
        section = self.systems.get("embedding")
        return section if isinstance(section, EmbeddingSettings) else None


COMMON_SECTIONS: Final = {
    "layers": LayerSettings,
    "observability": ObservabilitySettings,
    "secrets": SecretSettings,
    "roles": RoleSettings,
}
SYSTEM_SECTIONS: Final[Mapping[str, type[FunctionSettings]]] = {
    "embedding": EmbeddingSettings,
}
"""Their systems are in `systems/registry.py`. `make new-function` adds a line."""


def load_settings(
    config: Mapping[str, str], *, stack: str, encrypted: Collection[str] = (), python: str | None = None
) -> Settings:
    """Check a stack's whole config.

    Args:
        config: Pulumi's key → value; objects are JSON, as Pulumi hands them over.
        stack: The stack's name.
        encrypted: The keys that hold an encrypted value.
        python: The running Python's version, for `compiler: running`; None asks.

    Raises:
        SettingsError: with all problems at once.
    """
    problems = [*_stack_name(stack), *_profile(config.get("aws:profile"))]
    known = [f"{PROJECT}:{name}" for name in (*COMMON_SECTIONS, *SYSTEM_SECTIONS)]
    mine = sorted(key for key in config if key.startswith(f"{PROJECT}:"))
    problems += [unknown_key(key, known) for key in mine if key not in known]
    problems += [_refuse_encrypted(key) for key in mine if key in encrypted]
    readable = {key: config[key] for key in mine if key not in encrypted}

    def section(model: type[S], name: str) -> S | None:
        key = f"{PROJECT}:{name}"
        return None if key in encrypted else read_section(model, key, readable.get(key), problems)

    layers = section(LayerSettings, "layers")
    observability = section(ObservabilitySettings, "observability")
    secrets = section(SecretSettings, "secrets")
    roles = section(RoleSettings, "roles")
    systems = {name: section(model, name) for name, model in SYSTEM_SECTIONS.items() if f"{PROJECT}:{name}" in config}
    read = {"observability": observability, "secrets": secrets, "roles": roles, **systems}
    problems += _of_another_region(read, config.get("aws:region"))
    if not systems:
        sections = " or ".join(f"{PROJECT}:{name}" for name in SYSTEM_SECTIONS)
        problems.append(f"no system is configured, so that the stack would be empty: add {sections}")
    if layers is not None and layers.compiler == "running":
        problems += _compiler_fits(systems, python or platform.python_version())
    if problems or layers is None or observability is None or secrets is None or roles is None:
        raise SettingsError(problems)
    return Settings(
        layers=layers,
        observability=observability,
        secrets=secrets,
        roles=roles,
        systems={name: one for name, one in systems.items() if one is not None},
        profile=config.get("aws:profile"),
    )


def logical_name(system: str) -> str:
    """Return a system's name in resource names, which are kebab case."""
    return system.replace("_", "-")


def _stack_name(stack: str) -> list[str]:
    # The roles that docs/bootstrap.yaml makes are named strata-bootstrap-…: a stack must not be able to reach them.
    own = f"(?!bootstrap(?:-|$))[a-z0-9](?:[a-z0-9-]{{0,{limits.STACK_NAME_LENGTH - 2}}}[a-z0-9])?"
    if re.fullmatch(own, stack):
        return []
    rule = f"1 to {limits.STACK_NAME_LENGTH} lower-case letters, digits and hyphens, neither bootstrap nor bootstrap-…"
    way_out = "`pulumi stack rename` changes it."
    return [f"the stack's name is {shown(stack)}: every resource's name holds it, so that it must be {rule}. {way_out}"]


def _profile(profile: str | None) -> list[str]:
    try:
        if profile is not None:
            values.profile(profile)
    except ValueError as wrong:
        return [f"aws:profile is {shown(profile)}: {wrong}."]
    return []


def _of_another_region(sections: Mapping[str, Section | None], region: str | None) -> list[str]:
    """A function, an alarm and a key work with what is in their own region; IAM has partitions only."""
    if region is None:
        return []
    partition = next((one for start, one in PARTITIONS.items() if region.startswith(start)), "aws")
    found = [item for name, one in sections.items() if one is not None for item in _arns(f"{PROJECT}:{name}", one)]
    wrong = [
        (key, arn) for key, arn in found if arn.split(":")[1] != partition or arn.split(":")[3] not in {region, ""}
    ]
    return [
        f"{key} is {shown(arn)}, which is not of aws:region {region} (partition {partition}): AWS would refuse it "
        "while the stack is deployed or used. Name one of that region."
        for key, arn in wrong
    ]


def _arns(path: str, section: Section) -> Iterator[tuple[str, str]]:
    """Yield every ARN of a section, and of the sections in it, with its key."""
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, Section):
            yield from _arns(f"{path}.{key}", value)
        elif key.endswith("_arn") and value is not None:
            yield f"{path}.{key}", value


def _compiler_fits(functions: Mapping[str, FunctionSettings | None], python: str) -> list[str]:
    """Bytecode of one minor version is of no use to another."""
    minor = ".".join(python.split(".")[:2])
    return [
        f"{PROJECT}:layers.compiler is running, and Python {python} cannot compile for {PROJECT}:{name}.runtime "
        f"{function.runtime}: set that to python{minor}, or compiler to pinned."
        for name, function in functions.items()
        if function is not None and function.runtime != f"python{minor}"
    ]


def _refuse_encrypted(key: str) -> str:
    return (
        f"{key} holds an encrypted value, and what is in it would be in plain text in a function's environment or "
        f"in a resource: remove it (`pulumi config rm --path {key}.<key>`) and store the value with "
        "`python -m ops secret set`, or name an existing secret's ARN or parameter."
    )
