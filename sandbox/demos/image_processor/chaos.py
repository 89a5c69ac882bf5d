"""The image processor under faults: a caller that tries again has each image once, byte for byte, and no other.

It is invoked directly, so there is no queue that keeps a request: what protects it is that its caller may ask again,
because the same request writes the same objects. The control is a caller that does not.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sandbox.chaos import LAMBDA, Chaos, Options
from sandbox.chaos.controls import Control
from sandbox.chaos.plan import Kind
from sandbox.chaos.verdict import Verdict
from sandbox.demos.image_processor.pdf import Pdf

if TYPE_CHECKING:
    from sandbox.chaos.ending import Ending
    from sandbox.cloud import LocalCloud

FUNCTION: Final = "image_processor"
PREFIX: Final = "work/chaos/"
CALLERS: Final = 3
TRIES: Final = 8
BAD_EVERY: Final = 6
KINDS: Final = (
    Kind(LAMBDA, "kill-start", "process killed with the request in hand", 8),
    Kind(LAMBDA, "kill-work", "process killed at work", 8),
    Kind(LAMBDA, "kill-answer", "process killed after its work, before it answers", 8),
    Kind(LAMBDA, "twice", "the request delivered twice, at the same time", 10),
)


class _Work:
    """One seed's requests: documents with an image each, no two alike, and some that are no documents."""

    def __init__(self, options: Options) -> None:
        chance = random.Random(f"images {options.seed}")  # noqa: S311 - to be repeatable, not secret
        self._tries = 1 if options.control else TRIES
        self._files: dict[str, bytes] = {}
        self._bad: set[str] = set()
        for number in range(options.messages):
            name = f"request-{number:03}"
            if number % BAD_EVERY == BAD_EVERY - 1:
                self._files[name] = b"no PDF " + chance.randbytes(100)
                self._bad.add(name)
            else:
                pdf = Pdf()
                self._files[name] = pdf.show(pdf.image(16, 16 + number, chance.randbytes(16 * (16 + number)))).bytes()
        again = chance.sample(sorted(self._files), min(options.duplicates, len(self._files)))
        self._order = [*self._files, *again]
        chance.shuffle(self._order)
        self.sent = len(self._order)
        self.requests = {LAMBDA: self.sent}
        self._answers: dict[str, dict[str, Any]] = {}

    def send(self, cloud: LocalCloud) -> None:
        """All requests, several at a time, each until it is answered."""
        with ThreadPoolExecutor(CALLERS) as callers:
            answers = callers.map(partial(self._ask, cloud), self._order)
            for name, answer in zip(self._order, answers, strict=True):
                if answer is not None:
                    self._answers[name] = answer

    def _ask(self, cloud: LocalCloud, name: str) -> dict[str, Any] | None:
        """A request's answer; None when the last try ended without one."""
        request = {
            "operation": "extract_images",
            "file_bytes_base64": base64.b64encode(self._files[name]).decode(),
            "output": {"bucket": cloud.outputs["buckets"]["images"], "prefix": f"{PREFIX}{name}"},
        }
        for _ in range(self._tries):
            found = cloud.client("lambda").invoke(
                FunctionName=cloud.function(FUNCTION)["alias_arn"], Payload=json.dumps(request).encode()
            )
            answer = json.load(found["Payload"])
            if "FunctionError" not in found:
                return answer
            time.sleep(0.2)
        return None

    def judge(self, ending: Ending) -> Verdict:
        """Compare answers, objects and documents."""
        s3, bucket = ending.cloud.client("s3"), ending.cloud.outputs["buckets"]["images"]
        objects: dict[str, list[str]] = {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX):
            for entry in page.get("Contents", []):
                objects.setdefault(entry["Key"].removeprefix(PREFIX).split("/")[0], []).append(entry["Key"])
        done, wrong = set[str](), list[str]()
        for name, answer in self._answers.items():
            if name in self._bad:
                right = answer.get("error", {}).get("code") == "not_a_pdf" and name not in objects
            else:
                images: list[dict[str, Any]] = answer.get("images") or [{}]
                (image,) = images
                body = s3.get_object(Bucket=bucket, Key=image["key"])["Body"].read() if image else b""
                right = hashlib.sha256(body).hexdigest() == image.get("sha256") and objects[name] == [image["key"]]
            (done.add if right else wrong.append)(name)
        return Verdict.of(
            sent=self.sent,
            inputs={name: name not in self._bad for name in self._files},
            done=done,
            dead={},
            doubled=[name for name, keys in objects.items() if len(keys) > 1],
            wrong=wrong,
            facts={"Images in the bucket": f"{sum(map(len, objects.values())):,}"},
        )


CHAOS: Final = Chaos(
    messages=30,
    kinds=KINDS,
    make=_Work,
    controls=(
        Control(
            name="ask-again",
            removed="a caller whose request failed sends it again",
            remove=lambda _: None,  # the caller is told: see `_Work`
        ),
    ),
    config=lambda _: {"timeout_seconds": 30},
)
