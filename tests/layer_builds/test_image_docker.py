"""Images by a real Docker engine, in Debian's container registry: what is pushed, what is not, and how it fails."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.plan import ImageSpec, LayerBuildError, Target, image_digest, image_tag
from layer_builds.ship.image_folder import DIGEST_LABEL
from layer_builds.ship.images import IMAGES_VARIABLE, Destination, PublishedImage, publish_image
from layer_builds.ship.registry import Registry
from ops.images import pin_bases
from tests.images import LOGIN, TARGET, docker, push_base, ready, registry, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("docker")]

ACCOUNT = "123456789012"
CODE = """
import os, sys
def handler(event, context):
    opt = sorted(os.listdir("/opt")) if os.path.isdir("/opt") else []
    return {"event": event, "user": os.getuid(), "version": sys.version_info[:2], "opt": opt}
"""
SPEC = ImageSpec(system="worker", handler="app.handler", code={"app.py": CODE}, layers=(), folders=(), target=TARGET)


class Account:
    """AWS as far as publishing an image sees it: whose credentials they are, and the registry's password."""

    def client(self, service: str, **_: Any) -> Account:
        assert service in {"ecr", "sts"}
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": ACCOUNT}

    def get_authorization_token(self) -> dict[str, Any]:
        token = base64.b64encode(f"{LOGIN.user}:{LOGIN.password}".encode()).decode()
        return {"authorizationData": [{"authorizationToken": token}]}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base image in a registry that everybody may use, by its digest."""
    image = ready()
    with registry(tmp_path_factory.mktemp("public")) as host:
        yield push_base(host, image)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A repository in a registry that wants the password that AWS gives."""
    ready()
    with registry(tmp_path_factory.mktemp("private"), LOGIN) as host:
        yield f"{host}/strata-test-images"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    monkeypatch.delenv(IMAGES_VARIABLE, raising=False)
    monkeypatch.setattr(boto3, "Session", lambda **_: Account())


def publish(base: str, repository: str, spec: ImageSpec = SPEC) -> PublishedImage:
    where = Destination(repository=repository, account=ACCOUNT, region="eu-central-1")
    return publish_image(spec, base, image_tag(image_digest(spec, base)), where)


def refused(base: str, repository: str, spec: ImageSpec = SPEC) -> str:
    with pytest.raises(LayerBuildError) as caught:
        publish(base, repository, spec)
    assert LOGIN.password not in str(caught.value)
    return str(caught.value)


def variant(name: str) -> ImageSpec:
    """An image that no other test has pushed."""
    return replace(SPEC, code={"app.py": f"{CODE}# {name}\n"})


def test_what_is_pushed_is_one_image_and_runs_as_nobody_on_a_read_only_disk(base: str, private: str) -> None:
    published = publish(base, private)
    assert (published.built, published.pushed) == (True, True)
    stored = Registry(private, LOGIN).image(published.tag)
    assert stored is not None
    assert (stored.is_index, stored.platform, stored.digest) == (False, TARGET.platform, published.digest)
    assert stored.labels[DIGEST_LABEL] == image_digest(SPEC, base)
    reference = f"{private}:{published.tag}"
    with running(reference, {}) as api:
        answer = api.invoke({"a": "é"})
    assert answer == {"event": {"a": "é"}, "user": 993, "version": [3, 13], "opt": []}


def test_what_is_in_the_registry_needs_no_docker(
    base: str, private: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = variant("twice")
    first = publish(base, private, spec)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    again = publish(base, private, spec)
    assert (again.digest, again.built, again.pushed) == (first.digest, False, False)
    said = refused(base, private, variant("no engine"))
    assert "Docker is not running, and this function is shipped as a container image: start it" in said


def test_no_credential_is_left_in_the_users_configuration(
    base: str, private: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "docker"
    own.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    spec = variant("configuration")
    publish(base, private, spec)
    assert not [path for path in own.rglob("*") if path.is_file() and private.partition("/")[0] in path.read_text()]
    logs = [path.read_text() for path in (tmp_path / "build").glob("image-*.log")]
    assert "login --username AWS --password-stdin" in logs[0]
    assert not [log for log in logs if LOGIN.password in log]


def test_the_wrong_password_and_a_registry_that_is_down(base: str, tmp_path: Path) -> None:
    with registry(tmp_path / "other", replace(LOGIN, password="another")) as host:
        repository = f"{host}/strata-test-images"
        assert f"the registry {host} refused to show strata-test-images (401)" in refused(base, repository)
    assert f"the registry {host} could not be reached" in refused(base, repository)


def test_another_image_behind_the_tag(base: str, private: str) -> None:
    spec = variant("taken")
    tag = image_tag(image_digest(spec, base))
    docker("login", "--username", LOGIN.user, "--password-stdin", private.partition("/")[0], input=LOGIN.password)
    try:
        docker("tag", os.environ["STRATA_RUNTIME_IMAGE"], f"{private}:{tag}")
        docker("push", f"{private}:{tag}")
    finally:
        docker("logout", private.partition("/")[0])
        docker("rmi", f"{private}:{tag}")
    assert f"{private}:{tag} is another image: its label `strata.digest` is not of these inputs" in refused(
        base, private, spec
    )


def test_a_base_image_that_its_registry_does_not_have(base: str, private: str) -> None:
    missing = f"{base.partition('@')[0]}@sha256:{'ab' * 32}"
    said = refused(missing, private)
    assert f"Docker could not build the image on {missing}" in said
    assert "`python -m ops images pin` sets the one of today" in said


def test_a_base_image_for_another_cpu(base: str, private: str) -> None:
    other = {"arm64": "x86_64", "x86_64": "arm64"}[TARGET.architecture]
    said = refused(base, private, replace(SPEC, target=Target(TARGET.runtime, other)))
    assert TARGET.platform in said
    tags = Registry(private, LOGIN)
    assert tags.image(image_tag(image_digest(replace(SPEC, target=Target(TARGET.runtime, other)), base))) is None


def test_a_base_image_is_pinned_from_a_real_registry(base: str, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n  strata:extract_text: {}\n")
    report = pin_bases(file, [TARGET.runtime], repository=base.partition("@")[0])
    assert report.data["bases"] == {TARGET.runtime: base}
    assert base in file.read_text()
