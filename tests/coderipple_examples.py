"""GitHub's published webhook examples: an npm package that tests read, fetched by a command and committed nowhere.

`python -m tests.coderipple_examples fetch` takes it with npm's own client into the cache of tests/corpora.py.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.corpora import CACHE

PACKAGE = "@octokit/webhooks-examples"
VERSION = "7.6.1"
FOLDER = CACHE / f"webhooks-examples-{VERSION}"
FETCH = "python -m tests.coderipple_examples fetch"
NPM_SECONDS = 120


class ExamplesError(Exception):
    """The examples could not be fetched; says why."""


def examples(*kinds: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Server, event and payload of every example of some events; skips the calling test, loudly, without them."""
    if not FOLDER.is_dir():
        pytest.skip(f"NOT RUN: GitHub's examples are not in {FOLDER}; `{FETCH}` fetches them")
    return [
        (path.parent.name, event["name"], payload)
        for path in sorted(FOLDER.glob("*/index.json"))
        for event in json.loads(path.read_text(encoding="utf-8"))
        if event["name"] in kinds
        for payload in event["examples"]
    ]


def fetch() -> None:
    """Fetch them, unless they are there.

    Raises:
        ExamplesError: there is no npm, or its registry does not answer.
    """
    if FOLDER.is_dir():
        return
    if shutil.which("npm") is None:
        raise ExamplesError("there is no npm here: the examples are one of its packages")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=CACHE) as folder:
        command = ["npm", "pack", "--ignore-scripts", "--silent", f"{PACKAGE}@{VERSION}"]
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=NPM_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise ExamplesError(f"`npm pack` failed: {done.stderr.strip()[-300:]}")
        with tarfile.open(archives[0]) as tar:
            tar.extractall(folder, filter="data")
        (Path(folder) / "package").replace(FOLDER)


def main() -> int:
    """`fetch`, which says where they are."""
    parser = argparse.ArgumentParser(prog="python -m tests.coderipple_examples", description=__doc__)
    parser.add_argument("command", choices=("fetch",))
    parser.parse_args()
    try:
        fetch()
    except ExamplesError as error:
        print(f"examples: {error}", file=sys.stderr)
        return 1
    print(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
