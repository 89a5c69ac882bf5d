"""Container images for real: a registry that is Debian's, a stand-in for Lambda's base image, awslambdaric in it.

What needs a Docker engine is marked `docker`; `ready()` skips it, loudly, where one of its needs is missing.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import shutil
import subprocess
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.plan import LayerBuildError, Target, host_architecture
from layer_builds.ship.registry import Credentials, Registry
from sandbox.emulator import free_port

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

RUNTIME_IMAGE_VARIABLE = "STRATA_RUNTIME_IMAGE"
"""Names the stand-in for Lambda's base image: `scripts/local_runtime_image.sh` makes it."""
TARGET = Target("python3.13", host_architecture())
"""What that image is for."""
LOGIN = Credentials("AWS", "ministack-auth-token")
"""What the local AWS's GetAuthorizationToken gives."""
START_SECONDS = 30.0
ANSWER_SECONDS = 120.0


def ready() -> str:
    """Skip a test that lacks what it needs; the name of the base image."""
    if shutil.which("docker") is None or docker("version", check=False).returncode != 0:
        pytest.skip("Docker is not running")
    if shutil.which("docker-registry") is None:
        pytest.skip("Debian's docker-registry is not installed")
    if not (image := os.environ.get(RUNTIME_IMAGE_VARIABLE)):
        pytest.skip(f"{RUNTIME_IMAGE_VARIABLE} names no base image")
    return image


def docker(*words: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Docker's command line."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=300, **options)
    assert not check or done.returncode == 0, done.stderr
    return done


@contextmanager
def registry(folder: Path, login: Credentials | None = None) -> Generator[str]:
    """Debian's container registry on a free port of this machine; its host.

    Args:
        folder: For its files.
        login: Who may use it; None is everybody.
    """
    port = free_port()
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    if login is not None:
        (folder / "htpasswd").write_text(f"{login.user}:{_bcrypt(login.password)}\n")
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        command = ["docker-registry", "serve", str(folder / "config.yml")]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    host = f"127.0.0.1:{port}"
    try:
        _wait_for(host, process, folder / "log", login)
        yield host
    finally:
        process.terminate()
        process.wait()
        _forget_images(host)


def _forget_images(host: str) -> None:
    """Delete what this machine's engine has of a registry that is gone: by name, since the base has others."""
    patterns = [word for name in ("*", "*/*") for word in ("--filter", f"reference={host}/{name}")]
    shown = ("--format", "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}")
    found = docker("image", "ls", "--digests", *patterns, *shown, check=False).stdout.split()
    if names := [name for name in dict.fromkeys(found) if "<none>" not in name]:
        docker("rmi", *names, check=False)


def _wait_for(host: str, process: subprocess.Popen[bytes], log: Path, login: Credentials | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            assert Registry(f"{host}/nothing", login).image("none") is None
        except (LayerBuildError, AssertionError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return


def _bcrypt(password: str) -> str:
    """As htpasswd hashes it; by the system's own libcrypt."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    return crypt(password.encode(), b"$2y$05$abcdefghijklmnopqrstuu").decode()


def push_base(host: str, image: str) -> str:
    """Push the base image to a registry that everybody may use; it by its digest."""
    name = f"{host}/lambda/python"
    docker("tag", image, f"{name}:{TARGET.facts.python}")
    docker("push", f"{name}:{TARGET.facts.python}")
    docker("rmi", f"{name}:{TARGET.facts.python}")
    found = Registry(name).image(TARGET.facts.python)
    assert found is not None
    return f"{name}@{found.digest}"


@dataclass
class RuntimeApi:
    """Lambda's Runtime API for one function: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html."""

    timeout_seconds: float = 60.0
    answer_seconds: float = ANSWER_SECONDS
    address: str = ""
    container: str = ""
    """Who asks: when it is gone, nothing is waited for."""
    events: queue.Queue[tuple[str, Any]] = field(default_factory=queue.Queue)
    answers: queue.Queue[tuple[str, str, Any]] = field(default_factory=queue.Queue)

    def invoke(self, event: Any) -> Any:
        """Hand over an event, and wait for what the function makes of it."""
        request = str(uuid.uuid4())
        self.events.put((request, event))
        deadline = time.monotonic() + self.answer_seconds
        while True:
            try:
                answered, what, payload = self.answers.get(timeout=1)
            except queue.Empty:
                assert time.monotonic() < deadline, "it does not answer"
                state = docker("inspect", "--format", "{{.State.Running}}", self.container)
                assert state.stdout.strip() == "true", "its container has ended"
            else:
                assert (answered, what) == (request, "response"), payload
                return payload


@contextmanager
def runtime_api() -> Generator[RuntimeApi]:
    """The API on a free port of this machine."""
    api = RuntimeApi()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            request, event = api.events.get()
            headers = {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": request,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + api.timeout_seconds) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:f:live",
            }
            self._answer(200, json.dumps(event).encode(), headers)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            *_, request, what = self.path.split("/")
            api.answers.put((request, what, body))
            self._answer(202, b"", {})

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api.address = f"127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def running(
    image: str, variables: Mapping[str, str], given: Sequence[str] = (), seconds: float | None = None
) -> Generator[RuntimeApi]:
    """A container of an image as Lambda runs it: its own command, nobody's user, a read-only disk but for /tmp.

    Args:
        image: By tag or digest.
        variables: Beside those that Lambda sets.
        given: More words of `docker run`.
        seconds: That the function has, and its start too; None is a minute, which is enough for this machine's CPU.
    """
    with runtime_api() as api:
        if seconds is not None:
            api.timeout_seconds = api.answer_seconds = seconds
        lambdas = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            **variables,
        }
        named = [word for name in lambdas for word in ("--env", name)]
        started = docker(
            *("run", "--detach", "--network", "host", "--read-only", "--tmpfs", "/tmp:exec,mode=1777,size=512m"),
            *("--user", "993:990", "--memory", "2g", *named, *given, image),
            env={**os.environ, **lambdas},
        ).stdout.strip()
        api.container = started
        try:
            yield api
        except BaseException as error:
            error.add_note(f"the container's log:\n{_log(started)}")
            raise
        finally:
            docker("rm", "--force", started, check=False)


def _log(container: str) -> str:
    done = docker("logs", "--tail", "40", container, check=False)
    return done.stdout + done.stderr
