"""How the Weaviate stand-in is started: REST and gRPC, each at a port of its own. It has no options; what it stores is
in memory, and gone with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sandbox.standins import StandIn
from sandbox.standins.weaviate.server import HEADERS, WeaviateState, create_app

if TYPE_CHECKING:
    from pathlib import Path


def _open(key: str, _: Path | None) -> WeaviateState:
    return WeaviateState(keys=[key])


def _rpc(state: WeaviateState) -> Any:
    from sandbox.standins.weaviate.calls import handlers  # Weaviate's client takes a second

    return handlers(state)


STAND_IN: Final = StandIn(
    open=_open,
    app=create_app,
    rpc=_rpc,
    metadata=HEADERS,
    secret="WEAVIATE_API_KEY",  # noqa: S106 - a name
)
