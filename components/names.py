"""The project's name, and how a system's name appears in resource names."""

from __future__ import annotations

from typing import Final

PROJECT: Final = "strata"
"""Of `Pulumi.yaml`: the namespace of the config, and the beginning of every physical name."""


def logical_name(system: str) -> str:
    """Return a system's name in resource names, which are kebab case."""
    return system.replace("_", "-")
