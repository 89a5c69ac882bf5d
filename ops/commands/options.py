"""Arguments that several commands have, and what they mean."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ops.errors import UsageError

if TYPE_CHECKING:
    from ops.stack import Stack


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def add_stack(parser: argparse.ArgumentParser) -> None:
    """`--stack`, `--config-file` and `--json`."""
    add_json(parser)
    parser.add_argument(
        "--stack",
        default=os.environ.get("STRATA_STACK"),
        help="stack name; `local` is the local cloud of `make up` (default: $STRATA_STACK)",
    )
    parser.add_argument("--config-file", type=Path, help="the stack's config file (default: Pulumi.<stack>.yaml)")


def stack_name(arguments: argparse.Namespace) -> str:
    """The stack that `--stack` or $STRATA_STACK names."""
    if not arguments.stack:
        raise UsageError("name the stack: --stack dev (or `local`), or set STRATA_STACK")
    return str(arguments.stack)


def load(arguments: argparse.Namespace) -> Stack:
    """The stack that a command is about."""
    from ops.load_stack import load_stack

    return load_stack(stack_name(arguments), config_file=arguments.config_file)


def positive(text: str) -> int:
    """An argument that is a number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def text_of(option: str, argument: str) -> str:
    """The text that an option names: stdin for `-`, a file for `@FILE`, or the argument itself."""
    try:
        if argument == "-":
            text = sys.stdin.read()
        elif argument.startswith("@"):
            text = Path(argument[1:]).read_text(encoding="utf-8-sig")
        else:
            text = argument
        # Bytes on stdin and in argv that are not text arrive as lone surrogates, which nothing can send.
        text.encode()
    except OSError as error:
        raise UsageError(f"{option}: {error}") from None
    except UnicodeError:
        raise UsageError(f"{option} {argument!r} is not UTF-8 text, and nothing else can be sent") from None
    return text
