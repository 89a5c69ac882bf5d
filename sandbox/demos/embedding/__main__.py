"""`python -m sandbox.demos.embedding QUESTION`: search the index of the cloud that `make up` runs."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sandbox.arguments import whole
from sandbox.cloud import read_state
from sandbox.demos.embedding.demo import NEEDED
from sandbox.demos.embedding.search import Services, best_matches
from sandbox.workspace import SandboxError


def main() -> int:
    """Search and print; 1 when there is nothing to search in."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demos.embedding", description="Search what was embedded.")
    parser.add_argument("question")
    parser.add_argument("--count", type=whole(1, 10_000), default=3, help="how many matches (default 3)")
    given = parser.parse_args()
    try:
        _print_matches(given.question, given.count)
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _print_matches(question: str, count: int) -> None:
    from openai import OpenAIError  # a second of import, after the command line was read
    from pinecone import PineconeException

    running = read_state()["stand_ins"]
    if missing := [name for name in NEEDED if name not in running]:
        raise SandboxError(f"the local cloud runs without {missing[0]}: start it with `make up SYSTEM=embedding`")
    services = Services(**{name: (running[name]["url"], running[name]["key"]) for name in NEEDED})
    try:
        (matches,) = best_matches(services, [question], count)
    except (OpenAIError, PineconeException, UnicodeError) as error:
        raise SandboxError(f"the search failed: {error}") from None
    for match in matches:
        metadata: dict[str, Any] = match.metadata or {}
        text = " ".join(str(metadata.get("text", "")).split())
        print(f"{match.score:.3f}  {match.id}  {text[:90]}")
    if not matches:
        print("the index is empty")


if __name__ == "__main__":
    sys.exit(main())
