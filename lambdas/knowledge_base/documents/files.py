"""What is kept of documents in the bucket: the file, pages, images. Owns the keys, and that nothing is left of them.

The bucket keeps versions, so what is removed is removed with every version that it had.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.documents.filenames import disposition
from lambdas.knowledge_base.documents.page import Page
from lambdas.knowledge_base.documents.places import images_prefix, original_key, pages_prefix, upload_key
from lambdas.knowledge_base.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lambdas.knowledge_base.documents.page import Image

PDF = "application/pdf"
MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
BLOCK_BYTES = 1024 * 1024
WRITERS = 8
"""Pages are small: what takes time is the way to S3 and back."""


class NoFileError(Exception):
    """The file is not there."""


class Files:
    """The bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        """Args: client: botocore's, for S3; bucket: PDF_STORAGE_BUCKET."""
        self._client = client
        self.bucket = bucket

    def form(self, user_id: str, document_id: str, most_bytes: int) -> tuple[str, dict[str, str]]:
        """A form with which a browser can upload one document, and nothing else.

        Args:
            user_id: whose.
            document_id: which.
            most_bytes: that it may have.

        Returns:
            Where it is sent to, and its fields, to be followed by the file.
        """
        key = upload_key(user_id, document_id)
        answer = self._client.generate_presigned_post(
            Bucket=self.bucket,
            Key=key,
            Fields={"Content-Type": PDF},
            Conditions=[["content-length-range", 1, most_bytes], ["eq", "$Content-Type", PDF]],
            ExpiresIn=contract.UPLOAD_SECONDS,
        )
        return answer["url"], answer["fields"]

    def keep(self, user_id: str, document_id: str, data: bytes) -> None:
        """Keep a document's file."""
        self._put(original_key(user_id, document_id), data, PDF)

    def arrived(self, user_id: str, document_id: str) -> bool:
        """Whether a presigned upload has come that was not taken yet."""
        return self._head(upload_key(user_id, document_id)) is not None

    def take(self, user_id: str, document_id: str) -> int:
        """Make what was uploaded the document's file, if something was.

        Returns:
            Bytes of the file.

        Raises:
            NoFileError: there is none, and there was none before.
        """
        upload, original = upload_key(user_id, document_id), original_key(user_id, document_id)
        if self._head(upload) is not None:
            self._client.copy_object(
                Bucket=self.bucket,
                Key=original,
                CopySource={"Bucket": self.bucket, "Key": upload},
                ContentType=PDF,
                MetadataDirective="REPLACE",
            )
            self.drop_upload(user_id, document_id)
        size = self._head(original)
        if size is None:
            raise NoFileError
        return size

    def fetch(self, user_id: str, document_id: str, path: Path) -> None:
        """Write a document's file to a path.

        Raises:
            NoFileError: there is none.
        """
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=original_key(user_id, document_id))
        except ClientError as error:
            if _code(error) in MISSING:
                raise NoFileError from None
            raise
        with path.open("wb") as file, contextlib.closing(answer["Body"]) as content:
            while block := content.read(BLOCK_BYTES):
                file.write(block)

    def link(self, user_id: str, document_id: str, filename: str) -> str:
        """An address under which a document's file is shown for five minutes."""
        return self._link(original_key(user_id, document_id), PDF, ResponseContentDisposition=disposition(filename))

    def image_link(self, image: Image) -> str:
        """An address under which an image is shown for five minutes."""
        return self._link(image.key, "image/jpeg" if image.key.endswith((".jpeg", ".jpg")) else "image/png")

    def write_pages(
        self, user_id: str, document_id: str, run: str, pages: Sequence[Page], written: Callable[[int], object]
    ) -> None:
        """Keep a run's pages.

        Args:
            user_id: whose.
            document_id: of which.
            run: of the ingestion.
            pages: all, in order.
            written: told how many are, from time to time.
        """

        def write(number: int) -> None:
            key = f"{pages_prefix(user_id, document_id)}{run}/{number}.json"
            self._put(key, pages[number - 1].stored(), "application/json")

        with ThreadPoolExecutor(WRITERS, "pages") as pool:
            for number, _ in enumerate(pool.map(write, range(1, len(pages) + 1)), 1):
                if number % 100 == 0:
                    written(number)

    def page(self, user_id: str, document_id: str, run: str, number: int) -> Page:
        """Read a page.

        Args:
            user_id: whose.
            document_id: of which.
            run: of the ingestion that made the document ready.
            number: from 1.

        Raises:
            NotFoundError: there is no such page.
        """
        key = f"{pages_prefix(user_id, document_id)}{run}/{number}.json"
        try:
            return Page.of(self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except ClientError as error:
            if _code(error) in MISSING:
                raise NotFoundError("page of this document") from None
            raise

    def prune(self, user_id: str, document_id: str, run: str) -> None:
        """Remove what other runs have left of a document."""
        for prefix in (pages_prefix(user_id, document_id), images_prefix(user_id, document_id)):
            self._remove(prefix, keep=f"{prefix}{run}/")

    def drop_upload(self, user_id: str, document_id: str) -> None:
        """Remove what was uploaded by a form."""
        self._remove(upload_key(user_id, document_id))

    def remove(self, user_id: str, document_id: str) -> None:
        """Remove everything of a document."""
        for prefix in (
            upload_key(user_id, document_id),
            f"{contract.DOCUMENTS_PREFIX}{user_id}/{document_id}/",
            pages_prefix(user_id, document_id),
            images_prefix(user_id, document_id),
        ):
            self._remove(prefix)

    def _remove(self, prefix: str, *, keep: str | None = None) -> None:
        for group in self._versions(prefix):
            going = [version for version in group if keep is None or not version["Key"].startswith(keep)]
            if not going:
                continue
            answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": going, "Quiet": True})
            if answer.get("Errors"):
                code = str(answer["Errors"][0].get("Code", "unknown"))
                raise ClientError({"Error": {"Code": code, "Message": "objects were not removed"}}, "DeleteObjects")

    def _versions(self, prefix: str) -> Iterator[list[dict[str, str]]]:
        """Every version of every object below a prefix, markers of removed ones included, in groups of 1,000."""
        for answer in self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
            found = [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
            yield [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in found]

    def _put(self, key: str, data: bytes, content_type: str) -> None:
        self._client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)

    def _head(self, key: str) -> int | None:
        """Bytes of an object; None when there is none."""
        try:
            return self._client.head_object(Bucket=self.bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if _code(error) in MISSING:
                return None
            raise

    def _link(self, key: str, content_type: str, **response: str) -> str:
        return self._client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket, "Key": key, "ResponseContentType": content_type, **response},
            ExpiresIn=contract.FILE_LINK_SECONDS,
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
