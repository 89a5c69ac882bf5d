"""Documents and results in S3: what is asked of it, and what its errors mean.

A result is only written over the one that was read before (conditional writes), so of two invocations with the same
document the second one notices.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ParamValidationError

from lambdas.extract_text.errors import ConfigurationError, SupersededError
from lambdas.extract_text.results import Stored, body
from lambdas.extract_text.source import Source
from lambdas.shared.object_refusals import OF_A_KEY, REMEDIES
from lambdas.shared.pdf.errors import DocumentError

if TYPE_CHECKING:
    from pathlib import Path

MAX_KEY_BYTES = 1_024
"""S3's limit."""
MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound", "NoSuchBucket", "405", "MethodNotAllowed"})
"""405: the version that is asked for is a delete marker."""
NO_BUCKET = "NoSuchBucket"
DENIED = frozenset({"403", "AccessDenied", "Forbidden"})
MOVED_ON = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
BLOCK_BYTES = 1024 * 1024


class Store:
    """The buckets."""

    def __init__(self, client: Any, result_bucket: str, result_prefix: str) -> None:
        self._client = client
        self.result_bucket = result_bucket
        self._prefix = result_prefix

    def is_result(self, bucket: str, key: str) -> bool:
        """Whether an object is one that this function writes."""
        return bucket == self.result_bucket and key.startswith(self._prefix)

    def result_key(self, key: str) -> str:
        """Where a document's result is.

        Raises:
            DocumentError: `bad_request`: the key leaves no room for the prefix and the suffix.
        """
        place = f"{self._prefix}{key}.json"
        if len(place.encode()) > MAX_KEY_BYTES:
            room = MAX_KEY_BYTES - len(f"{self._prefix}.json".encode())
            raise DocumentError("bad_request", f"the key has {len(key.encode())} bytes: its result has room for {room}")
        return place

    def head(self, bucket: str, key: str, version_id: str | None = None) -> Source | None:
        """Look at an object.

        Args:
            bucket: its bucket.
            key: its key.
            version_id: None is the current version.

        Returns:
            None when there is none, or it was removed.

        Raises:
            DocumentError: `access_denied`, or `bad_request` for what S3 does not take as a version.
        """
        given = {"VersionId": version_id} if version_id else {}
        try:
            answer = self._client.head_object(Bucket=bucket, Key=key, **given)
        except ParamValidationError:
            raise DocumentError("bad_request", f"{bucket[:100]!r} is not a valid name of a bucket") from None
        except ClientError as error:
            code = _code(error)
            if code in MISSING:
                return None
            if code == "400" and version_id:
                raise DocumentError("bad_request", f"S3 takes {version_id!r} for no version id") from None
            told = self._told(bucket, key, error) if code == "400" else error
            raise _explained(told, bucket, key) from None
        return Source(
            bucket=bucket,
            key=key,
            version_id=answer.get("VersionId"),
            etag=answer["ETag"].strip('"'),
            bytes=answer["ContentLength"],
            modified=answer["LastModified"].isoformat(),
        )

    def _told(self, bucket: str, key: str, error: ClientError) -> ClientError:
        """The same refusal with its code: an answer to HEAD has no body, and so none."""
        try:
            self._client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
        except ClientError as refusal:
            return refusal
        return error

    def fetch(self, source: Source, path: Path) -> None:
        """Write this version of an object to a file.

        Raises:
            DocumentError: `not_found` when it is gone or another one; `access_denied`; `bad_request` when S3 will
                never give it.
        """
        given = {"VersionId": source.version_id} if source.version_id else {}
        try:
            answer = self._client.get_object(Bucket=source.bucket, Key=source.key, IfMatch=f'"{source.etag}"', **given)
        except ClientError as error:
            if _code(error) in MISSING | MOVED_ON:
                raise DocumentError("not_found", "the object was removed or replaced while it was read") from None
            raise _explained(error, source.bucket, source.key) from None
        with path.open("wb") as file, contextlib.closing(answer["Body"]) as content:
            while block := content.read(BLOCK_BYTES):
                file.write(block)

    def stored(self, bucket: str, key: str) -> Stored | None:
        """Read the result of a document; None when there is none.

        Raises:
            DocumentError: `bad_request` when something else is in its place; `access_denied`.
            ConfigurationError: there is no bucket for results.
        """
        place = self.result_key(key)
        try:
            answer = self._client.get_object(Bucket=self.result_bucket, Key=place)
        except ClientError as error:
            if _code(error) == NO_BUCKET:
                raise self._no_bucket() from None
            if _code(error) in MISSING:
                return None
            raise _explained(error, self.result_bucket, place) from None
        try:
            stored = Stored(document=json.loads(answer["Body"].read()), etag=answer["ETag"])
        except (ValueError, KeyError, TypeError):
            raise DocumentError("bad_request", f"{place} is there, and is no result of this function's") from None
        owner = stored.document["source"]["bucket"]
        if owner != bucket:
            raise DocumentError(
                "bad_request",
                f"{place} is the result of s3://{owner}/{key}: documents of several buckets need different keys, or "
                "each bucket a function with another RESULT_PREFIX",
            )
        return stored

    def _no_bucket(self) -> ConfigurationError:
        return ConfigurationError(f"RESULT_BUCKET is {self.result_bucket!r}, and there is no such bucket")

    def write(self, key: str, document: dict[str, Any], over: Stored | None) -> None:
        """Write a result.

        Args:
            key: of the document.
            document: the result.
            over: what is there, as it was read; None when there was nothing.

        Raises:
            SupersededError: something else is there now.
        """
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over.etag}
        place = self.result_key(key)
        try:
            self._client.put_object(
                Bucket=self.result_bucket,
                Key=place,
                Body=body(document),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if _code(error) == NO_BUCKET:
                raise self._no_bucket() from None
            if _code(error) in MOVED_ON | MISSING:
                raise SupersededError(f"{place} was written by another invocation meanwhile") from None
            raise _explained(error, self.result_bucket, place) from None

    def remove(self, key: str, stored: Stored) -> None:
        """Remove a result.

        Raises:
            SupersededError: something else is there now.
        """
        place = self.result_key(key)
        try:
            self._client.delete_object(Bucket=self.result_bucket, Key=place, IfMatch=stored.etag)
        except ClientError as error:
            if _code(error) in MOVED_ON:
                raise SupersededError(f"{place} was written by another invocation meanwhile") from None
            raise _explained(error, self.result_bucket, place) from None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _explained(error: ClientError, bucket: str, key: str) -> Exception:
    """What S3 says of the object is a document's error; everything else is raised as it is, and tried again."""
    code, name, operation = _code(error), f"s3://{bucket}/{key}", error.operation_name
    if code in REMEDIES:
        return DocumentError("bad_request", f"{name} cannot be read: {REMEDIES[code]} ({code})")
    if code.startswith(OF_A_KEY):
        return DocumentError("access_denied", f"{operation} of {name} fails with the object's KMS key: {code}")
    if code not in DENIED:
        return error
    return DocumentError(
        "access_denied",
        f"{operation} of {name} is denied to the function's role (S3 also says so of an object that is "
        "not there, when the role may not list the bucket)",
    )
