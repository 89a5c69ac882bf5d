"""Publishing: a built layer in the artifact bucket, under its digest.

The bucket is a build cache: another machine or stack that needs the same digest finds it there. Owns the upload and
the check that it goes to the account it is meant for. It never prints a credential, and makes no LayerVersion.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from layer_builds.build import Builder, build_layer, cached_entry
from layer_builds.checks import archive_path, check_reproduced
from layer_builds.digest import layer_digest
from layer_builds.errors import LayerBuildError
from layer_builds.manifest import committed_entry
from layer_builds.processes import redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from layer_builds.spec import LayerSpec
    from layer_builds.targets import Target


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


def artifact_key(layer: str, digest: str) -> str:
    """The archive's key in the artifact bucket."""
    return f"layers/{layer}/{digest}.zip"


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
    import boto3  # noqa: PLC0415 - building needs none of it
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    say = progress or (lambda _: None)
    try:
        session = boto3.Session(profile_name=profile, region_name=region)
        config = Config(retries={"mode": "standard", "max_attempts": 5}, user_agent_extra="strata-layer-builds")
        _check_account(session.client("sts", config=config), account)
        store = _Store(session.client("s3", config=config), bucket, account)
        return _publish(store, layer, target, builder=builder, compiler=compiler, say=say)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "?")
        raise LayerBuildError(
            f"AWS refused {error.operation_name} while publishing layer {layer.name} to bucket {bucket} in {region} "
            f"({code}): {redact(str(error))}"
        ) from None
    except BotoCoreError as error:
        raise LayerBuildError(
            f"publishing layer {layer.name} to bucket {bucket} failed: {redact(str(error))}"
        ) from None


class _Store:
    """The two calls on one bucket. Both say whose bucket it has to be, so that one of somebody else's is refused."""

    def __init__(self, client: Any, bucket: str, account: str) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": account}
        self.bucket = bucket

    def sha256(self, key: str) -> tuple[str, int] | None:
        """SHA-256 and size of an object; None when there is none, or one that was uploaded by other means."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            head = self._client.head_object(**self._where, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise
        # What S3 computed from the bytes; metadata would be the uploader's word for them.
        checksum = head.get("ChecksumSHA256")
        return (base64.b64decode(checksum).hex(), int(head["ContentLength"])) if checksum else None

    def put(self, key: str, path: Path, sha256: str) -> None:
        """Upload a file; S3 refuses it when what arrives has another SHA-256."""
        with path.open("rb") as body:
            self._client.put_object(
                **self._where,
                Key=key,
                Body=body,
                ContentType="application/zip",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
            )


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
    expected = _expected(layer, target, digest)
    if there is not None and expected in {None, there[0]}:
        return Published(layer.name, digest, store.bucket, key, there[0], there[1], built=False, uploaded=False)
    built = build_layer(layer, target, builder=builder, compiler=compiler, progress=say)
    check_reproduced(layer, target, built.entry)
    uploaded = there is None or there[0] != built.sha256
    if uploaded:
        say(f"{layer.name} {target}: upload {built.zip_bytes / 1e6:.1f} MB to {store.bucket}")
        store.put(key, built.path, built.sha256)
    return Published(
        layer.name, digest, store.bucket, key, built.sha256, built.zip_bytes, built=not built.hit, uploaded=uploaded
    )


def _expected(layer: LayerSpec, target: Target, digest: str) -> str | None:
    """The archive's SHA-256 as far as it is known without building: from the manifest, else from a finished build."""
    known = committed_entry(layer, target, digest)
    entry = known or cached_entry(archive_path(digest), digest, known)
    return entry.artifact_sha256 if entry else None


def _check_account(sts: Any, account: str) -> None:
    found = sts.get_caller_identity()["Account"]
    if found != account:
        raise LayerBuildError(
            f"the credentials here are of AWS account {found}, and the stack is of {account}: nothing was uploaded. "
            "Set AWS_PROFILE (or `aws:profile` of the stack) to the same account for both"
        )
