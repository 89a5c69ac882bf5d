"""What an agent proposes: a document's whole text, or an entry for the history. Data only; `publisher.py` judges it."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DOCUMENT_BYTES: Final = 128 * 1024
MAX_DOCUMENTS: Final = 8
"""Of one agent."""
MAX_AGENT_BYTES: Final = 256 * 1024
"""Of all its documents: they are kept in an item of a table, packed, and such an item has 400 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One document that an agent proposes."""

    agent: str
    path: str
    content: str
    """Its whole text; of the history, the entry that is added."""
    appends: bool
    reason: str
    base: str | None
    """The hash of the file that the agent read; None when there was none. Of no meaning for what is appended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """What became of one agent."""

    agent: str
    outcome: str
    """`proposed`, `nothing_to_do`, or why there is nothing: `no_proposal`, `forbidden`, `token_budget`, …"""
    detail: str = ""
    proposals: tuple[Proposal, ...] = ()
    refused: tuple[str, ...] = ()
    """Paths that it was told it may not write."""
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than an agent should."""
        return self.outcome not in ("proposed", "nothing_to_do")

    def packed(self) -> dict[str, str]:
        """As it is kept in a table."""
        # ASCII: a model may answer half of a surrogate pair, which the rules refuse and UTF-8 cannot carry.
        return {"result": base64.b64encode(zlib.compress(json.dumps(asdict(self)).encode(), 9)).decode()}

    @classmethod
    def unpacked(cls, kept: Mapping[str, Any]) -> AgentResult:
        """The opposite of `packed`."""
        value = json.loads(zlib.decompress(base64.b64decode(str(kept["result"]))))
        proposals = tuple(Proposal(**proposal) for proposal in value.pop("proposals"))
        fields: dict[str, Any] = {**value, "refused": tuple(value["refused"]), "proposals": proposals}
        return cls(**fields)
