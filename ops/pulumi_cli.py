"""The pulumi CLI, started with an argument list and a time limit."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from ops.errors import OpsError

if TYPE_CHECKING:
    from pathlib import Path

NO_CLI = (
    "the pulumi CLI is not on PATH: install it (https://www.pulumi.com/docs/iac/download-install/), "
    "or name `--stack local` for the local cloud"
)
PULUMI_TIMEOUT_SECONDS = 120
UPDATE_TIMEOUT_SECONDS = 3600


def run_pulumi(arguments: list[str], root: Path) -> str:
    """Stdout of one pulumi command; its own words where it fails."""
    try:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            timeout=PULUMI_TIMEOUT_SECONDS,
        )
    except FileNotFoundError:
        raise OpsError(NO_CLI) from None
    except subprocess.TimeoutExpired:
        raise OpsError(f"`pulumi {' '.join(arguments)}` did not answer in {PULUMI_TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        raise OpsError(f"`pulumi {' '.join(arguments)}` failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def run_update(arguments: list[str], root: Path) -> None:
    """`pulumi up`, its output on stderr as it comes.

    Raises:
        OpsError: it failed, or did not end in an hour.
    """
    command = ["pulumi", "up", "--yes", "--non-interactive", "--suppress-outputs", *arguments]
    try:
        done = subprocess.run(command, cwd=root, stdout=sys.stderr, check=False, timeout=UPDATE_TIMEOUT_SECONDS)
    except FileNotFoundError:
        raise OpsError(NO_CLI) from None
    except subprocess.TimeoutExpired:
        raise OpsError(f"`{' '.join(command)}` did not end in {UPDATE_TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        raise OpsError(f"`{' '.join(command)}` failed; what it said is above")
