"""The function: a topic's notifications in, rows of a Supabase table out. `documents` does the work.

Owns the shapes of events and answers, and which failures are raised so that Lambda tries again.

What is loaded when: modules, the model and the clients with this module, because Lambda gives an environment a whole
processor while it starts. A wrong setting or a missing model fails files, and not the start.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdas.shared.startup import starting

with starting():
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    from lambdas.embedding_processor import artifact, contract, embedder, telemetry
    from lambdas.embedding_processor.database import Database
    from lambdas.embedding_processor.documents import Documents
    from lambdas.embedding_processor.errors import ConfigurationError, ProcessorError, RefusedFileError
    from lambdas.embedding_processor.events import object_events
    from lambdas.embedding_processor.objects import Objects
    from lambdas.embedding_processor.settings import FUNCTION, Settings
    from lambdas.embedding_processor.supabase_config import secret_of
    from lambdas.embedding_processor.telemetry import logger
    from lambdas.shared.dead_letters import failed_event
    from lambdas.shared.deadline import Deadline
    from lambdas.shared.health import HealthReport, is_health_request, report
    from lambdas.shared.secret import SecretError
    from lambdas.shared.snapshots import around_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.embedding_processor.embedder import Embedder
    from lambdas.embedding_processor.events import ObjectEvent

DISTRIBUTIONS = {
    "numpy": "numpy",
    "supabase": "supabase",
    "aws-lambda-powertools": "aws_lambda_powertools",
    "pydantic": "pydantic",
    "boto3": "boto3",
}
BACKENDS = {
    "onnx": {"onnxruntime": "onnxruntime", "tokenizers": "tokenizers"},
    "sentence-transformers": {"sentence-transformers": "sentence_transformers", "torch": "torch"},
}
"""What the layers and the runtime promise."""
CLIENTS = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 4, "mode": "standard"})
RETRIED = (ProcessorError, SecretError, ClientError, BotoCoreError)


class RetryError(Exception):
    """Files of an event that are to be tried again."""


@cache
def _settings() -> Settings:
    return Settings.load(os.environ)


@cache
def _s3() -> Any:
    return boto3.client("s3", config=CLIENTS)


@cache
def _queues() -> Any:
    return boto3.client("sqs", config=CLIENTS)


@cache
def _embedder() -> Embedder:
    settings = _settings()
    folder = Path(settings.model_path)
    if settings.model_uri and settings.model_sha256:
        folder = artifact.fetch(settings.model_uri, settings.model_sha256, _s3)
    memory_mb = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or contract.DEFAULT_MEMORY_MB)
    return embedder.load(settings.embedder, folder, memory_mb=memory_mb)


@cache
def _database() -> Database:
    secret = secret_of(_settings().parameter, os.environ, function=FUNCTION)
    secret.prepare()
    return Database(secret)


@cache
def _documents() -> Documents:
    """All that a file needs, kept between invocations; not kept when making it failed."""
    return Documents(_settings(), _embedder(), Objects(_s3()), _database())


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any] | HealthReport:
    """Handle a topic's event, a bucket's own, or `{"test": true}`.

    Returns:
        What became of each object.

    Raises:
        RetryError: there are objects that a retry may help; all of the event's have been tried.
        MalformedEventError: the event is of another kind, or has records that are; the others are done.
    """
    if is_health_request(event):
        return _health()
    events, problem = object_events(event)
    try:
        answer = _all(events, context)
    finally:
        telemetry.flush()
    if problem is not None:
        raise problem
    return answer


def _all(events: list[ObjectEvent], context: LambdaContext) -> Mapping[str, Any]:
    """Try every object, then raise if one is to be tried again: those that are done stay done."""
    answers: list[Mapping[str, Any]] = []
    retry: list[str] = []
    for number, event in enumerate(events):
        left = Deadline.of(context, contract.DISCONNECT_SECONDS).left()
        try:
            answers.append(_one(event, Deadline.after(left / (len(events) - number)), context))
        except RETRIED as error:
            telemetry.retried(event.source, error)
            retry.append(f"{event.source}: {type(error).__name__}: {error}")
    if retry:
        raise RetryError("; ".join(retry))
    return {"files": answers}


def _one(event: ObjectEvent, deadline: Deadline, context: LambdaContext) -> Mapping[str, Any]:
    """Do what one event asks for.

    Raises:
        RefusedFileError: there is no queue for those that no retry can help.
        ProcessorError, SecretError, botocore's: a retry may help.
    """
    started = time.monotonic()
    try:
        return telemetry.done(event.source, _documents().settle(event, deadline), started)
    except RefusedFileError as error:
        answer = telemetry.refused(event.source, error, started)
        url = _settings().dead_letter_queue_url
        if url is None:
            raise ConfigurationError(
                f"the file is refused ({error.reason}: {error.message}), "
                f"and {contract.DEAD_LETTER_QUEUE_URL} is not set"
            ) from None
        body = failed_event(event.event, error.reason, error.message, context)
        _queues().send_message(QueueUrl=url, MessageBody=body)
        return answer


def _health() -> HealthReport:
    def settings() -> str:
        loaded = _settings()
        return f"{loaded.embedder}, {loaded.chunk_tokens} tokens a chunk, {loaded.pooling}"

    def model() -> str:
        loaded = _embedder()
        layout = loaded.layout
        (vector,) = loaded.embed(["hello world"])
        kind = f"{layout.name} {layout.revision} ({layout.quantization})"
        return f"{kind}: {len(vector)} dimensions, {layout.max_tokens} tokens"

    with contextlib.suppress(ConfigurationError):
        return report(FUNCTION, DISTRIBUTIONS | BACKENDS[_settings().embedder], {"settings": settings, "model": model})
    return report(FUNCTION, DISTRIBUTIONS, {"settings": settings, "model": model})


def _forget() -> None:
    """Drop what is connected and what was read; the model stays, for it is what a snapshot is taken for."""
    if _database.cache_info().currsize:
        _database().forget()
    for cached in (_documents, _database, _queues, _s3):
        cached.cache_clear()


around_snapshot(_forget)
if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # Lambda's init phase, and nobody else's import
    with starting(), contextlib.suppress(ProcessorError, SecretError, BotoCoreError):  # said again with the first file
        _documents()
