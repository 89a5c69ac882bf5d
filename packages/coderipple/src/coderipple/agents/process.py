"""One agent, in a process of its own: started with a clean environment, told what to do on its standard input.

It has the model's key or a session that may call the model alone, and asks the function for everything else. What it
prints is nowhere: its standard output is the wire.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from coderipple.agents.confinement import confine
from coderipple.agents.wire import Wire

MAX_TURNS = 40
"""Model calls of one agent."""


class Meter:
    """Tells the function of each model call: when it begins, and what it cost; ends an agent that goes on and on."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._turns = 0
        self._told = (0, 0)
        self.ended = ""

    def register_hooks(self, registry: Any, **_: Any) -> None:
        """As strands asks for it."""
        from strands.hooks import AfterModelCallEvent, BeforeModelCallEvent

        registry.add_callback(BeforeModelCallEvent, self._before)
        registry.add_callback(AfterModelCallEvent, self._after)

    def _before(self, event: Any) -> None:
        self._turns += 1
        self.tell_usage(event.agent)
        if self._turns > MAX_TURNS:
            self.ended = "too_many_turns"
            event.cancel = True
            return
        self._wire.tell(event="calling")

    def _after(self, _: Any) -> None:
        self._wire.tell(event="called")

    def tell_usage(self, agent: Any) -> None:
        """Tell what was used since the last time."""
        usage = agent.event_loop_metrics.accumulated_usage
        now = (int(usage["inputTokens"]), int(usage["outputTokens"]))
        self._wire.tell(event="usage", input=now[0] - self._told[0], output=now[1] - self._told[1])
        self._told = now


def work(wire: Wire) -> None:
    """Run the agent, and tell how it ended."""
    task = wire.first()
    from strands import Agent
    from strands.tools.executors import SequentialToolExecutor

    from coderipple.agents.models import Retries, endpoint_of, failure_of, make_model
    from coderipple.agents.tools import tools_for

    meter = Meter(wire)
    agent = Agent(
        model=make_model(task["model"]),
        tools=tools_for(task["agent"], wire),
        system_prompt=task["system"],
        callback_handler=None,
        hooks=[meter],
        retry_strategy=Retries(),
        tool_executor=SequentialToolExecutor(),
    )
    confine(*endpoint_of(task["model"]))
    try:
        result = agent(task["prompt"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the function has to learn of it
        meter.tell_usage(agent)
        wire.tell(event="failed", reason=failure_of(error), detail=type(error).__name__)
        return
    meter.tell_usage(agent)
    wire.tell(event="done", reason=meter.ended or str(result.stop_reason))


def main() -> None:
    """Take the wire, and leave nothing to print to."""
    writer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    work(Wire(sys.stdin, writer))


if __name__ == "__main__":
    main()
