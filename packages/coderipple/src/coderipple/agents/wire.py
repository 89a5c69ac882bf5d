"""Lines of JSON between the function and its agents' process: what an agent asks for, and what it is answered.

Owns the process's end. The other end is `agent_runner.py`.
"""

from __future__ import annotations

import json
import threading
from typing import IO, Any


class ToolError(Exception):
    """A call was refused; says why, for the model."""


class Wire:
    """The two pipes of the process."""

    def __init__(self, reader: IO[str], writer: IO[str]) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def first(self) -> dict[str, Any]:
        """What the process is to do."""
        return self._read()

    def call(self, name: str, **arguments: Any) -> str:
        """Ask the function for something.

        Raises:
            ToolError: it refuses.
        """
        with self._lock:
            self._write({"call": name, "arguments": arguments})
            answer = self._read()
        if not answer.get("ok"):
            raise ToolError(str(answer.get("error", "refused")))
        return str(answer.get("value", ""))

    def tell(self, **event: Any) -> None:
        """Say what happened; there is no answer."""
        with self._lock:
            self._write(event)

    def _write(self, value: dict[str, Any]) -> None:
        self._writer.write(json.dumps(value) + "\n")
        self._writer.flush()

    def _read(self) -> dict[str, Any]:
        line = self._reader.readline()
        if not line:
            raise SystemExit(1)  # the function has ended
        return json.loads(line)
