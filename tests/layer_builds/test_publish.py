"""Publishing: the right account, the right bytes, nothing twice; over boto3's own request and error handling."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from layer_builds.build.builder import build_layer
from layer_builds.build.outcome import update_manifest
from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.plan import LayerBuildError, artifact_key, layer_digest
from layer_builds.ship.store import publish
from tests.layer_builds.wheelhouse import COMPILER, HERE, Installer, alpha, beta, make_layer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ACCOUNT = "123456789012"


class Cloud:
    """One account with one bucket, as far as publishing sees it."""

    def __init__(self) -> None:
        self.account = ACCOUNT
        self.objects: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self.puts: list[str] = []
        self.meanwhile: Callable[[str], None] = lambda _: None
        """What others do to a key between the look at it and the upload."""

    def client(self, service: str, **_: Any) -> Cloud:
        assert service in {"s3", "sts"}
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": self.account}

    def head_object(self, **arguments: Any) -> dict[str, Any]:
        assert arguments["ExpectedBucketOwner"] == ACCOUNT
        if arguments["Bucket"] != "artifacts":
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")
        if arguments["Key"] not in self.objects:
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")
        body, head = self.objects[arguments["Key"]]
        return {"ContentLength": len(body), **head}

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        assert arguments["ExpectedBucketOwner"] == ACCOUNT
        body, _ = self.objects[arguments["Key"]]
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}

    def put_object(self, **arguments: Any) -> None:
        assert (arguments["ExpectedBucketOwner"], arguments["IfNoneMatch"]) == (ACCOUNT, "*")
        self.meanwhile(arguments["Key"])
        if arguments["Key"] in self.objects:
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "412"}}, "PutObject")
        self.puts.append(arguments["Key"])
        head = {"ChecksumSHA256": arguments["ChecksumSHA256"]}
        self.objects[arguments["Key"]] = (arguments["Body"].read(), head)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cloud:
    cloud = Cloud()
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    monkeypatch.setattr(boto3, "Session", lambda **_: cloud)
    return cloud


def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    layer, installer = make_layer(tmp_path / "layers", [alpha(), beta()])

    def build(*arguments: Any, **options: Any) -> Any:
        return build_layer(*arguments, **{**options, "run": installer})

    monkeypatch.setattr("layer_builds.build.builder.build_layer", build)
    return layer, installer


def put(layer: Any, **options: Any) -> Any:
    options = {"bucket": "artifacts", "account": ACCOUNT, "region": "eu-central-1", "compiler": COMPILER, **options}
    return publish(layer, HERE, **options)


def test_a_layer_is_built_and_uploaded_once(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, installer = small(tmp_path, monkeypatch)
    first, again = put(layer), put(layer)
    digest = layer_digest(layer, HERE, COMPILER)
    assert first.document() == {
        "layer": "small",
        "digest": digest,
        "bucket": "artifacts",
        "key": f"layers/small/{digest}.zip",
        "sha256": first.sha256,
        "bytes": first.bytes,
        "built": True,
        "uploaded": True,
    }
    assert (again.built, again.uploaded, again.sha256) == (False, False, first.sha256)
    assert len(installer.installs) == len(cloud.puts) == 1
    body, head = cloud.objects[first.key]
    assert len(body) == first.bytes
    assert base64.b64decode(head["ChecksumSHA256"]).hex() == first.sha256


def test_a_clean_machine_takes_what_the_bucket_has(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, installer = small(tmp_path, monkeypatch)
    first = put(layer)
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "another machine"))
    again = put(layer)
    assert (again.built, again.uploaded, again.sha256, again.bytes) == (False, False, first.sha256, first.bytes)
    assert len(installer.installs) == 1


OTHER = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "head", [{}, {"ChecksumSHA256": OTHER}, {"Metadata": {"sha256": "its own"}, "ChecksumCRC64NVME": "x"}]
)
def test_an_object_of_other_bytes_is_refused_and_left_as_it_is(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any]
) -> None:
    """Every stack that shared a bucket could replace what another one's layers are made from."""
    layer, _ = small(tmp_path, monkeypatch)
    first = put(layer)
    cloud.objects[first.key] = (b"other", head)
    with pytest.raises(LayerBuildError, match=rf"{first.key} has SHA-256 .*the layer has {first.sha256[:16]}.*delete"):
        put(layer)
    assert cloud.objects[first.key] == (b"other", head)


def test_an_object_that_was_copied_from_another_bucket_is_known_by_its_bytes(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, installer = small(tmp_path, monkeypatch)
    first = put(layer)
    cloud.objects[first.key] = (cloud.objects[first.key][0], {"ChecksumCRC64NVME": "x"})
    again = put(layer)
    assert (again.built, again.uploaded, again.sha256) == (False, False, first.sha256)
    assert len(installer.installs) == 1


@pytest.mark.parametrize("same", [True, False])
def test_whoever_uploads_first_wins(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    """Between the look into the bucket and the upload, another stack may publish the same digest."""
    layer, _ = small(tmp_path, monkeypatch)
    first = put(layer)
    body, head = cloud.objects.pop(first.key)
    theirs = (body, head) if same else (b"other", {"ChecksumSHA256": OTHER})
    cloud.meanwhile = lambda key: cloud.objects.update({key: theirs})
    if same:
        assert not put(layer).uploaded
    else:
        with pytest.raises(LayerBuildError, match="never overwritten"):
            put(layer)
    assert cloud.objects[first.key] == theirs


@pytest.mark.parametrize("rebuilt", [False, True])
def test_bytes_that_are_not_the_manifests_are_not_uploaded(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilt: bool
) -> None:
    layer, installer = make_layer(tmp_path / "layers", [alpha(), beta()])
    odd = build_layer(layer, HERE, compiler=COMPILER, run=installer)
    update_manifest(layer, [replace(odd, entry=replace(odd.entry, artifact_sha256="0" * 64))])

    def build(*arguments: Any, **options: Any) -> Any:
        return build_layer(*arguments, **{**options, "run": installer}) if rebuilt else odd

    monkeypatch.setattr("layer_builds.build.builder.build_layer", build)
    with pytest.raises(LayerBuildError, match=r"manifest\.json has 0{16}… for the same digest.*not locked"):
        put(layer)
    assert cloud.puts == []


def test_the_digest_of_another_compiler_is_another_object(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, _ = small(tmp_path, monkeypatch)
    other = f"{HERE.facts.python}.99"
    assert artifact_key("small", layer_digest(layer, HERE, other)) != artifact_key(
        "small", layer_digest(layer, HERE, COMPILER)
    )


def test_credentials_of_another_account_upload_nothing(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, installer = small(tmp_path, monkeypatch)
    cloud.account = "999999999999"
    with pytest.raises(
        LayerBuildError, match="of AWS account 999999999999, and the stack is of 123456789012: nothing was"
    ):
        put(layer)
    assert cloud.objects == {}
    assert installer.installs == []


def test_a_refusal_by_aws_names_the_call_and_the_bucket(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, _ = small(tmp_path, monkeypatch)
    with pytest.raises(
        LayerBuildError, match=r"AWS refused HeadObject while publishing layer small to bucket others .*\(403\)"
    ):
        put(layer, bucket="others")


def test_the_command_prints_one_json_line_and_few_plain_ones(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from layer_builds.__main__ import main
    from layer_builds.commands import publish as command

    layer, _ = small(tmp_path, monkeypatch)
    monkeypatch.setattr(command, "load_layer", lambda name: layer)
    words = [
        "publish",
        "small",
        "--runtime",
        HERE.runtime,
        "--architecture",
        HERE.architecture,
        "--bucket",
        "artifacts",
    ]
    words += ["--account", ACCOUNT, "--region", "eu-central-1", "--compiler", "running"]
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["uploaded"] is True
    assert out.count("\n") == 1
    assert 3 <= err.count("\n") <= 20
    assert "\x1b" not in err
    cloud.account = "999999999999"
    assert main(words) == 1
    out, err = capfd.readouterr()
    assert (out, err.startswith("error: the credentials here")) == ("", True)


def test_a_failed_build_says_where_its_log_is(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, installer = small(tmp_path, monkeypatch)
    assert isinstance(installer, Installer)
    installer.stderr = "error: no network"
    with pytest.raises(LayerBuildError, match=r"no network\nThe full log: .*\.log"):
        put(layer)
    assert cloud.objects == {}
