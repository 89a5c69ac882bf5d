"""extract_text three times: its zip on its layer, the image's folders in the Lambda host, the image under Docker.

All of them read the same documents, under awslambdaric and a Python of the same release, and give the same answers.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from components.package import Image, read_package
from lambdas.extract_text import contract
from layer_builds.build.builder import build_layer
from layer_builds.plan import REPOSITORY, image_digest, image_tag
from layer_builds.ship.registry import Registry
from sandbox.lambda_package import IMAGES
from tests.images import LOGIN, TARGET, docker, push_base, ready, registry, running
from tests.pdfs import table_pdf, text_pdf
from tests.sandbox.hosted import Hosted, zipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from components.package import Package

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("docker")]

DOCUMENTS = "documents-of-all"
FILES = {
    "text.pdf": text_pdf(["The first page, in words.\nIt has two lines.", "The second page."]),
    "table.pdf": table_pdf([["Hive", "Honey"], ["Lime Tree", "12 kg"]]),
    "opens-without.pdf": text_pdf(["It opens without a password."], password="", owner="owner"),
    "encrypted.pdf": text_pdf(["Nobody reads this."], password="secret"),
    "broken.pdf": b"%PDF-1.7\nnothing",
    "no-pdf.pdf": b"plain",
    "notes.md": "# Notes\n\nÜber alles Mögliche.\n".encode(),
    "picture.png": b"\x89PNG",
}
EVENTS: list[dict[str, Any]] = [
    {"test": True},
    *({"bucket": DOCUMENTS, "key": key} for key in FILES),
    {"bucket": DOCUMENTS, "key": "missing.pdf"},
    {"bucket": DOCUMENTS},
]
VARIABLES = {
    "TIKTOKEN_CACHE_DIR": "/opt/tiktoken",
    "POWERTOOLS_SERVICE_NAME": "extract-text",
    "POWERTOOLS_METRICS_NAMESPACE": "Strata",
}


@dataclass(frozen=True)
class Published:
    """The image, and where what it was made from is."""

    package: Package
    base: str
    repository: str
    document: dict[str, Any]
    command: list[str]
    environment: dict[str, str]

    @property
    def reference(self) -> str:
        return f"{self.repository}:{self.document['tag']}"

    @property
    def folder(self) -> Path:
        return IMAGES / self.document["tag"]


@pytest.fixture(scope="module")
def published(hosted: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """The image in a private registry, by the command line that the program runs."""
    base_image = ready()
    with registry(tmp_path_factory.mktemp("public")) as public, registry(tmp_path_factory.mktemp("own"), LOGIN) as own:
        base, repository = push_base(public, base_image), f"{own}/strata-test-extract-text-images"
        package = read_package("extract_text", Image(("extract-text",)), TARGET)
        command = [
            *(sys.executable, "-m", "layer_builds", "publish-image", "extract_text"),
            *("--tag", image_tag(image_digest(package.image, base)), "--base", base, "--handler", package.handler),
            *("--runtime", TARGET.runtime, "--architecture", TARGET.architecture, "--layer", "extract-text"),
            *("--repository", repository, "--account", hosted.account.account, "--region", hosted.account.region),
        ]
        environment = {**os.environ, **hosted.account.environment()}
        environment.pop("STRATA_IMAGES", None)
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, done.stderr
        assert LOGIN.password not in done.stdout + done.stderr
        assert len(done.stderr.splitlines()) <= 20, "kept in Pulumi's state"
        yield Published(package, base, repository, json.loads(done.stdout), command, environment)


@pytest.fixture(scope="module")
def answers(hosted: Hosted, published: Published) -> dict[str, list[Any]]:
    """What each of the three answers to each event, and the results that it wrote."""
    s3 = hosted.account.client("s3")
    here: Any = {"LocationConstraint": hosted.account.region}
    s3.create_bucket(Bucket=DOCUMENTS, CreateBucketConfiguration=here)
    for key, data in FILES.items():
        s3.put_object(Bucket=DOCUMENTS, Key=key, Body=data)
    role = hosted.role([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    layer = build_layer(published.package.layers[0], TARGET)
    lambdas = hosted.account.client("lambda")
    arn = lambdas.publish_layer_version(LayerName="extract-text", Content={"ZipFile": layer.path.read_bytes()})

    def bucket(kind: str) -> dict[str, str]:
        s3.create_bucket(Bucket=f"results-of-{kind}", CreateBucketConfiguration=here)
        return {**VARIABLES, contract.RESULT_BUCKET: f"results-of-{kind}"}

    def host(kind: str, **options: Any) -> list[Any]:
        name = hosted.function("", timeout=60, memory=2_048, role=role, variables=bucket(kind), **options)
        if kind == "zip":
            lambdas.update_function_code(FunctionName=name, ZipFile=zipped(published.package.code.files))
            return every(lambda event: hosted.invoke(name, event, "$LATEST").payload)
        return every(lambda event: hosted.invoke(name, event).payload)

    def every(invoke: Callable[[Any], Any]) -> list[Any]:
        return [invoke(event) for event in EVENTS]

    found = {
        "zip": host("zip", runtime=TARGET.runtime, handler=published.package.handler, Layers=[arn["LayerVersionArn"]]),
        "folders": host("folders", image=published.reference, ImageConfig={"Command": [published.package.handler]}),
    }
    access = hosted.account.environment()
    with running(published.reference, {**access, **bucket("docker")}) as api:
        found["docker"] = every(api.invoke)
    return {kind: [*given, results(s3, kind)] for kind, given in found.items()}


def results(s3: Any, kind: str) -> dict[str, Any]:
    """The result objects, by key, without what says when they were written."""
    bucket = f"results-of-{kind}"
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    found = {key: json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys}
    return {key: {name: value for name, value in result.items() if name != "record"} for key, result in found.items()}


def without_names(found: list[Any], kind: str) -> Any:
    return json.loads(json.dumps(found).replace(f"results-of-{kind}", "results"))


@pytest.mark.parametrize("kind", ["folders", "docker"])
def test_the_image_answers_as_the_zip_does(answers: dict[str, list[Any]], kind: str) -> None:
    assert without_names(answers[kind], kind) == without_names(answers["zip"], "zip")


def test_what_they_agree_on_is_right(answers: dict[str, list[Any]]) -> None:
    """That three of them fail alike would be no comfort."""
    health, *of_files, missing, no_key, kept = answers["docker"]
    assert (health["ok"], health["problems"]) == (True, [])
    statuses = {key: answer.get("error", {}).get("code", "ok") for key, answer in zip(FILES, of_files, strict=True)}
    assert statuses == {
        "text.pdf": "ok",
        "table.pdf": "ok",
        "opens-without.pdf": "ok",
        "encrypted.pdf": "encrypted",
        "broken.pdf": "damaged",
        "no-pdf.pdf": "not_a_pdf",
        "notes.md": "ok",
        "picture.png": "unsupported_type",
    }
    assert (missing["error"]["code"], no_key["error"]["code"]) == ("not_found", "bad_request")
    assert kept["extracted/text.pdf.json"]["pages"][0]["text"].startswith("The first page, in words.")
    assert kept["extracted/table.pdf.json"]["pages"][0]["tables"] == [[["Hive", "Honey"], ["Lime Tree", "12 kg"]]]
    assert "Über alles Mögliche." in kept["extracted/notes.md.json"]["pages"][0]["text"]


def test_the_image_holds_the_folders_and_they_hold_what_the_layer_does(published: Published) -> None:
    created = docker("create", published.reference).stdout.strip()
    try:
        raw = subprocess.run(["docker", "export", created], capture_output=True, check=True, timeout=300).stdout
    finally:
        docker("rm", created)
    places = {"opt/": published.folder / "opt", "var/task/": published.folder / "task"}
    inside: dict[str, tuple[int, str]] = {}
    with tarfile.open(fileobj=io.BytesIO(raw)) as exported:
        for member in exported:
            if member.isfile() and member.name.startswith(tuple(places)):
                file = exported.extractfile(member)
                assert file is not None
                inside[member.name] = (member.mode & 0o7777, hashlib.sha256(file.read()).hexdigest())
    here = {
        f"{place}{path.relative_to(folder).as_posix()}": (
            path.stat().st_mode & 0o7777,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for place, folder in places.items()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert inside == here
    entry = build_layer(published.package.layers[0], TARGET).entry
    size = sum(path.stat().st_size for path in (published.folder / "opt").rglob("*") if path.is_file())
    assert size == entry.unzipped_bytes


def test_the_next_deployment_finds_it_there(published: Published, tmp_path: Path) -> None:
    without_docker = {**published.environment, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = subprocess.run(
        published.command, cwd=REPOSITORY, env=without_docker, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {**published.document, "bytes": 0, "built": False, "pushed": False}
    stored = Registry(published.repository, LOGIN).image(published.document["tag"])
    assert stored is not None
    assert (stored.is_index, stored.digest) == (False, published.document["digest"])
