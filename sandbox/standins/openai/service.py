"""How the OpenAI stand-in is started. Options: `latency_seconds`, which each embeddings call takes at least."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from sandbox.standins import StandIn
from sandbox.standins.openai.minilm import MiniLM
from sandbox.standins.openai.server import OpenAIState, create_app

if TYPE_CHECKING:
    from pathlib import Path


@cache
def _model() -> MiniLM:
    """90 MB, loaded once for all servers of this process."""
    return MiniLM()


def _open(key: str, _: Path | None, *, latency_seconds: float = 0.0) -> OpenAIState:
    return OpenAIState(keys=[key], model=_model(), latency_seconds=latency_seconds)


STAND_IN: Final = StandIn(open=_open, app=create_app, secret="OPENAI_API_KEY")  # noqa: S106 - a name
