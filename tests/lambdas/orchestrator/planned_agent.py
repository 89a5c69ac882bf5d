"""An agents' process that does what a test planned: calls, tokens, an end. Tests write a module that starts it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from coderipple import agent_runner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

GUIDE = (
    "# Guide\n\nThe kettle of src/kettle.py boils water and cools it again, for as many litres as you like, as long as "
    "there is a stove.\n"
)
ENTRY = (
    "## A valve\n\nThe valve was chosen because src/kettle.py has to cool water to a temperature, and a fan would not."
)
TOKENS = (1_000, 500)
"""Of each run of such an agent."""


def propose(path: str, content: str = GUIDE) -> tuple[str, dict[str, str]]:
    return "propose_document", {"path": path, "content": content, "reason": ""}


def append(content: str = ENTRY) -> tuple[str, dict[str, str]]:
    return "append_history", {"content": content}


def plan(
    monkeypatch: pytest.MonkeyPatch, folder: Path, calls: Mapping[str, list[Any]], *, failing: tuple[str, ...] = ()
) -> None:
    """Let agents make these calls, each by its name, and some of them fail at their end."""
    name = f"planned_{len(list(folder.glob('planned_*.py')))}"
    started = "from tests.lambdas.orchestrator.planned_agent import main\n"
    (folder / f"{name}.py").write_text(f"{started}main({dict(calls)!r}, {failing!r})\n", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(agent_runner, "MODULE", name)


def main(calls: Mapping[str, list[Any]], failing: tuple[str, ...]) -> None:
    agent = json.loads(sys.stdin.readline())["agent"]
    _say(event="calling")
    _say(event="usage", input=TOKENS[0], output=TOKENS[1])
    for name, arguments in calls.get(agent, []):
        _say(call=name, arguments=arguments)
        sys.stdin.readline()
    if agent in failing:
        _say(event="failed", reason="model_timeout", detail="")
    else:
        _say(event="done", reason="end_turn")


def _say(**message: Any) -> None:
    print(json.dumps(message), flush=True)
