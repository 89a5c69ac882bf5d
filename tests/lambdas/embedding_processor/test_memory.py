"""A text of ten megabytes takes its own size several times, and nothing that grows with its vectors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from layer_builds.plan import REPOSITORY
from tests.models import minilm

MIB = 1024 * 1024
SMALL, LARGE = MIB, 10 * MIB


def embedded(size: int) -> dict[str, Any]:
    script = Path(__file__).with_name("flat_memory.py")
    done = subprocess.run(
        [sys.executable, str(script), str(minilm()), str(size)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_memory_stays_flat_on_a_long_text() -> None:
    small, large = embedded(SMALL), embedded(LARGE)
    assert large["rows"] == large["chunks"] > 9 * small["chunks"]
    grown = (large["peak_kb"] - small["peak_kb"]) * 1024
    vectors = large["chunks"] * 384 * 40  # as Python holds a row's list of numbers
    assert grown < 8 * (LARGE - SMALL) < vectors
