"""Elsewhere than on Linux the sandbox runs itself in a Linux container: Lambda is Linux, and so are its layers."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from layer_builds.plan import REPOSITORY
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT_OUT = (".venv", ".uv", ".build", ".sandbox", ".git", "__pycache__")
NEEDS_DOCKER = (
    "the sandbox runs Lambda's Linux layers, so on {system} it needs Docker: start Docker Desktop "
    "(https://docs.docker.com/get-docker/) and run this again"
)


def needed() -> bool:
    """Whether this machine is not Linux."""
    return platform.system() != "Linux"


def command(arguments: Sequence[str], *, terminal: bool) -> list[str]:
    """The `docker` command that runs `python -m sandbox ARGUMENTS` on a copy of this repository.

    The caches of uv and of the layer builder are kept in a volume, so the second run is quick. The mount namespace
    in which a function sees its layers at /opt needs SYS_ADMIN inside the container; without it a copy is used.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    excluded = " ".join(f"--exclude={name}" for name in LEFT_OUT)
    script = (
        f"mkdir -p /strata && tar -C /source {excluded} -cf - . | tar -C /strata -xf - && cd /strata && "
        "ln -sfn /cache/build .build && mkdir -p /cache/build && "
        'python3 -m scripts.bootstrap sync sandbox && exec python3 -m scripts.bootstrap run -m sandbox "$@"'
    )
    return [
        *("docker", "run", "--rm", "--init", *(["-it"] if terminal else []), "--name", f"strata-sandbox-{os.getpid()}"),
        *("--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"),
        *("-v", f"{REPOSITORY}:/source:ro", "-v", "strata-cache:/cache", "-e", "UV_CACHE_DIR=/cache/uv"),
        *("-e", "UV_LINK_MODE=copy", f"python:{python}-slim", "sh", "-c", script, "sandbox", *arguments),
    ]


def run(arguments: Sequence[str]) -> int:
    """Run the same command in a container; its exit code.

    Raises:
        SandboxError: there is no Docker, or it does not answer.

    """
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode != 0:
        raise SandboxError(NEEDS_DOCKER.format(system=platform.system()))
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return subprocess.run(command(arguments, terminal=terminal), check=False).returncode
