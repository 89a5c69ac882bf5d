"""doctor on what versions are made of: lost images, layer versions that go though they are to be kept."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ops.cli import main
from ops.doctor.artifacts import check_images, check_kept_versions, has_image
from ops.doctor.patient import Patient

if TYPE_CHECKING:
    from ops.doctor.patient import Check, Finding
    from tests.ops.conftest import Deployed

DATA = Path(__file__).with_name("data")
MANIFEST = json.dumps({"schemaVersion": 2, "layers": []})
LAYER = "aws:lambda/layerVersion:LayerVersion"


def found(
    check: Check, deployed: Deployed, *, config: dict[str, Any] | None = None, plan: dict[str, Any] | None = None
) -> list[Finding]:
    """What one check finds."""
    planned = plan or {"functions": [], "resources": [], "error": None}
    return list(check(Patient("test", Path(), config or {}, planned, deployed.stack, account=deployed.stack)))


def push(deployed: Deployed, repository: str, tag: str) -> None:
    manifest = json.dumps({"tag": tag, **json.loads(MANIFEST)})
    deployed.client("ecr").put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)


def as_image(deployed: Deployed, *tags: str) -> str:
    """Make the function one of images: a version for each of these tags, the first of them live."""
    ecr, lambdas = deployed.client("ecr"), deployed.client("lambda")
    name = f"team/images-{uuid.uuid4().hex[:8]}"
    function_name = name.replace("/", "-")
    address = ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
    exported, role = deployed.function, deployed.function["role_arn"]
    for tag in tags:
        push(deployed, name, tag)
        image = f"{address}:{tag}"
        if tag == tags[0]:
            function = lambdas.create_function(
                FunctionName=function_name, PackageType="Image", Role=role, Code={"ImageUri": image}
            )
            exported |= {"name": function["FunctionName"], "arn": function["FunctionArn"]}
            exported["alias_arn"] = f"{function['FunctionArn']}:live"
        else:
            lambdas.update_function_code(FunctionName=function_name, ImageUri=image)
        version = lambdas.publish_version(FunctionName=function_name)["Version"]
        exported |= {"image": image, "published": version}
    lambdas.create_alias(FunctionName=function_name, Name="live", FunctionVersion="1")
    return name


def lose(deployed: Deployed, repository: str, tag: str) -> None:
    deployed.client("ecr").batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": tag}])


def test_a_lost_image_is_a_warning_with_what_builds_it_again(deployed: Deployed) -> None:
    """doctor looked for lost zips only."""
    repository = as_image(deployed, "one")
    image = deployed.function["image"]
    [finding] = found(check_images, deployed)
    assert (finding.check, finding.state, finding.found) == ("image of embedding", "ok", image)
    lose(deployed, repository, "one")
    [finding] = found(check_images, deployed)
    assert finding.state == "warn"
    assert finding.found.startswith(f"{image} is gone from the registry: no version can be made from it")
    assert "`pulumi up --stack test --target-replace '**::embedding-image-publish'`" in finding.remedy


def test_the_image_of_the_live_version_is_looked_for_too(deployed: Deployed) -> None:
    """The registry keeps the newest images only, and `live_version` may be an old one."""
    repository = as_image(deployed, "one", "two")
    assert [finding.state for finding in found(check_images, deployed)] == ["ok", "ok"]
    lose(deployed, repository, "one")
    live, newest = found(check_images, deployed)
    assert (live.state, newest.state) == ("warn", "ok")
    assert ":one is gone from the registry: the live version fails" in live.found
    assert "ops rollback --stack test embedding --to latest" in live.remedy


def test_a_lost_repository_is_a_lost_image_and_a_zip_has_none(deployed: Deployed) -> None:
    assert found(check_images, deployed) == []
    repository = as_image(deployed, "one")
    deployed.client("ecr").delete_repository(repositoryName=repository, force=True)
    assert [finding.state for finding in found(check_images, deployed)] == ["warn"]


@pytest.mark.parametrize(
    ("code", "lost"),
    [("ImageNotFoundException", True), ("RepositoryNotFoundException", True), ("AccessDeniedException", False)],
)
def test_what_ecr_says_of_a_tag_that_it_has_not(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, code: str, lost: bool
) -> None:
    """The emulator answers with an empty list, and AWS with an error."""
    client = deployed.client("ecr")
    with Stubber(client) as stubber:
        monkeypatch.setattr(type(deployed.stack), "client", lambda *_: client)
        asked = {"repositoryName": "team/images", "imageIds": [{"imageTag": "tag"}]}
        stubber.add_client_error("describe_images", code, expected_params=asked)
        image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/images:tag"
        if lost:
            assert not has_image(deployed.stack, image)
        else:
            with pytest.raises(ClientError, match=code):
                has_image(deployed.stack, image)


def test_layer_versions_that_go_though_they_are_to_be_kept_are_a_failure(deployed: Deployed) -> None:
    """`ops deploy` refuses; a preview was silent, and `pulumi up` deleted the version."""
    layer = deployed.outputs["layers"]["openai-pinecone"]
    layer["kept"] = False
    inputs = {"layerName": layer["name"], "description": "1" * 64}
    plan: dict[str, Any] = {"functions": [], "resources": [{"type": LAYER, "inputs": inputs}], "error": None}
    kept = {"strata:layers": {"keep_versions": True}}
    [finding] = found(check_kept_versions, deployed, config=kept, plan=plan)
    assert finding.state == "fail"
    assert f"{layer['name']} changes in the same update, which deletes the version" in finding.found
    assert found(check_kept_versions, deployed, config={}, plan=plan) == []
    assert found(check_kept_versions, deployed, config=kept, plan={**plan, "error": "refused"}) == []
    inputs["description"] = layer["digest"]
    assert found(check_kept_versions, deployed, config=kept, plan=plan) == []


def test_the_comment_on_a_pull_request_says_which_layer_versions_would_go(deployed: Deployed, tmp_path: Path) -> None:
    layer = deployed.outputs["layers"]["openai-pinecone"]
    layer["kept"] = False
    plan: dict[str, Any] = {"functions": [], "resources": [], "error": None}
    [finding] = found(check_kept_versions, deployed, config={"strata:layers": {"keep_versions": True}}, plan=plan)
    document = {
        "checks": [{"check": finding.check, "state": finding.state, "found": finding.found, "remedy": finding.remedy}]
    }
    doctor, comment = tmp_path / "doctor.json", tmp_path / "comment.md"
    doctor.write_text(json.dumps(document))
    files = ["--preview", str(DATA / "preview.json"), "--doctor", str(doctor), "--output", str(comment)]
    assert main(["preview-comment", "--stack", "test", *files]) == 0
    assert f"keep_versions is turned on, and {layer['name']} changes in the same update" in comment.read_text()
