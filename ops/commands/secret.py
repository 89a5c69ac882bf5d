"""`ops secret set` and `ops secret list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.options import add_stack, load
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "give functions their secrets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's two actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = actions.add_parser("set", help="store the value that comes on stdin")
    add_stack(action)
    action.add_argument("function")
    action.add_argument("name", help="for example OPENAI_API_KEY")
    action.add_argument("--keep-whitespace", action="store_true", help="white space around the value is part of it")
    action = actions.add_parser("list", help="which secrets have a value")
    add_stack(action)


def run(arguments: argparse.Namespace) -> int:
    """Set or list. The value is read before anything else, so a bad one stops here."""
    from ops.secret import list_secrets, read_value, set_secret

    if arguments.action == "list":
        return show(list_secrets(load(arguments)), as_json=arguments.json)
    value = read_value(keep_whitespace=arguments.keep_whitespace)
    report = set_secret(load(arguments), arguments.function, arguments.name, value)
    return show(report, as_json=arguments.json)
