"""Real calls through what this layer promises: an API behind Mangum with forms and errors, a batch, a log, a metric.

Runs with the standard library, this layer and the runtime's boto3, on the target's CPU, with no network. The modules
that it imports are those shipped with bytecode, so it goes the way the function goes.
"""

# ruff: noqa: PLR2004, S101, S106 - every call imports what it tries, and an assertion is its verdict

import base64
import json
from importlib.metadata import version
from typing import Annotated, Any


def event(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> dict[str, Any]:
    """Make what an HTTP API sends, payload format 2.0."""
    source = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "smoke"}
    about = {"http": source, "requestId": "r", "stage": "$default", "accountId": "1", "apiId": "a", "domainName": "x.y"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "limit=5",
        "headers": {"content-type": kind, "authorization": "Bearer right", "host": "x.y"},
        "requestContext": about,
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def api() -> None:
    """Requests come in as Lambda events: a model is checked, a file is read, errors have their own form."""
    from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, UploadFile
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse, RedirectResponse, Response
    from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
    from mangum import Mangum
    from pydantic import BaseModel, ConfigDict, Field
    from starlette.exceptions import HTTPException as AnyHTTPError

    class Query(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        query: str = Field(min_length=1, max_length=1_000)

    router, bearer = APIRouter(), HTTPBearer(auto_error=False)

    def user(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
        if given is None or given.credentials != "right":
            raise HTTPException(401)
        return "me"

    @router.post("/search")
    def search(query: Query, who: Annotated[str, Depends(user)], limit: int = 10) -> dict[str, Any]:
        return {"query": query.query, "limit": limit, "who": who}

    @router.post("/documents", status_code=202)
    async def upload(file: UploadFile) -> dict[str, Any]:
        return {"name": file.filename, "bytes": len(await file.read())}

    @router.get("/file", status_code=302)
    def elsewhere() -> Response:
        return RedirectResponse("https://example.org/", 302)

    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(router)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return JSONResponse({"error": {"code": "invalid", "message": str(error.errors()[0]["loc"])}}, 400)

    @app.exception_handler(AnyHTTPError)
    def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, AnyHTTPError)
        return JSONResponse({"error": {"code": "http", "message": error.detail}}, error.status_code)

    handler = Mangum(app, lifespan="off")

    def ask(*about: Any) -> dict[str, Any]:
        return dict(handler(event(*about), None))  # type: ignore[arg-type]

    found = ask("POST", "/search", b'{"query": "hives"}')
    assert (found["statusCode"], json.loads(found["body"])) == (200, {"query": "hives", "limit": 5, "who": "me"}), found
    assert ask("POST", "/search", b'{"query": "hives", "more": 1}')["statusCode"] == 400
    assert ask("GET", "/nowhere")["statusCode"] == 404
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="hives.pdf"\r\n'
        b"Content-Type: application/pdf\r\n\r\n%PDF-1.7\r\n--b--\r\n"
    )
    sent = ask("POST", "/documents", form, "multipart/form-data; boundary=b")
    assert (sent["statusCode"], json.loads(sent["body"])) == (202, {"name": "hives.pdf", "bytes": 8}), sent
    assert ask("GET", "/file")["headers"]["location"] == "https://example.org/"
    assert set(json.loads(ask("GET", "/openapi.json")["body"])["paths"]) == {"/search", "/documents", "/file"}


def batch() -> None:
    """Powertools returns the one bad message of two, logs and counts, and reads secrets."""
    from aws_lambda_powertools import Logger, Metrics, Tracer
    from aws_lambda_powertools.metrics import MetricUnit
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
    from aws_lambda_powertools.utilities.data_classes import S3Event
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.parameters.secrets import SecretsProvider
    from aws_lambda_powertools.utilities.parameters.ssm import SSMProvider
    from aws_lambda_powertools.utilities.typing import LambdaContext

    assert Tracer is not None
    assert SecretsProvider().client is not None
    assert SSMProvider().client is not None

    def handle(record: SQSRecord) -> None:
        json.loads(record.body)

    def record(identity: str, body: str) -> dict[str, Any]:
        arn = "arn:aws:sqs:eu-central-1:123456789012:smoke"
        return {"messageId": identity, "body": body, "eventSource": "aws:sqs", "eventSourceARN": arn, "attributes": {}}

    processor = BatchProcessor(event_type=EventType.SQS)
    result = process_partial_response(
        event={"Records": [record("good", "{}"), record("bad", "{")]},
        record_handler=handle,
        processor=processor,
        context=LambdaContext(),
    )
    assert [one["itemIdentifier"] for one in result["batchItemFailures"]] == ["bad"], result
    thing = {"key": "uploads/a+b.pdf", "size": 3, "eTag": "x", "sequencer": "0A"}
    (told,) = S3Event(
        {"Records": [{"eventName": "ObjectCreated:Post", "s3": {"bucket": {"name": "b"}, "object": thing}}]}
    ).records
    assert told.s3.get_object.key == "uploads/a+b.pdf"
    metrics = Metrics(namespace="Strata", service="smoke")
    metrics.add_metric(name="DocumentsReady", unit=MetricUnit.Count, value=1)
    assert "DocumentsReady" in metrics.serialize_metric_set()
    Logger(service="smoke").info("batch done", failed=1)


def names() -> None:
    """What later layers load of this one: names of hosts, checked classes."""
    import idna
    from pydantic.dataclasses import dataclass

    @dataclass
    class Host:
        name: str

    assert idna.encode(Host("bücher.example").name) == b"xn--bcher-kva.example"


def clients() -> None:
    """The runtime's boto3 makes the clients that the function uses."""
    import boto3

    for name in ("dynamodb", "lambda", "s3", "sqs"):
        assert boto3.client(name, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    for call in (api, batch, names, clients):
        call()
    packages = ("fastapi", "starlette", "mangum", "python-multipart", "aws-lambda-powertools", "pydantic")
    return {name: version(name) for name in packages}
