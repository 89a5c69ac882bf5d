"""`python -m sandbox demo|up|send|chaos|roles`. Exit codes: 0 all well, 1 something did not hold or failed, 2 usage,
130 interrupted."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import tempfile
from typing import TYPE_CHECKING

from layer_builds.command import without_environment
from sandbox import container
from sandbox.arguments import whole
from sandbox.workspace import ENDING, SANDBOX_DIR, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

INTERRUPTED = 130
FULL = {errno.ENOSPC, errno.EDQUOT}
AGAIN_SECONDS = 0.01


def _raises(number: int) -> Callable[[int, FrameType | None], None]:
    def handle(_: int, __: FrameType | None) -> None:
        signal.raise_signal(number)

    return handle


def _interrupt(number: int, frame: FrameType | None) -> None:
    """One signal begins the clean-up; further ones do not disturb it.

    It does not begin within an import: cut short at the wrong moment, that keeps the lock of all imports, and the
    clean-up waits for a thread that waits for the lock.
    """
    if _importing(frame):
        signal.signal(signal.SIGALRM, _raises(number))
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        return
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="All of Strata on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="build, deploy, show what each system does, clean up")
    up = commands.add_parser("up", help="keep the local cloud running until Ctrl-C")
    for each in (demo, up):
        each.add_argument("system", nargs="*", help="systems of Pulumi.local.yaml (default: all)")
    demo.add_argument("--json", action="store_true", help="print one JSON document instead")
    demo.add_argument("--short", action="store_true", help="without what takes long, for CI")
    up.add_argument("--json", action="store_true", help="print endpoints and commands as one line of JSON")
    send = commands.add_parser("send", help="send a text to a function's queue in the cloud that `up` runs")
    send.add_argument("function", help="a function that has a queue")
    send.add_argument("text", help="plain text or the JSON of a message; - reads standard input")
    chaos = commands.add_parser("chaos", help="run systems under a seeded plan of faults: nothing may be lost")
    chaos.add_argument("systems", nargs="*", help="those with a sandbox/demos/<system>/chaos.py (default: all of them)")
    chaos.add_argument("--seed", type=int, default=1, help="decides inputs and faults (default 1)")
    chaos.add_argument("--messages", type=whole(1), help="distinct inputs of each (default: each one's own number)")
    chaos.add_argument("--duplicates", type=whole(0), help="sent a second time (default: a tenth)")
    chaos.add_argument("--batch-size", type=whole(1, 10), default=10, help="messages of an invocation (default 10)")
    chaos.add_argument("--runs", type=whole(1), default=1, help="repeat the same plan: the verdicts must agree")
    chaos.add_argument(
        "--control", action="store_true", help="without each protection in turn: what it keeps must be lost"
    )
    chaos.add_argument("--json", action="store_true", help="print one JSON document instead")
    roles = commands.add_parser("roles", help="compare what each role was asked for with what it may do")
    roles.add_argument("systems", nargs="*", help="systems of Pulumi.local.yaml (default: all)")
    roles.add_argument("--json", action="store_true", help="print one JSON document instead")
    return parser


def _run(given: argparse.Namespace) -> int:
    if given.command == "demo":
        from sandbox import demo  # imported once it is known that this machine can

        return demo.run(given.system, as_json=given.json, short=given.short)
    if given.command == "chaos":
        from sandbox.chaos.run import run
        from sandbox.chaos.trials import Wanted

        wanted = {name: value for name, value in vars(given).items() if name not in {"command", "json"}}
        return run(Wanted(**wanted), as_json=given.json)
    if given.command == "roles":
        from sandbox import roles

        return roles.run(given.systems, as_json=given.json)
    from sandbox import up

    return up.run(given.system, as_json=given.json) if given.command == "up" else up.send(given.function, given.text)


def main() -> int:
    """Parse the command line and run the command."""
    try:
        for number in ENDING:
            signal.signal(number, _interrupt)
        given = _parser().parse_args()
        if container.needed():
            return container.run(sys.argv[1:])
        return _run(given)
    except BrokenPipeError:  # the reader of our output has left (`| head`); everything is stopped by now
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (SandboxError, ModuleNotFoundError, OSError) as error:
        print(f"error: {_explained(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything was stopped and removed", file=sys.stderr)
        return INTERRUPTED


def _explained(error: SandboxError | ModuleNotFoundError | OSError) -> str:
    """What is wrong, and the remedy; what nobody thought of is raised again, with its traceback."""
    if isinstance(error, ModuleNotFoundError):
        return without_environment(error)
    if isinstance(error, OSError):
        if error.errno not in FULL:
            raise error
        return f"{error.strerror}: make room in {SANDBOX_DIR} and in {tempfile.gettempdir()}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
