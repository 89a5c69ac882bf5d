"""The command line: arguments in, one report out; exit code 0 (well), 1 (a finding or a failure), 2 (a usage error)."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from layer_builds.command import add_commands, without_environment
from ops.commands import COMMANDS
from ops.errors import OpsError, UsageError
from ops.report import Report, show

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\
exit codes: 0 all is well, 1 a finding or a failure, 2 a usage error.
`--stack local` is the local cloud that `make up` keeps running; other stacks are found through the pulumi CLI."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    as_json = bool(getattr(arguments, "json", False))
    try:
        return int(arguments.run(arguments))
    except OpsError as error:
        return complain(str(error), as_json=as_json, code=2 if isinstance(error, UsageError) else 1)
    except ModuleNotFoundError as error:
        return complain(without_environment(error), as_json=as_json, code=1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `ops tail | head`: the reader has seen enough. Nothing more can be written, not even at exit.
        sys.stdout = None  # type: ignore[assignment]  # no stream is what is left
        return 0
    except Exception as error:
        remedy = explained(error)
        if remedy is None:
            raise
        return complain(remedy, as_json=as_json, code=1)


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    top = argparse.ArgumentParser(
        prog="python -m ops",
        description="Look after a stack: check it, call it, watch it, fix it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_commands(top, COMMANDS)
    return top


def complain(text: str, *, as_json: bool, code: int) -> int:
    """Say what went wrong, where the caller looks for it."""
    if as_json:
        show(Report(ok=False, data={"error": text}), as_json=True)
    else:
        sys.stderr.write(f"error: {text}\n")
    return code


def explained(error: Exception) -> str | None:
    """What AWS refused, and the remedy; None for anything else, which is a bug and keeps its traceback."""
    if "botocore" not in sys.modules:
        return None  # no command has asked AWS
    from ops.aws_errors import explain

    parts = explain(error)
    return None if parts is None else ": ".join(part for part in parts if part)
