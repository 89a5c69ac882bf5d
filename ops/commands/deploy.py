"""`ops deploy`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from ops.commands.options import add_stack, stack_name
from ops.report import show

if TYPE_CHECKING:
    import argparse
    from types import FrameType

TERMINATED = 128 + signal.SIGTERM
HELP = "publish, try the new versions, then move traffic to them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stack(parser)
    parser.add_argument("--all-at-once", action="store_true", help="without the steps of strata:rollout")
    parser.add_argument("--take-over", action="store_true", help="end the canary of a deployment that was cut off")
    parser.add_argument("--refresh", action="store_true", help="put back what was edited outside Pulumi")


def run(arguments: argparse.Namespace) -> int:
    """Deploy and print what moved."""
    from ops.deploy import deploy

    # A machine that is shut down asks first: the canary's share goes back, as after Ctrl-C.
    signal.signal(signal.SIGTERM, end)
    report = deploy(
        stack_name(arguments),
        config_file=arguments.config_file,
        all_at_once=arguments.all_at_once,
        take_over=arguments.take_over,
        refresh=arguments.refresh,
        say=lambda text: print(f"{text} …", file=sys.stderr, flush=True),
    )
    return show(report, as_json=arguments.json)


def end(_number: int, _frame: FrameType | None) -> None:
    """Leave as after Ctrl-C."""
    sys.exit(TERMINATED)
