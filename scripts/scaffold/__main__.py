"""`python -m scripts.scaffold function NAME --trigger queue` and `… layer NAME`: what `make new-function` runs."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from scripts.staging import in_words, report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scripts.scaffold.functions import Made

# The commands import late: it takes half a second, in which Ctrl-C has to be answered as it is later.

EXAMPLES = """\
examples:
  python -m scripts.scaffold function count_words --trigger queue
  python -m scripts.scaffold function receipts --trigger bucket --layer openai-pinecone --stack dev --stack prod
  python -m scripts.scaffold layer pdf-tools --requirement "pypdf>=6"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong goes to stderr in words, and gives 1."""
    return in_words(lambda: _run(arguments), kept="nothing was written")


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], Made] = options.command
    made = command(options)
    if options.json:
        print(json.dumps(asdict(made)))
    else:
        lines = [*_moved(made), "next:", *(f"  {line}" for line in made.next)]
        print(report(made.created, made.changed), *lines, sep="\n")
    return 0


def _moved(made: Made) -> list[str]:
    from scripts.upgrade import arrow

    rows = [
        f"  {where}: {', '.join(f'{name} {arrow(versions)}' for name, versions in packages.items())}"
        for where, packages in made.moved.items()
    ]
    return [f"with {made.name}, versions changed in layers that it is locked together with:", *rows] if rows else []


def _parser() -> argparse.ArgumentParser:
    from scripts.scaffold.functions import STACKS, TRIGGERS

    parser = argparse.ArgumentParser(
        prog="python -m scripts.scaffold", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(required=True, metavar="command")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("name", metavar="NAME")
    common.add_argument("--json", action="store_true", help="one JSON document on stdout")
    function = commands.add_parser("function", parents=[common], help="page, code, config and tests of a new function")
    function.add_argument("--trigger", required=True, choices=TRIGGERS)
    function.add_argument(
        "--layer", action="append", help="a layer that it attaches, in order; openai-pinecone by default"
    )
    function.add_argument(
        "--stack", action="append", help=f"whose config gets its section, beside local; {STACKS[0]} by default"
    )
    function.set_defaults(command=_function)
    layer = commands.add_parser(
        "layer", parents=[common], help="requirements, declaration, smoke call, locks, manifest"
    )
    layer.add_argument("--requirement", action="append", default=[], help="as in requirements.in")
    layer.add_argument("--requirements", default="", metavar="TEXT", help="several in one text, or @FILE")
    layer.add_argument("--after", action="append", default=[], help="a layer that functions attach before this one")
    layer.add_argument("--runtime", action="append", default=[], help="a runtime it is made for; all by default")
    layer.add_argument("--architecture", action="append", default=[], help="a CPU it is made for; both by default")
    layer.add_argument("--no-build", action="store_true", help="only what people write; lock and build it yourself")
    layer.set_defaults(command=_layer)
    return parser


def _function(options: argparse.Namespace) -> Made:
    from scripts.scaffold.functions import STACKS, new_function

    layers = options.layer or ["openai-pinecone"]
    return new_function(options.name, options.trigger, layers, options.stack or STACKS, say=_say)


def _layer(options: argparse.Namespace) -> Made:
    from scripts.scaffold.layers import new_layer
    from scripts.scaffold.requirements import requirements_in

    return new_layer(
        options.name,
        [*options.requirement, *requirements_in(options.requirements)],
        options.after,
        runtimes=options.runtime,
        architectures=options.architecture,
        build=not options.no_build,
        say=_say,
    )


def _say(text: str) -> None:
    print(f"{text} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
