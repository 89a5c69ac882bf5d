from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sandbox.cloud import LocalCloud
from sandbox.emulator import Emulator
from sandbox.lambda_host import LambdaHost
from sandbox.systems import section
from sandbox.workspace import Workspace
from tests.sandbox.hosted import Hosted

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "STRATA_TEST_CANARY"


@pytest.fixture(scope="session")
def hosted() -> Iterator[Hosted]:
    """An emulator and a Lambda host, without the program."""
    os.environ[CANARY] = "this machine's, not the function's"
    with Workspace("tests-host") as workspace:
        account = Emulator(workspace, async_retry_seconds=0.1).start()
        host = LambdaHost(workspace)
        host.start(account)
        yield Hosted(account, host)
    del os.environ[CANARY]


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest) -> Iterator[LocalCloud]:
    """The local stack with the system that the test module names (`FUNCTION`), and no more than that needs.

    The module may lay config over the system's section (`CONFIG`), and give its stand-ins options (`OPTIONS`).
    """
    system: str = request.module.FUNCTION
    config = {section(system): getattr(request.module, "CONFIG", {})}
    options = getattr(request.module, "OPTIONS", {})
    with LocalCloud(f"tests-{system}", systems=[system], config=config, options=options) as running:
        yield running
