"""An alias with weights gives another version its share of a queue's batches, as in AWS; the emulator gives none."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from sandbox.json_parts import part

if TYPE_CHECKING:
    from collections.abc import Callable


def amend(module: dict[str, Any]) -> None:
    """Replace what hands a batch to a function in the emulator's module."""
    original: Callable[..., None] = module["_run_sqs_batch"]

    def run_batch(mapping: dict[str, Any], version: dict[str, Any], *rest: object) -> None:
        _, _, _, region, account, _, name, *_ = version["config"]["FunctionArn"].split(":")
        function: dict[str, Any] = module["_functions"].get_scoped(account, region, name) or {}
        original(mapping, chosen(function, mapping.get("Qualifier"), version), *rest)

    module["_run_sqs_batch"] = run_batch


def chosen(function: dict[str, Any], alias: str | None, primary: dict[str, Any]) -> dict[str, Any]:
    """The version that one batch goes to.

    Args:
        function: the emulator's record, with its aliases and versions.
        alias: that the mapping names; None where it names none.
        primary: the version that the alias leads to.
    """
    aliases: dict[str | None, dict[str, Any]] = function.get("aliases") or {}
    weights: dict[str, float] = part(aliases.get(alias, {}), "RoutingConfig", "AdditionalVersionWeights")
    drawn = random.random()  # noqa: S311 - a share of the traffic
    for version, weight in weights.items():
        drawn -= weight
        if drawn < 0:
            return function["versions"].get(version, primary)
    return primary
