"""Files from S3 and to it, with the real client against the local AWS, under a role as the program gives."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.image_processor import service, storage
from lambdas.image_processor.errors import ProcessingError
from lambdas.image_processor.request import S3Place
from sandbox.demos.image_processor.pdf import Pdf, with_image
from tests.lambdas.image_processor.conftest import invoke
from tests.lambdas.image_processor.test_requests import error, noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.account import Account

GOOD = with_image(2, 1, b"xy")


@pytest.fixture(autouse=True)
def _fresh_client(monkeypatch: pytest.MonkeyPatch) -> Any:
    storage._client.cache_clear()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the keys of the test before
    yield
    storage._client.cache_clear()


@pytest.fixture
def bucket(account: Account, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket that the function may use."""
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    name = f"images-{uuid.uuid4().hex[:12]}"
    account.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": account.region})
    return name


@pytest.fixture
def put(account: Account, bucket: str) -> Callable[[str, bytes], None]:
    return lambda key, data: account.client("s3").put_object(Bucket=bucket, Key=key, Body=data)


def request(bucket: str, key: str = "in.pdf", **more: Any) -> dict[str, Any]:
    return {"operation": "extract_images", "bucket": bucket, "key": key, **more}


def test_a_file_comes_from_s3_and_its_images_go_there(account: Account, bucket: str, put: Callable[..., None]) -> None:
    pdf = Pdf()
    image = pdf.image(2, 1, b"xy")
    pdf.show(image).show(pdf.image(1, 1, b"z")).show(image)
    put("uploads/ünï cödé+1.pdf", pdf.bytes())
    event = request(bucket, "uploads/ünï cödé+1.pdf", output={"bucket": bucket, "prefix": "images/one"})
    answer = invoke(event)
    assert [(entry["bucket"], entry["key"], entry["pages"]) for entry in answer["images"]] == [
        (bucket, "images/one/page-00000-image-00000.png", [0, 2]),
        (bucket, "images/one/page-00001-image-00001.png", [1]),
    ]
    assert not any("data_base64" in entry for entry in answer["images"])
    s3 = account.client("s3")
    for entry in answer["images"]:
        found = s3.get_object(Bucket=bucket, Key=entry["key"])
        body = found["Body"].read()
        assert (found["ContentType"], len(body), body[:4]) == ("image/png", entry["bytes"], b"\x89PNG")
    assert invoke(event) == answer
    assert len(s3.list_objects_v2(Bucket=bucket, Prefix="images/")["Contents"]) == 2


def test_what_is_too_large_for_an_answer_fits_s3(account: Account, bucket: str, put: Callable[..., None]) -> None:
    put("in.pdf", noise(3_000))
    assert error(invoke(request(bucket)))[0] == "response_too_large"
    answer = invoke(request(bucket, output={"bucket": bucket}))
    (entry,) = answer["images"]
    assert entry["bytes"] > 8_000_000
    assert account.client("s3").head_object(Bucket=bucket, Key=entry["key"])["ContentLength"] == entry["bytes"]


def test_so_many_images_that_their_list_is_too_large(
    bucket: str, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_ANSWER_BYTES", 1_000)
    pdf = Pdf()
    for number in range(5):
        pdf.show(pdf.image(1, 1, bytes([number])))
    put("in.pdf", pdf.bytes())
    code, message = error(invoke(request(bucket, output={"bucket": bucket})))
    assert code == "response_too_large"
    assert "fewer pages" in message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": "missing.pdf"}, "not_found"),
        ({"bucket": "no-such-bucket-0000"}, "not_found"),
        ({"bucket": "Not A Bucket!"}, "bad_request"),
        ({"output": {"bucket": "no-such-bucket-0000"}}, "not_found"),
    ],
)
def test_what_is_not_there(bucket: str, put: Callable[..., None], change: dict[str, Any], code: str) -> None:
    put("in.pdf", GOOD)
    assert error(invoke({**request(bucket), **change}))[0] == code


def test_a_file_is_not_fetched_when_it_is_too_large(
    bucket: str, put: Callable[..., None], limits: Callable[..., None]
) -> None:
    put("in.pdf", GOOD)
    limits(MAX_FILE_BYTES=100)
    code, message = error(invoke(request(bucket)))
    assert code == "too_large"
    assert f"{len(GOOD):,} bytes" in message


@pytest.mark.parametrize(
    ("put_as", "words"),
    [
        ({"StorageClass": "GLACIER"}, "restore it"),
        ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"0" * 32}, "SSE-C"),
    ],
    ids=["archived", "of its owner's key"],
)
def test_an_object_that_s3_will_not_give(account: Account, bucket: str, put_as: dict[str, Any], words: str) -> None:
    account.client("s3").put_object(Bucket=bucket, Key="in.pdf", Body=GOOD, **put_as)
    code, message = error(invoke(request(bucket)))
    assert code == "bad_request"
    assert words in message


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        ("KMS.DisabledException", 400, "access_denied"),
        ("InvalidArgument", 400, "bad_request"),
        ("InvalidRequest", 400, "bad_request"),
        ("RequestTimeout", 400, "timed_out"),
        ("ExpiredToken", 400, "timed_out"),
        ("SlowDown", 503, "timed_out"),
        ("InternalError", 500, "timed_out"),
    ],
)
def test_only_what_may_pass_is_said_to(refusal: str, status: int, code: str) -> None:
    answer: Any = {"Error": {"Code": refusal, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(ProcessingError) as caught:
        storage._refused(ClientError(answer, "PutObject"), "written", S3Place("b", "k"))
    assert caught.value.code.value == code


def test_a_role_that_may_not(
    account: Account, bucket: str, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("private/in.pdf", GOOD)
    put("public/in.pdf", GOOD)
    iam, name = account.client("iam"), f"images-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": f"arn:aws:s3:::{bucket}/public/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=policy)
    keys = account.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", keys["SessionToken"])
    assert invoke(request(bucket, "public/in.pdf"))["status"] == "ok"
    code, message = error(invoke(request(bucket, "private/in.pdf")))
    assert code == "access_denied"
    assert "private/in.pdf" in message
    output = {"bucket": bucket, "prefix": "public"}
    assert error(invoke(request(bucket, "public/in.pdf", output=output)))[0] == "access_denied"


def test_s3_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, account: Account) -> None:
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    code, message = error(invoke(request("bucket")))
    assert code == "timed_out"
    assert "s3://bucket/in.pdf" in message
    assert "127.0.0.1" not in message
