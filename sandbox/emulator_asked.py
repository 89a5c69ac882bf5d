"""What roles asked for and what they were told: each decision of the emulator's about an assumed role, kept in a file.

A line for each new (role, action, resource, decision), as JSON. What other callers ask is not kept.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE_VARIABLE = "STRATA_ASKED_FILE"
ASSUMED = ":assumed-role/"


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """One call and its answer."""

    role: str
    """Its name."""
    action: str
    resource: str
    statement: str
    """The sid that allowed it; empty when it was denied."""

    @property
    def allowed(self) -> bool:
        """Whether the role may."""
        return bool(self.statement)


def amend(evaluator: dict[str, Any], file: Path) -> None:
    """Put the replacement into the namespace of the emulator's evaluator of policies."""
    evaluator["evaluate"] = noting(evaluator["evaluate"], file)


def noting(original: Callable[..., Any], file: Path) -> Callable[..., Any]:
    """The evaluation of a request, noted."""
    seen: set[Asked] = set()
    lock = threading.Lock()

    def evaluate(context: Any, policies: Any, *limits: Any) -> Any:
        result = original(context, policies, *limits)
        _, assumed, name = str(context.principal_arn).partition(ASSUMED)
        if assumed:
            allowed = result.decision == "Allow"
            asked = Asked(
                name.split("/")[0], context.action, context.resource_arn, (result.matched_sid or "?") if allowed else ""
            )
            with lock:
                if asked not in seen:
                    seen.add(asked)
                    with file.open("a", encoding="utf-8") as lines:
                        lines.write(json.dumps(asdict(asked)) + "\n")
        return result

    return evaluate


def read(file: Path) -> list[Asked]:
    """All that was noted so far, each once."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [Asked(**json.loads(line)) for line in lines]
