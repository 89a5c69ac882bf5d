"""Calls of the layers that bring rows into Supabase: its client, logs and metrics, the runtime's boto3."""

# ruff: noqa: PLR2004, PT017, S101, S106 - every call imports what it tries, and an assertion is its verdict


def database() -> None:
    """Supabase's client makes a call, which an answer of 401 refuses, and another that nothing answers."""
    import httpx
    from postgrest import APIError
    from supabase import ClientOptions, create_client

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["apikey"] == "sb_secret_x"
        if request.url.path.endswith("/dimension"):
            return httpx.Response(200, json=384)
        if request.url.path.endswith("/begin"):
            return httpx.Response(200, json={"state": "open", "staged": 0})
        return httpx.Response(401, json={"message": "Invalid API key"})

    connection = httpx.Client(transport=httpx.MockTransport(answer))
    options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=connection)
    client = create_client("https://project.supabase.co", "sb_secret_x", options)
    assert client.rpc("dimension", {}).execute().data == 384
    assert client.rpc("begin", {"source_key": "a"}).execute().data == {"state": "open", "staged": 0}
    try:
        client.rpc("other", {}).execute()
    except APIError as error:
        assert error.code is None
    else:
        raise AssertionError("a refused key was no error")
    with httpx.Client(
        timeout=httpx.Timeout(1, connect=0.5)
    ) as real:  # its transport, and the certificates that it reads
        assert real.timeout.connect == 0.5


def event() -> None:
    """Powertools logs and counts; pydantic reads settings."""
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit, single_metric
    from aws_lambda_powertools.utilities.parameters.ssm import SSMProvider
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from pydantic import BaseModel, Field, ValidationError, model_validator

    class Settings(BaseModel):
        chunk_tokens: int = Field(alias="CHUNK_TOKENS", ge=32)

        @model_validator(mode="after")
        def _same(self) -> "Settings":
            return self

    try:
        Settings.model_validate({"CHUNK_TOKENS": "1"})
    except ValidationError as error:
        assert error.error_count() == 1
    else:
        raise AssertionError("a chunk of one token was accepted")
    assert Settings.model_validate({"CHUNK_TOKENS": "64"}).chunk_tokens == 64
    metrics = Metrics(namespace="Strata", service="smoke")
    metrics.add_metric(name="FilesEmbedded", unit=MetricUnit.Count, value=1)
    assert "FilesEmbedded" in metrics.serialize_metric_set()  # pyright: ignore[reportUnknownMemberType] (partial types)
    with single_metric(name="FilesRefused", unit=MetricUnit.Count, value=1, namespace="Strata") as metric:
        metric.add_dimension(name="reason", value="binary")
    assert LambdaContext is not None
    assert SSMProvider is not None
    Logger(service="smoke").info("file done", chunks=1)


def clients() -> None:
    """The runtime's boto3 makes the clients that the function uses."""
    import boto3

    for name in ("s3", "sqs", "ssm", "secretsmanager"):
        assert boto3.client(  # pyright: ignore[reportUnknownMemberType] (of few services the types are installed)
            name, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
