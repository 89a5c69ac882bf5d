"""Every system by its name: of the config section, the folder in `lambdas/` and the stack's output.

A page composes a function, its package and its triggers. `make new-function` adds a line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from components.systems import (
    embedding,
    embedding_processor,
    extract_text,
    image_processor,
    knowledge_base,
    orchestrator,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from components.system import System

SYSTEMS: Final[Mapping[str, System[Any]]] = {
    "embedding": embedding.SYSTEM,
    "embedding_processor": embedding_processor.SYSTEM,
    "extract_text": extract_text.SYSTEM,
    "image_processor": image_processor.SYSTEM,
    "knowledge_base": knowledge_base.SYSTEM,
    "orchestrator": orchestrator.SYSTEM,
}
