"""Locking what stands in for Lambda's runtime: boto3 and awslambdaric, for each Python."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.host.interpreters import RUNTIMES_DIR, runtime_lock
from layer_builds.host.processes import find_uv
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from layer_builds.host.processes import Runner


def lock_runtime(minor: str, run: Runner, *, upgrade: bool = False) -> str:
    """Resolve what stands in for Lambda's runtime on one Python: for every platform, since any host may run it."""
    path = runtime_lock(minor)
    with tempfile.TemporaryDirectory(prefix="strata-lock-") as folder:
        output = Path(folder) / "locked.txt"
        if path.is_file() and not upgrade:
            output.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        argv = [
            *(find_uv(), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header"),
            *("--annotation-style", "line", "--python", sys.executable, "--python-version", minor),
            *("--output-file", str(output), str(RUNTIMES_DIR / "runtime.in")),
        ]
        done = run(argv, cwd=Path(folder))
        if done.returncode != 0:
            raise LayerBuildError(f"cannot lock the runtime's boto3 for Python {minor}:\n{done.stderr.strip()[-1500:]}")
        text = re.sub(r"-r \S*runtime\.in", "runtime.in", output.read_text(encoding="utf-8"))
        head = "# Written by `python -m layer_builds lock`: change runtime.in, then run that."
        return "\n".join([head, *(line for line in text.splitlines() if not line.startswith(head))]) + "\n"
