"""The command line: arguments in, one report out, exit code 0 (well), 1 (a finding or a failure) or 2 (asked wrongly).

Modules are imported when their command runs, so that rendering a comment needs nothing but Python itself.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError, UsageError
from ops.report import Report, show

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\
exit codes: 0 all is well, 1 a finding or a failure, 2 the command was asked wrongly.
`--stack local` is the local cloud that `make up` keeps running; other stacks are found through the pulumi CLI."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    as_json = bool(getattr(arguments, "json", False))
    try:
        report = RUN[arguments.command](arguments)
    except OpsError as error:
        return complain(str(error), as_json=as_json, code=2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `ops tail | head`: the reader has seen enough. Nothing more can be written, not even at exit.
        sys.stdout = None  # type: ignore[assignment]  # no stream is what is left
        return 0
    except Exception as error:
        told = explain_botocore(error)
        if told is None:
            raise
        return complain(": ".join(part for part in told if part), as_json=as_json, code=1)
    if report is not None:
        show(report, as_json=as_json)
    return 0 if report is None or report.ok else 1


def complain(text: str, *, as_json: bool, code: int) -> int:
    """Say what went wrong, where the caller looks for it."""
    if as_json:
        show(Report(ok=False, data={"error": text}), as_json=True)
    else:
        sys.stderr.write(f"error: {text}\n")
    return code


def explain_botocore(error: Exception) -> tuple[str, str] | None:
    """What AWS or the way to it did, and what to do ("" where nobody knows).

    None for anything else, which is a bug and keeps its traceback.
    """
    try:
        exceptions = importlib.import_module("botocore.exceptions")
    except ImportError:
        return None
    if isinstance(error, exceptions.ClientError):
        response: dict[str, Any] = vars(error).get("response", {})
        return str(error), WAYS_OUT.get(response.get("Error", {}).get("Code", ""), "")
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return "no AWS credentials", "set AWS_PROFILE, or `aws:profile` in the stack's config, or run `aws sso login`"
    if isinstance(error, exceptions.NoRegionError):
        return "no region", "set `aws:region` in the stack's config, or AWS_REGION"
    return (str(error), "") if isinstance(error, exceptions.BotoCoreError) else None


LOG_IN = "log in again (`aws sso login`)"
LACKS = "this identity lacks that right; docs/deploy.md lists what each command needs"
WAYS_OUT = {
    "ExpiredToken": LOG_IN,
    "ExpiredTokenException": LOG_IN,
    "AccessDenied": LACKS,
    "AccessDeniedException": LACKS,
}


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="one JSON document on stdout")
    stack = argparse.ArgumentParser(add_help=False, parents=[common])
    stack.add_argument(
        "--stack",
        default=os.environ.get("STRATA_STACK"),
        help="stack name; `local` is the local cloud of `make up` (default: $STRATA_STACK)",
    )
    stack.add_argument("--config-file", type=Path, help="the stack's config file (default: Pulumi.<stack>.yaml)")
    top = argparse.ArgumentParser(
        prog="python -m ops", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.description = "Look after a stack: check, call, watch, mend."
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser("doctor", parents=[stack], help="tools, credentials, account limits, what fits")
    command.add_argument("--offline", action="store_true", help="leave out what asks AWS")

    secret_arguments(commands, stack)

    command = commands.add_parser("smoke", parents=[stack], help="every function answers its test event")
    command.add_argument("functions", nargs="*", metavar="FUNCTION", help="only these")

    command = commands.add_parser("invoke", parents=[stack], help="call one function through its alias")
    command.add_argument("function")
    command.add_argument("--event", default="-", help="JSON, or @FILE, or - for stdin (default)")
    command.add_argument("--async", dest="asynchronous", action="store_true", help="queue the event, do not wait")
    command.add_argument("--logs", action="store_true", help="show the end of the run's log")

    command = commands.add_parser("send", parents=[stack], help="put a message into a function's queue")
    command.add_argument("function")
    command.add_argument("--body", default="-", help="the message, or @FILE, or - for stdin (default)")

    command = commands.add_parser("tail", parents=[stack], help="a function's log")
    command.add_argument("function")
    command.add_argument("--since", default="10m", help="how far back: 90s, 10m, 2h, 1d (default 10m)")
    command.add_argument("--follow", "-f", action="store_true", help="go on until Ctrl-C")
    command.add_argument("--filter", help="CloudWatch filter pattern, for example '{ $.level = \"ERROR\" }'")

    command = commands.add_parser(
        "redrive", parents=[stack], help="dead-letter queue → queue or function; nothing is lost"
    )
    command.add_argument("function")
    command.add_argument("--dry-run", action="store_true", help="list the messages, move none")
    command.add_argument("--max", type=positive, help="at most this many messages")
    command.add_argument("--rate", type=positive, help="messages a second (1 to 500); default: as fast as SQS likes")

    command = commands.add_parser("rollback", parents=[stack], help="move the alias, and keep it there")
    command.add_argument("function")
    command.add_argument("--to", default="previous", help="a version, `previous` (default), or `latest`")
    command.add_argument("--dry-run", action="store_true", help="say what would happen")

    command = commands.add_parser("prune", parents=[stack], help="delete old layer versions that nothing uses")
    command.add_argument("--keep", type=positive, required=True, help="newest versions of each layer to keep")
    command.add_argument(
        "--function-versions", action="store_true", help="first old function versions without an alias"
    )
    command.add_argument("--dry-run", action="store_true", help="say what would happen")

    preview_arguments(commands, common)
    return top


def secret_arguments(commands: Any, stack: argparse.ArgumentParser) -> None:
    """`secret set` and `secret list`."""
    command = commands.add_parser("secret", help="give functions their secrets")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = actions.add_parser("set", parents=[stack], help="store the value that comes on stdin")
    action.add_argument("function")
    action.add_argument("name", help="for example OPENAI_API_KEY")
    action.add_argument("--keep-whitespace", action="store_true", help="white space around the value is part of it")
    actions.add_parser("list", parents=[stack], help="which secrets have a value")


def preview_arguments(commands: Any, common: argparse.ArgumentParser) -> None:
    """The commands behind the comment on a pull request."""
    command = commands.add_parser(
        "mock-plan", parents=[common], help="the resources that a checkout declares, without backend or credentials"
    )
    command.add_argument("--program", type=Path, default=Path(), help="the checkout (default: here)")
    command.add_argument("--stack", required=True, help="whose config to use")
    command.add_argument("--output", type=Path, required=True, help="where to write the plan (JSON)")

    command = commands.add_parser(
        "preview-comment", parents=[common], help="the comment on a pull request, as Markdown, with sizes as an SVG"
    )
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--preview", type=Path, help="output of `pulumi preview --json`, or an engine event log")
    source.add_argument("--head", type=Path, help="plan of the pull request (mock-plan); needs --base")
    source.add_argument("--artifact", type=Path, help="zip from an untrusted run, holding base.json and head.json")
    command.add_argument("--base", type=Path, help="plan of what it would be merged into (mock-plan)")
    command.add_argument("--sizes", type=Path, help="a plan whose sizes to show beside --preview (mock-plan)")
    command.add_argument("--sizes-before", type=Path, help="and one to compare them with")
    command.add_argument("--stack", required=True, help="the stack's name, for the heading")
    command.add_argument("--output", type=Path, help="where to write the Markdown (default: stdout)")
    command.add_argument("--svg", type=Path, help="where to write the sizes as an SVG")
    command.add_argument("--link", help="address of the run that made it, for the last line")


def positive(text: str) -> int:
    """An argument that is a number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def load(arguments: argparse.Namespace) -> Any:
    """The stack that a command is about."""
    if not arguments.stack:
        raise UsageError("name the stack: --stack dev (or `local`), or set STRATA_STACK")
    stack = importlib.import_module("ops.stack")
    return stack.load_stack(arguments.stack, config_file=arguments.config_file)


def run_doctor(arguments: argparse.Namespace) -> Report:
    """`doctor`."""
    if not arguments.stack:
        raise UsageError("name the stack: --stack dev (or `local`), or set STRATA_STACK")
    doctor = importlib.import_module("ops.doctor")
    return doctor.doctor(arguments.stack, config_file=arguments.config_file, offline=arguments.offline)


def run_secret(arguments: argparse.Namespace) -> Report:
    """`secret set` and `secret list`. The value is read before anything else: a wrong one stops here."""
    secret = importlib.import_module("ops.secret")
    if arguments.action == "list":
        return secret.list_secrets(load(arguments))
    value = secret.read_value(keep_whitespace=arguments.keep_whitespace)
    return secret.set_secret(load(arguments), arguments.function, arguments.name, value)


def run_smoke(arguments: argparse.Namespace) -> Report:
    """`smoke`."""
    return importlib.import_module("ops.lambda_calls").smoke(load(arguments), arguments.functions)


def run_invoke(arguments: argparse.Namespace) -> Report:
    """`invoke`."""
    calls = importlib.import_module("ops.lambda_calls")
    event = calls.read_event(text_of("--event", arguments.event))
    return calls.invoke(
        load(arguments), arguments.function, event, asynchronous=arguments.asynchronous, logs=arguments.logs
    )


def run_send(arguments: argparse.Namespace) -> Report:
    """`send`."""
    body = text_of("--body", arguments.body)
    return importlib.import_module("ops.send").send(load(arguments), arguments.function, body)


def text_of(option: str, argument: str) -> str:
    """What an option names: stdin, a file, or itself."""
    try:
        if argument == "-":
            text = sys.stdin.read()
        elif argument.startswith("@"):
            text = Path(argument[1:]).read_text(encoding="utf-8")
        else:
            text = argument
        # Stdin and argv may hold bytes that are no text as lone surrogates, which nothing can send.
        text.encode()
    except OSError as error:
        raise UsageError(f"{option}: {error}") from None
    except UnicodeError:
        raise UsageError(f"{option} {argument!r}: not UTF-8 text, and nothing else can be sent") from None
    return text


def run_tail(arguments: argparse.Namespace) -> None:
    """`tail`: prints as it goes, one event a line."""
    import json  # noqa: PLC0415

    tail = importlib.import_module("ops.tail")
    since = tail.seconds_of(arguments.since)
    events = tail.events(
        load(arguments), arguments.function, since_seconds=since, follow=arguments.follow, pattern=arguments.filter
    )
    for event in events:
        text = json.dumps(event, ensure_ascii=False) if arguments.json else tail.line_of(event)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def run_redrive(arguments: argparse.Namespace) -> Report:
    """`redrive`."""
    redrive = importlib.import_module("ops.redrive")
    return redrive.redrive(
        load(arguments), arguments.function, limit=arguments.max, dry_run=arguments.dry_run, per_second=arguments.rate
    )


def run_rollback(arguments: argparse.Namespace) -> Report:
    """`rollback`."""
    rollback = importlib.import_module("ops.rollback")
    return rollback.rollback(load(arguments), arguments.function, to=arguments.to, dry_run=arguments.dry_run)


def run_prune(arguments: argparse.Namespace) -> Report:
    """`prune`."""
    prune = importlib.import_module("ops.prune")
    return prune.prune(
        load(arguments), keep=arguments.keep, function_versions=arguments.function_versions, dry_run=arguments.dry_run
    )


def run_mock_plan(arguments: argparse.Namespace) -> Report:
    """`mock-plan`."""
    mock_plan = importlib.import_module("ops.mock_plan")
    return mock_plan.write_plan(arguments.program, arguments.stack, arguments.output)


def run_preview_comment(arguments: argparse.Namespace) -> Report | None:
    """`preview-comment`."""
    return importlib.import_module("ops.preview_comment").run(arguments)


RUN = {
    "doctor": run_doctor,
    "secret": run_secret,
    "smoke": run_smoke,
    "invoke": run_invoke,
    "send": run_send,
    "tail": run_tail,
    "redrive": run_redrive,
    "rollback": run_rollback,
    "prune": run_prune,
    "mock-plan": run_mock_plan,
    "preview-comment": run_preview_comment,
}
