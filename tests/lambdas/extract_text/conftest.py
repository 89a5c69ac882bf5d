"""The function in this process, with real clients of S3 and SQS, against the local AWS."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from lambdas.extract_text import handler
from lambdas.shared.tokens import Tokenizer
from tests.lambdas.conftest import Context
from tests.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.account import Account

_sequencers = itertools.count(0x0055AED6DCD90281E5)


class Function:
    """The deployed function, its buckets and queues, as a test sees them."""

    def __init__(self, account: Account, bucket: str, results: str, queue: str, failures: str) -> None:
        self.s3 = account.client("s3")
        self.sqs = account.client("sqs")
        self.bucket = bucket
        self.results = results
        self.queue = queue
        self.failures = failures

    def put(self, key: str, data: bytes) -> dict[str, Any]:
        """Put a document; the record of the event that S3 would send."""
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)
        return self.record(key, "ObjectCreated:Put", answer.get("VersionId"), answer["ETag"].strip('"'), len(data))

    def remove(self, key: str, version_id: str | None = None) -> dict[str, Any]:
        """Remove a document; the record of the event."""
        given = {"VersionId": version_id} if version_id else {}
        answer = self.s3.delete_object(Bucket=self.bucket, Key=key, **given)
        name = "ObjectRemoved:DeleteMarkerCreated" if answer.get("DeleteMarker") else "ObjectRemoved:Delete"
        return self.record(key, name, answer.get("VersionId"))

    def record(
        self, key: str, name: str, version_id: str | None = None, etag: str = "", size: int = 0
    ) -> dict[str, Any]:
        thing = {"key": quote_plus(key, safe="/"), "sequencer": f"{next(_sequencers):018X}"}
        if name.startswith("ObjectCreated"):
            thing |= {"size": size, "eTag": etag}
        if version_id:
            thing["versionId"] = version_id
        return {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-central-1",
            "eventTime": "2026-11-28T08:00:00.000Z",
            "eventName": name,
            "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "documents",
                "bucket": {
                    "name": self.bucket,
                    "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                    "arn": f"arn:aws:s3:::{self.bucket}",
                },
                "object": thing,
            },
        }

    def invoke(self, event: Any, seconds: float = 300.0) -> Any:
        return handler.handler(event, Context(seconds))  # type: ignore[arg-type]  # the parts of a context that are used

    def deliver(self, *records: dict[str, Any], seconds: float = 300.0) -> list[dict[str, Any]]:
        """One event with these records; the answers."""
        return self.invoke({"Records": list(records)}, seconds)["documents"]

    def ask(self, key: str, version_id: str | None = None) -> dict[str, Any]:
        """Call it directly."""
        event = {"bucket": self.bucket, "key": key}
        return self.invoke({**event, "version_id": version_id} if version_id else event)

    def result(self, key: str) -> dict[str, Any] | None:
        """The result object of a document."""
        try:
            answer = self.s3.get_object(Bucket=self.results, Key=f"extracted/{key}.json")
        except self.s3.exceptions.NoSuchKey:
            return None
        return json.loads(answer["Body"].read())

    def sent(self) -> list[dict[str, Any]]:
        """What is in the embedding queue, which is empty then."""
        return self._drained(self.queue)

    def failed(self) -> list[dict[str, Any]]:
        """What is in the dead-letter queue, which is empty then."""
        return self._drained(self.failures)

    def _drained(self, queue: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while batch := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def restart(self) -> None:
        """A new environment: nothing is cached."""
        for cached in (handler._settings, handler._tokenizer, handler._client, handler._session, handler._documents):
            cached.cache_clear()


class Index:
    """What a search would find, from the messages that were sent."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def take(self, messages: list[dict[str, Any]]) -> None:
        """As the embedding function would; in any order, since no id is both sent and deleted."""
        sent = {message["id"] for message in messages if "text" in message}
        deleted = {message["id"] for message in messages if "text" not in message}
        assert not sent & deleted
        assert all(message["delete"] is True for message in messages if "text" not in message)
        self.texts = {key: text for key, text in self.texts.items() if key not in deleted}
        self.texts |= {message["id"]: message["text"] for message in messages if "text" in message}


@pytest.fixture(scope="session")
def vocabulary_folder() -> str:
    return str(vocabulary())


@pytest.fixture(scope="session")
def tokenizer(vocabulary_folder: str) -> Tokenizer:
    """The default one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", vocabulary_folder)
        return Tokenizer("cl100k_base")


@pytest.fixture
def make_function(account: Account, vocabulary_folder: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Function]:
    """Makes the function with empty buckets and queues, and these extra variables ("" removes one)."""

    def make(*, versioned: bool = True, **variables: str) -> Function:
        name = uuid.uuid4().hex[:12]
        s3, sqs = account.client("s3"), account.client("sqs")
        place = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
        for bucket in (f"documents-{name}", f"results-{name}"):
            s3.create_bucket(Bucket=bucket, **place)
        if versioned:
            s3.put_bucket_versioning(Bucket=f"documents-{name}", VersioningConfiguration={"Status": "Enabled"})
        queue, failures = (sqs.create_queue(QueueName=f"{kind}-{name}")["QueueUrl"] for kind in ("chunks", "failures"))
        environment = {
            **account.environment(),
            "TIKTOKEN_CACHE_DIR": vocabulary_folder,
            "RESULT_BUCKET": f"results-{name}",
            "EMBEDDING_QUEUE_URL": queue,
            "DEAD_LETTER_QUEUE_URL": failures,
            "SETTLE_SECONDS": "0",
        } | variables
        for variable, value in environment.items():
            if value:
                monkeypatch.setenv(variable, value)
            else:
                monkeypatch.delenv(variable, raising=False)
        function = Function(account, f"documents-{name}", environment["RESULT_BUCKET"], queue, failures)
        function.restart()
        return function

    return make


@pytest.fixture
def function(make_function: Callable[..., Function]) -> Function:
    """The function with its usual settings."""
    return make_function()
