"""Files from S3 and to it, with S3's refusals as the contract's errors."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from lambdas.image_processor.contract import CONTENT_TYPES, Code
from lambdas.image_processor.errors import ProcessingError
from lambdas.shared.object_refusals import OF_A_KEY, REMEDIES

if TYPE_CHECKING:
    from lambdas.image_processor.request import S3Place

MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "NotFound", "404"})
DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled"})
WRONG_NAMES = frozenset(
    {"InvalidBucketName", "KeyTooLongError", "IllegalLocationConstraintException", "PermanentRedirect"}
)

PASSING = frozenset(
    {"RequestTimeout", "RequestTimeTooSkewed", "ExpiredToken", "OperationAborted", "Throttling", "TooManyRequests"}
)
"""With a status that says that the request is wrong (4xx), and all the same another time it may succeed."""
WRONG = range(400, 500)


def read(place: S3Place, max_bytes: int) -> bytes:
    """Fetch an object.

    Raises:
        ProcessingError: `not_found`, `access_denied`, `too_large`, `bad_request`, or `timed_out`: S3 did not answer.
    """
    try:
        found = _client().get_object(Bucket=place.bucket, Key=place.key)
        size = int(found["ContentLength"])
        if size > max_bytes:
            found["Body"].close()
            raise ProcessingError(Code.TOO_LARGE, f"the object has {size:,} bytes; at most {max_bytes:,} are read")
        return found["Body"].read()
    except _errors() as error:
        _refused(error, "read", place)


def write(place: S3Place, data: bytes, kind: str) -> None:
    """Store an object.

    Raises:
        ProcessingError: as `read`, but for its size.
    """
    content_type = CONTENT_TYPES.get(kind, "application/octet-stream")
    try:
        _client().put_object(Bucket=place.bucket, Key=place.key, Body=data, ContentType=content_type)
    except _errors() as error:
        _refused(error, "written", place)


@cache
def _client() -> Any:
    """Made at the first use: a request that brings its file and takes its answer needs none."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 4, "mode": "standard"})
    return boto3.client("s3", config=config)


def _errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError  # loaded with the client

    return ClientError, BotoCoreError


def _refused(error: Exception, verb: str, place: S3Place) -> NoReturn:
    response = getattr(error, "response", None)
    answer: dict[str, Any] = response if isinstance(response, dict) else {}
    code = str(answer.get("Error", {}).get("Code", ""))
    name = f"s3://{place.bucket}/{place.key} could not be {verb}"
    if code in MISSING:
        raise ProcessingError(Code.NOT_FOUND, f"{name}: {code}") from None
    if verb == "read" and code in REMEDIES:
        raise ProcessingError(Code.BAD_REQUEST, f"{name}: {code}; {REMEDIES[code]}") from None
    if code in DENIED:
        hint = "the function's role has to allow it; without permission to list, S3 says so of missing objects, too"
        raise ProcessingError(Code.ACCESS_DENIED, f"{name}: {code}; {hint}") from None
    if code.startswith(OF_A_KEY):
        raise ProcessingError(Code.ACCESS_DENIED, f"{name}: {code}; the object's KMS key has to be enabled") from None
    if code in WRONG_NAMES or type(error).__name__ == "ParamValidationError":
        raise ProcessingError(Code.BAD_REQUEST, f"{name}: {code or 'not a valid name'}") from None
    if answer.get("ResponseMetadata", {}).get("HTTPStatusCode") in WRONG and code not in PASSING:
        raise ProcessingError(Code.BAD_REQUEST, f"{name}: S3 answers {code}, and will again") from None
    reason = code or type(error).__name__
    raise ProcessingError(Code.TIMED_OUT, f"{name}: {reason} after several tries") from None
