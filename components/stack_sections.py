"""The sections of the stack's config that belong to no system: layers, logs and alarms, secrets, roles, protection,
rollout.

Owns their keys. The section of images is in `container_image.py`, a system's on its page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator

from components import values
from components.container_image import ImageSettings
from components.fields import key
from components.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL_TRAFFIC: Final = 100
"""Percent."""


class LayerSettings(Section):
    """How layers are built and kept."""

    builder: Literal["native", "docker"] = key(
        "`native` installs the target's wheels with uv; `docker` also builds from source.",
        default="native",
    )
    compiler: Literal["pinned", "running"] = key(
        "Which Python writes the layers' bytecode: the pinned patch release of the runtime, or the one "
        "that runs Pulumi (the local stack).",
        default="pinned",
    )
    keep_versions: bool = key(
        "Keep replaced layer versions, also after `pulumi destroy`, for functions outside this stack; "
        "`ops prune` deletes old ones. Turn it on in an `up` of its own: versions that the same `up` replaces go.",
        default=False,
    )
    bucket: Annotated[str, AfterValidator(values.bucket_name)] | None = key(
        "An existing bucket that stacks and CI share as a build cache; unset makes one. A deploy role "
        "needs it as well: `ArtifactBucketName` in deploy.md.",
        default=None,
    )


class ObservabilitySettings(Section):
    """Logs and alarms of every function."""

    log_retention_days: Annotated[int, AfterValidator(values.log_retention)] = key(
        "Days that logs are kept.", default=30
    )
    alarm_topic_arn: Annotated[str, AfterValidator(values.topic_arn)] | None = key(
        "An SNS topic that is told when an alarm starts and ends; unset tells nobody.", default=None
    )


class SecretSettings(Section):
    """The secrets that the stack makes, and the key of all that it reads."""

    kms_key_arn: Annotated[str, AfterValidator(values.key_arn)] | None = key(
        "The customer key of the functions' secrets and of the buckets that the stack makes: both are encrypted with "
        "it, and the functions' roles may decrypt with it through Secrets Manager, Parameter Store and S3 only. A "
        "deploy role needs it as well: `CustomerKeyArn` in deploy.md. Unset is AWS's own key.",
        default=None,
    )
    recovery_window_days: Annotated[int, AfterValidator(values.recovery_window)] = key(
        "Days in which a deleted secret can be restored; 0 deletes at once.", default=30
    )


class RoleSettings(Section):
    """The functions' roles."""

    permissions_boundary_arn: Annotated[str, AfterValidator(values.policy_arn)] | None = key(
        "A managed policy that limits every role the stack makes, whatever the role's own policies say; "
        "many organisations ask for one. Unset is none.",
        default=None,
    )


class ProtectionSettings(Section):
    """What cannot be deleted by mistake."""

    data: bool = key(
        "Refuse to delete what holds data (buckets, tables, queues, secrets): a preview says so, before anything is "
        "deleted (`--skip-preview` finds it halfway). To let something go, turn it off in an `up` of its own.",
        default=False,
    )


def _rising_percents(value: list[int]) -> list[int]:
    if any(not 1 <= share < ALL_TRAFFIC for share in value) or sorted(set(value)) != value:
        raise ValueError("shares of the traffic are 1 to 99 (percent), each larger than the one before")
    return value


class RolloutSettings(Section):
    """How `ops deploy` moves traffic to a new version, once that has answered its test event."""

    canary_percents: Annotated[list[int], AfterValidator(_rising_percents)] = key(
        "Shares of the traffic that new versions get one after the other before they get all of it, such as [10, 50]; "
        "when an alarm of the function starts meanwhile, the old version has all of it again. Empty is all at once.",
        default=list,
    )
    step_seconds: int = key(
        "How long each share is watched. CloudWatch looks once a minute, at metrics that are a minute or two late: in "
        "less time no alarm would start.",
        default=300,
        at_least=120,
        at_most=3600,
    )


COMMON_SECTIONS: Final[Mapping[str, type[Section]]] = {
    "layers": LayerSettings,
    "images": ImageSettings,
    "observability": ObservabilitySettings,
    "secrets": SecretSettings,
    "roles": RoleSettings,
    "protection": ProtectionSettings,
    "rollout": RolloutSettings,
}
"""The sections of the whole stack, by the names of the fields of `Settings`."""
