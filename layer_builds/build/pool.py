"""Builds at once: one process for each core, the slowest first, a failure without effect on the rest.

A layer that comes `after` another one waits for it, since it is checked on top of it. What builds share (wheels,
compiled and packed contents) is safe for processes to share; see `made.py` and `wheels.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from layer_builds.build.one import build_described, note_answer
from layer_builds.plan import LayerSpec, Target, host_architecture, layers_before, load_manifest

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.queues import SimpleQueue
    from pathlib import Path

    from layer_builds.build.finished import BuiltLayer
    from layer_builds.build.tasks import Task, Watcher, Ways

MOST_PROCESSES = 8
_EMULATED = 10
"""How many times longer a smoke call takes under qemu."""


class Pool:
    """The processes, and what waits for which."""

    def __init__(
        self,
        layers: dict[Task, LayerSpec],
        ways: Ways,
        watcher: Watcher,
        built: dict[Task, BuiltLayer],
        failed: dict[Task, str],
    ) -> None:
        self._layers = layers
        self._ways = ways
        self._watcher = watcher
        self._built = built
        self._failed = failed
        needs = {task: {(one.name, task[1]) for one in layers_before(layer)} for task, layer in layers.items()}
        self._needs = {task: needed & set(layers) for task, needed in needs.items()}
        self._order: TopologicalSorter[Task] = TopologicalSorter(self._needs)

    def run(self) -> None:
        """Build; adds to what was built and what failed."""
        context = multiprocessing.get_context("spawn")  # the display's thread must not be forked
        count = min(len(self._layers), self._ways.processes or min(os.cpu_count() or 1, MOST_PROCESSES))
        said: SimpleQueue[tuple[Task, str] | None] = context.SimpleQueue()
        listener = threading.Thread(target=self._listen, args=(said,), daemon=True)
        listener.start()
        self._order.prepare()
        pool = ProcessPoolExecutor(count, mp_context=context, initializer=_remember, initargs=(said,))
        try:
            self._fill(pool)
        finally:
            pool.shutdown(cancel_futures=True)
            said.put(None)
            listener.join()

    def _fill(self, pool: ProcessPoolExecutor) -> None:
        running: dict[Future[dict[str, Any]], Task] = {}
        while self._order.is_active():
            for task in sorted(self._order.get_ready(), key=self._cost, reverse=True):
                broken = next((needed for needed in self._needs[task] if needed in self._failed), None)
                if broken is not None:
                    self._failed[task] = f"it comes after layer {broken[0]}, whose build for {broken[1]} failed"
                    self._ended(task)
                    continue
                layer = self._layers[task]
                running[pool.submit(_build_in_worker, layer.name, layer.root, task[1], self._ways)] = task
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                answer = future.result()
                note_answer(task, answer, self._built, self._failed)
                self._ended(task)

    def _ended(self, task: Task) -> None:
        self._order.done(task)
        self._watcher.done(task, self._built.get(task))

    def _cost(self, task: Task) -> int:
        """How long a build takes, compared with the others: by what it came to last time."""
        layer, (_, target) = self._layers[task], task
        entry = load_manifest(layer).entries.get(str(target))
        size = entry.unzipped_bytes if entry is not None else 0
        return size * (1 if target.architecture == host_architecture() else _EMULATED)

    def _listen(self, said: SimpleQueue[tuple[Task, str] | None]) -> None:
        while (message := said.get()) is not None:
            self._watcher.doing(*message)


_said: list[SimpleQueue[tuple[Task, str] | None]] = []
"""In a worker process: where it says what it does."""


def _remember(said: SimpleQueue[tuple[Task, str] | None]) -> None:
    _said.append(said)


def _build_in_worker(name: str, root: Path, target: Target, ways: Ways) -> dict[str, Any]:
    return build_described(name, root, target, ways, lambda text: _said[0].put(((name, target), text)))
