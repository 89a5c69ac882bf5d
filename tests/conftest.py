"""For all tests: property tests are not timed, long files begin first, AWS's models are read once, SIGINT interrupts.

How fast a shared machine is says nothing about the code.
"""

from __future__ import annotations

import signal
from collections import Counter
from functools import cache

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

from tests import durations

settings.register_profile("untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A session reads AWS's descriptions of its services anew: 30 ms a client, and tests make thousands. All sessions of a
# process share what was read, as the clients of one session do.
botocore.session.create_loader = cache(botocore.session.create_loader)

# A shell's job in the background begins with it ignored, and so does every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `make quick` gives, and what keeps it quick."""
    parser.addoption("--quick", action="store_true", help="as many files as fit into a minute, by tests/durations.json")
    parser.addoption("--note-durations", action="store_true", help="write what each file took to tests/durations.json")


def pytest_configure(config: pytest.Config) -> None:
    """Note what tests take, where it is asked for: once, in the process that hears of all of them."""
    if config.option.note_durations and not hasattr(config, "workerinput"):
        config.pluginmanager.register(durations.Noting(config.rootpath))


@pytest.hookimpl(tryfirst=True)  # the engine tests' own order is made after it
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first; with `--quick`, none that is too long."""
    noted = durations.noted()
    file = {item: durations.file_of(item.nodeid) for item in items}
    if config.option.quick:
        chosen = durations.quick(noted, Counter(file.values()))
        config.hook.pytest_deselected(items=[item for item in items if file[item] not in chosen])
        items[:] = [item for item in items if file[item] in chosen]
    items.sort(key=lambda item: (-durations.seconds(noted, file[item]), item.path))
