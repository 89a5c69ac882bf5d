"""Real calls through what this layer promises: tokens, embeddings, vectors, a batch of messages.

Runs with the standard library, this layer and the runtime's boto3, on the target's CPU, with no network but a server
of its own on the loopback interface. The modules that it imports are those shipped with bytecode, so it goes the way
the function goes, errors and all.
"""

# ruff: noqa: N802, PLR2004, PT017, S101 - every call imports what it tries, and an assertion is its verdict

import base64
import struct
from importlib.metadata import version
from typing import Any

from layer_builds.smoke_calls.service import Service, serving

TEXT = "Layers are read-only; so is the vocabulary. Ünïcödé 漢字 🎈"
DIMENSIONS = 8


class Services(Service):
    """Just enough of both services' wire formats for one answer each, and one refusal."""

    protocol_version = "HTTP/1.1"
    calls: list[str] = []  # noqa: RUF012 - one server in one process

    def do_POST(self) -> None:
        """Answer an embeddings or an upsert call."""
        body = self.document()
        self.calls.append(self.path)
        if self.path == "/v1/embeddings" and self.headers["authorization"] != "Bearer right":
            return self.answer(
                401, {"error": {"message": "wrong key", "type": "invalid_request_error", "code": "invalid_api_key"}}
            )
        if self.path == "/v1/embeddings":
            packed = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *range(DIMENSIONS))).decode()
            value: Any = packed if body.get("encoding_format") == "base64" else [float(i) for i in range(DIMENSIONS)]
            data = [{"object": "embedding", "index": i, "embedding": value} for i in range(len(body["input"]))]
            usage = {"prompt_tokens": 9, "total_tokens": 9}
            return self.answer(200, {"object": "list", "model": body["model"], "data": data, "usage": usage})
        if self.path == "/vectors/upsert":
            return self.answer(200, {"upsertedCount": len(body["vectors"])})
        return self.answer(200, {"dimension": DIMENSIONS, "indexFullness": 0, "totalVectorCount": 0, "namespaces": {}})


def tokens() -> None:
    """The vocabulary is in the layer: encoding needs no network, and decoding gives the text back."""
    import tiktoken

    encoding = tiktoken.encoding_for_model("text-embedding-ada-002")
    ids = encoding.encode(TEXT)
    assert encoding.name == "cl100k_base", encoding.name
    assert encoding.decode(ids) == TEXT
    assert encoding.encode("hello world") == [15339, 1917]


def embeddings(address: str) -> None:
    """The official client sends, parses and maps errors."""
    import openai

    client = openai.OpenAI(api_key="right", base_url=f"{address}/v1", timeout=20.0, max_retries=0)
    result = client.embeddings.create(model="text-embedding-ada-002", input=[TEXT, "two"])
    assert [len(one.embedding) for one in result.data] == [DIMENSIONS, DIMENSIONS]
    assert result.usage.total_tokens == 9
    try:
        client.with_options(api_key="wrong").embeddings.create(model="text-embedding-ada-002", input=["x"])
    except openai.AuthenticationError as error:
        assert error.status_code == 401
    else:
        raise AssertionError("a wrong key was accepted")


def vectors(address: str) -> None:
    """The index client upserts over the wire."""
    from pinecone import Pinecone

    index = Pinecone(api_key="right").Index(host=address)
    assert index.describe_index_stats().dimension == DIMENSIONS
    done = index.upsert(
        vectors=[{"id": "a", "values": [0.5] * DIMENSIONS, "metadata": {"text": TEXT}}], namespace="smoke"
    )
    assert done.upserted_count == 1


def batch() -> None:
    """Powertools returns the one bad message of two, and pydantic is what refused it."""
    from aws_lambda_powertools import Logger, Metrics, Tracer
    from aws_lambda_powertools.metrics import MetricUnit
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from pydantic import BaseModel, Field

    class Message(BaseModel):
        text: str = Field(min_length=1)

    assert Tracer is not None
    assert parameters.get_secret is not None
    assert parameters.SecretsProvider().client is not None
    assert parameters.SSMProvider().client is not None
    logger = Logger(service="smoke")
    metrics = Metrics(namespace="Strata", service="smoke")

    def handle(record: SQSRecord) -> None:
        Message.model_validate_json(record.body)

    def record(identity: str, body: str) -> dict[str, Any]:
        arn = "arn:aws:sqs:eu-central-1:123456789012:smoke"
        return {"messageId": identity, "body": body, "eventSource": "aws:sqs", "eventSourceARN": arn, "attributes": {}}

    event = {"Records": [record("good", '{"text": "x"}'), record("bad", '{"text": ""}')]}
    context = LambdaContext()
    processor = BatchProcessor(event_type=EventType.SQS)
    result = process_partial_response(event=event, record_handler=handle, processor=processor, context=context)
    assert [one["itemIdentifier"] for one in result["batchItemFailures"]] == ["bad"], result
    metrics.add_metric(name="MessagesProcessed", unit=MetricUnit.Count, value=1)
    assert "MessagesProcessed" in metrics.serialize_metric_set()
    logger.info("batch done", failed=1)


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    with serving(Services) as address:
        tokens()
        embeddings(address)
        vectors(address)
        batch()
    expected = ["/v1/embeddings", "/v1/embeddings", "/describe_index_stats", "/vectors/upsert"]
    assert Services.calls == expected, Services.calls
    names = ("openai", "pinecone", "tiktoken", "aws-lambda-powertools", "pydantic")
    return {name: version(name) for name in names}
