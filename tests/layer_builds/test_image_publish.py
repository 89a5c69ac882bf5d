"""Publishing an image: the right account, nothing twice, no password anywhere, and each failure as what it is."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.host.processes import Log, Processes
from layer_builds.plan import MAX_IMAGE_BYTES, ImageSpec, LayerBuildError, Target, image_digest, image_tag
from layer_builds.ship.docker_engine import DockerEngine
from layer_builds.ship.image_folder import DIGEST_LABEL
from layer_builds.ship.images import IMAGES_VARIABLE, Destination, publish_image
from layer_builds.ship.registry import Credentials, Registry
from tests.layer_builds.registries import PASSWORD, FakeDocker, FakeRegistry, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "123456789012"
BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"
SPEC = ImageSpec(
    system="worker",
    handler="app.handler",
    code={"app.py": "def handler(event, context): ...\n"},
    layers=(),
    folders=(),
    target=Target("python3.13", "x86_64"),
)
DIGEST = image_digest(SPEC, BASE)
TAG = image_tag(DIGEST)
OURS = {DIGEST_LABEL: DIGEST}


class Account:
    """AWS, as far as publishing an image sees it."""

    def __init__(self) -> None:
        self.account = ACCOUNT
        self.refuses: Exception | None = None

    def client(self, service: str, **_: Any) -> Account:
        assert service in {"ecr", "sts"}
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": self.account}

    def get_authorization_token(self) -> dict[str, Any]:
        if self.refuses is not None:
            raise self.refuses
        return {"authorizationData": [{"authorizationToken": base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()}]}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Account:
    account = Account()
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    monkeypatch.delenv(IMAGES_VARIABLE, raising=False)
    monkeypatch.setattr(boto3, "Session", lambda **_: account)
    return account


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry()) as registry:
        yield registry


@pytest.fixture
def docker(registry: FakeRegistry) -> FakeDocker:
    return FakeDocker(registry)


def publish(docker: FakeDocker, *, spec: ImageSpec = SPEC, tag: str = TAG, repository: str = "") -> Any:
    where = Destination(
        repository=repository or docker.registry.repository, account=ACCOUNT, region="eu-central-1", profile=None
    )
    return publish_image(spec, BASE, tag, where, run=docker)


def refused(docker: FakeDocker, **options: Any) -> str:
    with pytest.raises(LayerBuildError) as caught:
        publish(docker, **options)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_an_image_is_built_and_pushed_once(account: Account, docker: FakeDocker) -> None:
    first = publish(docker)
    manifest = docker.registry.put("for-its-digest", OURS)
    assert first.document() == {
        "system": "worker",
        "repository": docker.registry.repository,
        "tag": TAG,
        "digest": manifest,
        "bytes": docker.size,
        "built": True,
        "pushed": True,
    }
    commands = len(docker.commands)
    again = publish(docker)
    assert (again.digest, again.built, again.pushed) == (first.digest, False, False)
    assert len(docker.commands) == commands, "what is there needs no Docker"


def test_no_index_is_made_by_either_of_dockers_builders(account: Account, docker: FakeDocker) -> None:
    publish(docker)
    (build,) = docker.named("buildx build")
    assert {"--provenance=false", "--sbom=false", "--load"} <= set(docker.commands[build])
    assert docker.commands[build][docker.commands[build].index("--platform") + 1] == "linux/amd64"
    docker.registry.manifests.clear()
    docker.buildx = False
    publish(docker)
    (build,) = docker.named("build ")
    assert docker.environments[build]["DOCKER_BUILDKIT"] == "0"
    assert not [word for word in docker.commands[build] if word.startswith(("--provenance", "--sbom"))]


def test_the_password_is_on_stdin_and_nowhere_else(
    account: Account, docker: FakeDocker, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    published = publish(docker)
    (login,) = docker.named("login")
    assert docker.commands[login][1:4] == ["--username", "AWS", "--password-stdin"]
    assert [number for number, stdin in enumerate(docker.stdins) if stdin == PASSWORD] == [login]
    assert PASSWORD not in json.dumps([docker.commands, published.document()])
    assert not [env for env in docker.environments if PASSWORD in json.dumps(dict(env))]
    said = capfd.readouterr()
    assert PASSWORD not in said.out + said.err + caplog.text


def test_the_users_own_configuration_never_holds_the_credentials(
    account: Account, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "desktop")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    publish(docker)
    (login,), (push,), (logout,) = docker.named("login"), docker.named("push"), docker.named("logout")
    own = docker.environments[login]["DOCKER_CONFIG"]
    assert own != str(Path.home() / ".docker")
    assert not Path(own).exists(), "deleted afterwards"
    for number in (login, push, logout):
        assert docker.environments[number]["DOCKER_CONFIG"] == own
        assert docker.environments[number]["DOCKER_HOST"] == "unix:///var/run/docker.sock", "the same engine"
        assert "DOCKER_CONTEXT" not in docker.environments[number]
    (build,) = docker.named("buildx build")
    assert "DOCKER_CONFIG" not in docker.environments[build], "a private base image needs the user's own"
    assert login < push < logout


def test_a_failed_login_or_push_deletes_the_credentials_as_well(account: Account, docker: FakeDocker) -> None:
    docker.fails = {"push": "denied: no such thing"}
    assert "could not be pushed:\ndenied: no such thing" in refused(docker)
    assert docker.named("logout")
    docker.fails = {"login": "unauthorized"}
    assert f"the registry {docker.registry.host} refused to log in AWS:\nunauthorized" in refused(docker)
    assert not [env for env in docker.environments if Path(env.get("DOCKER_CONFIG", "/none")).exists()]


def test_the_log_of_real_processes_holds_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `docker` that prints all it is given, but for its stdin."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\ncat "$DOCKER_CONFIG"/* 2>/dev/null\nexit 0\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    log = tmp_path / "log"
    DockerEngine(Processes(Log(log))).push("127.0.0.1:1/images:tag", Credentials("AWS", PASSWORD))
    assert "login --username AWS --password-stdin 127.0.0.1:1" in log.read_text()
    assert PASSWORD not in log.read_text()
    assert PASSWORD not in repr(Credentials("AWS", PASSWORD))


def test_in_a_sandbox_the_folders_are_all_that_is_made(
    account: Account, docker: FakeDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path / "images"))
    account.account = "999999999999"
    published = publish(docker)
    assert (published.built, published.pushed, published.digest) == (True, False, "")
    assert (tmp_path / "images" / TAG / "task/app.py").read_text() == SPEC.code["app.py"]
    assert (docker.commands, docker.registry.asked) == ([], [])


def test_code_that_changed_since_the_preview_is_not_published(account: Account, docker: FakeDocker) -> None:
    changed = replace(SPEC, code={"app.py": "x = 1\n"})
    said = refused(docker, spec=changed)
    assert f"the preview computed {TAG}: its code, layers or folders have changed since. Run `pulumi up` again" in said
    assert docker.commands == []


def test_another_account_is_refused_before_anything_is_asked(account: Account, docker: FakeDocker) -> None:
    account.account = "999999999999"
    said = refused(docker)
    assert "the credentials here are of AWS account 999999999999, and the stack is of 123456789012" in said
    assert (docker.commands, docker.registry.asked) == ([], [])


def test_what_aws_refuses_is_said_with_its_name(account: Account, docker: FakeDocker) -> None:
    answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
    account.refuses = ClientError(answer, "GetAuthorizationToken")
    said = refused(docker)
    assert "AWS refused GetAuthorizationToken while publishing the image of worker to" in said
    account.refuses = EndpointConnectionError(endpoint_url="https://api.ecr.example")
    assert "publishing the image of worker to" in refused(docker)


def test_docker_that_is_not_running_is_said_before_anything_is_built(
    account: Account, docker: FakeDocker, tmp_path: Path
) -> None:
    docker.fails = {"version": "Cannot connect to the Docker daemon"}
    said = refused(docker)
    assert "Docker is not running, and this function is shipped as a container image: start it" in said
    assert "Cannot connect to the Docker daemon" in said
    assert not (tmp_path / "build/images").exists()


def test_docker_that_is_not_installed_is_said_so(
    account: Account, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    where = Destination(repository=registry.repository, account=ACCOUNT, region="eu-central-1")
    with pytest.raises(LayerBuildError) as caught:
        publish_image(SPEC, BASE, TAG, where)
    words = "docker is not there, or not on PATH: this function is shipped as a container image"
    assert words in str(caught.value)


def test_a_registry_that_is_down_is_said_so_before_anything_is_built(account: Account, docker: FakeDocker) -> None:
    said = refused(docker, repository="127.0.0.1:1/some/images")
    assert "the registry 127.0.0.1:1 could not be reached ([Errno 111] Connection refused): nothing was pushed" in said
    assert docker.commands == []


@pytest.mark.parametrize(("status", "words"), [(403, "refused to show some/images (403)"), (500, "answered 500")])
def test_a_registry_that_refuses_or_fails_is_said_so(
    account: Account, docker: FakeDocker, status: int, words: str
) -> None:
    docker.registry.answer = status
    said = refused(docker)
    assert words in said
    assert ("ecr:BatchGetImage" in said) == (status == 403)
    assert docker.commands == []


def test_a_tag_with_another_image_behind_it_is_refused(account: Account, docker: FakeDocker) -> None:
    wrong = f"{docker.registry.repository}:{TAG} is "
    docker.registry.put(TAG, {})
    assert f"{wrong}another image: its label `strata.digest` is not of these inputs" in refused(docker)
    docker.registry.put(TAG, {DIGEST_LABEL: "0" * 64})
    assert f"{wrong}another image" in refused(docker)
    docker.registry.put(TAG, OURS, architecture="arm64")
    assert f"{wrong}an image for linux/arm64, and the function runs on linux/amd64" in refused(docker)
    docker.registry.put_index(TAG)
    said = refused(docker)
    assert f"{wrong}an index of several images, which Lambda does not take" in said
    assert "delete that tag" in said
    assert docker.commands == []


def test_a_base_image_for_another_cpu_is_found_before_the_push(account: Account, docker: FakeDocker) -> None:
    docker.platform = "linux/arm64"
    said = refused(docker)
    assert f"the base image {BASE} is for linux/arm64, and the function runs on linux/amd64" in said
    assert not docker.named("push")


def test_an_image_that_is_larger_than_lambda_takes_is_found_before_the_push(
    account: Account, docker: FakeDocker
) -> None:
    docker.size = MAX_IMAGE_BYTES + 1
    said = refused(docker)
    assert "the image of worker is 10,737,418,241 bytes with its base, and Lambda takes 10,737,418,240" in said
    assert not docker.named("push")


def test_a_base_image_that_is_not_there_is_named(account: Account, docker: FakeDocker) -> None:
    docker.fails = {"buildx build": "manifest unknown"}
    said = refused(docker)
    assert f"Docker could not build the image on {BASE} for python3.13-x86_64" in said
    assert "`python -m ops images pin` sets the one of today" in said
    assert said.endswith("It said:\nmanifest unknown")


def test_somebody_else_who_pushed_the_same_image_meanwhile_is_no_failure(account: Account, docker: FakeDocker) -> None:
    docker.fails = {"push": "tag is immutable"}
    docker.before_push = partial(docker.registry.put, TAG, OURS)
    assert publish(docker).pushed
    docker.registry.manifests.clear()
    docker.before_push = partial(docker.registry.put, TAG, {})
    assert "another image" in refused(docker)


def test_a_public_registry_gives_everybody_a_token() -> None:
    with serving(FakeRegistry(password=None)) as registry:
        digest = registry.put_index("3.13")
        found = Registry(registry.repository).image("3.13")
        assert found is not None
        assert (found.digest, found.is_index) == (digest, True)
        assert Registry(registry.repository).image("3.99") is None
        assert [path for path in registry.asked if path.startswith("/token?service=")]


def test_credentials_do_not_go_where_a_registry_redirects_to(registry: FakeRegistry) -> None:
    """A registry of AWS's keeps configurations in S3, which refuses a second kind of authorisation."""
    with serving(FakeRegistry(password=None)) as store:
        store.answer = 400
        registry.put(TAG, OURS)
        registry.elsewhere = f"http://{store.host}"
        with pytest.raises(LayerBuildError, match="answered 400"):
            Registry(registry.repository, Credentials("AWS", PASSWORD)).image(TAG)
        assert store.asked


@pytest.mark.parametrize("repository", ["", "host", "host/UPPER", "host/a b", "https://host/name", "host/a:tag"])
def test_what_is_no_repository_is_refused(repository: str) -> None:
    with pytest.raises(LayerBuildError, match="is not a repository"):
        Registry(repository)


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(registry: FakeRegistry) -> None:
    registry.put(TAG, OURS)
    registry.digest_header = f"sha256:{'0' * 64}"
    with pytest.raises(LayerBuildError, match="it is damaged"):
        Registry(registry.repository, Credentials("AWS", PASSWORD)).image(TAG)
    registry.digest_header = None
    registry.manifests[TAG] = ("text/html", b"<html>")
    with pytest.raises(LayerBuildError, match="is it a container registry"):
        Registry(registry.repository, Credentials("AWS", PASSWORD)).image(TAG)
