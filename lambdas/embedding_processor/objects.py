"""Objects in S3: what is under a key now, and what S3's errors mean.

An event only says where to look: the object is read as it is now. So duplicates, late events and events out of order
all lead to the same rows, and a version that was deleted below a newer one changes nothing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.embedding_processor.errors import DeniedError, UnavailableError
from lambdas.shared.object_refusals import OF_A_KEY, REMEDIES

if TYPE_CHECKING:
    from collections.abc import Generator

MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
NO_ENCODINGS = frozenset({"identity", "aws-chunked"})
"""Of a Content-Encoding: nothing, and how a client sent it."""
DENIED = frozenset({"403", "AccessDenied", "Forbidden"})
ARCHIVED = "InvalidObjectState"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object, and its content while it is open."""

    version_id: str | None
    """None in a bucket without versions."""
    etag: str
    modified: str
    """When it was put, ISO 8601."""
    bytes: int
    body: Any
    encoding: str = ""
    """Its Content-Encoding, in lower case; "" when its bytes are what they are."""
    unreadable: str = ""
    """Why S3 will not give its content, however often it is asked; "" when it does."""

    def read(self) -> bytes:
        """Its content.

        Raises:
            UnavailableError: the connection broke.
        """
        try:
            data: bytes = self.body.read()
        except Exception as error:  # noqa: BLE001  of botocore, urllib3 or the socket
            raise UnavailableError(f"the object could not be read to its end: {type(error).__name__}") from None
        return data


class Objects:
    """The buckets that the function may read."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @contextlib.contextmanager
    def open(self, bucket: str, key: str) -> Generator[Found | None]:
        """Open the current version of an object; None when there is none.

        Raises:
            DeniedError: the role may not read it, or not with its KMS key.
        """
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            yield self._refused(bucket, key, error)
            return
        with contextlib.closing(answer["Body"]) as body:
            yield Found(
                version_id=answer.get("VersionId"),
                etag=answer["ETag"].strip('"'),
                modified=answer["LastModified"].isoformat(),
                bytes=answer["ContentLength"],
                encoding=_encoding(answer.get("ContentEncoding") or ""),
                body=body,
            )

    def _refused(self, bucket: str, key: str, error: ClientError) -> Found | None:
        """What there is to know of an object that S3 did not give; None when there is none.

        Raises:
            DeniedError: somebody may allow it.
        """
        code, name = _code(error), f"s3://{bucket}/{key}"
        if code in MISSING:
            return None
        if code in DENIED:
            raise DeniedError(
                f"GetObject of {name} is denied to the function's role (S3 also says so of an object "
                "that is not there, when the role may not list the bucket)"
            ) from None
        if code.startswith(OF_A_KEY):
            raise DeniedError(f"GetObject of {name} fails with the object's KMS key: {code}") from None
        if code not in REMEDIES:
            raise error
        why = f"it cannot be read: {REMEDIES[code]} ({code})"
        empty = Found(version_id=None, etag="", modified="", bytes=0, body=None, unreadable=why)
        return self._archived(bucket, key, empty) if code == ARCHIVED else empty

    def _archived(self, bucket: str, key: str, found: Found) -> Found | None:
        """Which version is archived: it may be the one that has its rows, from when it could be read."""
        try:
            answer = self._client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _code(error) in MISSING:
                return None
            raise
        return replace(
            found,
            version_id=answer.get("VersionId"),
            etag=answer["ETag"].strip('"'),
            modified=answer["LastModified"].isoformat(),
            bytes=answer["ContentLength"],
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _encoding(header: str) -> str:
    parts = [part.strip().lower() for part in header.split(",")]
    return ", ".join(part for part in parts if part and part not in NO_ENCODINGS)
