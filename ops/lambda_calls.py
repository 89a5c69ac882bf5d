"""Calling a function through its alias: `smoke` for all of them, `invoke` for one with any event."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ops.errors import OpsError, UsageError
from ops.report import Report, Table
from ops.values import as_list, as_object
from ops.versions import published_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_lambda import LambdaClient

    from ops.stack import Function, Stack

TEST_EVENT = {"test": True}
"""What every handler answers by importing all that its layers promise and returning the versions."""
LARGEST_SYNC_EVENT = 6 * 1024 * 1024
LARGEST_ASYNC_EVENT = 1024 * 1024
"""Bytes. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
ACCEPTED = 202
LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one call gave back."""

    function: str
    status: int
    version: str
    """The version that the alias led to."""
    seconds: float
    """Round trip, seen from here."""
    error: str | None
    """Lambda's `FunctionError` with the exception's words, or why the call itself was refused."""
    payload: Any
    """The answer, parsed where it is JSON."""
    logs: str
    """The end of the run's log, at most 4 KB; empty unless asked for."""


def call(
    client: LambdaClient, function: Function, event: object, *, asynchronous: bool = False, logs: bool = False
) -> Answer:
    """Invoke a function through its alias, once."""
    body = json.dumps(event).encode()
    largest = LARGEST_ASYNC_EVENT if asynchronous else LARGEST_SYNC_EVENT
    if len(body) > largest:
        raise UsageError(f"the event has {len(body):,} bytes; Lambda takes {largest:,}")
    started = time.monotonic()
    try:
        response = client.invoke(
            FunctionName=function.name,
            Qualifier=function.alias,
            InvocationType="Event" if asynchronous else "RequestResponse",
            LogType="Tail" if logs and not asynchronous else "None",
            Payload=body,
        )
    except ClientError as error:
        return Answer(
            function=function.key,
            status=int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)),
            version="",
            seconds=time.monotonic() - started,
            error=str(error),
            payload=None,
            logs="",
        )
    payload = parse(response["Payload"].read())
    kind = response.get("FunctionError")
    return Answer(
        function=function.key,
        status=int(response["StatusCode"]),
        version=str(response.get("ExecutedVersion", "")),
        seconds=time.monotonic() - started,
        error=describe(kind, payload) if kind else None,
        payload=payload,
        logs=base64.b64decode(response.get("LogResult", "")).decode(errors="replace"),
    )


def parse(body: bytes) -> Any:
    """An answer's JSON, or its text."""
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def describe(kind: str, payload: Any) -> str:
    """`Unhandled: ImportError: No module named 'tiktoken'`."""
    error = as_object(payload) or {}
    words = [str(error[key]) for key in ("errorType", "errorMessage") if error.get(key)]
    return ": ".join([kind, *words])


def read_event(text: str) -> dict[str, Any]:
    """The event that `--event` means: a JSON object, as every function here takes it."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a JSON value")

    try:
        event: object = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the event is not JSON: {error}") from None
    found = as_object(event)
    if found is None:
        shown = text.strip() if len(text) <= LONGEST_SHOWN else f"{text.strip()[:LONGEST_SHOWN]}…"
        raise UsageError(f'the event is {shown}; functions take a JSON object, such as {{"test": true}}')
    return found


def invoke(stack: Stack, key: str, event: object, *, asynchronous: bool, logs: bool) -> Report:
    """One function, one event; a function error is a failure."""
    answer = call(stack.invoker(), stack.function(key), event, asynchronous=asynchronous, logs=logs)
    shown = "accepted; it runs on its own" if answer.status == ACCEPTED else json.dumps(answer.payload, indent=2)
    notes = [shown, f"status {answer.status}, version {answer.version or '?'}, {answer.seconds * 1000:.0f} ms"]
    if answer.logs:
        notes.append(answer.logs)
    if answer.error is not None:
        notes.append(answer.error)
    return Report(
        ok=answer.error is None,
        data={
            "function": key,
            "status": answer.status,
            "version": answer.version,
            "seconds": round(answer.seconds, 3),
            "error": answer.error,
            "payload": answer.payload,
            **({"logs": answer.logs} if logs else {}),
        },
        notes=notes,
    )


def smoke(stack: Stack, keys: Sequence[str] = ()) -> Report:
    """Every function, or the named ones, answers its test event through its alias."""
    functions = [stack.function(key) for key in keys] or list(stack.functions.values())
    client = stack.invoker()
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(call, repeat(client), functions, repeat(TEST_EVENT)))
    if not answers:
        raise OpsError(f"stack {stack.name} has no function to try")
    known = {function.key: existing(stack, function) for function in functions}
    verdicts = [missing_version(answer, known[answer.function]) or verdict(answer) for answer in answers]
    rows = [
        ["ok" if problem is None else "fail", answer.function, answer.version, f"{answer.seconds * 1000:.0f} ms", found]
        for answer, (problem, found) in zip(answers, verdicts, strict=True)
    ]
    return Report(
        ok=all(problem is None for problem, _ in verdicts),
        data={
            "functions": {
                answer.function: {
                    "ok": problem is None,
                    "version": answer.version,
                    "seconds": round(answer.seconds, 3),
                    "error": problem,
                    "answer": answer.payload,
                }
                for answer, (problem, _) in zip(answers, verdicts, strict=True)
            }
        },
        tables=[Table(title=f"smoke {stack.name}", columns=["", "function", "version", "time", "answer"], rows=rows)],
    )


def existing(stack: Stack, function: Function) -> list[int] | None:
    """A function's published versions; None where they may not be listed."""
    try:
        return published_versions(stack.client("lambda"), function)
    except ClientError:
        return None


def missing_version(answer: Answer, known: list[int] | None) -> tuple[str, str] | None:
    """A call that a version answered which does not exist: an endpoint may run other code under its number."""
    if answer.error is not None or known is None or answer.version in map(str, known):
        return None
    problem = f"the alias leads to version {answer.version}, which does not exist: set live_version to one that does"
    return problem, problem


def try_version(client: LambdaClient, function: Function, version: str) -> str | None:
    """What is wrong with a version's answer to the test event, called by its number; None: nothing.

    Args:
        client: from `Stack.invoker`.
    """
    problem, _ = verdict(call(client, replace(function, alias=version), TEST_EVENT))
    return problem


def verdict(answer: Answer) -> tuple[str | None, str]:
    """What is wrong with an answer to the test event (None: nothing), and what to show of it."""
    if answer.error is not None:
        return answer.error, answer.error
    payload = as_object(answer.payload)
    if payload is None:
        problem = f"answered {answer.payload!r} to its test event; an object with versions was expected"
        return problem, problem
    if payload.get("ok") is False:
        problems = as_list(payload.get("problems")) or [json.dumps(payload)]
        problem = f"reports a problem: {'; '.join(map(str, problems))}"
        return problem, problem
    versions = as_object(payload.get("versions", payload))
    if versions is None:
        return None, json.dumps(payload["versions"])
    return None, ", ".join(f"{name} {value}" for name, value in versions.items() if isinstance(value, str | int))
