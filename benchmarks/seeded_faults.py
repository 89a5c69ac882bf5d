"""`python -m benchmarks.seeded_faults`: small faults put in one by one, each of which `make most` has to catch.

Not a test: it takes minutes. It is for whoever takes tests out of the suite: what was caught before is caught after.
The faults are in seeded_faults.toml; each goes into a copy of the repository, never into the repository itself.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.staging import stage

if TYPE_CHECKING:
    from collections.abc import Sequence

FAULTS = Path(__file__).with_suffix(".toml")
MOST = "not slow and not engine and not docker"
TESTS_FAILED = 1
TIMEOUT_SECONDS = 1_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One change of one file."""

    about: str
    file: str
    old: str
    """Stands once in the file."""
    new: str
    tests: list[str]
    """Files whose tests have to notice, those that build and deploy nothing."""

    def applied(self, text: str) -> str:
        """Return the file's text with the fault.

        Raises:
            ValueError: the place is not there, or there twice: the list is older than the code.
        """
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.file} has {self.old!r} {text.count(self.old)} times: bring {FAULTS.name} up to date"
            )
        return text.replace(self.old, self.new)


def load() -> list[Fault]:
    """Return the faults of the list."""
    return [Fault(**entry) for entry in tomllib.loads(FAULTS.read_text(encoding="utf-8"))["fault"]]


def run_tests(root: Path, files: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run those tests of some files until the first one fails."""
    arguments = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-W", "ignore", "-m", MOST, "--tb", "no"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *files],
        cwd=root,
        env={**environment, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Put in each fault, and say which ones nobody noticed; 1 when there is one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeded_faults", description=__doc__)
    parser.add_argument("word", nargs="?", default="", help="only faults whose file or description has it")
    word = parser.parse_args(arguments).word
    faults = [fault for fault in load() if word in fault.file or word in fault.about]
    missed: list[Fault] = []
    with stage() as copy:
        files = sorted({file for fault in faults for file in fault.tests})
        if (clean := run_tests(copy.path, files)).returncode != 0:
            print(f"without any fault the tests of {', '.join(files)} fail already:\n{clean.stdout}", file=sys.stderr)
            return 2
        for number, fault in enumerate(faults, 1):
            text = copy.read(fault.file)
            copy.edit(fault.file, fault.applied(text))
            begun = time.monotonic()
            done = run_tests(copy.path, fault.tests)
            copy.edit(fault.file, text)
            caught = done.returncode == TESTS_FAILED
            first = next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
            mark = "caught" if caught else "MISSED"
            seconds = time.monotonic() - begun
            print(f"{number:3} {mark} {seconds:5.1f} s  {fault.file}: {fault.about}", flush=True)
            print(f"      {first.split(' - ')[0]}", flush=True)
            if not caught:
                missed.append(fault)
    print(f"{len(faults) - len(missed)} of {len(faults)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
