"""Deliveries over three environments that crash: each push is documented once, and none is lost."""

from __future__ import annotations

import collections
import json
import random
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from coderipple.changes import source_of
from lambdas.orchestrator import contract

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lambdas.orchestrator.conftest import World

ENVIRONMENTS = 3
VISIBILITY_SECONDS = 12
LIMIT_SECONDS = 900


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_SECONDS + 60)
@pytest.mark.parametrize(
    ("count", "deliveries", "crash"),
    [pytest.param(10, 30, 0.3, id="30"), pytest.param(60, 200, 0.08, id="200", marks=pytest.mark.corpora)],
)
def test_each_push_is_documented_once_and_none_is_lost(
    world: World, tmp_path: Path, count: int, deliveries: int, crash: float
) -> None:
    world.github.limits.writes_per_minute = world.github.limits.per_hour = 1_000_000
    pushes = [
        world.push({f"src/part{number}.py": f"x = {number}\n", "pyproject.toml": f"[project]\nname = 'k{number}'\n"})
        for number in range(count)
    ]
    _deliver(world, pushes, deliveries)
    stop = tmp_path / "stop"
    environment = {
        **world.environment,
        contract.ENABLED_AGENTS: "building_inspector,historian",
        contract.DAILY_RUNS: "10000",
        "PYTHONPATH": ":".join(sys.path),
        "PATH": "/usr/bin",
    }
    workers: dict[int, subprocess.Popen[bytes]] = {}
    crashes, started, numbers = 0, time.monotonic(), iter(range(10_000))
    try:
        while _waiting(world) and time.monotonic() - started < LIMIT_SECONDS:
            for place in range(ENVIRONMENTS):
                worker = workers.get(place)
                if worker is None or worker.poll() is not None:
                    crashes += worker is not None
                    workers[place] = _start(next(numbers), crash, stop, environment, tmp_path)
            time.sleep(0.5)
    finally:
        stop.touch()
        for worker in workers.values():
            worker.kill()
            worker.wait()
    assert _waiting(world) == 0
    assert crashes >= 2, "hardly a crash, so nothing was tried"

    sources = collections.Counter(filter(None, map(source_of, world.messages())))
    assert sources == dict.fromkeys([push["after"] for push in pushes], 1)
    history = re.findall(r"^## ([0-9a-f]{40})$", world.files()["docs/history.md"], re.MULTILINE)
    assert sorted(history) == sorted(push["after"] for push in pushes)
    lines = re.findall(r"^- ([0-9a-f]{40}):", world.files()["docs/architecture.md"], re.MULTILINE)
    assert len(lines) == len(set(lines))
    print(
        f"{deliveries} deliveries of {count} pushes, {crashes} crashes, {len(lines)} lines, "
        f"{time.monotonic() - started:.0f} s"
    )


def _deliver(world: World, pushes: list[dict[str, Any]], count: int) -> None:
    """Every push, and replays: with the same delivery id, and under another one."""
    dice = random.Random(16)  # noqa: S311 - no secret
    deliveries = list(pushes)
    for number in range(count - len(pushes)):
        push = dice.choice(pushes)
        deliveries.append(push if dice.random() < 0.5 else {**push, "delivery": f"replay-{number}"})
    dice.shuffle(deliveries)
    client = world.account.client("sqs")
    client.set_queue_attributes(QueueUrl=world.queue_url, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
    for delivery in deliveries:
        client.send_message(QueueUrl=world.queue_url, MessageBody=json.dumps(delivery))


def _waiting(world: World) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = world.account.client("sqs").get_queue_attributes(QueueUrl=world.queue_url, AttributeNames=names)
    return sum(int(found["Attributes"][name]) for name in names)


def _start(seed: int, crash: float, stop: Path, environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / f"worker-{seed}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.lambdas.orchestrator.worker", str(seed), str(crash), str(stop)],
            env=environment,
            stdout=log,
            stderr=log,
        )
