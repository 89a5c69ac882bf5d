"""The stack's config, read and checked whole: its common sections, and those of its systems.

The only reader of stack config; it knows no system, it is given their models. No secret value ever gets in here: a
function's secrets are references. docs/config.md is generated from the models (`python -m components.config_docs`).
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from components import limits, values
from components.bucket_trigger import bucket_problem
from components.names import PROJECT
from components.problems import shown, unknown_key
from components.section import Section
from components.stack_sections import (
    COMMON_SECTIONS,
    LayerSettings,
    ObservabilitySettings,
    ProtectionSettings,
    RoleSettings,
    RolloutSettings,
    SecretSettings,
)
from components.validation import SettingsError, read_section

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from components.container_image import ImageSettings
    from components.function_settings import FunctionSettings

PARTITIONS: Final = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "eusc-": "aws-eusc",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eu-isof-": "aws-iso-f",
}
"""Of the regions whose names begin so; all others are in `aws`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A stack's whole config, checked."""

    layers: LayerSettings
    images: ImageSettings
    observability: ObservabilitySettings
    secrets: SecretSettings
    roles: RoleSettings
    protection: ProtectionSettings
    rollout: RolloutSettings
    systems: Mapping[str, FunctionSettings]
    """By section; those that the stack does not configure are not in it, and not deployed."""
    profile: str | None
    """`aws:profile`, which publishing must use as well."""


def load_settings(
    config: Mapping[str, str],
    models: Mapping[str, type[FunctionSettings]],
    *,
    stack: str,
    project: str = PROJECT,
    encrypted: Collection[str] = (),
    python: str | None = None,
) -> Settings:
    """Check a stack's whole config.

    Args:
        config: Pulumi's key → value; objects are JSON, as Pulumi hands them over.
        models: The section of each system, by its name.
        stack: The stack's name.
        project: The project's name, as Pulumi.yaml has it.
        encrypted: The keys that hold an encrypted value.
        python: The running Python's version, for `compiler: running`; None asks.

    Raises:
        SettingsError: with all problems at once.
    """
    problems = [*_project_name(project), *_stack_name(stack), *_profile(config.get("aws:profile"))]
    known = [f"{PROJECT}:{name}" for name in (*COMMON_SECTIONS, *models)]
    mine = sorted(key for key in config if key.startswith(f"{PROJECT}:"))
    problems += [unknown_key(key, known) for key in mine if key not in known]
    problems += [_refuse_encrypted(key) for key in mine if key in encrypted]
    wanted = {**COMMON_SECTIONS, **{name: model for name, model in models.items() if f"{PROJECT}:{name}" in config}}
    read: dict[str, Any] = {
        name: read_section(model, f"{PROJECT}:{name}", config.get(f"{PROJECT}:{name}"), problems)
        for name, model in wanted.items()
        if f"{PROJECT}:{name}" not in encrypted
    }
    systems: dict[str, FunctionSettings] = {
        name: section for name, section in read.items() if name in models and section is not None
    }
    problems += [*_of_another_region(read, config.get("aws:region")), *_bucket_conflicts(systems)]
    if not wanted.keys() & models.keys():
        sections = " or ".join(f"{PROJECT}:{name}" for name in models)
        problems.append(f"no system is configured, so the stack would be empty: add {sections}")
    layers = read.get("layers")
    if isinstance(layers, LayerSettings) and layers.compiler == "running":
        problems += _compiler_fits(systems, python or platform.python_version())
    if problems:
        raise SettingsError(problems)
    common = {name: read[name] for name in COMMON_SECTIONS}
    return Settings(**common, systems=systems, profile=config.get("aws:profile"))


def _project_name(project: str) -> list[str]:
    if project == PROJECT:
        return []
    why = (
        "the names of all resources begin with it, the deploy roles of docs/bootstrap.yaml reach no others, and AWS "
        "would refuse or cut longer ones. Stacks in one account are told apart by their own names"
    )
    return [f"Pulumi.yaml's name is {shown(project)}, and has to be {PROJECT}: {why}."]


def _stack_name(stack: str) -> list[str]:
    # The roles that docs/bootstrap.yaml makes are named strata-bootstrap-…: a stack must not be able to reach them.
    own = f"(?!bootstrap(?:-|$))[a-z0-9](?:[a-z0-9-]{{0,{limits.STACK_NAME_LENGTH - 2}}}[a-z0-9])?"
    if re.fullmatch(own, stack):
        return []
    rule = f"1 to {limits.STACK_NAME_LENGTH} lower-case letters, digits and hyphens, neither bootstrap nor bootstrap-…"
    remedy = "`pulumi stack rename` changes it while nothing is deployed (docs/deploy.md, Renaming a stack)."
    return [f"the stack's name is {shown(stack)}: every resource's name holds it, so it must be {rule}. {remedy}"]


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
    partition = next((name for start, name in PARTITIONS.items() if region.startswith(start)), "aws")
    found = [
        item
        for name, section in sections.items()
        if section is not None
        for item in _arns(f"{PROJECT}:{name}", section)
    ]
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
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _arns(f"{path}.{name}", value)
        elif name.endswith("_arn") and value is not None:
            yield f"{path}.{name}", value


def _bucket_conflicts(systems: Mapping[str, FunctionSettings]) -> list[str]:
    """What S3 would refuse, or what would never stop, among all uses of a bucket in the stack."""
    uses = [(system, use) for system, section in systems.items() for use in section.bucket_uses()]
    found: list[str] = []
    for bucket in sorted({use.bucket for _, use in uses}):
        here = [(system, use) for system, use in uses if use.bucket == bucket]
        filters = [use.told_of for _, use in here if use.told_of is not None]
        written = [use.writes_under for _, use in here if use.writes_under is not None]
        if (problem := bucket_problem(filters, written)) is not None:
            users = ", ".join(sorted({f"{PROJECT}:{system}" for system, _ in here}))
            found.append(f"bucket {bucket} ({users}): {problem}.")
    return found


def _compiler_fits(systems: Mapping[str, FunctionSettings], python: str) -> list[str]:
    """Bytecode of one minor version is of no use to another."""
    minor = ".".join(python.split(".")[:2])
    return [
        f"{PROJECT}:layers.compiler is running, and Python {python} cannot compile for {PROJECT}:{name}.runtime "
        f"{section.runtime}: set that to python{minor}, or compiler to pinned."
        for name, section in systems.items()
        if section.runtime != f"python{minor}"
    ]


def _refuse_encrypted(key: str) -> str:
    return (
        f"{key} holds an encrypted value, and what is in it would be in plain text in a function's environment or "
        f"in a resource: remove it (`pulumi config rm --path {key}.<key>`) and store the value with "
        "`python -m ops secret set`, or name an existing secret's ARN or parameter."
    )
