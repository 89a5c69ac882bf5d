"""What only this machine decides of a stack's config: which functions it can run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.systems import SYSTEMS
from layer_builds.plan import Target, host_architecture
from sandbox.lambda_code import PROXY_VARIABLE, running_runtime

if TYPE_CHECKING:
    from collections.abc import Mapping


def local_target() -> Target:
    """This machine's CPU and the running Python."""
    return Target(running_runtime(), host_architecture())


def embedding_alone(host_url: str, openai_url: str, pinecone_url: str) -> dict[str, Any]:
    """The config of a stack that has the embedding system and no other, run here."""
    others: dict[str, Any] = {f"strata:{name}": None for name in SYSTEMS if name != "embedding"}
    return {**others, "strata:embedding": embedding_config(host_url, openai_url, pinecone_url)}


def embedding_config(host_url: str, openai_url: str, pinecone_url: str) -> Mapping[str, Any]:
    """The embedding system, run here: Lambda host and stand-ins."""
    target = local_target()
    return {
        "runtime": target.runtime,
        "architecture": target.architecture,
        "openai_base_url": f"{openai_url}/v1",
        "pinecone_index_host": pinecone_url,
        "environment": {PROXY_VARIABLE: host_url},
    }
