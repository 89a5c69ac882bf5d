"""One execution environment: a process with awslambdaric in it, the Runtime API it talks to, and its limits.

The host gives it one invocation at a time. It ends by a failed start, a timeout, too much memory, an exit of its own or
the host's wish; the host then forgets it, and the next invocation gets a new one, as in Lambda.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import re
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import lambda_report
from sandbox.httpd import HttpServer, Request, Response, serve
from sandbox.lambda_entry import FRAME
from sandbox.lambda_logs import Line, LogWriter, Stream
from sandbox.lambda_process import exit_code, memory_mb, peak_mb
from sandbox.lambda_report import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.lambda_code import FunctionVersion
    from sandbox.lambda_roles import RoleKeys

INIT_SECONDS = 10.0
"""Lambda's init phase; what an init takes beyond it counts against the function's timeout."""
WATCH_SECONDS = 0.025
"""How often memory is looked at while an invocation runs."""
TAIL_BYTES = 4096
RESPONSE_BYTES = 6_291_556
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
HEADER_BYTES = 16
MEGABYTE = 1024 * 1024
FAILED_STARTS = ("/2018-06-01/runtime/init/error", "/2018-06-01/runtime/restore/error")
HANDLER_PATTERN = re.compile(r"^/2018-06-01/runtime/invocation/(?P<id>[^/]+)/(?P<what>response|error)$")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way to the function."""

    request_id: str
    arn: str
    event: bytes
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the payload of the function, or an error object in the shape that Lambda gives it."""

    payload: bytes
    failed: bool
    log_tail: bytes = b""

    @classmethod
    def error(cls, kind: str, message: str) -> Outcome:
        """An error of the platform."""
        return cls(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


class Environment:
    """One process. Created by the host, used by one invocation at a time."""

    def __init__(self, function: FunctionVersion, keys: RoleKeys, logs: LogWriter, folder: Path) -> None:
        self.function = function
        self.keys = keys
        self.state = "init"
        self.isolation = "?"
        self.invocation: Invocation | None = None
        self.invocations = 0
        self.last_used = time.monotonic()
        self.init_ms = 0.0
        self.peak_mb = 0
        self._folder = folder
        self._logs = logs
        today = dt.datetime.now(dt.UTC)
        name = f"{today:%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        self._stream = Stream(function.role, function.log_group, name)
        self._tail = bytearray()
        self._process: asyncio.subprocess.Process | None = None
        self._server: HttpServer | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._ready: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._outcome: asyncio.Future[Outcome] | None = None
        self._next: asyncio.Queue[Invocation] = asyncio.Queue()
        self._killed: str | None = None

    @property
    def pid(self) -> int:
        """The process's id; 0 before it starts."""
        return self._process.pid if self._process else 0

    def describe(self) -> dict[str, Any]:
        """What the host's list shows."""
        return {
            "pid": self.pid,
            "function": self.function.name,
            "version": self.function.version,
            "state": self.state,
            "request_id": self.invocation.request_id if self.invocation else None,
            "invocations": self.invocations,
            "init_ms": round(self.init_ms, 1),
            "memory_mb": memory_mb(self.pid),
            "peak_memory_mb": self.peak_mb,
            "isolation": self.isolation,
            "log_stream": self._stream.name,
        }

    # --- the process ---

    async def start(self, interpreter: Path, runtime: Path, endpoint: str, region: str) -> None:
        """Start the process; it initialises while the caller goes on to `invoke`.

        Args:
            interpreter: the Python of the function's runtime.
            runtime: folder with awslambdaric and boto3.
            endpoint: the emulator's URL, the one variable that the process gets beyond Lambda's.
            region: the function's region.

        """
        (self._folder / "tmp").mkdir(parents=True)
        self._server = await serve(self._answer)
        settings = {
            "parent": os.getpid(),
            "task": str(self.function.task),
            "runtime": str(runtime),
            "layers": str(self.function.layers) if self.function.layers else None,
            "private": str(self._folder),
            "handler": self.function.handler,
            "storage_mb": self.function.storage_mb,
            "own_locale": "LC_CTYPE" in self.function.variables,
        }
        read_end, write_end = os.pipe()
        self._process = await asyncio.create_subprocess_exec(
            str(interpreter),
            *("-S", "-s", "-P", "-X", "utf8", str(Path(__file__).with_name("lambda_entry.py")), json.dumps(settings)),
            env=self._variables(endpoint, region) | {"_LAMBDA_TELEMETRY_LOG_FD": str(write_end)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[write_end],
            start_new_session=True,
            cwd=self._folder,
            limit=16 * MEGABYTE,
        )
        os.close(write_end)
        self._init_started = time.monotonic()
        self._log(lambda_report.init_start(self.function))
        self._tasks = [
            asyncio.create_task(self._read_lines()),
            asyncio.create_task(self._read_frames(read_end)),
        ]
        self._watch = asyncio.create_task(self._watch_exit())

    def _variables(self, endpoint: str, region: str) -> dict[str, str]:
        function = self.function
        formats = {"AWS_LAMBDA_LOG_FORMAT": "JSON" if function.json_logs else "Text"}
        if function.log_level:
            formats["AWS_LAMBDA_LOG_LEVEL"] = function.log_level
        return {
            **function.variables,
            **formats,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/task:/opt/lib",
            "LAMBDA_TASK_ROOT": str(function.task),
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if function.snapstart else "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": self._stream.group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self._stream.name,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.port if self._server else 0}",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_ACCESS_KEY_ID": self.keys.access_key,
            "AWS_SECRET_ACCESS_KEY": self.keys.secret_key,
            "AWS_SESSION_TOKEN": self.keys.token,
            "AWS_ENDPOINT_URL": endpoint,
            "_HANDLER": function.handler,
        }

    def kill(self, why: str) -> None:
        """SIGKILL to the process and all it started."""
        self._killed = self._killed or why
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self, why: str = "the host closed it") -> None:
        """End the process and wait for it."""
        self.kill(why)
        if self._process is not None:
            await self._watch
        if self._server is not None:
            self._server.close()

    async def _watch_exit(self) -> None:
        """When the process is gone: its last lines, then the verdict on whatever it was doing."""
        assert self._process is not None  # noqa: S101 - started before this task
        code = await exit_code(self._process)
        self.state = "dead"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*self._tasks), 1.0)
        for task in self._tasks:
            task.cancel()
        how = f"signal: {signal.Signals(-code).name[3:].lower()}" if code < 0 else f"exit status {code}"
        if code == -signal.SIGKILL:
            how = "signal: killed"
        request = self.invocation.request_id if self.invocation else ""
        kind = "Runtime.OutOfMemory" if self._killed == "memory" else "Runtime.ExitError"
        verdict = Outcome.error(kind, f"RequestId: {request} Error: Runtime exited with error: {how}")
        if not self._ready.done():
            self._ready.set_result(verdict)
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(verdict)

    # --- the Runtime API ---

    async def _answer(self, request: Request) -> Response:
        if request.method == "GET" and request.path == "/2018-06-01/runtime/invocation/next":
            if not self._ready.done():
                self.init_ms = (time.monotonic() - self._init_started) * 1000
                self._ready.set_result(None)
            invocation = await self._next.get()
            return Response(200, invocation.event, self._event_headers(invocation))
        if request.method == "GET" and request.path == "/2018-06-01/runtime/restore/next":
            return Response(200)  # restored at once: no snapshot is taken here, and the hooks on both sides of it run
        if request.path in FAILED_STARTS:
            if not self._ready.done():
                self._ready.set_result(Outcome(request.body, failed=True))
            return Response(202)
        match = HANDLER_PATTERN.match(request.path)
        if match is None or self._outcome is None or self.invocation is None:
            return Response(404)
        if match["id"] == self.invocation.request_id and not self._outcome.done():
            await self._drain()
            if not self._outcome.done():  # the process may have ended meanwhile
                self._outcome.set_result(_outcome(request.body, failed=match["what"] == "error"))
        return Response(202)

    def _event_headers(self, invocation: Invocation) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self._timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
        }
        return headers | ({"Lambda-Runtime-Trace-Id": invocation.trace} if invocation.trace else {})

    # --- one invocation ---

    async def invoke(self, invocation: Invocation, handed_over: Callable[[], None] | None = None) -> Outcome:
        """Run one invocation to its end, within the function's limits, and write the platform's log lines."""
        first = self.invocations == 0
        self.invocation = invocation
        self.invocations += 1
        self._tail.clear()
        self._timeout = float(self.function.timeout_seconds)
        self._outcome = asyncio.get_running_loop().create_future()
        failed_init = await self._initialised() if first else None
        self._log(lambda_report.start(self.function, invocation.request_id))
        started = time.monotonic()
        if failed_init is None:
            self.state = "running"
            self._next.put_nowait(invocation)
            if handed_over is not None:
                handed_over()
            outcome = await self._within_limits()
        else:
            outcome = failed_init
        took_ms = (time.monotonic() - started) * 1000
        await self._drain()
        self._report(invocation, outcome, took_ms, first=first)
        tail = bytes(self._tail[-TAIL_BYTES:])
        self.last_used = time.monotonic()
        self.invocation = None
        if self.state == "running" and failed_init is None and self._killed is None:
            self.state = "idle"
        else:
            await self.close()
        return Outcome(outcome.payload, outcome.failed, tail)

    async def _initialised(self) -> Outcome | None:
        try:
            limit = INIT_SECONDS + self._timeout
            failure = await asyncio.wait_for(asyncio.shield(self._ready), limit)
        except TimeoutError:
            self.kill("timeout")
            return self._timed_out()
        over = self.init_ms / 1000 - INIT_SECONDS
        if over > 0:
            self._timeout = max(0.1, self._timeout - over)
        return failure

    async def _within_limits(self) -> Outcome:
        assert self._outcome is not None  # noqa: S101 - made by `invoke`
        deadline = time.monotonic() + self._timeout
        wait = 0.002  # most warm invocations are over before memory need be looked at
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                self.kill("timeout")
                return self._timed_out()
            try:
                return await asyncio.wait_for(asyncio.shield(self._outcome), min(wait, remaining))
            except TimeoutError:
                wait = WATCH_SECONDS
            if memory_mb(self.pid) > self.function.memory_mb and self._killed is None:
                self.peak_mb = max(self.peak_mb, self.function.memory_mb)
                self.kill("memory")

    def _timed_out(self) -> Outcome:
        assert self.invocation is not None  # noqa: S101 - only called while one runs
        seconds = f"{self.function.timeout_seconds:.2f}"
        request = self.invocation.request_id
        if line := lambda_report.timed_out(self.function, request):
            self._log(line)
        return Outcome.error("Sandbox.Timedout", f"RequestId: {request} Error: Task timed out after {seconds} seconds")

    def _report(self, invocation: Invocation, outcome: Outcome, took_ms: float, *, first: bool) -> None:
        status, kind = ("error", None) if outcome.failed else ("success", None)
        if self._killed == "timeout":
            status = "timeout"
        elif outcome.failed and self.state == "dead":
            error = json.loads(outcome.payload)
            kind = str(error.get("errorType", "Unknown"))
            self._log(str(error.get("errorMessage", "")))
        peak = min(peak_mb(self.pid), self.function.memory_mb)
        self.peak_mb = max(self.peak_mb, peak)
        init_ms = self.init_ms if first and self.init_ms else None
        usage = Usage(invocation.request_id, took_ms, self.peak_mb, init_ms, status, kind)
        for line in lambda_report.end(self.function, usage):
            self._log(line)

    # --- its output ---

    async def _read_lines(self) -> None:
        """Standard output and error, a log event per line."""
        assert self._process is not None  # noqa: S101 - started before this task
        assert self._process.stdout is not None  # noqa: S101 - piped
        with contextlib.suppress(ValueError):  # a line over 16 MB
            async for line in self._process.stdout:
                self._log(line.decode("utf-8", "replace").rstrip("\n"))

    async def _read_frames(self, descriptor: int) -> None:
        """Records that awslambdaric frames (logging, tracebacks): a log event each, however many lines."""
        reader = asyncio.StreamReader(limit=16 * MEGABYTE)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
        )
        try:
            while True:
                header = await reader.readexactly(HEADER_BYTES)
                body = await reader.readexactly(int.from_bytes(header[4:8], "big"))
                if int.from_bytes(header[:4], "big") == FRAME:
                    self.isolation = json.loads(body)["isolation"]
                else:
                    stamp = int.from_bytes(header[8:16], "big") // 1000
                    self._log(body.decode("utf-8", "replace").rstrip("\n"), stamp)
        except asyncio.IncompleteReadError:
            return
        finally:
            transport.close()

    async def _drain(self) -> None:
        """Let output that was written before now arrive: it is in the pipes already."""
        seen = -1
        for _ in range(100):
            if len(self._tail) == seen:
                return
            seen = len(self._tail)
            for _ in range(3):
                await asyncio.sleep(0)

    def _log(self, message: str, time_ms: int | None = None) -> None:
        self._tail += message.encode() + b"\n"
        if len(self._tail) > 16 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        self._logs.write(self._stream, Line(time_ms or int(time.time() * 1000), message))


def _outcome(payload: bytes, *, failed: bool) -> Outcome:
    if len(payload) <= RESPONSE_BYTES:
        return Outcome(payload, failed)
    message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."
    return Outcome.error("Function.ResponseSizeTooLarge", message)
