"""What the chat model is told to do wrong, beside the faults of every stand-in."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

Mood = Literal[
    "good",
    "nonsense",
    "broken_call",
    "forbidden_path",
    "empty",
    "endless",
    "stall",
    "gullible",
    "refuse",
    "fabricated_quote",
    "misplaced_quote",
    "markup",
]
"""How the model behaves, beside the faults of every stand-in:

- `nonsense`: words that mean nothing, and no call; `empty`: no words either
- `broken_call`: a call whose arguments are not JSON, then one of a tool that does not exist
- `forbidden_path`: proposes a workflow file instead of a document
- `endless`: reads the same file for ever
- `stall`: begins a stream, and says nothing more
- `gullible`: does whatever a file, a name or a message tells it to: `!call {"name": …, "arguments": {…}}`; in a form
  it says what a source tells it to: `!say …`

And where it answers in a form:

- `refuse`: declines in words of its own
- `fabricated_quote`: quotes what no source says; `misplaced_quote`: quotes one source, and names another
- `markup`: HTML, Markdown, numbers in brackets and control characters in its texts
"""


class Moods:
    """What the model is told to do wrong: one entry a request, or always."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._script: deque[Mood] = deque()
        self._always: Mood = "good"

    def script(self, *moods: Mood) -> None:
        """Append entries, one a request, in order."""
        self._check(moods)
        with self._lock:
            self._script.extend(moods)

    def always(self, mood: Mood) -> None:
        """How it behaves when the script is at its end."""
        self._check((mood,))
        with self._lock:
            self._always = mood

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._script.clear()
            self._always = "good"

    def next(self) -> Mood:
        """Of the request that comes now."""
        with self._lock:
            return self._script.popleft() if self._script else self._always

    @staticmethod
    def _check(moods: Sequence[str]) -> None:
        if unknown := [mood for mood in moods if mood not in get_args(Mood)]:
            raise ValueError(f"{unknown[0]!r} is not a mood: it must be one of {', '.join(get_args(Mood))}")
