"""The platform's own log lines, in Lambda's text format and in its JSON format."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.lambda_code import FunctionVersion


@dataclass(frozen=True, slots=True)
class Usage:
    """What one invocation used."""

    request_id: str
    duration_ms: float
    peak_mb: int
    init_ms: float | None
    """Set on the first invocation of an environment; billed like the rest since August 2025."""
    status: str
    """success, error, timeout."""
    error_type: str | None = None

    @property
    def billed_ms(self) -> int:
        """Whole milliseconds, the init phase included."""
        return math.ceil(self.duration_ms + (self.init_ms or 0.0))


def _now() -> str:
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def _event(kind: str, record: dict[str, Any]) -> str:
    return json.dumps({"time": _now(), "type": f"platform.{kind}", "record": record})


def init_start(function: FunctionVersion) -> str:
    """Where an environment begins."""
    if function.json_logs:
        record = {"initializationType": "on-demand", "phase": "init", "runtimeVersion": f"{function.runtime} (sandbox)"}
        return _event("initStart", record)
    return f"INIT_START Runtime Version: {function.runtime} (sandbox)"


def start(function: FunctionVersion, request_id: str) -> str:
    """Where an invocation begins."""
    if function.json_logs:
        return _event("start", {"requestId": request_id, "version": function.version})
    return f"START RequestId: {request_id} Version: {function.version}"


def timed_out(function: FunctionVersion, request_id: str) -> str | None:
    """The line about a timeout; the JSON format has it in the report alone."""
    if function.json_logs:
        return None
    return f"{_now()} {request_id} Task timed out after {function.timeout_seconds:.2f} seconds"


def end(function: FunctionVersion, usage: Usage) -> list[str]:
    """The last lines of an invocation."""
    init = usage.init_ms
    if function.json_logs:
        metrics: dict[str, float] = {
            "durationMs": round(usage.duration_ms, 3),
            "billedDurationMs": usage.billed_ms,
            "memorySizeMB": function.memory_mb,
            "maxMemoryUsedMB": usage.peak_mb,
            **({"initDurationMs": round(init, 3)} if init is not None else {}),
        }
        error = {"errorType": usage.error_type} if usage.error_type else {}
        record = {"requestId": usage.request_id, "metrics": metrics, "status": usage.status, **error}
        return [_event("report", record)]
    report = (
        f"REPORT RequestId: {usage.request_id}\tDuration: {usage.duration_ms:.2f} ms\t"
        f"Billed Duration: {usage.billed_ms} ms\tMemory Size: {function.memory_mb} MB\t"
        f"Max Memory Used: {usage.peak_mb} MB\t"
    )
    report += f"Init Duration: {init:.2f} ms\t" if init is not None else ""
    if usage.status == "timeout":
        report += "Status: timeout"
    elif usage.error_type:
        report += f"Status: error\tError Type: {usage.error_type}"
    return [f"END RequestId: {usage.request_id}", report]
