"""`ops supabase migration` and `ops supabase apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.options import add_json, positive
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "the embedding_processor's table: write its migration, apply it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's two actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, about in (
        ("migration", "write lambdas/embedding_processor/migrations/content_embeddings_N.sql"),
        (
            "apply",
            "apply it to the database whose address (postgresql://…) comes on stdin, or from --url-from",
        ),
    ):
        action = actions.add_parser(name, help=about)
        add_json(action)
        action.add_argument("--dimension", type=positive, required=True, help="of the model's vectors: 768, 384 …")
    action.add_argument("--url-from", metavar="REFERENCE", help="a secret's ARN or a parameter's name that holds it")
    action.add_argument(
        "--replace", action="store_true", help="where another one was applied: drop its tables first, and every row"
    )
    action.add_argument("--region", help="of that secret or parameter (default: the environment's)")


def run(arguments: argparse.Namespace) -> int:
    """Write or apply."""
    from ops.migration import Migration, address, apply, write

    if arguments.action == "migration":
        return show(write(arguments.dimension), as_json=arguments.json)
    Migration(arguments.dimension)  # what cannot be applied needs no address
    url = address(arguments.url_from, arguments.region)
    return show(apply(url, arguments.dimension, replace=arguments.replace), as_json=arguments.json)
