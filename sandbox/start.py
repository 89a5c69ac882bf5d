"""Starts a local cloud with its progress on the screen: what `demo` and `up` have in common."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from sandbox.cloud import LocalCloud, Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from sandbox.screen import Step, Steps

TITLES = {
    "aws": "Local AWS",
    "host": "Lambda host",
    "deploy": "Program deployed",
    "secrets": "Secrets and stand-ins",
}


class _Follower:
    """Turns a cloud's progress into steps."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._open: contextlib.ExitStack | None = None
        self._step: Step | None = None
        self._made = 0

    def __call__(self, progress: Progress) -> None:
        if progress.event is not None:
            self._event(progress.event.kind, progress.event.details)
            return
        self.end()
        if progress.stage in TITLES:
            self._open = contextlib.ExitStack()
            self._step = self._open.enter_context(self._steps.step(TITLES[progress.stage]))

    def end(self, *, failed: bool = False) -> None:
        """The running step is over."""
        stack, self._open = self._open, None
        if stack is None:
            return
        if self._step is not None and self._made:
            self._step.detail, self._made = f"{self._made} resources", 0
        if failed:
            stack.pop_all()  # its line would say that it went well
            if self._step is not None and self._step.status is not None:
                self._step.status.stop()
        stack.close()

    def _event(self, kind: str, details: dict[str, Any]) -> None:
        if self._step is None:
            return
        if kind == "created":
            self._made += 1
            self._step.say(f"{self._made} resources, {details['name']}")
        elif kind == "progress":
            self._step.say(str(details["line"]))


@contextlib.contextmanager
def started(steps: Steps, name: str, **options: Any) -> Generator[LocalCloud]:
    """A running cloud; `options` are LocalCloud's."""
    follower = _Follower(steps)
    cloud = LocalCloud(name, follow=follower, **options)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(cloud)
        except BaseException:
            follower.end(failed=True)
            raise
        follower.end()
        yield cloud
