"""What the engine tests stand on: the CLI (or one loud line), one emulator for the session, checkouts."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sandbox.account import ACCOUNT, REGION
from sandbox.emulator import Emulator
from sandbox.workspace import Workspace
from tests.engine import world as worlds
from tests.engine.canary import ArgumentWatch
from tests.engine.pulumi_cli import Checkout, copy_checkout
from tests.engine.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.account import Account
    from tests.engine.world import World

REQUIRED = "STRATA_REQUIRE_ENGINE"
FOLDER = "tests/engine"
STEP_SECONDS = 900
"""A test may take several steps of the story, when it is run alone."""
TOOLS = ("pulumi", "uv")
ORDER = (
    "test_preview",
    "test_stack",
    "test_monitor",
    "test_secrets",
    "test_two_stacks",
    "test_layers",
    "test_deploy",
    "test_many_kinds",
    "test_images",
    "test_systems",
    "test_deploy_doc",
)
"""The story of one stack goes through several files: one deployment takes a minute."""


def missing_tools() -> list[str]:
    """What has to be on PATH and is not."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark everything here and put it in order; without a CLI, leave one test that says so in one line."""
    ours = [item for item in items if FOLDER in item.path.as_posix()]
    for item in ours:
        item.add_marker(pytest.mark.engine)
        item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.xdist_group("engine"))
        item.add_marker(pytest.mark.timeout(STEP_SECONDS))
    places = [index for index, item in enumerate(items) if item in ours]
    for place, item in zip(places, sorted(ours, key=lambda one: _place(one.path.stem)), strict=True):
        items[place] = item
    missing = missing_tools()
    if ours and missing and not os.environ.get(REQUIRED):
        reason = f"THE ENGINE WAS NOT TRIED ({len(ours)} tests): no {' and no '.join(missing)} on PATH"
        ours[0].add_marker(pytest.mark.skip(reason=reason))
        config.hook.pytest_deselected(items=ours[1:])
        items[:] = [item for item in items if item not in ours[1:]]


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


@pytest.fixture
def tracing() -> None:
    """For tests that look at what processes were started, or which connections were opened."""
    if shutil.which("strace") is None:
        reason = "WHAT PROCESSES DID WAS NOT LOOKED AT: no strace on PATH"
        pytest.fail(reason) if os.environ.get(REQUIRED) else pytest.skip(reason)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Where our servers run."""
    missing = missing_tools()
    assert not missing, f"{REQUIRED} is set, and there is no {' and no '.join(missing)} on PATH"
    with Workspace("engine", tmp_path_factory.mktemp("sandbox")) as workspace:
        yield workspace


@pytest.fixture(scope="session")
def emulator(workspace: Workspace) -> Emulator:
    """An AWS of our own, where roles are enforced.

    An attached provider has the credentials of its own environment, so that the account is the one that these name.
    """
    key = os.environ.get("AWS_ACCESS_KEY_ID", "")
    number = key if len(key) == len(ACCOUNT) and key.isdigit() else ACCOUNT
    emulator = Emulator(workspace, account=number, region=REGION)
    emulator.start()
    return emulator


@pytest.fixture(scope="session")
def account(emulator: Emulator) -> Account:
    """A new, empty account of it."""
    return emulator.account


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Pulumi keeps the state of every stack here."""
    return tmp_path_factory.mktemp("backend")


@pytest.fixture(scope="module")
def checkout(account: Account, backend: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A clean checkout, one for each file of tests that deploys something of its own."""
    return Checkout(copy_checkout(tmp_path_factory.mktemp("checkout")), account, backend)


@pytest.fixture(scope="session")
def world(account: Account, workspace: Workspace) -> Iterator[World]:
    """Where functions run, and what they call."""
    with ExitStack() as stack:
        yield worlds.start(account, workspace, stack)


@pytest.fixture(scope="session")
def story(account: Account, backend: Path, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The life of the stack `first`, with all processes of this machine watched."""
    path = copy_checkout(tmp_path_factory.mktemp("story"))
    with ArgumentWatch() as watch:
        yield Story(Checkout(path, account, backend), world, watch)
