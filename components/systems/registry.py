"""Every system by the name of its config section. `make new-function` adds a line here and one in `../settings.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from components.systems import embedding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from components.system import System

SYSTEMS: Final[Mapping[str, System[Any]]] = {
    "embedding": embedding.SYSTEM,
}
