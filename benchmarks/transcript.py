"""Writes the README's transcript of `make demo`, from a run: `python -m benchmarks.transcript` (about a minute).

Run it on a quiet machine, after a first `make demo` has built the layers. Some tables stay, `…` stands for the others.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"
COMMAND: Final = ("make", "--no-print-directory", "demo", "ARGS=--short")
SHOWN: Final = "$ make demo ARGS=--short"
BLOCK: Final = re.compile(rf"(?s)(```console\n{re.escape(SHOWN)}\n).*?(\n```)")
KEPT: Final = ("Put into the bucket", "Asked", "Commit ", "How they ran")
"""Titles of the tables that stay, as they begin."""
KEPT_OF: Final = {"extract_text": ("Searched",)}
"""Of one system only."""
LONG: Final = 18
"""Rows of a commit that stay."""
END: Final = "How they ran"


def transcript(output: str) -> str:
    """The README's form of what the program printed."""
    lines = [line.rstrip() for line in output.strip().splitlines()]
    cleaned = next(number for number, line in enumerate(lines) if line.startswith("✓ Cleaned up"))
    end = next(number for number, line in enumerate(lines) if line == END)
    shown = [*lines[: cleaned + 1], "", *_tables(lines[cleaned + 1 : end]), *lines[end:]]
    return "\n".join(shown)


def _tables(lines: list[str]) -> Iterator[str]:
    """What stays of the systems' tables; a `…` for each stretch that does not."""
    system, keeps, left_out, rows = "", False, False, 0
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if re.fullmatch(r"[a-z_]+", line):
            system, keeps = line, False
            continue
        if following[:1] in {"┏", "┌"}:  # a title
            was, keeps = keeps, line.startswith((*KEPT, *KEPT_OF.get(system, ())))
            if keeps and left_out:
                yield "…"
            if keeps and not was:
                yield system
            rows, left_out = 0, left_out and not keeps
        rows += 1
        if keeps and rows <= LONG + 2:
            yield line
        else:
            left_out = True
    if left_out:
        yield "…"


def main() -> int:
    """Run the demonstration, and write the block."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    done = subprocess.run(COMMAND, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"make demo failed ({done.returncode}):\n{done.stdout[-3000:]}", file=sys.stderr)
        return 1
    text = README.read_text(encoding="utf-8")
    if BLOCK.search(text) is None:
        print(f"README.md has no console block that begins with {SHOWN!r}", file=sys.stderr)
        return 1
    found = transcript(done.stdout)
    README.write_text(BLOCK.sub(lambda block: f"{block[1]}{found}{block[2]}", text, count=1), encoding="utf-8")
    print("README.md: the transcript is of this run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
