"""Documents are read and made searchable: real PDFs, real children, the local AWS, each event also twice and late."""

from __future__ import annotations

import io
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from lambdas.image_processor import handler as image_processor
from lambdas.knowledge_base import contract
from lambdas.knowledge_base.ingestion import drawings, pipeline
from lambdas.knowledge_base.ingestion.events import MessageError, tasks
from lambdas.knowledge_base.retrieval.collection import NAME
from lambdas.knowledge_base.retrieval.passages import Passage
from tests.lambdas.conftest import Context, record
from tests.lambdas.knowledge_base import wire
from tests.lambdas.knowledge_base.consumer import event, give, message, turn
from tests.lambdas.knowledge_base.test_documents import PDF, keys, put, send
from tests.pdfs import scan_pdf, table_pdf, text_pdf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSResponse

    from tests.lambdas.knowledge_base.world import SignedIn, World

PARAGRAPH = (
    "Bees make honey from nectar, number {0}.\nThe queen of hive {0} lays two thousand eggs on a day in May.\n"
    "Drones leave it in August, and never come back.\n"
)


@pytest.fixture(autouse=True)
def _empty_queue(shared_world: World) -> Iterator[None]:
    yield
    while shared_world.messages():
        pass


def passages(world: World, user_id: str, document_id: str) -> list[Passage]:
    """What Weaviate has of a document."""
    collection = world.weaviate.store.collections.get(NAME)
    tenant = collection.tenants.get(user_id) if collection else None
    stored = [each.properties for each in tenant.objects.values()] if tenant else []
    found = [_passage(each) for each in stored]
    return sorted((each for each in found if each.document_id == document_id), key=lambda each: each.index)


def _passage(properties: dict[str, Any]) -> Passage:
    """As the adapter reads it; numbers come as floats."""
    values: dict[str, Any] = {name: int(it) if isinstance(it, float) else it for name, it in properties.items()}
    return Passage(**values)


def ready(world: World, user: SignedIn, data: bytes = PDF, name: str = "bees.pdf") -> str:
    """A document that was uploaded and read."""
    document = put(user, name, data).json()["id"]
    (delivery,) = turn(world)
    assert not delivery.failed
    found = user.get(f"/documents/{document}").json()
    assert (found["status"], found["progress"], found["error"]) == ("ready", 100, None), found
    return document


def test_a_document_becomes_ready(shared_world: World, user: SignedIn) -> None:
    texts = ["\n".join(PARAGRAPH.format(number) for number in range(page * 9, page * 9 + 9)) for page in range(3)]
    document = ready(shared_world, user, text_pdf(texts))
    assert user.get(f"/documents/{document}").json()["pages"] == 3
    found = passages(shared_world, user.id, document)
    assert {passage.page for passage in found} == {1, 2, 3}
    run = shared_world.services.documents.get(user.id, document).run
    assert {passage.run for passage in found} == {run}
    assert [passage.index for passage in found] == list(range(len(found)))
    assert shared_world.services.documents.unready(user.id) == []


def test_passages_are_characters_of_their_page(shared_world: World, user: SignedIn) -> None:
    texts = ["\n".join(PARAGRAPH.format(number) for number in range(12)), "", "A short page."]
    document = ready(shared_world, user, text_pdf(texts))
    pages = {number: user.get(f"/documents/{document}/pages/{number}").json() for number in (1, 2, 3)}
    assert pages[3] == {"text": "A short page.", "tables": [], "images": []}
    found = passages(shared_world, user.id, document)
    assert len(found) > 2
    for passage in found:
        assert pages[passage.page]["text"][passage.start : passage.end] == passage.text
    covered = "".join(passage.text for passage in found)
    assert all(word in covered for text in texts for word in text.split())


def test_tables_are_kept_with_their_page(shared_world: World, user: SignedIn) -> None:
    document = ready(shared_world, user, table_pdf([["bee", "legs"], ["queen", "6"], ["drone", "6"]]))
    tables = user.get(f"/documents/{document}/pages/1").json()["tables"]
    assert tables == [[["bee", "legs"], ["queen", "6"], ["drone", "6"]]]


@pytest.mark.parametrize("number", ["0", "-1", "4", "99999999999999999999"])
def test_pages_that_it_does_not_have_are_not_there(shared_world: World, user: SignedIn, number: str) -> None:
    document = ready(shared_world, user)
    assert user.get(f"/documents/{document}/pages/{number}").status_code == 404


def test_an_upload_by_a_form_is_read(shared_world: World, user: SignedIn) -> None:
    form = user.post("/documents/uploads", {"filename": "big.pdf", "bytes": len(PDF)}).json()
    document = form["document_id"]
    assert send(form, PDF) in (200, 204)
    assert give(shared_world, event(shared_world, user.id, document)) == []
    found = user.get(f"/documents/{document}").json()
    assert (found["status"], found["filename"]) == ("ready", "big.pdf")
    assert user.get(f"/documents/{document}/file").status_code == 302
    assert keys(shared_world, f"uploads/{user.id}/") == [], "what landed is kept elsewhere, and no version is left"
    table = shared_world.services.documents.table.find(user.id, document)
    assert table is not None
    assert table.expires_at is None, "a document that was uploaded stays"


def test_a_message_before_the_file_changes_nothing(shared_world: World, user: SignedIn) -> None:
    form = user.post("/documents/uploads", {"filename": "big.pdf", "bytes": len(PDF)}).json()
    early = message(user.id, form["document_id"])
    assert give(shared_world, early, event(shared_world, user.id, form["document_id"])) == []
    assert user.get(f"/documents/{form['document_id']}").json()["status"] == "queued"


def test_the_bucket_itself_tells_of_an_upload(world: World) -> None:
    client, url = world.account.client("sqs"), world.environment[contract.INGESTION_QUEUE_URL]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    admitted = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**admitted, "Resource": arn}]})
    client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    rules = [{"Name": "prefix", "Value": contract.UPLOADS_PREFIX}, {"Name": "suffix", "Value": contract.UPLOAD_SUFFIX}]
    told = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
    world.account.client("s3").put_bucket_notification_configuration(
        Bucket=world.environment[contract.PDF_STORAGE_BUCKET],
        NotificationConfiguration={"QueueConfigurations": [told]},
    )
    user = world.user()
    form = user.post("/documents/uploads", {"filename": "big.pdf", "bytes": len(PDF)}).json()
    assert send(form, PDF) in (200, 204)
    path = f"/documents/{form['document_id']}"
    for _ in range(10):
        assert not any(delivery.failed for delivery in turn(world, wait=1))
        if user.get(path).json()["status"] == "ready":
            break
    assert user.get(path).json()["status"] == "ready"
    assert turn(world) == [], "what ingestion writes triggers nothing"


def test_progress_is_told_while_pages_are_read(
    shared_world: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "SAID_EVERY_SECONDS", 0.0)
    table: Any = shared_world.services.documents.table
    real, said = table.advance, []

    def advance(document: Any, progress: int, **facts: Any) -> bool:
        said.append(progress)
        return real(document, progress, **facts)

    monkeypatch.setattr(table, "advance", advance)
    ready(shared_world, user, table_pdf([["bee", "legs"], ["queen", "6"]]))
    assert said == sorted(said)
    assert [progress for progress in said if pipeline.FETCHED < progress < pipeline.READ] != []


def test_an_upload_that_is_not_a_pdf_has_failed(shared_world: World, user: SignedIn) -> None:
    form = user.post("/documents/uploads", {"filename": "not.pdf", "bytes": 10_000}).json()
    assert send(form, b"<script>alert(1)</script>") in (200, 204)
    assert give(shared_world, event(shared_world, user.id, form["document_id"])) == []
    found = user.get(f"/documents/{form['document_id']}").json()
    assert (found["status"], found["error"]["code"]) == ("failed", "not_a_pdf")
    assert send(form, PDF) in (200, 204), "the form may be used again"
    assert give(shared_world, event(shared_world, user.id, form["document_id"])) == []
    assert user.get(f"/documents/{form['document_id']}").json()["status"] == "ready"


def test_a_second_upload_over_a_ready_document_is_dropped(shared_world: World, user: SignedIn) -> None:
    form = user.post("/documents/uploads", {"filename": "big.pdf", "bytes": 10_000}).json()
    document = form["document_id"]
    assert send(form, PDF) in (200, 204)
    first = event(shared_world, user.id, document)
    assert give(shared_world, first) == []
    run = shared_world.services.documents.get(user.id, document).run
    assert send(form, text_pdf(["Something else."])) in (200, 204)
    assert give(shared_world, first, first) == []
    assert shared_world.services.documents.get(user.id, document).run == run
    assert keys(shared_world, f"uploads/{user.id}/") == []
    assert user.get(f"/documents/{document}/pages/1").json()["text"] == "Bees make honey."


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (text_pdf(["Secret."], password="open sesame"), "encrypted"),
        (b"%PDF-1.7\nand then nothing", "damaged"),
        (text_pdf([f"Page {number}" for number in range(6)]), "too_many_pages"),
    ],
    ids=["encrypted", "damaged", "pages"],
)
def test_what_cannot_be_read_has_failed_at_once(shared_world: World, data: bytes, code: str) -> None:
    few = shared_world.restarted(**{contract.MAX_PAGES: "5"})
    user = few.user()
    document = put(user, data=data).json()["id"]
    (delivery,) = turn(few)
    assert not delivery.failed, "no retry helps: the message is done"
    found = user.get(f"/documents/{document}").json()
    assert (found["status"], found["error"]["code"]) == ("failed", code)
    assert found["error"]["message"].endswith(".")
    assert passages(few, user.id, document) == []


def test_the_same_message_again_changes_nothing(shared_world: World, user: SignedIn) -> None:
    document = ready(shared_world, user)
    before = (keys(shared_world), passages(shared_world, user.id, document))
    again = message(user.id, document)
    assert give(shared_world, again, {**again, "messageId": "n"}, event(shared_world, user.id, document)) == []
    assert (keys(shared_world), passages(shared_world, user.id, document)) == before


def test_the_same_file_twice_is_two_documents(shared_world: World, user: SignedIn) -> None:
    first, second = ready(shared_world, user), ready(shared_world, user)
    assert first != second
    assert len(passages(shared_world, user.id, first)) == len(passages(shared_world, user.id, second)) == 1


def test_two_at_once_with_one_document_are_one_run(
    shared_world: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = put(user).json()["id"]
    shared_world.messages()
    answers: list[list[str]] = []
    vectors: Any = shared_world.services.vectors
    put_vectors = vectors.put

    def slow(*given: Any, **more: Any) -> None:
        if not answers:  # while the first is at work, another invocation has the same message
            answers.append([])
            answers[0] = give(shared_world, message(user.id, document, name="second"))
        put_vectors(*given, **more)

    monkeypatch.setattr(vectors, "put", slow)
    assert give(shared_world, message(user.id, document, name="first")) == []
    assert answers == [["second"]], "it comes again when the first is done: that one may be killed"
    assert give(shared_world, message(user.id, document, name="second")) == []
    assert len(passages(shared_world, user.id, document)) == 1


@pytest.mark.parametrize("moment", ["advance", "write_pages", "put", "finish"])
def test_deleting_while_it_is_read_leaves_nothing(
    shared_world: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    document = put(user).json()["id"]
    shared_world.messages()
    services = shared_world.services
    owner: Any = {"put": services.vectors, "write_pages": services.files}.get(moment, services.documents.table)
    real, asked = getattr(owner, moment), []

    def deleted_meanwhile(*given: Any, **more: Any) -> Any:
        if not asked:
            asked.append(user.delete(f"/documents/{document}").status_code)
        return real(*given, **more)

    monkeypatch.setattr(owner, moment, deleted_meanwhile)
    assert give(shared_world, message(user.id, document)) == []
    assert asked == [204]
    assert user.get(f"/documents/{document}").status_code == 404
    assert passages(shared_world, user.id, document) == []
    assert [key for key in keys(shared_world) if document in key] == []
    assert services.documents.table.find(user.id, document) is None


def test_a_deletion_that_was_killed_is_finished_by_its_message(
    shared_world: World, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = ready(shared_world, user)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shared_world.services.vectors, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            shared_world.services.documents.delete(user.id, document)
    assert user.get(f"/documents/{document}").status_code == 404
    assert shared_world.services.documents.unready(user.id) == [document], "nothing of it may be found"
    assert passages(shared_world, user.id, document) != []
    assert give(shared_world, message(user.id, document)) == []
    assert passages(shared_world, user.id, document) == []
    assert [key for key in keys(shared_world) if document in key] == []
    assert shared_world.services.documents.table.find(user.id, document) is None


def test_an_upload_that_comes_after_the_deletion_is_removed(shared_world: World, user: SignedIn) -> None:
    form = user.post("/documents/uploads", {"filename": "big.pdf", "bytes": len(PDF)}).json()
    assert user.delete(f"/documents/{form['document_id']}").status_code == 204
    assert send(form, PDF) in (200, 204)
    assert give(shared_world, event(shared_world, user.id, form["document_id"])) == []
    assert keys(shared_world, f"uploads/{user.id}/") == []


def drawing_pdf() -> bytes:
    """A page of prose, one that is a chart of lines, and one with some images."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    for number in range(40):
        canvas.drawString(72, 780 - 18 * number, f"{number} words of prose fill this line of the page up to its end")
    canvas.showPage()
    canvas.drawString(72, 780, "A chart")
    for number in range(200):
        canvas.line(72 + number * 2, 100, 72 + number * 2, 100 + number * 3)
    canvas.showPage()
    canvas.drawString(72, 780, "Colours")
    for number in range(3):
        inline = bytes([number * 80, 10, 200] * 64)
        canvas.drawInlineImage(_image(inline), 72, 100 + number * 200, 150, 150)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _image(data: bytes) -> Any:
    from PIL import Image  # of the tests that need it

    return Image.frombytes("RGB", (8, 8), data)


@pytest.fixture
def with_images(shared_world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[World, list[dict[str, Any]]]:
    """The world with an image processor: real code, called where the request would leave the client."""
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:image-processor:live"
    world = shared_world.restarted(**{contract.IMAGE_PROCESSOR_LAMBDA_ARN: arn})
    asked: list[dict[str, Any]] = []

    def invoked(request: Any) -> AWSResponse:
        asked.append(json.loads(request.body))
        context: Any = Context(60.0)
        return wire.answer(request, json.dumps(image_processor.handler(asked[-1], context)).encode())

    monkeypatch.setattr(world.services, "client", wire.lambda_client(world.services, invoked))
    return world, asked


def test_pages_of_drawings_have_images(with_images: tuple[World, list[dict[str, Any]]]) -> None:
    world, asked = with_images
    user = world.user()
    document = ready(world, user, drawing_pdf())
    shown = {number: user.get(f"/documents/{document}/pages/{number}").json()["images"] for number in (1, 2, 3)}
    assert [len(shown[number]) for number in (1, 2, 3)] == [0, 1, 3]
    assert [(request["operation"], request["page_numbers"]) for request in asked] == [
        ("extract_images", [2]),
        ("render_pages", [1]),
    ]
    assert {image["width"] for image in shown[3]} == {8}
    assert abs(shown[2][0]["width"] - A4[0] / 72 * drawings.DPI) <= 1
    assert shown[2][0]["url"].startswith("http")
    assert user.delete(f"/documents/{document}").status_code == 204
    assert [key for key in keys(world) if document in key] == []


def test_a_scan_is_shown(with_images: tuple[World, list[dict[str, Any]]]) -> None:
    world, _ = with_images
    user = world.user()
    document = ready(world, user, scan_pdf())
    (image,) = user.get(f"/documents/{document}/pages/1").json()["images"]
    assert (image["width"], image["height"]) == (200, 280)


def test_without_an_image_processor_there_are_no_images(shared_world: World, user: SignedIn) -> None:
    document = ready(shared_world, user, drawing_pdf())
    assert user.get(f"/documents/{document}/pages/2").json()["images"] == []


USER, DOCUMENT = "01m8hhmp8xphsn476m2hbn6xh5", "01m8hhmp8xphsn476n048ged4n"


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "[]",
        "{}",
        "null",
        '{"user_id": 1, "document_id": 2}',
        json.dumps({"user_id": USER, "document_id": "../x"}),
        json.dumps({"user_id": USER, "document_id": DOCUMENT, "more": 1}),
        json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]}),
        json.dumps({"Records": ["x"]}),
        "[" * 100_000,
    ],
    ids=range(10),
)
def test_messages_that_nobody_sent_are_given_up(body: str, shared_world: World) -> None:
    with pytest.raises(MessageError):
        tasks(body, "bucket")
    good = {**record({"Event": "s3:TestEvent"}, "test")}
    assert give(shared_world, record(body, "bad"), good) == ["bad"]


@pytest.mark.parametrize(
    ("bucket", "name", "key"),
    [
        ("bucket", "ObjectRemoved:Delete", f"uploads/{USER}/{DOCUMENT}.pdf"),
        ("another", "ObjectCreated:Post", f"uploads/{USER}/{DOCUMENT}.pdf"),
        ("bucket", "ObjectCreated:Post", f"documents/{USER}/{DOCUMENT}.pdf"),
        ("bucket", "ObjectCreated:Post", f"uploads/{USER}/{DOCUMENT}/x.pdf"),
        ("bucket", "ObjectCreated:Post", f"uploads/{USER}/{DOCUMENT}"),
        ("bucket", "ObjectCreated:Post", f"uploads/{USER}/..%2F..%2Fx.pdf"),
    ],
)
def test_events_of_other_things_are_left_alone(bucket: str, name: str, key: str) -> None:
    body = {"Records": [{"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}]}
    assert tasks(json.dumps(body), "bucket") == []


def test_keys_of_events_are_form_encoded() -> None:
    key = quote_plus(f"uploads/{USER}/{DOCUMENT}.pdf")
    body = {
        "Records": [{"eventName": "s3:ObjectCreated:Post", "s3": {"bucket": {"name": "b"}, "object": {"key": key}}}]
    }
    (task,) = tasks(json.dumps(body), "b")
    assert (task.user_id, task.document_id, task.uploaded) == (USER, DOCUMENT, True)


def test_several_messages_share_the_time(shared_world: World, user: SignedIn) -> None:
    documents = [put(user).json()["id"] for _ in range(3)]
    shared_world.messages()
    records = [message(user.id, document, name=document) for document in documents]
    assert give(shared_world, *records) == []
    assert {user.get(f"/documents/{document}").json()["status"] for document in documents} == {"ready"}
    assert give(shared_world, message(user.id, documents[0]), seconds=10) == ["m"], "too little time to begin"


def test_documents_of_many_users_are_read_side_by_side(shared_world: World) -> None:
    users = [shared_world.user() for _ in range(3)]
    made = [(user, put(user).json()["id"]) for user in users]
    shared_world.messages()
    threads = [threading.Thread(target=give, args=(shared_world, message(user.id, each))) for user, each in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for user, document in made:
        assert user.get(f"/documents/{document}").json()["status"] == "ready"
        assert len(passages(shared_world, user.id, document)) == 1
