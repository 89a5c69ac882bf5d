"""Publishing: the right account, the right bytes, nothing twice; over boto3's own request and error handling."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from layer_builds import LayerBuildError, interpreters, layer_digest
from layer_builds.build import build_layer, update_manifest
from layer_builds.store import artifact_key, publish
from tests.layer_builds.wheelhouse import COMPILER, HERE, Installer, alpha, beta, make_layer

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = "123456789012"


class Cloud:
    """One account with one bucket, as far as publishing sees it."""

    def __init__(self) -> None:
        self.account = ACCOUNT
        self.objects: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self.puts: list[str] = []

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

    def put_object(self, **arguments: Any) -> None:
        assert arguments["ExpectedBucketOwner"] == ACCOUNT
        self.puts.append(arguments["Key"])
        head = {"ChecksumSHA256": arguments["ChecksumSHA256"]}
        self.objects[arguments["Key"]] = (arguments["Body"].read(), head)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cloud:
    cloud = Cloud()
    monkeypatch.setattr(interpreters, "BUILD_DIR", tmp_path / "build")
    monkeypatch.setattr(boto3, "Session", lambda **_: cloud)
    return cloud


def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    layer, installer = make_layer(tmp_path / "layers", [alpha(), beta()])

    def build(*arguments: Any, **options: Any) -> Any:
        return build_layer(*arguments, **{**options, "run": installer})

    monkeypatch.setattr("layer_builds.store.build_layer", build)
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
    monkeypatch.setattr(interpreters, "BUILD_DIR", tmp_path / "another machine")
    again = put(layer)
    assert (again.built, again.uploaded, again.sha256, again.bytes) == (False, False, first.sha256, first.bytes)
    assert len(installer.installs) == 1


@pytest.mark.parametrize("head", [{}, {"ChecksumSHA256": base64.b64encode(bytes(32)).decode()}])
def test_an_object_of_other_bytes_is_replaced(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any]
) -> None:
    layer, _ = small(tmp_path, monkeypatch)
    first = put(layer)
    cloud.objects[first.key] = (b"other", head)
    assert put(layer).uploaded
    assert len(cloud.objects[first.key][0]) == first.bytes


def test_what_an_uploader_wrote_beside_an_object_is_not_taken_for_its_bytes(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, _ = small(tmp_path, monkeypatch)
    first = put(layer)
    cloud.objects[first.key] = (b"not a layer", {"Metadata": {"sha256": first.sha256}, "ChecksumCRC64NVME": "x"})
    assert put(layer).uploaded


@pytest.mark.parametrize("rebuilt", [False, True])
def test_bytes_that_are_not_the_manifests_are_not_uploaded(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilt: bool
) -> None:
    layer, installer = make_layer(tmp_path / "layers", [alpha(), beta()])
    odd = build_layer(layer, HERE, compiler=COMPILER, run=installer)
    update_manifest(layer, [replace(odd, entry=replace(odd.entry, artifact_sha256="0" * 64))])

    def build(*arguments: Any, **options: Any) -> Any:
        return build_layer(*arguments, **{**options, "run": installer}) if rebuilt else odd

    monkeypatch.setattr("layer_builds.store.build_layer", build)
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
    from layer_builds import __main__ as command  # noqa: PLC0415

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
    assert command.main(words) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["uploaded"] is True
    assert out.count("\n") == 1
    assert 3 <= err.count("\n") <= 20
    assert "\x1b" not in err
    cloud.account = "999999999999"
    assert command.main(words) == 1
    out, err = capfd.readouterr()
    assert (out, err.startswith("error: the credentials here")) == ("", True)


def test_a_failed_build_says_where_its_log_is(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, installer = small(tmp_path, monkeypatch)
    assert isinstance(installer, Installer)
    installer.stderr = "error: no network"
    with pytest.raises(LayerBuildError, match=r"no network\nThe full log: .*\.log"):
        put(layer)
    assert cloud.objects == {}
