"""`python -m layer_builds`: lock, digest, build, verify, report and publish layers."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from layer_builds.command import add_commands, without_environment
from layer_builds.commands import COMMANDS
from layer_builds.plan import LAYERS_DIR, REPOSITORY, LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """\
examples:
  python -m layer_builds build openai-pinecone              for the default runtime on this machine's CPU
  python -m layer_builds build --all                        every layer, for every runtime and CPU
  python -m layer_builds report openai-pinecone             what fills it
  python -m layer_builds lock openai-pinecone --upgrade     take new versions, and say what old runtimes hold back
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong goes to stderr in words, and gives 1."""
    given = parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except LayerBuildError as error:
        # Files of layers as they are called in the repository: it may be a copy that is gone when this is read.
        named = str(error).replace(str(LAYERS_DIR), LAYERS_DIR.relative_to(REPOSITORY).as_posix())
        print(f"error: {named}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"error: {without_environment(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    top = argparse.ArgumentParser(
        prog="python -m layer_builds",
        description="Lock, digest, build, verify, report on and publish layers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_commands(top, COMMANDS)
    return top


if __name__ == "__main__":
    sys.exit(main())
