"""Real calls through what this layer promises: a PDF's text, its table, tokens, an event, a log line, a metric.

Runs with the standard library, this layer and the runtime's boto3, on the target's CPU, with no network. The modules
that it imports are those shipped with bytecode, so it goes the way the function goes.
"""

# ruff: noqa: S101, S106 - every call imports what it tries, and an assertion is its verdict

from importlib.metadata import version

from layer_builds.smoke_calls.pdf import tables, text, tokens


def event() -> None:
    """Powertools reads a bucket's event, logs and counts."""
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit
    from aws_lambda_powertools.utilities.data_classes import S3Event
    from aws_lambda_powertools.utilities.typing import LambdaContext

    thing = {"key": "a+b.pdf", "size": 3, "eTag": "x", "sequencer": "0A"}
    records = [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "documents"}, "object": thing}}]
    (record,) = S3Event({"Records": records}).records
    assert (record.s3.bucket.name, record.s3.get_object.key) == ("documents", "a+b.pdf")
    metrics = Metrics(namespace="Strata", service="smoke")
    metrics.add_metric(name="DocumentsProcessed", unit=MetricUnit.Count, value=1)
    assert "DocumentsProcessed" in metrics.serialize_metric_set()
    assert LambdaContext is not None
    Logger(service="smoke").info("document done", pages=1)


def clients() -> None:
    """The runtime's boto3 makes the clients that the function uses."""
    import boto3

    for name in ("s3", "sqs"):
        assert boto3.client(name, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    for call in (text, tables, tokens, event, clients):
        call()
    names = ("pdfplumber", "pypdfium2", "tiktoken", "aws-lambda-powertools")
    return {name: version(name) for name in names}
