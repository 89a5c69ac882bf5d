"""The function: bucket events and direct calls in, answers out. `documents` does the work.

Owns the shapes of events and answers, the logs, the metrics, and which failures are raised so that Lambda tries again.

What is loaded when: modules, the vocabulary and the clients with this module, because Lambda gives an environment a
whole processor while it starts. A wrong setting fails documents, and not the start.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from lambdas.shared.startup import starting

with starting():
    # botocore, not boto3: that brings a library for transfers, which is a tenth of a start, and nothing here uses it.
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    from lambdas.extract_text import contract, events, telemetry
    from lambdas.extract_text.documents import Asked, Documents
    from lambdas.extract_text.errors import MAY_PASS, ConfigurationError, QueueError, SupersededError
    from lambdas.extract_text.messages import Queue
    from lambdas.extract_text.settings import FUNCTION, Settings
    from lambdas.extract_text.store import Store
    from lambdas.extract_text.telemetry import logger
    from lambdas.shared import child
    from lambdas.shared.child_process import Limits
    from lambdas.shared.dead_letters import failed_event
    from lambdas.shared.deadline import Deadline
    from lambdas.shared.health import HealthReport, is_health_request, report
    from lambdas.shared.json_values import is_list, is_object
    from lambdas.shared.pdf.errors import DocumentError
    from lambdas.shared.tokens import Tokenizer, VocabularyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

DISTRIBUTIONS = {
    "pdfplumber": "pdfplumber",
    "pypdfium2": "pypdfium2",
    "tiktoken": "tiktoken",
    "aws-lambda-powertools": "aws_lambda_powertools",
    "boto3": "boto3",
}
"""What the layer and the runtime promise."""
CLIENTS = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 4, "mode": "standard"})


class RetryError(Exception):
    """Documents of an event that are to be tried again."""


@cache
def _settings() -> Settings:
    return Settings.load(os.environ)


@cache
def _tokenizer() -> Tokenizer:
    try:
        return Tokenizer(_settings().encoding)
    except VocabularyError as error:
        raise ConfigurationError(str(error)) from None


@cache
def _client(service: str) -> Any:
    return _session().create_client(service, config=CLIENTS)


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


@cache
def _documents() -> Documents:
    """The clients, kept between invocations; not kept when making them failed."""
    settings = _settings()
    url = settings.embedding_queue_url
    return Documents(
        settings,
        _tokenizer(),
        Store(_client("s3"), settings.result_bucket, settings.result_prefix),
        Queue(_client("sqs"), url) if url else None,
        memory_mb=int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or contract.DEFAULT_MEMORY_MB),
        watch=telemetry.watch,
    )


@logger.inject_lambda_context
def handler(event: object, context: LambdaContext) -> Mapping[str, Any] | HealthReport:
    """Handle a bucket's event, a direct call `{"bucket", "key", "version_id"?}`, or `{"test": true}`.

    Returns:
        For a direct call the document's answer, or its error; for an event the answers of its documents.

    Raises:
        RetryError: an event has documents that a retry may help.
        DocumentError: the event is another service's, which reads no answer.
    """
    if is_health_request(event):
        return _health()
    try:
        if is_object(event) and is_list(event.get("Records")):
            return _bucket_event(event, context)
        if is_object(event) and event.get("Event") == "s3:TestEvent":
            return {"ignored": "s3:TestEvent"}
        events.refuse_of_event_bridge(event)
        return _direct(event, context)
    finally:
        telemetry.flush()


def _direct(event: object, context: LambdaContext) -> Mapping[str, Any]:
    """Answer a direct call; nothing is raised that a caller can understand."""
    started = time.monotonic()
    try:
        bucket, key, version_id = events.request(event)
        asked = Asked(bucket, key, Deadline.of(context))
        answer = _documents().look(asked, version_id)
    except DocumentError as error:
        return telemetry.failed(str(event.get("key")) if is_object(event) else "-", error, started)
    telemetry.done(answer, started)
    return answer


def _bucket_event(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Try every record of an event, then raise if one is to be tried again: those that are done stay done."""
    answers: list[Mapping[str, Any]] = []
    retry: list[str] = []
    records = event["Records"]
    for number, record in enumerate(records):
        deadline = Deadline.after(Deadline.of(context).left() / (len(records) - number))
        try:
            answers.append(_record(record, deadline, context))
        except (DocumentError, ConfigurationError, SupersededError, QueueError, ClientError, BotoCoreError) as error:
            telemetry.retried(events.key_of(record), error)
            retry.append(f"{type(error).__name__}: {error}")
    if retry:
        raise RetryError("; ".join(retry))
    return {"documents": answers}


def _record(record: object, deadline: Deadline, context: LambdaContext) -> Mapping[str, Any]:
    """Do what one record of an event asks for.

    Raises:
        DocumentError: and a retry may help, or there is no queue for those that none can help.
    """
    started = time.monotonic()
    try:
        bucket, key, sequencer = events.place(record)
        if _is_own(bucket, key):
            logger.warning("a result of this function's triggered it: narrow the bucket's filter", extra={"key": key})
            return {"status": "ignored", "key": key}
        answer = _documents().settle(Asked(bucket, key, deadline, sequencer))
    except DocumentError as error:
        if error.code in MAY_PASS:
            raise
        failed = telemetry.failed(events.key_of(record), error, started)
        url = _settings().dead_letter_queue_url
        if url is None:
            raise
        event = {"Records": [record]}
        Queue(_client("sqs"), url).send([failed_event(event, error.code, error.message, context)])
        return failed
    if answer is None:
        telemetry.gone(bucket, key)
        return {"status": "gone", "key": key}
    telemetry.done(answer, started)
    return answer


def _is_own(bucket: str, key: str) -> bool:
    settings = _settings()
    return bucket == settings.result_bucket and key.startswith(settings.result_prefix)


def _health() -> HealthReport:
    def settings() -> str:
        loaded = _settings()
        queue = "queued" if loaded.embedding_queue_url else "in the result only"
        return f"{loaded.chunk_tokens} tokens a chunk, {queue}"

    def vocabulary() -> str:
        tokenizer = _tokenizer()
        return f"{tokenizer.name}, {tokenizer.count('hello world')} tokens in 'hello world'"

    def children() -> str:
        limits = Limits(cpu_seconds=5, wall_seconds=10, memory_bytes=64 * child.MIB)
        ending = child.run(lambda _send: "a child answers", limits, lambda _value, _blob: None)
        if ending.value is None:
            raise RuntimeError(f"a child ended with {ending.how}: {ending.detail}")
        return str(ending.value)

    return report(FUNCTION, DISTRIBUTIONS, {"settings": settings, "vocabulary": vocabulary, "children": children})


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # Lambda's init phase, and nobody else's import
    with starting(), contextlib.suppress(ConfigurationError, BotoCoreError):  # said again with the first document
        _documents()
