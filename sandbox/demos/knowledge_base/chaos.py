"""The knowledge base under faults: every uploaded document is ready with exactly its passages, or says why it is not.

OpenAI and Weaviate fail, the function is killed in the middle of an ingestion and while it answers the API, keys
change, files are uploaded twice. What a caller's API request meets is the caller's to try again.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import secrets
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.documents.document import Status
from lambdas.knowledge_base.documents.problem import Code
from sandbox.chaos import LAMBDA, Chaos, Options
from sandbox.chaos.gate import DOWN_SECONDS
from sandbox.chaos.hands import new_key
from sandbox.chaos.leases import Lease
from sandbox.chaos.plan import Kind
from sandbox.chaos.verdict import Verdict
from sandbox.chaos.wrapped import of_a_queue
from sandbox.demos.knowledge_base.demo import FUNCTION
from sandbox.demos.knowledge_base.reader import TIMEOUT_SECONDS, Reader
from sandbox.standins.faults import Fault
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.chaos.ending import Ending
    from sandbox.cloud import LocalCloud

Answer = TypeVar("Answer")
MODEL: Final = "openai"
INDEX: Final = "weaviate"
TRIES: Final = 30
SILENT: Final = {Code.INTERRUPTED.value, Code.NOT_STARTED.value}
"""What the API says of a document that no run has said anything of: its message has to be somewhere."""


def _index_down(cloud: LocalCloud) -> None:
    faults = cloud.state(INDEX).faults
    faults.always(Fault(drop="before"))
    threading.Timer(DOWN_SECONDS, lambda: faults.always(None)).start()


def _new_signing_key(cloud: LocalCloud) -> None:
    """As docs/knowledge_base.md says: tokens of the old key are taken until they end."""
    cloud.set_secret(contract.JWT_SECRET_KEY, secrets.token_urlsafe(48), FUNCTION)


KINDS: Final = (
    Kind(MODEL, "kill-before", "process killed before the passages are embedded", 8),
    Kind(MODEL, "kill-after", "process killed after the embeddings were made, before it has them", 8),
    Kind(MODEL, "lose-answer", "process killed after its work, before its answer reaches the queue", 8),
    Kind(MODEL, "rotate", "a new key of OpenAI's; the old one is refused from now on", 4),
    Kind(MODEL, "down", "OpenAI down for a while", 4),
    Kind(MODEL, "429", "429 with Retry-After", 4, Fault(429, headers={"retry-after": "1"})),
    Kind(MODEL, "malformed", "200 with broken JSON", 4, Fault(body='{"object": "list", "data": [')),
    Kind(MODEL, "index-down", "Weaviate down for a while", 4, act=_index_down),
    Kind(MODEL, "index-key", "a new key of Weaviate's", 4, act=lambda cloud: new_key(cloud, INDEX)),
    Kind(MODEL, "signing-key", "a new key for tokens: whoever is signed in signs in again", 4, act=_new_signing_key),
    Kind(LAMBDA, "kill-work", "process killed at work, on a document or a request", 5),
    Kind(LAMBDA, "twice", "the event delivered twice, at the same time", 8),
)


class _Work:
    """One seed's documents of a page each, uploaded to the bucket with the API's forms."""

    def __init__(self, options: Options) -> None:
        chance = random.Random(f"knowledge {options.seed}")  # noqa: S311 - to be repeatable, not secret
        self._texts = [
            f"Ledger {options.seed}-{number}: the harbour took {chance.randrange(10_000)} barrels of herring."
            for number in range(options.messages)
        ]
        self._duplicates = options.duplicates
        self.sent = options.messages + options.duplicates
        # A form and a message of each.
        self.requests = {MODEL: options.messages, LAMBDA: 2 * options.messages}
        self._texts_by_id: dict[str, str] = {}
        self._reader: Reader | None = None

    def send(self, cloud: LocalCloud) -> None:
        """Every file, some of them twice."""
        url = cloud.function(FUNCTION)["api_url"]
        for number, text in enumerate(self._texts):
            content = _pdf(text)
            form = self._ask(url, "POST", "/documents/uploads", {"filename": f"{number}.pdf", "bytes": len(content)})
            for _ in range(2 if number < self._duplicates else 1):
                files = {"file": (f"{number}.pdf", content, "application/pdf")}
                answer = httpx.post(
                    form["url"], data=form["fields"], files=files, timeout=TIMEOUT_SECONDS, trust_env=False
                )
                if answer.is_error:
                    raise SandboxError(f"the bucket answered the upload {answer.status_code}: {answer.text[:500]}")
            self._texts_by_id[form["document_id"]] = text

    def judge(self, ending: Ending) -> Verdict:
        """Ask the API for every document and its page, and the index for its passages."""
        url = ending.cloud.function(FUNCTION)["api_url"]
        found = {name: self._ask(url, "GET", f"/documents/{name}") for name in self._texts_by_id}
        passages = Counter(
            str(stored.properties["document_id"])
            for collection in ending.cloud.state(INDEX).store.collections.values()
            for tenant in collection.tenants.values()
            for stored in tenant.objects.values()
        )
        done, dead, wrong = set[str](), _dead(ending), list[str]()
        for name, text in self._texts_by_id.items():
            error: dict[str, Any] = found[name]["error"] or {}
            if found[name]["status"] == "failed" and error.get("code") not in SILENT:
                dead.setdefault(name, str(error.get("message", "")))
            elif found[name]["status"] == "ready":
                page = self._ask(url, "GET", f"/documents/{name}/pages/1")
                (done.add if text in " ".join(page["text"].split()) and passages[name] else wrong.append)(name)
        return Verdict.of(
            sent=self.sent,
            inputs=dict.fromkeys(self._texts_by_id, True),
            done=done,
            dead=dead,
            doubled=[name for name in passages if passages[name] > 1 or name not in self._texts_by_id],
            wrong=wrong,
            facts={"Passages in the index": f"{passages.total():,}"},
        )

    def _ask(self, url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A request of somebody who tries again, and signs in again when told to."""
        return _tried(lambda: self._signed_in(url).ask(method, path, **({"json": body} if body else {})), self._renew)

    def _signed_in(self, url: str) -> Reader:
        if self._reader is None:
            self._reader = Reader(url)
        return self._reader

    def _renew(self, error: SandboxError) -> None:
        if self._reader is not None and " 401" in str(error):
            self._reader.sign_in()


def _tried(work: Callable[[], Answer], failed: Callable[[SandboxError], object]) -> Answer:
    for tries in itertools.count(1):
        try:
            return work()
        except SandboxError as error:
            if tries == TRIES:
                raise
            time.sleep(0.5)
            failed(error)
    raise AssertionError("unreachable")  # pragma: no cover


def _dead(ending: Ending) -> dict[str, str]:
    """Document → why its message is in the dead-letter queue."""
    found: dict[str, str] = {}
    for letter in ending.dead[FUNCTION]:
        body = json.loads(letter.body)
        keys = [record["s3"]["object"]["key"] for record in body.get("Records", [])]
        names = [key.rpartition("/")[2].removesuffix(".pdf") for key in keys] or [str(body.get("document_id"))]
        found |= dict.fromkeys(names, letter.reason)
    return found


def _pdf(text: str) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    canvas.drawString(72, 760, text)
    canvas.save()
    return out.getvalue()


def _config(_: Options) -> dict[str, Any]:
    """Deliveries for as long as another run is at work: here a message is back after a second."""
    return {"timeout_seconds": contract.LEAST_TIMEOUT_SECONDS, "queue": {"max_receive_count": 1_000}}


CHAOS: Final = Chaos(
    messages=24,
    kinds=KINDS,
    counted={MODEL: "POST /v1/embeddings"},
    make=_Work,
    controls=of_a_queue(FUNCTION),
    lease=Lease(
        table=contract.DOCUMENTS_TABLE,
        key=contract.DOCUMENTS_KEY,
        status="status",
        going_on=Status.PROCESSING.value,
        until="lease",
    ),
    config=_config,
)
