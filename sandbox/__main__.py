"""`python -m sandbox demo|up|send|search|chaos`. Exit codes: 0 all well, 1 something did not hold or failed, 2 usage,
130 interrupted."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from sandbox import container
from sandbox.workspace import ENDING, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

INTERRUPTED = 130


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    """One signal begins the clean-up; further ones do not disturb it."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """An argument's type: a whole number within bounds."""
    rule = f"a whole number from {least}" + ("" if most is None else f" to {most}")

    def number(text: str) -> int:
        with contextlib.suppress(ValueError):
            value = int(text)
            if least <= value and (most is None or value <= most):
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is not {rule}")

    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The whole of Strata on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="build, deploy, send documents, search, clean up")
    demo.add_argument("--json", action="store_true", help="print one JSON document instead")
    demo.add_argument("--short", action="store_true", help="without the long document, for CI")
    up = commands.add_parser("up", help="keep the local cloud running until Ctrl-C")
    up.add_argument("--json", action="store_true", help="print endpoints and commands as one line of JSON")
    send = commands.add_parser("send", help="send a text to the cloud that `up` runs")
    send.add_argument("text", help="plain text or the JSON of a message; - reads standard input")
    search = commands.add_parser("search", help="search the index of the cloud that `up` runs")
    search.add_argument("question")
    search.add_argument("--count", type=_whole(1, 10_000), default=3, help="how many matches (default 3)")
    chaos = commands.add_parser("chaos", help="the system under a seeded plan of faults: nothing may be lost")
    chaos.add_argument("--seed", type=int, default=1, help="decides messages and faults (default 1)")
    chaos.add_argument("--messages", type=_whole(1), default=1_000, help="distinct ones (default 1000)")
    chaos.add_argument("--duplicates", type=_whole(0), default=100, help="sent a second time (default 100)")
    chaos.add_argument("--batch-size", type=_whole(1, 10), default=10, help="messages of an invocation (default 10)")
    chaos.add_argument("--runs", type=_whole(1), default=1, help="repeat the same plan: the verdicts must agree")
    chaos.add_argument("--control", action="store_true", help="with a handler that acknowledges first: it must lose")
    chaos.add_argument("--json", action="store_true", help="print one JSON document instead")
    return parser


def _run(given: argparse.Namespace) -> int:
    if given.command == "demo":
        from sandbox import demo  # noqa: PLC0415 - imported once it is known that this machine can

        return demo.run(as_json=given.json, short=given.short)
    if given.command == "chaos":
        from sandbox.chaos import run as chaos  # noqa: PLC0415

        wanted = {name: value for name, value in vars(given).items() if name not in {"command", "json"}}
        return chaos.run(chaos.Options(**wanted), as_json=given.json)
    from sandbox import up  # noqa: PLC0415

    if given.command == "up":
        return up.run(as_json=given.json)
    return up.send(given.text) if given.command == "send" else up.search(given.question, given.count)


def main() -> int:
    """Parse the command line and run the command."""
    try:
        for number in ENDING:
            signal.signal(number, _interrupt)
        given = _parser().parse_args()
        if container.needed():
            return container.run(sys.argv[1:])
        return _run(given)
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output has left (`| head`); everything is stopped by now
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything was stopped and removed", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
