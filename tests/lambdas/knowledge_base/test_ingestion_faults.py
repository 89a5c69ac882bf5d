"""Something fails at each step: the document says what, nothing of it can be found, and it can be tried again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.ingestion import batch, pipeline
from lambdas.knowledge_base.ingestion.ingestion_queue import wait_seconds
from lambdas.knowledge_base.services import Services
from lambdas.shared.pdf import pdf_text, reading
from sandbox.standins.faults import Fault
from tests.lambdas.conftest import Context
from tests.lambdas.knowledge_base import wire
from tests.lambdas.knowledge_base.consumer import Delivery, give, message, turn
from tests.lambdas.knowledge_base.test_documents import PDF, keys, put
from tests.lambdas.knowledge_base.test_ingestion import drawing_pdf, passages
from tests.lambdas.knowledge_base.wire import Broken, lambda_client
from tests.pdfs import text_pdf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lambdas.knowledge_base.world import Clock, SignedIn, World

RECEIVES = 2
EMBEDDINGS = "/v1/embeddings"


@pytest.fixture(scope="module")
def few(shared_world: World) -> World:
    """An environment in which a message comes twice at most, and no call is tried again for long."""
    return shared_world.restarted(**{contract.MAX_RECEIVES: str(RECEIVES)})


@pytest.fixture
def user(few: World) -> SignedIn:
    return few.user()


@pytest.fixture(autouse=True)
def _clean(few: World) -> Iterator[None]:
    yield
    few.openai.faults.clear()
    few.weaviate.faults.clear()
    while few.messages():
        pass


def seen(user: SignedIn, document: str) -> dict[str, Any]:
    """A document as its owner sees it."""
    return user.get(f"/documents/{document}").json()


def fails_and_comes_back(few: World, user: SignedIn, code: str, data: bytes = PDF) -> str:
    """A document whose ingestion fails at each delivery: the first is tried again, the last says why.

    Returns:
        Its id; its owner has it tried again, which waits in the queue.
    """
    document = put(user, data=data).json()["id"]
    first = turn(few)
    assert first == [Delivery({"user_id": user.id, "document_id": document}, 1, failed=True, wait_seconds=10)]
    assert (seen(user, document)["status"], seen(user, document)["progress"]) == ("queued", 0)
    (last,) = turn(few)
    assert (last.received, last.failed) == (RECEIVES, False), "its row says why: the message is not needed any more"
    failed = seen(user, document)
    assert (failed["status"], failed["error"]["code"]) == ("failed", code)
    assert failed["error"]["message"].endswith(".")
    assert few.services.documents.unready(user.id) == [document], "nothing of it may be found"
    assert user.get(f"/documents/{document}/pages/1").json()["error"]["code"] == "not_ready"
    assert user.post(f"/documents/{document}/retry").status_code == 202
    assert seen(user, document) == {**failed, "status": "queued", "error": None, "progress": 0}
    return document


def becomes_ready(few: World, user: SignedIn, document: str) -> None:
    """The retry succeeds, and what earlier runs left is gone."""
    (delivery,) = turn(few)
    assert not delivery.failed
    assert seen(user, document)["status"] == "ready"
    run = few.services.documents.get(user.id, document).run
    assert {passage.run for passage in passages(few, user.id, document)} == {run}
    assert {key.split("/")[3] for key in keys(few, f"pages/{user.id}/{document}/") if run in key} == {run}
    kept = few.account.client("s3").list_objects_v2(
        Bucket=few.environment[contract.PDF_STORAGE_BUCKET], Prefix=f"pages/{user.id}/{document}/"
    )
    assert {each["Key"].split("/")[3] for each in kept["Contents"]} == {run}


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject", "PutObject", "ListObjectVersions"])
def test_storage_that_refuses(few: World, operation: str) -> None:
    user = few.user()
    document = put(user).json()["id"]
    with Broken(few.services.s3, operation) as broken:
        assert [delivery.failed for delivery in turn(few)] == [True]
        assert [delivery.failed for delivery in turn(few)] == [False]
    assert broken.asked >= RECEIVES
    assert (seen(user, document)["status"], seen(user, document)["error"]["code"]) == ("failed", "storage_failed")
    assert user.post(f"/documents/{document}/retry").status_code == 202
    becomes_ready(few, user, document)


def test_a_model_that_is_down(few: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    few.openai.faults.always(Fault(status=503), path=EMBEDDINGS)
    document = fails_and_comes_back(few, user, "model_failed")
    few.openai.faults.clear()
    becomes_ready(few, user, document)


def test_a_key_that_the_model_refuses(few: World, user: SignedIn) -> None:
    few.openai.faults.always(Fault(status=401, body='{"error": {"message": "wrong key"}}'), path=EMBEDDINGS)
    document = fails_and_comes_back(few, user, "not_configured")
    few.openai.faults.clear()
    becomes_ready(few, user, document)


def test_an_index_that_is_down(few: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors: Any = few.services.vectors
    put_for_good = vectors.put
    monkeypatch.setattr(vectors, "put", lambda *given, deadline: put_for_good(*given, deadline=_in(4.0, deadline)))
    few.weaviate.faults.always(Fault(drop="before"))
    document = fails_and_comes_back(few, user, "index_failed")
    few.weaviate.faults.clear()
    becomes_ready(few, user, document)


def _in(seconds: float, deadline: Any) -> Any:
    return deadline.earlier(max(0.0, deadline.left() - seconds))


def test_an_index_that_fails_half_way_leaves_nothing_to_be_found(
    few: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipeline, "PASSAGES_AT_ONCE", 1)
    vectors: Any = few.services.vectors
    real, stored = vectors.put, []

    def second_fails(user_id: str, group: Any, rows: Any, *, deadline: Any) -> None:
        if len(stored) % 2:
            stored.append(None)
            raise RuntimeError(f"half way through {group[0].text}")
        stored.append(real(user_id, group, rows, deadline=deadline))

    with monkeypatch.context() as patch:
        patch.setattr(vectors, "put", second_fails)
        document = fails_and_comes_back(few, user, "internal", text_pdf(["Bees.", "Honey.", "Wax."]))
    assert len(passages(few, user.id, document)) == 2, "one of each run"
    details = [entry.__dict__["detail"] for entry in caplog.records if entry.message == "document not ready"]
    assert len(details) == RECEIVES
    for detail in details:
        assert detail.startswith("RuntimeError at test_ingestion_faults.py:")
        assert "Honey" not in detail, "an exception of somebody else's may quote the document"
    becomes_ready(few, user, document)
    assert [passage.text for passage in passages(few, user.id, document)] == ["Bees.", "Honey.", "Wax."]


@pytest.mark.parametrize("answer", ["throttled", "crashed", "denied"])
def test_an_image_processor_that_fails(few: World, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:image-processor:live"
    world = few.restarted(**{contract.IMAGE_PROCESSOR_LAMBDA_ARN: arn})
    user = world.user()
    status, headers, body = {
        "throttled": (429, {"x-amzn-errortype": "TooManyRequestsException"}, b'{"message": "Rate Exceeded."}'),
        "crashed": (200, {"x-amz-function-error": "Unhandled"}, b'{"errorMessage": "timed out"}'),
        "denied": (200, {}, b'{"status": "error", "error": {"code": "access_denied", "message": "no"}}'),
    }[answer]
    client = lambda_client(world.services, lambda request: wire.answer(request, body, status, headers))
    monkeypatch.setattr(world.services, "client", client)
    document = fails_and_comes_back(world, user, "images_failed", drawing_pdf())
    becomes_ready(few, user, document)


def test_pages_that_no_image_can_be_made_of_keep_their_text(few: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:image-processor:live"
    world = few.restarted(**{contract.IMAGE_PROCESSOR_LAMBDA_ARN: arn})
    body = b'{"status": "error", "error": {"code": "too_many_pixels", "message": "large"}}'
    client = lambda_client(world.services, lambda request: wire.answer(request, body))
    monkeypatch.setattr(world.services, "client", client)
    user = world.user()
    document = put(user, data=drawing_pdf()).json()["id"]
    assert [delivery.failed for delivery in turn(world)] == [False]
    assert seen(user, document)["status"] == "ready"
    assert user.get(f"/documents/{document}/pages/2").json() == {"text": "A chart", "tables": [], "images": []}


def test_a_document_that_takes_longer_than_there_is_says_so(
    few: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_text, "read_page", lambda *_: time.sleep(60))
    monkeypatch.setattr(batch, "LEAST_SECONDS", 1.0)
    document = put(user).json()["id"]
    (delivery,) = turn(few, seconds=8)
    assert not delivery.failed, "another run would have no more time"
    assert (seen(user, document)["status"], seen(user, document)["error"]["code"]) == ("failed", "timed_out")


def test_a_document_that_will_not_be_done_in_time_says_so_early(
    few: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "PASSAGES_AT_ONCE", 1)
    models: Any = few.services.models
    real, groups = models.embed, []

    def slow(texts: Any, deadline: Any) -> Any:
        groups.append(texts)
        time.sleep(1.5)
        return real(texts, deadline)

    monkeypatch.setattr(models, "embed", slow)
    document = put(user, data=text_pdf([f"Page {number}." for number in range(60)])).json()["id"]
    started = time.monotonic()
    assert [delivery.failed for delivery in turn(few, seconds=40)] == [False]
    assert (seen(user, document)["status"], seen(user, document)["error"]["code"]) == ("failed", "timed_out")
    assert len(groups) <= 2
    assert time.monotonic() - started < 25


def test_a_child_that_is_killed_costs_the_document_a_page(
    few: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pdf_text.read_page

    def killed(document: Any, index: int) -> Any:
        return real(document, index) if index != 1 else os.kill(os.getpid(), signal.SIGSEGV)

    monkeypatch.setattr(pdf_text, "read_page", killed)
    monkeypatch.setattr(reading, "PAGE_CPU_SECONDS", 2)
    document = put(user, data=text_pdf(["One.", "Two.", "Three."])).json()["id"]
    assert [delivery.failed for delivery in turn(few)] == [False]
    texts = [user.get(f"/documents/{document}/pages/{number}").json()["text"] for number in (1, 2, 3)]
    assert texts == ["One.", "", "Three."]


def _at_work(made_of: tuple[dict[str, str], Clock], task: tuple[str, str], moment: str, reached: Any) -> None:
    """In a process of its own: work on a document until that moment, and there for good."""
    services = Services(*made_of)
    owner: Any = {"put": services.vectors, "finish": services.documents.table}[moment]

    def forever(*_: Any, **__: Any) -> None:
        reached.set()
        threading.Event().wait()

    setattr(owner, moment, forever)
    context: Any = Context(30.0)
    services.ingestion.batch({"Records": [message(*task)]}, context)


@pytest.mark.parametrize("moment", ["put", "finish"])
def test_a_function_that_is_killed(few: World, user: SignedIn, moment: str) -> None:
    document = put(user).json()["id"]
    few.messages()
    other = multiprocessing.get_context("spawn")
    reached = other.Event()
    process = other.Process(target=_at_work, args=((few.environment, few.clock), (user.id, document), moment, reached))
    process.start()
    assert reached.wait(200)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(100)
    assert process.exitcode == -signal.SIGKILL
    assert seen(user, document)["status"] == "processing"
    assert give(few, message(user.id, document)) == ["m"], "its lease holds: it may still be at work"
    few.clock.pass_(32)
    later = few.sign_in(user.email, user_id=user.id)
    killed = seen(later, document)
    assert (killed["status"], killed["error"]["code"]) == ("failed", "interrupted")
    assert few.services.documents.unready(user.id) == [document]
    if moment == "put":  # its owner does not wait for the queue
        assert later.post(f"/documents/{document}/retry").status_code == 202
        becomes_ready(few, later, document)
    assert give(few, message(user.id, document)) == [], "the message that was not deleted comes again"
    assert seen(later, document)["status"] == "ready"
    assert len(passages(few, user.id, document)) == 1


def test_a_deleted_document_whose_run_was_killed_is_swept(few: World, user: SignedIn) -> None:
    document = put(user).json()["id"]
    few.messages()
    table = few.services.documents.table
    assert table.claim(user.id, document, few.clock() + 100, uploaded=False) is not None
    assert user.delete(f"/documents/{document}").status_code == 204
    assert user.get(f"/documents/{document}").status_code == 404
    assert table.find(user.id, document) is not None, "a run may be at work, and has to find out"
    assert give(few, message(user.id, document)) == ["m"]
    few.services.files.keep(user.id, document, PDF)  # as that run might
    few.clock.pass_(102)
    assert give(few, message(user.id, document)) == []
    assert table.find(user.id, document) is None
    assert [key for key in keys(few) if document in key] == []


def test_a_deletion_is_done_later_when_the_index_is_down(
    few: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = put(user).json()["id"]
    turn(few)
    vectors: Any = few.services.vectors
    remove = vectors.remove
    with monkeypatch.context() as patch:
        patch.setattr(vectors, "remove", lambda *given: remove(*given, deadline=_soon()))
        few.weaviate.faults.always(Fault(drop="before"))
        assert user.delete(f"/documents/{document}").status_code == 204
        assert user.get(f"/documents/{document}").status_code == 404
        assert give(few, message(user.id, document)) == ["m"]
        few.weaviate.faults.clear()
    assert len(passages(few, user.id, document)) == 1
    assert few.services.documents.unready(user.id) == [document], "it is not found meanwhile"
    assert give(few, message(user.id, document)) == []
    assert passages(few, user.id, document) == []
    assert few.services.documents.table.find(user.id, document) is None


def _soon() -> Any:
    from lambdas.shared.deadline import Deadline

    return Deadline.after(3.0)


def test_a_table_that_does_not_answer_leaves_the_message(few: World, user: SignedIn) -> None:
    document = put(user).json()["id"]
    with Broken(few.services.dynamodb, "UpdateItem", 400, "AccessDeniedException"):
        assert [delivery.failed for delivery in turn(few)] == [True]
        assert seen(user, document)["status"] == "queued"
    (delivery,) = turn(few)
    assert not delivery.failed
    assert seen(user, document)["status"] == "ready"


def test_messages_come_again_later_each_time() -> None:
    waits: Callable[[int], int] = wait_seconds
    assert [waits(received) for received in (0, 1, 2, 3, 4, 5, 1_000)] == [10, 10, 40, 160, 640, 900, 900]
