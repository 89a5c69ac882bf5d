"""What calling a model of Bedrock needs: pure functions from its id to statements.

Owns how ids of models and inference profiles are told apart. Who gets the statements is decided by a system.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pulumi

from components.policies import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi import Input

    from components.account import Account

MODEL: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+[a-z0-9:.-]*")
"""An id of a model or of an inference profile."""
PROFILE: Final = re.compile(r"(us|us-gov|eu|apac|jp|au|ca|global)\.(.+)")
"""An inference profile: where its requests may go, and the model."""


def invoke(sid: str, model_arns: Sequence[Input[str]], profile_arn: Input[str] | None = None) -> Statement:
    """Call named models of Bedrock.

    Args:
        sid: The statement's name.
        model_arns: The models, or inference profiles.
        profile_arn: The inference profile through which alone those models may be called.
    """
    return Statement(
        sid=sid,
        actions=("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"),
        resources=tuple(model_arns),
        conditions={"StringEquals": {"bedrock:InferenceProfileArn": profile_arn}} if profile_arn is not None else {},
    )


def call_model(model_id: str, account: Account) -> list[Statement]:
    """Return what calling one model needs; an inference profile calls it in several regions.

    https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html
    """
    profile = PROFILE.fullmatch(model_id)
    own = pulumi.Output.concat("arn:", account.partition, ":bedrock:", account.region)
    if profile is None:
        return [invoke("CallModel", [pulumi.Output.concat(own, "::foundation-model/", model_id)])]
    named = account.arn("bedrock", f"inference-profile/{model_id}")
    model = f"::foundation-model/{profile[2]}"
    everywhere = [pulumi.Output.concat("arn:", account.partition, ":bedrock:*", model)]
    if profile[1] == "global":
        everywhere.append(pulumi.Output.concat("arn:", account.partition, ":bedrock:", model))
    return [
        invoke("CallProfile", [named]),
        invoke("CallModelByProfile", everywhere, named),
    ]
