"""The embedding_processor as an image, for real: built by Docker, pushed, run by awslambdaric in a container.

The texts come from the local S3 and the rows go through Supabase's client to a PostgreSQL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from components.package import Image, read_package
from components.systems.embedding_processor import EmbeddingProcessorSettings, package
from layer_builds.plan import REPOSITORY, image_digest, image_tag
from ops.migration import apply
from tests.images import LOGIN, docker, push_base, registry, running
from tests.lambdas.events import s3_event, sns_event
from tests.sandbox.supabase_project import KEY, project

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from tests.sandbox.hosted import Hosted

BUCKET, PARAMETER = "texts-of-the-image", "/tests/image"


@dataclass(frozen=True)
class Built:
    """The image, and its bytes beside those of its base."""

    reference: str
    base: str
    parts: int

    @property
    def sizes(self) -> list[int]:
        """Bytes of the image, and of its base."""
        shown = [docker("image", "inspect", "--format", "{{.Size}}", name) for name in (self.reference, self.base)]
        return [int(each.stdout) for each in shown]


@contextmanager
def built_image(hosted: Hosted, config: dict[str, Any], base_image: str, folder: Path) -> Generator[Built]:
    """The image in a private registry, by the command line that the program runs.

    Args:
        hosted: Whose account it is published with.
        config: Of the system's section.
        base_image: What stands in for Lambda's.
        folder: For the registries' files.
    """
    with registry(folder / "public") as public, registry(folder / "own", LOGIN) as own:
        base, repository = push_base(public, base_image), f"{own}/strata-test-embedding-images"
        settings = EmbeddingProcessorSettings.model_validate(config)
        chosen, target = package(settings), settings.target
        assert isinstance(chosen, Image)
        read = read_package("embedding_processor", chosen, target)
        command = [
            *(sys.executable, "-m", "layer_builds", "publish-image", "embedding_processor"),
            *("--tag", image_tag(image_digest(read.image, base)), "--base", base, "--handler", read.handler),
            *("--runtime", target.runtime, "--architecture", target.architecture),
            *(word for layer in chosen.layers for word in ("--layer", layer)),
            *(word for folder in chosen.folders for word in ("--folder", f"{folder.place}={folder.path}")),
            *("--repository", repository, "--account", hosted.account.account, "--region", hosted.account.region),
        ]
        environment = {**os.environ, **hosted.account.environment()}
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=1_500, check=False
        )
        assert done.returncode == 0, done.stderr
        entries = [json.loads(layer.manifest_path.read_text("utf-8"))[str(target)] for layer in read.layers]
        parts = [entry["unzipped_bytes"] for entry in entries] + [folder.bytes for _, folder in read.folders]
        yield Built(f"{repository}:{json.loads(done.stdout)['tag']}", base_image, sum(parts) + read.code.bytes)


def answers(
    hosted: Hosted,
    built: Built,
    texts: dict[str, str],
    variables: dict[str, str],
    *,
    given: Sequence[str] = (),
    seconds: float | None = None,
) -> dict[str, Any]:
    """What a container answers to a health request and to texts' events, and the rows that are there then.

    Args:
        hosted: Where the texts are put.
        built: The image.
        texts: By key.
        variables: Beside those that every container here has.
        given: More words of `docker run`.
        seconds: That an answer may take; None is as for any other image.
    """
    place: Any = {"LocationConstraint": hosted.account.region}
    s3, ssm = hosted.account.client("s3"), hosted.account.client("ssm")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    events = [_event(s3, key, text) for key, text in texts.items()]
    with project() as (state, server):
        apply(state.url(), 384)
        value = json.dumps({"url": server.url, "service_key": KEY})
        ssm.put_parameter(Name=PARAMETER, Value=value, Type="SecureString", Overwrite=True)
        told = {
            **hosted.account.environment(),
            "SSM_PARAMETER_NAME": PARAMETER,
            "DEAD_LETTER_QUEUE_URL": "",
            **variables,
        }
        with running(built.reference, told, given, seconds) as api:
            health = api.invoke({"test": True})
            done = [api.invoke(event) for event in events]
            log = docker("logs", api.container)
        with psycopg.connect(state.url()) as connection:
            rows = connection.execute(
                "select content, embedding::text, metadata from content_embeddings order by key"
            ).fetchall()
    assert KEY not in log.stdout + log.stderr
    return {"health": health, "done": done, "rows": rows, "log": log.stdout + log.stderr}


def _event(s3: Any, key: str, text: str) -> dict[str, Any]:
    s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    event = s3_event(BUCKET, key)
    event["Records"][0] |= {"eventName": "ObjectCreated:Put"}
    event["Records"][0]["s3"]["object"]["sequencer"] = "0055AED6DCD90281E5"
    return sns_event(json.dumps(event))
