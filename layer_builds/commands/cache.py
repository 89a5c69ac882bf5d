"""`layer_builds cache`."""

from __future__ import annotations

import argparse
import json

HELP = "what builds keep for each other, and how large it is"
DEFAULT_LIMIT_MB = 2_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--trim",
        nargs="?",
        type=_megabytes,
        const=DEFAULT_LIMIT_MB,
        metavar="MB",
        help=f"delete what was used longest ago until each part has at most so many megabytes ({DEFAULT_LIMIT_MB:,})",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print sizes, after trimming if that is asked for."""
    from layer_builds.build.builder import caches

    kept = caches()
    if arguments.trim is not None:
        kept.wheels.trim(arguments.trim * 1_000_000)
        kept.made.trim(arguments.trim * 1_000_000)
    wheels, made = kept.wheels.size(), kept.made.size()
    if arguments.json:
        rows = {"wheels": (kept.wheels.root, wheels), "made": (kept.made.path, made)}
        print(
            json.dumps(
                {name: {"path": str(p), "count": count, "bytes": size} for name, (p, (count, size)) in rows.items()}
            )
        )
        return 0
    print(f"{wheels[1] / 1e6:10,.1f} MB  {wheels[0]:,} installed wheels in {kept.wheels.root}")
    print(f"{made[1] / 1e6:10,.1f} MB  {made[0]:,} compiled, packed and checked contents in {kept.made.path}")
    return 0


def _megabytes(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of megabytes")
    return int(text)
