"""A model that is fetched from S3 into /tmp: for one that no layer can hold.

Owns that the folder is whole or not there: the archive is checked while it is unpacked, and the folder gets its name
when the checksum is right. An environment fetches it once; one that was killed half-way leaves nothing that is taken
for it."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.embedding_processor.errors import ConfigurationError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_BYTES: Final = 1024 * 1024
PLACE: Final = Path("/tmp")  # noqa: S108  the only place that Lambda lets a function write to


class _Checked:
    """A stream that is hashed as it is read."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.digest = hashlib.sha256()

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        data: bytes = self._body.read(size)
        self.digest.update(data)
        return data


def fetch(uri: str, sha256: str, client: Callable[[], Any], place: Path = PLACE) -> Path:
    """Return the folder of a model, which is fetched when it is not there.

    Args:
        uri: of an uncompressed tar archive, `s3://bucket/key`.
        sha256: of the archive.
        client: makes S3's.
        place: the folder that holds the models' folders.

    Raises:
        ModelError: the archive has another checksum, or is none.
        ConfigurationError: it is not there, or may not be read; the disk is full.
    """
    folder = place / f"model-{sha256}"
    if folder.is_dir():
        return folder
    for left in place.glob("model-fetch-*"):  # of an invocation that was killed
        shutil.rmtree(left, ignore_errors=True)
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    partial = Path(tempfile.mkdtemp(prefix="model-fetch-", dir=place))
    try:
        stream = _Checked(client().get_object(Bucket=bucket, Key=key)["Body"])
        file = cast("IO[bytes]", stream)  # read() is all that a stream needs
        with tarfile.open(fileobj=file, mode="r|", bufsize=BLOCK_BYTES) as archive:
            archive.extractall(partial, filter="data")
        while stream.read():
            pass
        if stream.digest.hexdigest() != sha256:
            raise ModelError(f"{uri} has SHA-256 {stream.digest.hexdigest()}, and MODEL_SHA256 is {sha256}")
        partial.rename(folder)
    except OSError as error:
        raise _full(uri, place) if error.errno in {errno.ENOSPC, errno.EDQUOT} else error from None
    except tarfile.TarError as error:
        raise ModelError(f"{uri} is not a tar archive, or a damaged one: {error}") from None
    except (ClientError, BotoCoreError) as error:
        raise ConfigurationError(f"the model {uri} could not be fetched: {error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _full(uri: str, place: Path) -> ConfigurationError:
    total = shutil.disk_usage(place).total
    return ConfigurationError(
        f"{place} is full ({total // BLOCK_BYTES} MB) before the model {uri} was unpacked: raise "
        "ephemeral_storage_mb to the model's size and 100 MB, and deploy"
    )
