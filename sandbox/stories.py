"""The systems' parts of the demonstration, side by side: most of each is waiting for a queue or a retry.

A story begins when those of its neighbours are over: they share queues and indexes whose content both count. Its lines
appear together, when it ends; meanwhile a terminal shows what each is at.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.markup import escape

from sandbox.screen import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AT_ONCE: Final = 3
"""More of them start more processes than two cores can in the time that a caller waits."""
LOOK_SECONDS: Final = 0.25


@dataclass(slots=True)
class _Story:
    name: str
    after: set[str]
    """Stories that have to be over."""
    steps: Steps
    begun: bool = False
    error: BaseException | None = None


def tell(steps: Steps, stories: Mapping[str, Sequence[str]], run: Callable[[str, Steps], object]) -> None:
    """Run all stories.

    Args:
        steps: where their lines and times go.
        stories: name → its neighbours: those among these are told first.
        run: tells one; its steps are its own. What it raises is raised here.
    """
    left = {
        name: _Story(name, {other for other in others if other in stories}, Steps(steps.screen, held=True))
        for name, others in stories.items()
    }
    ended: queue.Queue[_Story] = queue.Queue()

    def work(story: _Story) -> None:
        try:
            run(story.name, story.steps)
        except BaseException as error:  # noqa: BLE001 - raised below, on the thread that waits
            story.error = error
        ended.put(story)

    with steps.screen.status("") if steps.screen.is_terminal else contextlib.nullcontext() as status:
        while left:
            for story in _ready(left):
                story.begun = True
                # An interrupted demonstration does not wait for them: what they use is taken down.
                threading.Thread(target=work, args=(story,), name=f"story {story.name}", daemon=True).start()
            with contextlib.suppress(queue.Empty):
                story = ended.get(timeout=LOOK_SECONDS)
                del left[story.name]
                story.steps.release(steps)
                if story.error is not None:
                    raise story.error
            if status is not None:
                status.update(escape(_now(left)))


def _ready(left: Mapping[str, _Story]) -> list[_Story]:
    """Those that can begin, in order, as many as there is room for."""
    room = AT_ONCE - sum(story.begun for story in left.values())
    return [story for story in left.values() if not story.begun and not story.after & left.keys()][: max(0, room)]


def _now(left: Mapping[str, _Story]) -> str:
    return ", ".join(f"{name}: {story.steps.now.lower()}" for name, story in left.items() if story.begun)
