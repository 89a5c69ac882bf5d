"""The knowledge base as deployed: its function on its five layers, under its own role, over the wire."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from lambdas.knowledge_base import contract
from sandbox.cloud import wait_until
from sandbox.demos.knowledge_base import DEMO, samples
from sandbox.demos.knowledge_base.reader import Reader
from sandbox.screen import Steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud import LocalCloud
    from sandbox.standins.weaviate.server import WeaviateState

pytestmark = [pytest.mark.xdist_group("local-cloud"), pytest.mark.slow]

FUNCTION = "knowledge_base"
DENIED = r"not authorized|Access ?Denied"
PATIENCE = 90.0


@pytest.fixture(scope="module")
def url(cloud: LocalCloud) -> str:
    """The API's address, and the page's."""
    return cloud.function(FUNCTION)["api_url"]


@pytest.fixture(scope="module")
def reader(url: str) -> Iterator[Reader]:
    """Somebody with an account."""
    made = Reader(url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def bees(reader: Reader) -> str:
    """A document that came through the API, and is ready."""
    document = reader.upload(samples.BEEKEEPING, samples.beekeeping())
    assert reader.finished(document, PATIENCE)["status"] == "ready"
    return document


@pytest.fixture(scope="module")
def trains(reader: Reader) -> str:
    """One that came by the bucket."""
    document = reader.upload_to_bucket(samples.NIGHT_TRAINS, samples.night_trains())
    assert reader.finished(document, PATIENCE)["status"] == "ready"
    return document


def passages(cloud: LocalCloud) -> int:
    """All that are in the index, of all users."""
    state: WeaviateState = cloud.state("weaviate")
    tenants = [tenant for each in state.store.collections.values() for tenant in each.tenants.values()]
    return sum(len(tenant.objects) for tenant in tenants)


def objects(cloud: LocalCloud, document: str) -> list[str]:
    """Keys of all versions of all objects of a document, those that were deleted included."""
    bucket = cloud.outputs["buckets"]["knowledge"]
    pages = cloud.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket)
    found = [each for page in pages for kind in ("Versions", "DeleteMarkers") for each in page.get(kind, [])]
    return [each["Key"] for each in found if document in each["Key"]]


def row(cloud: LocalCloud, document: str) -> list[Any]:
    client, variables = cloud.client("dynamodb"), variables_of(cloud)
    items = client.scan(TableName=variables[contract.DOCUMENTS_TABLE])["Items"]
    return [item for item in items if item["document_id"]["S"] == document]


def variables_of(cloud: LocalCloud) -> dict[str, str]:
    name = cloud.function(FUNCTION)["name"]
    return cloud.client("lambda").get_function_configuration(FunctionName=name)["Environment"]["Variables"]


# --- what it does ---


def test_the_demonstration(cloud: LocalCloud) -> None:
    report = DEMO.run(cloud, Steps(Console(file=io.StringIO())), True)
    assert report.faults() == []
    tables = list(report.tables())
    assert [table.title for table in tables] == ["Uploaded", "Hybrid search", "Asked"]


def test_every_route_works_at_one_address_health_too(url: str) -> None:
    for path, kind in (("/", "text/html"), ("/docs", "text/html"), ("/openapi.json", "application/json")):
        answer = httpx.get(f"{url}{path}", timeout=30)
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind), path
        assert "default-src 'self'" in answer.headers["content-security-policy"], path
    health = httpx.get(f"{url}/health", timeout=30)
    assert health.status_code == 200
    assert "services" not in health.json(), "the emulator's own /health answered"
    assert httpx.get(f"{url}/no/such/route", timeout=30).json()["error"]["code"] == "not_found"
    assert httpx.get(f"{url}/documents", timeout=30).status_code == 401


def test_the_test_event_is_answered_from_the_layers_at_opt(cloud: LocalCloud) -> None:
    name = cloud.function(FUNCTION)["name"]
    answer = cloud.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=b'{"test": true}')
    report = json.load(answer["Payload"])
    assert "FunctionError" not in answer, report
    assert report["ok"], report["problems"]
    assert {"fastapi", "openai", "weaviate-client", "pdfplumber", "argon2-cffi", "numpy"} <= report["versions"].keys()


def test_a_drawn_page_is_an_image_that_the_page_may_show_and_nobody_may_without_its_link(
    cloud: LocalCloud, reader: Reader, trains: str
) -> None:
    (image,) = reader.page(trains, 2)["images"]
    shown = httpx.get(image["url"], timeout=30)
    assert shown.content.startswith((b"\x89PNG", b"\xff\xd8"))
    refused = httpx.get(image["url"].partition("?")[0], timeout=30)
    assert refused.status_code == 403
    (key,) = {key for key in objects(cloud, trains) if key.startswith(contract.IMAGES_PREFIX)}
    assert key.partition("?")[0] in image["url"]


def test_the_page_may_upload_to_the_bucket_from_its_own_address_and_no_other_page_may(
    cloud: LocalCloud, reader: Reader, url: str
) -> None:
    form = reader.ask("POST", "/documents/uploads", json={"filename": "a.pdf", "bytes": 100})
    asked = {"access-control-request-method": "POST"}
    allowed = httpx.options(form["url"], headers={"origin": url, **asked}, timeout=30)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, url)
    other = httpx.options(form["url"], headers={"origin": "http://127.0.0.1:1", **asked}, timeout=30)
    assert other.status_code == 403
    csp = httpx.get(f"{url}/", timeout=30).headers["content-security-policy"]
    assert form["url"].partition("/strata-")[0] in csp, "the page may not send to where the form says"
    reader.ask("DELETE", f"/documents/{form['document_id']}")


def test_the_file_comes_back_as_it_was(reader: Reader, bees: str) -> None:
    where = httpx.get(f"{reader.url}/documents/{bees}/file", headers=reader.headers, timeout=30, follow_redirects=False)
    assert where.status_code == 302
    assert httpx.get(where.headers["location"], timeout=30).content == samples.beekeeping()


def test_what_is_deleted_is_gone_everywhere_in_every_version(cloud: LocalCloud, reader: Reader) -> None:
    before = passages(cloud)
    document = reader.upload(samples.NIGHT_TRAINS, samples.night_trains())
    reader.finished(document, PATIENCE)
    assert passages(cloud) > before
    assert objects(cloud, document)
    reader.ask("DELETE", f"/documents/{document}")
    gone = lambda: passages(cloud) == before and not objects(cloud, document) and not row(cloud, document)  # noqa: E731
    wait_until(gone, "vectors, objects and row to go", PATIENCE)


def test_what_is_no_pdf_says_so_and_leaves_nothing_to_find(cloud: LocalCloud, reader: Reader) -> None:
    before = passages(cloud)
    document = reader.upload_to_bucket("letter.pdf", b"Dear reader, this is no PDF at all.")
    found = reader.finished(document, PATIENCE)
    assert (found["status"], bool(found["error"]["message"])) == ("failed", True)
    assert passages(cloud) == before
    assert cloud.messages_left(cloud.function(FUNCTION)["dlq_url"]) == 0


def test_what_make_up_says_is_a_page_and_an_account_that_works(cloud: LocalCloud, url: str) -> None:
    said = DEMO.welcome(cloud)
    assert said["The page"] == f"{url}/"
    email, _, password = said["Sign in as"].partition(", password ")
    answer = httpx.post(f"{url}/auth/login", json={"email": email, "password": password}, timeout=30)
    assert answer.status_code == 200


# --- its role ---


def role_client(cloud: LocalCloud, service: str) -> Any:
    """A client with the credentials that the function itself has."""
    role = cloud.function(FUNCTION)["role_arn"]
    found = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    session: Any = boto3.Session(
        found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], region_name=cloud.account.region
    )
    return session.client(service, endpoint_url=cloud.account.endpoint)


def test_its_role_may_do_nothing_else(cloud: LocalCloud) -> None:
    variables, bucket = variables_of(cloud), cloud.outputs["buckets"]["knowledge"]
    forbidden: dict[tuple[str, str], dict[str, Any]] = {
        ("dynamodb", "scan"): {"TableName": variables[contract.USERS_TABLE]},
        ("dynamodb", "delete_table"): {"TableName": variables[contract.USERS_TABLE]},
        ("s3", "put_object"): {"Bucket": bucket, "Key": f"{contract.IMAGES_PREFIX}x", "Body": b"x"},
        ("s3", "get_object"): {"Bucket": bucket, "Key": "elsewhere/x"},
        ("s3", "list_objects_v2"): {"Bucket": cloud.outputs["artifact_bucket"]},
        ("s3", "delete_bucket"): {"Bucket": bucket},
        ("sqs", "receive_message"): {"QueueUrl": cloud.function(FUNCTION)["dlq_url"]},
        ("lambda", "invoke"): {"FunctionName": cloud.function(FUNCTION)["name"]},
        ("iam", "list_roles"): {},
        ("secretsmanager", "list_secrets"): {},
    }
    for (service, operation), arguments in forbidden.items():
        with pytest.raises(ClientError, match=DENIED):
            getattr(role_client(cloud, service), operation)(**arguments)
