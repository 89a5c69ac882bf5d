"""A model fetched from S3 into /tmp: whole or not there, and a full disk says so."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.embedding_processor import artifact, handler
from lambdas.embedding_processor.errors import ConfigurationError, ModelError
from lambdas.embedding_processor.handler import RetryError
from layer_builds.models.download_model import write_archive
from layer_builds.plan import REPOSITORY
from tests.lambdas.embedding_processor.test_files import HONEY
from tests.models import minilm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lambdas.embedding_processor.conftest import Function

FULL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lambdas.embedding_processor import artifact
class Client:
    def get_object(self, **_):
        return {"Body": open(sys.argv[2], "rb")}
try:
    artifact.fetch("s3://models/model.tar", "0" * 64, Client, Path(sys.argv[3]))
except artifact.ConfigurationError as error:
    print(error)
print(list(Path(sys.argv[3]).iterdir()))
"""


class Bucket:
    """S3's client, as far as it is used; counts."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked = 0

    def get_object(self, **_: str) -> dict[str, Any]:
        self.asked += 1
        return {"Body": io.BytesIO(self.data)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("archive") / "model.tar"
    return path, write_archive(minilm(), path)


def test_a_model_of_s3_is_fetched_once_and_embeds(
    make_function: Callable[..., Function], archive: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sha256 = archive
    function = make_function()
    function.s3.upload_file(str(path), function.bucket, "models/model.tar")
    real, fetched = artifact.fetch, []

    def fetch(*arguments: Any) -> Path:
        fetched.append(arguments[0])
        return real(*arguments, place=tmp_path)

    monkeypatch.setattr(artifact, "fetch", fetch)
    monkeypatch.setenv("MODEL_URI", f"s3://{function.bucket}/models/model.tar")
    monkeypatch.setenv("MODEL_SHA256", sha256)
    monkeypatch.setenv("MODEL_PATH", "/nothing/here")
    function.restart()
    handler._embedder.cache_clear()
    try:
        function.deliver(function.put("a.txt", HONEY))
        function.deliver(function.put("b.txt", HONEY))
    finally:
        handler._embedder.cache_clear()
    assert len(function.rows()) == 2
    assert len(fetched) == 1
    assert [folder.name for folder in tmp_path.iterdir()] == [f"model-{sha256}"]


def test_it_is_there_already_in_an_environment_that_has_fetched_it(archive: tuple[Path, str], tmp_path: Path) -> None:
    path, sha256 = archive
    bucket = Bucket(path.read_bytes())
    first = artifact.fetch("s3://models/model.tar", sha256, lambda: bucket, tmp_path)
    assert artifact.fetch("s3://models/model.tar", sha256, lambda: bucket, tmp_path) == first
    assert bucket.asked == 1


def test_another_archive_than_was_deployed_is_refused(archive: tuple[Path, str], tmp_path: Path) -> None:
    bucket = Bucket(archive[0].read_bytes())
    with pytest.raises(ModelError, match=f"has SHA-256 {archive[1]}, and MODEL_SHA256 is 1111"):
        artifact.fetch("s3://models/model.tar", "1" * 64, lambda: bucket, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_half_an_archive_leaves_nothing(archive: tuple[Path, str], tmp_path: Path) -> None:
    bucket = Bucket(archive[0].read_bytes()[: 10 * 1024 * 1024])
    with pytest.raises(ModelError, match="not a tar archive, or a damaged one"):
        artifact.fetch("s3://models/model.tar", archive[1], lambda: bucket, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_invocation_left_is_removed(archive: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "model-fetch-abc").mkdir()
    (tmp_path / "model-fetch-abc/model.onnx_data").write_bytes(b"half")
    folder = artifact.fetch("s3://models/m.tar", archive[1], lambda: Bucket(archive[0].read_bytes()), tmp_path)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_member_that_points_outside_is_not_written(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(ModelError, match="damaged"):
        artifact.fetch("s3://models/m.tar", "1" * 64, lambda: Bucket(data.getvalue()), place)
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_missing_archive_is_named(make_function: Callable[..., Function], tmp_path: Path) -> None:
    function = make_function()
    with pytest.raises(ConfigurationError, match=r"could not be fetched: .*NoSuchKey"):
        artifact.fetch(f"s3://{function.bucket}/no.tar", "1" * 64, lambda: function.s3, tmp_path)


def test_an_archive_without_a_checksum_is_refused(make_function: Callable[..., Function]) -> None:
    function = make_function(MODEL_URI="s3://models/model.tar")
    with pytest.raises(RetryError, match="MODEL_URI and MODEL_SHA256 are set together"):
        function.deliver(function.put("a.txt", HONEY))


@pytest.mark.skipif(
    shutil.which("unshare") is None, reason="needs unshare: a small disk is mounted where only the test sees it"
)
def test_a_full_disk_is_named_with_the_remedy(archive: tuple[Path, str], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = f'mount -t tmpfs -o size=8m tmpfs {disk} && exec "$@"'
    namespace = ["unshare", "--mount", "--map-root-user", "sh", "-c", command, "sh"]
    done = subprocess.run(
        [*namespace, sys.executable, "-c", FULL, str(REPOSITORY), str(archive[0]), str(disk)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0 and "unshare" in done.stderr:
        pytest.skip(f"this machine gives no mount namespace: {done.stderr.strip()}")
    said, left = done.stdout.splitlines()
    assert "is full (8 MB) before the model s3://models/model.tar was unpacked: raise ephemeral_storage_mb" in said
    assert left == "[]"
