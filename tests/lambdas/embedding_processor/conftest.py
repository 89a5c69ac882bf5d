"""The function in this process: the real model, real clients of AWS, and Supabase's over a real PostgreSQL."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import psycopg
import pytest
from psycopg.rows import dict_row

from lambdas.embedding_processor import handler
from ops.migration import apply
from tests.lambdas.conftest import Context
from tests.lambdas.events import s3_event, sns_event
from tests.models import minilm
from tests.sandbox.supabase_project import KEY, project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.account import Account
    from sandbox.standins.serving import Server
    from sandbox.standins.supabase.server import SupabaseState

DIMENSION = 384
_sequencers = itertools.count(0x0055AED6DCD90281E5)


class Function:
    """The deployed function, its bucket, its dead-letter queue and its database, as a test sees them."""

    def __init__(self, account: Account, bucket: str, failures: str, parameter: str, state: SupabaseState) -> None:
        self.s3 = account.client("s3")
        self.sqs = account.client("sqs")
        self.ssm = account.client("ssm")
        self.bucket = bucket
        self.failures = failures
        self.parameter = parameter
        self.database = state

    def put(self, key: str, data: bytes | str) -> dict[str, Any]:
        """Put a file; the record of the event that S3 would send."""
        body = data.encode() if isinstance(data, str) else data
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return self.record(key, "ObjectCreated:Put", answer.get("VersionId"))

    def remove(self, key: str, version_id: str | None = None) -> dict[str, Any]:
        """Remove a file, or one version of it; the record of the event."""
        given = {"VersionId": version_id} if version_id else {}
        self.s3.delete_object(Bucket=self.bucket, Key=key, **given)
        return self.record(key, "ObjectRemoved:Delete" if version_id else "ObjectRemoved:DeleteMarkerCreated")

    def record(self, key: str, name: str, version_id: str | None = None) -> dict[str, Any]:
        (record,) = s3_event(self.bucket, quote_plus(key, safe="/"))["Records"]
        record["eventName"] = name
        record["s3"]["object"] |= {"sequencer": f"{next(_sequencers):018X}"}
        if version_id:
            record["s3"]["object"]["versionId"] = version_id
        return record

    def invoke(self, event: Any, seconds: float = 300.0) -> Any:
        return handler.handler(event, Context(seconds))  # type: ignore[arg-type]  # the parts of a context that are used

    def deliver(self, *records: dict[str, Any], seconds: float = 300.0) -> list[dict[str, Any]]:
        """One notification with these records; the answers."""
        return self.invoke(notification(*records), seconds)["files"]

    def rows(self, key: str | None = None) -> list[dict[str, Any]]:
        """The rows of a file, or all, in order of chunks."""
        with psycopg.connect(self.database.url()) as connection:
            query = (
                "select *, embedding::text as vector from content_embeddings order by key, (metadata->>'chunk')::int"
            )
            found: list[dict[str, Any]] = connection.cursor(row_factory=dict_row).execute(query).fetchall()
        return [row for row in found if key is None or row["key"] == f"{self.bucket}/{key}"]

    def staged(self) -> int:
        with psycopg.connect(self.database.url()) as connection:
            (count,) = connection.execute("select count(*) from content_embeddings_staged").fetchone() or (0,)
        return count

    def failed(self) -> list[dict[str, Any]]:
        """What is in the dead-letter queue, which is empty then."""
        found: list[dict[str, Any]] = []
        while batch := self.sqs.receive_message(QueueUrl=self.failures, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.failures, ReceiptHandle=message["ReceiptHandle"])
        return found

    def configure(self, url: str, key: str) -> None:
        """Set the parameter."""
        value = json.dumps({"url": url, "service_key": key})
        self.ssm.put_parameter(Name=self.parameter, Value=value, Type="SecureString", Overwrite=True)

    def restart(self) -> None:
        """A new environment, which keeps nothing but the model."""
        for cached in (handler._settings, handler._documents, handler._database, handler._queues, handler._s3):
            cached.cache_clear()


def notification(*records: dict[str, Any]) -> dict[str, Any]:
    """What the topic delivers."""
    return sns_event(json.dumps({"Records": list(records)}))


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The model as it is shipped."""
    return minilm()


@pytest.fixture
def supabase() -> Iterator[tuple[SupabaseState, Server]]:
    """A project with the migration applied."""
    with project() as (state, server):
        apply(state.url(), DIMENSION)
        yield state, server


@pytest.fixture
def make_function(
    account: Account, model_folder: Path, supabase: tuple[SupabaseState, Server], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Function]:
    """Makes the function with an empty bucket and queue, and these extra variables ("" removes one)."""

    def make(*, versioned: bool = True, **variables: str) -> Function:
        name = uuid.uuid4().hex[:12]
        state, server = supabase
        s3, sqs = account.client("s3"), account.client("sqs")
        place = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
        s3.create_bucket(Bucket=f"files-{name}", **place)
        if versioned:
            s3.put_bucket_versioning(Bucket=f"files-{name}", VersioningConfiguration={"Status": "Enabled"})
        failures = sqs.create_queue(QueueName=f"failures-{name}")["QueueUrl"]
        environment = {
            **account.environment(),
            "SSM_PARAMETER_NAME": f"/tests/{name}",
            "MODEL_PATH": str(model_folder),
            "DEAD_LETTER_QUEUE_URL": failures,
        } | variables
        for variable, value in environment.items():
            if value:
                monkeypatch.setenv(variable, value)
            else:
                monkeypatch.delenv(variable, raising=False)
        function = Function(account, f"files-{name}", failures, f"/tests/{name}", state)
        function.configure(server.url, KEY)
        function.restart()
        if "MODEL_PATH" in variables or "MODEL_URI" in variables or handler._embedder.cache_info().currsize == 0:
            handler._embedder.cache_clear()
        return function

    return make


@pytest.fixture
def function(make_function: Callable[..., Function]) -> Function:
    """The function with its usual settings."""
    return make_function()
