"""How the Supabase stand-in is started. It has no options."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sandbox.standins import StandIn
from sandbox.standins.supabase.keys import SECRET_PREFIX
from sandbox.standins.supabase.server import SupabaseState, create_app

if TYPE_CHECKING:
    from pathlib import Path


def _open(key: str, data: Path | None) -> SupabaseState:
    return SupabaseState(keys=[key], data=data)


def _config(url: str, key: str) -> str:
    """What functions keep of a project, as one secret."""
    return json.dumps({"url": url, "service_key": key})


STAND_IN: Final = StandIn(
    open=_open,
    app=create_app,
    secret="SUPABASE_CONFIG",  # noqa: S106 - a name
    value=_config,
    key_prefix=SECRET_PREFIX,
)
