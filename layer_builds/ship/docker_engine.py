"""Docker, as far as an image needs it: build, look at, push.

Owns Docker's command lines. The registry's password goes to `docker login` on stdin and is kept, for the push alone, in
a configuration of its own that is deleted afterwards: the user's own one never holds it.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from layer_builds.host.processes import clean_environment
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from layer_builds.host.processes import Completed, Runner
    from layer_builds.plan import Target
    from layer_builds.ship.registry import Credentials

BUILD_SECONDS = 1800.0
PUSH_SECONDS = 3600.0
_LAST_WORDS = 1500
"""Characters of what Docker said, in an error."""


class DockerEngine:
    """The engine that this machine's `docker` talks to."""

    def __init__(self, run: Runner) -> None:
        self._run = run

    def check(self) -> None:
        """Make sure that there is one.

        Raises:
            LayerBuildError: the command is missing, or the engine does not answer.
        """
        try:
            done = self._run(["docker", "version", "--format", "{{.Server.Version}}"], timeout_seconds=60)
        except LayerBuildError as error:
            raise LayerBuildError(
                f"{error}: this function is shipped as a container image, which Docker builds and pushes. Install "
                "Docker, or deploy from a machine that has it (an image that is in the registry needs none)"
            ) from None
        if done.returncode != 0:
            raise LayerBuildError(
                "Docker is not running, and this function is shipped as a container image: start it and run "
                f"`pulumi up` again. It said: {_last_words(done)}"
            )

    def build(self, folder: Path, reference: str, target: Target, base: str) -> None:
        """Build a folder's Dockerfile.

        Args:
            folder: What the Dockerfile copies from.
            reference: `<repository>:<tag>`, by which the image is known here.
            target: Says the CPU.
            base: For errors.

        Raises:
            LayerBuildError: the base image could not be pulled, or a step failed.
        """
        # Neither attestation: with one of them what is pushed is an OCI index, which Lambda refuses. Docker's older
        # builder, where buildx is not installed, knows neither option and writes neither.
        buildx = self._run(["docker", "buildx", "version"], timeout_seconds=60).returncode == 0
        command = ["buildx", "build", "--provenance=false", "--sbom=false", "--load"] if buildx else ["build"]
        environment = clean_environment() | ({} if buildx else {"DOCKER_BUILDKIT": "0"})
        done = self._run(
            ["docker", *command, "--platform", target.platform, "--tag", reference, str(folder)],
            env=environment,
            timeout_seconds=BUILD_SECONDS,
        )
        if done.returncode != 0:
            raise LayerBuildError(
                f"Docker could not build the image on {base} for {target}. If it could not pull that, the digest is "
                "not in its registry (`python -m ops images pin` sets the one of today), or the registry cannot be "
                f"reached. It said:\n{_last_words(done)}"
            )

    def describe(self, reference: str) -> tuple[str, int]:
        """An image's platform (`linux/amd64`) and its bytes, uncompressed.

        Raises:
            LayerBuildError: it is not here.
        """
        done = self._run(["docker", "image", "inspect", reference], timeout_seconds=60)
        if done.returncode != 0:
            raise LayerBuildError(f"Docker does not have the image {reference} that it has just built")
        (found,) = cast("list[dict[str, Any]]", json.loads(done.stdout))
        return f"{found['Os']}/{found['Architecture']}", int(found["Size"])

    def push(self, reference: str, credentials: Credentials) -> None:
        """Push an image.

        Args:
            reference: `<registry>/<name>:<tag>`.
            credentials: For that registry.

        Raises:
            LayerBuildError: the registry cannot be reached, or refuses.
        """
        host = reference.partition("/")[0]
        with tempfile.TemporaryDirectory(prefix="strata-docker-") as folder:
            environment = self._environment(Path(folder))
            login = ["docker", "login", "--username", credentials.user, "--password-stdin", host]
            done = self._run(login, env=environment, stdin=credentials.password, timeout_seconds=120)
            if done.returncode != 0:
                raise LayerBuildError(f"the registry {host} refused to log in {credentials.user}:\n{_last_words(done)}")
            try:
                done = self._run(["docker", "push", reference], env=environment, timeout_seconds=PUSH_SECONDS)
            finally:
                # Where a helper keeps credentials, it keeps them outside that folder.
                self._run(["docker", "logout", host], env=environment, timeout_seconds=60)
        if done.returncode != 0:
            raise LayerBuildError(f"{reference} could not be pushed:\n{_last_words(done)}")

    def _environment(self, folder: Path) -> dict[str, str]:
        """Docker with a configuration of its own, and the same engine as before."""
        environment = clean_environment()
        shown = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
        engine = environment.get("DOCKER_HOST") or self._run(shown, timeout_seconds=60).stdout.strip()
        own = environment.get("DOCKER_CONFIG") or os.fspath(Path.home() / ".docker")
        environment.pop("DOCKER_CONTEXT", None)
        return {
            **environment,
            **({"DOCKER_HOST": engine} if engine else {}),
            "DOCKER_CERT_PATH": environment.get("DOCKER_CERT_PATH", own),
            "DOCKER_CONFIG": os.fspath(folder),
        }


def _last_words(done: Completed) -> str:
    return (done.stderr.strip() or done.stdout.strip())[-_LAST_WORDS:]
