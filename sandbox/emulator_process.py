"""The emulator's process: ministack as published, and the few things a Lambda host needs that it lacks.

Run as `python -m sandbox.emulator_process`. All but the last nine amendments concern functions bound to a host by the
emulator's own hook (`MINISTACK_LAMBDA_PROXY_URL`); all else is ministack's:

- a function's timeout is the host's to keep (the hook's own would count the init phase), and an error of the function
  comes back as the function raised it, with its log tail;
- the host writes the log lines, so the emulator does not invent a second START, END and REPORT;
- a version with SnapStart becomes active without a process of the emulator's own;
- HTTP events of payload format 2.0 have their cookies in `cookies`;
- async events, SNS deliveries among them, get two retries with the waits of LAMBDA_ASYNC_RETRY_BASE_SECONDS under one
  request id, by the event-invoke config of the alias or version they came through; the host delivers a last failure;
- of async events a few are worked on at once, and the others wait (`emulator_concurrency`);
- a batch of SQS requests needs the permission for one of them, as in IAM, which has no action of the batch's name;
- log permissions are looked for on a group's streams (`<group ARN>:*`), as IAM does, not on the bare group;
- the code of a published version and the content of a deleted layer version that is still in use can be fetched;
- alarms are described whole to deployment tools (`emulator_alarms`);
- a policy's condition can ask whether an upload would overwrite (`s3:if-none-match`);
- an alias with weights shares out a queue's batches (`emulator_weights`);
- a second mapping of one queue to one function is refused (`emulator_mappings`);
- a secret that was made without a value has none (`emulator_secrets`);
- what a role asks for is noted, with the statement that allowed it (`emulator_asked`);
- log events are filtered by a field of JSON records, or the pattern is refused (`emulator_filters`);
- a deployment tool that repeats a request it was answered gets that answer again (`emulator_repeats`);
- requests count as made over TLS: the loopback interface stands in for it, and buckets here refuse everything else.

With an unamended ministack the host still works, without these.
"""

from __future__ import annotations

import base64
import contextvars
import hashlib
import http.client
import importlib
import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lambdas.shared.json_values import is_object
from sandbox import emulator_asked, emulator_filters, emulator_mappings, emulator_secrets, emulator_weights
from sandbox.emulator_alarms import whole_answer
from sandbox.emulator_concurrency import Concurrency
from sandbox.emulator_repeats import Repeats
from sandbox.json_parts import part
from sandbox.workspace import end_with_parent

if TYPE_CHECKING:
    from types import ModuleType

HTTP_OK = 200
VERSION = "1.5.33"
"""The release these amendments were written for."""
GRACE_SECONDS = 60.0
"""How long past the function's timeout the host may take: a cold start, and the answer's way back."""


@dataclass(frozen=True)
class AsyncEvent:
    """What the host is told of one attempt at an async event."""

    request_id: str
    qualifier: str | None
    on_failure: str | None
    """Where the host sends the event when this attempt fails: set on the last one."""


ATTEMPT: contextvars.ContextVar[AsyncEvent | None] = contextvars.ContextVar("attempt", default=None)


def fingerprint(config: dict[str, Any]) -> str:
    """A hash of what decides how a function's process is started; the host computes the same from the API's answer."""
    given: list[dict[str, Any] | str] = config.get("Layers") or []
    layers: list[str] = [layer["Arn"] if isinstance(layer, dict) else layer for layer in given]
    keys = ("FunctionName", "Version", "CodeSha256", "Role", "Handler", "Runtime", "Timeout", "MemorySize", "ImageUri")
    sections = [part(config, key) for key in ("LoggingConfig", "EphemeralStorage", "ImageConfigResponse")]
    variables = part(config, "Environment", "Variables")
    parts: list[Any] = [*(config.get(key) for key in keys), layers, *sections, variables]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def with_cookies(event: object) -> object:
    """An HTTP event of payload format 2.0 with its cookies in a list of their own, and not among the headers.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    if not is_object(event) or event.get("version") != "2.0" or "http" not in event.get("requestContext", {}):
        return event
    headers: dict[str, str] = dict(part(event, "headers"))
    if not (sent := headers.pop("cookie", "")):
        return event
    return {**event, "headers": headers, "cookies": [cookie.strip() for cookie in sent.split(";") if cookie.strip()]}


class Amendments:
    """The replacements, over the emulator's own modules."""

    def __init__(self, functions: ModuleType, topics: ModuleType, permissions: ModuleType) -> None:
        self.lambda_ = vars(functions)
        self.sns = vars(topics)
        self.iam = vars(permissions)
        self.original: dict[str, Any] = {**self.iam, **self.sns, **self.lambda_}
        self.concurrency = Concurrency()

    def install(self) -> None:
        """Put each replacement in place of what it replaces; fails when ministack no longer has it."""
        replacements = {
            "_execute_function_proxy": self.execute,
            "_emit_lambda_logs": self.emit_logs,
            "invoke_async_with_retry": self.invoke_async,
            "_get_function": self.get_function,
            "serve_function_code": self.serve_code,
            "serve_layer_content": self.serve_layer,
            "_snapstart_provision_version_async": self.provision_snapstart,
        }
        others = {
            "_deliver_to_lambda": self.deliver_notification,
            "extract_resource_arn": self.resource,
            "extract_iam_action": self.action,
            "s3_service_context": self.conditions,
        }
        missing = [name for name in [*replacements, *others] if name not in self.original]
        if missing:
            sys.exit(f"this ministack is not {VERSION}: it has no {', '.join(missing)}")
        self.lambda_.update(replacements)
        self.sns["_deliver_to_lambda"] = self.deliver_notification
        self.iam["extract_resource_arn"] = self.resource
        self.iam["extract_iam_action"] = self.action
        self.iam["s3_service_context"] = self.conditions

    def bound(self, function: dict[str, Any]) -> bool:
        """Whether a function (or version) record is bound to a host."""
        return bool(self.lambda_["_proxy_url_for"](function.get("config") or function))

    def execute(self, function: dict[str, Any], event: object, url: str, request_id: str) -> dict[str, Any]:
        """One invocation: the event to the host, its answer back."""
        config = function.get("config") or function
        attempt = ATTEMPT.get()
        headers = {
            "Content-Type": "application/json",
            "X-Amzn-Lambda-Function-Name": config.get("FunctionName", ""),
            "X-Amzn-Lambda-Function-Version": config.get("Version", "$LATEST"),
            "X-Amzn-Lambda-Function-Arn": config.get("FunctionArn", ""),
            "X-Amzn-Lambda-Request-Id": attempt.request_id if attempt else request_id,
            "X-Strata-Fingerprint": fingerprint(config),
        }
        if attempt and attempt.on_failure:
            headers["X-Strata-On-Failure"] = attempt.on_failure
        if trace := self.lambda_["_xray_trace_id_for_invocation"](config):
            headers["X-Amzn-Trace-Id"] = trace
        timeout = int(config.get("Timeout") or 3) + GRACE_SECONDS
        try:
            return self._post(url, json.dumps(with_cookies(event), ensure_ascii=False).encode(), headers, timeout)
        except (OSError, http.client.HTTPException) as error:
            message = f"the Lambda host at {url} did not answer: {error!r}"
            return {"body": {"errorMessage": message, "errorType": "Sandbox.Failure"}, "error": True}

    @staticmethod
    def _post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> dict[str, Any]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=timeout)
        try:
            connection.request("POST", parts.path or "/", body, headers)
            response = connection.getresponse()
            payload = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        tail = response.headers.get("X-Amz-Log-Result", "")
        result: dict[str, Any] = {"log": base64.b64decode(tail).decode("utf-8", "replace")}
        try:
            result["body"] = json.loads(payload) if payload else None
        except ValueError:
            result |= {"body": payload, "raw_payload": True}
        if response.status != HTTP_OK:
            result |= {"error": True, "function_error": response.headers.get("X-Amz-Function-Error", "Unhandled")}
        return result

    def provision_snapstart(self, name: str, version: dict[str, Any]) -> None:
        """A version with SnapStart is ready at once: what would be snapshotted runs in the host."""
        if not self.bound(version):
            self.original["_snapstart_provision_version_async"](name, version)
            return
        config = version["config"]
        config["State"] = "Active"
        for key in ("StateReason", "StateReasonCode"):
            config.pop(key, None)

    def emit_logs(self, function: dict[str, Any], *args: object, **kwargs: object) -> None:
        """The platform's log lines, for functions that have no host to write them."""
        if not self.bound(function):
            self.original["_emit_lambda_logs"](function, *args, **kwargs)

    def invoke_async(self, function: dict[str, Any], event: object) -> None:
        """An async event: accepted now, tried up to three times in the background."""
        if not self.bound(function):
            self.original["invoke_async_with_retry"](function, event)
            return
        arn = (function.get("config") or function).get("FunctionArn", "")
        qualifier = arn.split(":")[7] if len(arn.split(":")) > 7 else None  # noqa: PLR2004 - arn:…:function:NAME:QUALIFIER
        self.run_async(function, event, qualifier)

    def run_async(self, function: dict[str, Any], event: object, qualifier: str | None) -> None:
        """Start the attempts on a thread of their own."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._attempts, function, event, qualifier), daemon=True).start()

    def _attempts(self, function: dict[str, Any], event: object, qualifier: str | None) -> None:
        config = function.get("config") or function
        settings = self._event_invoke_config(config, qualifier)
        retries = settings.get("MaximumRetryAttempts")
        retries = 2 if retries is None else int(retries)
        target: str | None = part(settings, "DestinationConfig", "OnFailure").get("Destination")
        target = target or part(config, "DeadLetterConfig").get("TargetArn") or None
        request_id = str(self.lambda_["new_uuid"]())
        base, longest = (self.lambda_[f"_LAMBDA_ASYNC_RETRY_{name}_SECONDS"] for name in ("BASE", "MAX"))
        attempt = 0
        while attempt <= retries:
            ATTEMPT.set(AsyncEvent(request_id, qualifier, target if attempt == retries else None))
            with self.concurrency.place(
                config.get("FunctionName", ""), lambda: self._record(config).get("concurrency")
            ):
                result = self.lambda_["_execute_function_with_config_scope"](function, event)
            if not result.get("error"):
                return
            if result.get("throttle"):  # does not count as an attempt, as in AWS
                time.sleep(base)
                continue
            attempt += 1
            if attempt <= retries:
                time.sleep(min(base * 2 ** (attempt - 1), longest))

    def _record(self, config: dict[str, Any]) -> dict[str, Any]:
        """What is known of a version's function."""
        arn = config.get("FunctionArn", "").split(":")
        return self.lambda_["_functions"].get_scoped(arn[4], arn[3], config.get("FunctionName")) or {}

    def _event_invoke_config(self, config: dict[str, Any], qualifier: str | None) -> dict[str, Any]:
        record = self._record(config)
        configs: dict[str | None, dict[str, Any]] = record.get("event_invoke_configs") or {}
        if qualifier in configs:
            return configs[qualifier]
        aliases: dict[str, dict[str, Any]] = record.get("aliases") or {}
        serving = [name for name, alias in aliases.items() if alias.get("FunctionVersion") == config.get("Version")]
        wanted = serving if qualifier in (None, config.get("Version")) else []
        nothing: dict[str, Any] = {}
        return next((configs[name] for name in [*wanted, ""] if name in configs), nothing)

    def deliver_notification(
        self, endpoint: str, envelope: str, topic_arn: str, subscription_arn: str, *rest: object
    ) -> None:
        """An SNS message to a function: an async event like any other."""
        function, config, _ = self.lambda_["_get_func_record_for_ref"](endpoint)
        if function and config and self.bound(config):
            record = {
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription_arn,
                "EventSource": "aws:sns",
                "Sns": json.loads(envelope),
            }
            qualified = endpoint.split(":")
            execution = self.lambda_["_execution_record_for_config"](function, config)
            self.run_async(execution, {"Records": [record]}, qualified[7] if len(qualified) > 7 else None)  # noqa: PLR2004
            return
        deliver = self.original["_deliver_to_lambda"]
        deliver(endpoint, envelope, topic_arn, subscription_arn, *rest)

    def resource(self, service: str, *args: Any, **kwargs: Any) -> str:
        """The ARN that a request's permission is looked for on."""
        arn: str = self.original["extract_resource_arn"](service, *args, **kwargs)
        named = service == "logs" and ":log-group:" in arn and not arn.endswith("*") and ":log-stream:" not in arn
        return f"{arn}:log-stream:" if named else arn

    def action(self, service: str, *args: Any, **kwargs: Any) -> str:
        """The action that a request needs to be allowed."""
        action: str = self.original["extract_iam_action"](service, *args, **kwargs)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    def conditions(
        self, action: str, query: object, path: str = "", headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The condition keys of a request to S3."""
        keys: dict[str, Any] = self.original["s3_service_context"](action, query, path, headers)
        written = action == "s3:PutObject" and (headers or {}).get("if-none-match")
        return {**keys, "s3:if-none-match": written} if written else keys

    def get_function(self, name: str, qualifier: str | None = None) -> tuple[int, dict[str, str], bytes]:
        """GetFunction, with a code location that names the version."""
        status, headers, body = self.original["_get_function"](name, qualifier)
        if status == HTTP_OK and qualifier:
            answer = json.loads(body)
            version = answer["Configuration"].get("Version", "$LATEST")
            if version != "$LATEST" and "Location" in answer["Code"]:
                answer["Code"]["Location"] = answer["Code"]["Location"].replace(f"/{name}?", f"/{name}:{version}?")
                body = json.dumps(answer).encode()
        return status, headers, body

    def serve_code(
        self, name: str, account_id: str | None = None, region: str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """The zip behind a code location."""
        function, _, version = name.partition(":")
        if version and account_id and region:
            record: dict[str, Any] = self.lambda_["_functions"].get_scoped(account_id, region, function) or {}
            if code := part(record, "versions", version).get("code_zip"):
                return HTTP_OK, {"Content-Type": "application/zip"}, code
        return self.original["serve_function_code"](function, account_id, region)

    def serve_layer(
        self, name: str, version: int, account_id: str | None = None, region: str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """The zip of a layer version, deleted ones included: functions that attach it keep working."""
        found, error = self.lambda_["_find_layer_version"](name, version, account_id, region, include_deleted=True)
        content = found.get("_zip_data") if found else None
        if content:
            return HTTP_OK, {"Content-Type": "application/zip"}, content
        return error or (404, {}, b"")


def main() -> None:
    """Amend the emulator and run it in this process."""
    end_with_parent()
    gateway = importlib.import_module("ministack.app")
    functions = importlib.import_module("ministack.services.lambda_svc")
    topics = importlib.import_module("ministack.services.sns")
    permissions = importlib.import_module("ministack.core.iam_actions")
    alarms = vars(importlib.import_module("ministack.services.cloudwatch"))
    Amendments(functions, topics, permissions).install()
    emulator_weights.amend(vars(functions))
    emulator_mappings.amend(vars(functions))
    alarms["_describe_alarms"] = whole_answer(alarms["_describe_alarms"])
    emulator_secrets.amend(vars(importlib.import_module("ministack.services.secretsmanager")))
    emulator_filters.amend(vars(importlib.import_module("ministack.services.cloudwatch_logs")))
    evaluator = vars(importlib.import_module("ministack.core.iam_evaluator"))
    emulator_asked.amend(evaluator, Path(os.environ[emulator_asked.FILE_VARIABLE]))
    pin_origin = vars(gateway)["pin_request_origin"]

    def pin_secure(address: str, _: object) -> Any:
        return pin_origin(address, True)

    vars(gateway)["pin_request_origin"] = pin_secure
    vars(gateway)["app"] = Repeats(vars(gateway)["app"])
    sys.argv = ["ministack"]
    gateway.main()


if __name__ == "__main__":
    main()
