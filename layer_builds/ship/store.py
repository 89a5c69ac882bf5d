"""Publishing: a built layer in the artifact bucket, under its digest.

The bucket is a build cache: another machine or stack that needs the same digest finds it there. Owns the upload and
the checks that it goes to the account it is meant for and overwrites nothing. It never prints a credential, and makes
no LayerVersion.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from layer_builds.build.finished import Builder, archive_path, cached_entry
from layer_builds.build.outcome import check_reproduced
from layer_builds.plan import LayerBuildError, artifact_key, committed_entry, layer_digest
from layer_builds.ship.account import aws_errors, checked_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from layer_builds.plan import LayerSpec, Target

TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
"""There is an object, or was one during the upload.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""
READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """Where a layer's archive is."""

    layer: str
    digest: str
    bucket: str
    key: str
    sha256: str
    """Of the zip."""
    bytes: int
    built: bool
    """Whether it had to be built for this."""
    uploaded: bool
    """Whether the bucket lacked it."""

    def document(self) -> dict[str, Any]:
        """The one line that the command prints."""
        return asdict(self)


def publish(
    layer: LayerSpec,
    target: Target,
    *,
    bucket: str,
    account: str,
    region: str,
    profile: str | None = None,
    builder: Builder = "native",
    compiler: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Published:
    """See to it that the bucket holds a layer.

    Args:
        layer: What to publish.
        target: For which runtime and architecture.
        bucket: Its name.
        account: Twelve digits: the account of the stack, which the caller's credentials have to be of.
        region: Of the bucket.
        profile: A profile of the AWS configuration; None is boto3's default chain.
        builder: Used when neither this machine nor the bucket has the archive.
        compiler: CPython patch version for the bytecode; None is the pinned one.
        progress: Told what is being done.

    Raises:
        LayerBuildError: the account is another one, the build failed or came to other bytes than the manifest has, or
            AWS refused.
    """
    say: Callable[[str], None] = progress or (lambda _: None)
    with aws_errors(f"publishing layer {layer.name} to bucket {bucket} in {region}"):
        session, config = checked_session(profile, region, account)
        store = _Store(session.client("s3", config=config), bucket, account)
        return _publish(store, layer, target, builder=builder, compiler=compiler, say=say)


class _Store:
    """The three calls on one bucket. Each says whose bucket it has to be, so that one of somebody else's is refused."""

    def __init__(self, client: Any, bucket: str, account: str) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": account}
        self.bucket = bucket

    def sha256(self, key: str) -> tuple[str, int] | None:
        """SHA-256 and size of an object; None when there is none."""
        from botocore.exceptions import ClientError

        try:
            head = self._client.head_object(**self._where, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if _code(error) in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise
        # What S3 computed from the bytes; metadata would be the uploader's word for them.
        checksum = head.get("ChecksumSHA256")
        found = base64.b64decode(checksum).hex() if checksum else self._read(key)
        return found, int(head["ContentLength"])

    def _read(self, key: str) -> str:
        """SHA-256 of an object that was uploaded, or copied from another bucket, by other means."""
        digest = hashlib.sha256()
        for piece in self._client.get_object(**self._where, Key=key)["Body"].iter_chunks(READ_BYTES):
            digest.update(piece)
        return digest.hexdigest()

    def put(self, key: str, path: Path, sha256: str) -> bool:
        """Upload a file under a key that no object has; S3 refuses it when what arrives has another SHA-256.

        Returns:
            False when somebody else was faster.
        """
        from botocore.exceptions import ClientError

        try:
            with path.open("rb") as body:
                self._client.put_object(
                    **self._where,
                    Key=key,
                    Body=body,
                    ContentType="application/zip",
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                    IfNoneMatch="*",
                )
        except ClientError as error:
            if _code(error) in TAKEN:
                return False
            raise
        return True


def _publish(
    store: _Store,
    layer: LayerSpec,
    target: Target,
    *,
    builder: Builder,
    compiler: str | None,
    say: Callable[[str], None],
) -> Published:
    digest = layer_digest(layer, target, compiler)
    key = artifact_key(layer.name, digest)
    say(f"{layer.name} {target}: look for {digest[:12]} in {store.bucket}")
    there = store.sha256(key)
    if there is not None:
        _check_same(store.bucket, key, there[0], _expected(layer, target, digest))
        return Published(layer.name, digest, store.bucket, key, there[0], there[1], built=False, uploaded=False)
    from layer_builds.build.builder import build_layer

    built = build_layer(layer, target, builder=builder, compiler=compiler, progress=say)
    check_reproduced(layer, target, built.entry)
    say(f"{layer.name} {target}: upload {built.zip_bytes / 1e6:.1f} MB to {store.bucket}")
    uploaded = store.put(key, built.path, built.sha256)
    if not uploaded:
        faster = store.sha256(key)
        if faster is None:
            raise LayerBuildError(f"s3://{store.bucket}/{key} was written and deleted meanwhile: run this again")
        _check_same(store.bucket, key, faster[0], built.sha256)
    return Published(
        layer.name, digest, store.bucket, key, built.sha256, built.zip_bytes, built=not built.hit, uploaded=uploaded
    )


def _check_same(bucket: str, key: str, found: str, expected: str | None) -> None:
    """Refuse an object of other bytes. It is not overwritten: other stacks may have been promised what it holds."""
    if expected is not None and found != expected:
        raise LayerBuildError(
            f"s3://{bucket}/{key} has SHA-256 {found[:16]}…, and the layer has {expected[:16]}…: something else wrote "
            "it, or it was damaged. Nothing was uploaded, since a published artifact is never overwritten. Find out "
            "who wrote it, delete the object, and run this again"
        )


def _expected(layer: LayerSpec, target: Target, digest: str) -> str | None:
    """The archive's SHA-256 as far as it is known without building: from the manifest, else from a finished build."""
    known = committed_entry(layer, target, digest)
    entry = known or cached_entry(archive_path(digest), digest, known)
    return entry.artifact_sha256 if entry else None


def _code(error: Any) -> str:
    """AWS's name of a refusal."""
    return str(error.response.get("Error", {}).get("Code", "?"))
