"""The systems' stories side by side, and the builder's commands in forked processes."""

from __future__ import annotations

import io
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from layer_builds.plan import REPOSITORY
from sandbox import stories, warm
from sandbox.screen import Steps

if TYPE_CHECKING:
    from collections.abc import Callable


def told(which: dict[str, tuple[str, ...]], run: Callable[[str, Steps], object]) -> tuple[Steps, str]:
    screen = Console(file=io.StringIO(), width=100)
    steps = Steps(screen)
    stories.tell(steps, which, run)
    assert isinstance(screen.file, io.StringIO)
    return steps, screen.file.getvalue()


def test_a_story_begins_when_its_neighbours_are_over_and_others_run_beside_it() -> None:
    order: list[str] = []
    beside = threading.Barrier(2)

    def run(name: str, _: Steps) -> None:
        if name in {"first", "free"}:
            beside.wait(100)  # both run at once, or this fails
        order.append(name)

    told({"second": ("first", "not chosen"), "first": (), "free": ()}, run)
    assert sorted(order) == ["first", "free", "second"]
    assert order.index("second") > order.index("first")


def test_not_too_many_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(stories.AT_ONCE)

    def run(_: str, __: Steps) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(100)
        with lock:
            running -= 1

    told({str(number): () for number in range(2 * stories.AT_ONCE)}, run)
    assert most == stories.AT_ONCE


def test_the_lines_of_a_story_stay_together_and_its_times_carry_its_name() -> None:
    both = threading.Barrier(2)

    def run(name: str, steps: Steps) -> None:
        steps.say(f"{name} begins")
        with steps.group(name):
            for title in ("One", "Two"):
                both.wait(100)
                with steps.step(title) as step:
                    step.say("at it")
                    step.detail = name

    steps, said = told({"a": (), "b": ()}, run)
    words = [line.split("  ")[0] for line in said.splitlines()]
    assert words in (
        ["a begins", "✓ One", "✓ Two", "b begins", "✓ One", "✓ Two"],
        ["b begins", "✓ One", "✓ Two", "a begins", "✓ One", "✓ Two"],
    )
    assert {step.title for step in steps.done} == {"a: One", "a: Two", "b: One", "b: Two"}


def test_what_a_story_raises_is_raised_after_its_lines() -> None:
    def run(_: str, steps: Steps) -> None:
        steps.say("so far")
        raise ZeroDivisionError("mine")

    screen = Console(file=io.StringIO(), width=100)
    with pytest.raises(ZeroDivisionError, match="mine"):
        stories.tell(Steps(screen), {"a": ()}, run)
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue() == "so far\n"


# --- the builder's commands ---


@pytest.mark.parametrize(
    "command",
    [
        "uv run python -m layer_builds publish x",
        "uv run --frozen python -m ops doctor",
        "uv run --frozen python -m layer_builds publish x && rm -r /",
        "uv run --frozen python -m layer_builds publish $(whoami)",
        "A=b uv run --frozen python -m layer_builds publish x",
    ],
)
def test_any_other_command_line_is_the_shells(command: str) -> None:
    assert warm.words(command) is None


def test_the_builders_own_command_is_run_with_its_words() -> None:
    assert warm.words("uv run --frozen python -m layer_builds publish x --bucket b-1.c") == [
        *("publish", "x", "--bucket", "b-1.c")
    ]


def test_a_forked_command_answers_on_its_output_and_says_what_is_wrong_on_the_other() -> None:
    environment = {**os.environ, "NO_COLOR": "1"}
    lines: list[str] = []
    layer = ["openai-pinecone", "--runtime", "python3.13", "--architecture", "arm64"]
    code, out = warm.run(["digest", *layer, "--json"], str(REPOSITORY), environment, lines.append)
    assert code == 0, lines
    assert json.loads(out)
    code, out = warm.run(["digest", "no-such-layer"], str(REPOSITORY), environment, lines.append)
    assert code == 1
    assert [line for line in lines if line.startswith("error: ") and "no-such-layer" in line], lines


def test_many_commands_at_once_each_have_their_own_exit_code() -> None:
    def one(number: int) -> int:
        name = "openai-pinecone" if number % 2 else "no-such-layer"
        return warm.run(["digest", name], str(REPOSITORY), os.environ, lambda _: None)[0]

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(one, range(24))) == [1, 0] * 12
