"""How the Pinecone stand-in is started. Options: `name`, `dimension` and `metric` of its one index, and `on_disk`, with
which it keeps the vectors in its folder and a restart loses none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sandbox.standins import StandIn
from sandbox.standins.pinecone.server import IndexSpec, PineconeState, create_app

if TYPE_CHECKING:
    from pathlib import Path


def _open(key: str, data: Path | None, *, on_disk: bool = False, **index: Any) -> PineconeState:
    return PineconeState(IndexSpec(**index), keys=[key], data=data if on_disk else None)


STAND_IN: Final = StandIn(open=_open, app=create_app, secret="PINECONE_API_KEY")  # noqa: S106 - a name
