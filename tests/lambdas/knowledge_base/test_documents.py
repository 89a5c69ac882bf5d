"""Routes /documents: files in, their state and pages, and out again; hostile names, sizes and forms."""

from __future__ import annotations

import http.client
import re
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from lambdas.knowledge_base import contract, identifiers
from lambdas.knowledge_base.documents import filenames
from lambdas.knowledge_base.documents.document import WAITS_SECONDS
from tests.pdfs import text_pdf

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import SignedIn, World

PDF = text_pdf(["Bees make honey."])
KEYS = {"id", "filename", "status", "progress", "pages", "error", "created_at"}


def put(user: SignedIn, name: str = "bees.pdf", data: bytes = PDF) -> Any:
    return user.post("/documents", files={"file": (name, data, "application/pdf")})


def keys(world: World, prefix: str = "") -> list[str]:
    """Every version of every object in the bucket."""
    bucket = world.environment[contract.PDF_STORAGE_BUCKET]
    found = world.account.client("s3").list_object_versions(Bucket=bucket, Prefix=prefix)
    return [each["Key"] for each in (*found.get("Versions", []), *found.get("DeleteMarkers", []))]


def test_a_file_is_kept_and_queued(shared_world: World, user: SignedIn) -> None:
    answer = put(user)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    document = answer.json()["id"]
    assert shared_world.messages() == [{"user_id": user.id, "document_id": document}]
    found = user.get(f"/documents/{document}").json()
    assert found.keys() == KEYS
    assert found == {**found, "filename": "bees.pdf", "progress": 0, "pages": 0, "error": None}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["created_at"])


def test_the_file_is_shown_by_an_address_that_ends(shared_world: World, user: SignedIn) -> None:
    document = put(user, 'a "b";\r\nSet-Cookie: ü.pdf').json()["id"]
    answer = user.get(f"/documents/{document}/file")
    assert answer.status_code == 302
    address = answer.headers["location"]
    assert "X-Amz-Expires=300" in address
    with urllib.request.urlopen(address, timeout=10) as found:  # noqa: S310 - the local AWS
        assert found.read() == PDF
        assert found.headers["Content-Type"] == "application/pdf"
        disposition = found.headers["Content-Disposition"]
    assert disposition.startswith("inline; ")
    assert "Set-Cookie" not in found.headers
    assert (
        unquote(disposition.rpartition("''")[2]) == "a %22b%22;%0D%0ASet-Cookie: ü.pdf"
    )  # as browsers write it in a form


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\report.pdf", "report.pdf"),
        ("a\0b.pdf", "ab.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\r\nSet-Cookie: x.pdf", "a Set-Cookie: x.pdf"),
        ("  ..  ", "document.pdf"),
        ("", "document.pdf"),
        ("e\u0301t\u00e9.pdf", "\u00e9t\u00e9.pdf"),
        ("\u2028\u2029\ufeff.pdf", "pdf"),
        ("\ud800.pdf", "pdf"),
    ],
)
def test_names_are_shown_without_what_deceives(sent: str, shown: str) -> None:
    assert filenames.shown(sent) == shown


def test_a_long_name_keeps_its_end() -> None:
    name = filenames.shown("x" * 300 + ".pdf")
    assert len(name) == filenames.LONGEST
    assert name.endswith("x…" + ".pdf")


def test_a_header_of_a_name_has_no_line_and_no_quote_of_its_own() -> None:
    header = filenames.disposition('a"\\;%ü.pdf')
    assert header == "inline; filename=\"a_____.pdf\"; filename*=UTF-8''a%22%5C%3B%25%C3%BC.pdf"


@pytest.mark.parametrize(
    ("files", "data", "refused"),
    [
        ({"file": ("a.pdf", b"GIF89a and no PDF")}, None, (415, "not_a_pdf")),
        ({"file": ("a.pdf", b"")}, None, (400, "empty_file")),
        ({"other": ("a.pdf", PDF)}, None, (400, "invalid_request")),
        ([("file", ("a.pdf", PDF)), ("file", ("b.pdf", PDF))], None, (400, "one_file")),
        ({"file": ("a.pdf", PDF)}, {"more": "text"}, (400, "one_file")),
        ({"file": ("a.pdf", b"%PDF-" + bytes(contract.MAX_DIRECT_BYTES))}, None, (413, "too_large")),
        ({"file": ("a.pdf", bytes(2_000) + PDF)}, None, (415, "not_a_pdf")),
    ],
    ids=["gif", "empty", "missing", "two", "more", "large", "late"],
)
def test_what_is_not_one_pdf_is_refused(
    shared_world: World, user: SignedIn, files: Any, data: Any, refused: tuple[int, str]
) -> None:
    answer = user.post("/documents", files=files, data=data)
    assert (answer.status_code, answer.json()["error"]["code"]) == refused, answer.text
    assert user.get("/documents").json()["items"] == []
    assert keys(shared_world, f"documents/{user.id}/") == []


def test_a_form_without_a_file_is_refused(user: SignedIn) -> None:
    answer = user.post("/documents", data={"file": "a text"}, files={})
    assert answer.status_code in (400, 415)
    body = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n'
    answer = user.post("/documents", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400
    answer = user.post("/documents", content=b"nothing", headers={"content-type": "multipart/form-data"})
    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["", "; filename*=UTF-8''%e2%82%ac.pdf"])
def test_a_part_without_a_name_is_told_that_it_is_not_a_file(user: SignedIn, name: str) -> None:
    part = f'--x\r\nContent-Disposition: form-data; name="file"{name}\r\n\r\n'
    body = part.encode() + PDF + b"\r\n--x--\r\n"
    answer = user.post("/documents", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400
    assert "needs a name (filename=" in answer.json()["error"]["message"]


def test_a_file_of_four_megabytes_is_taken(user: SignedIn) -> None:
    data = PDF + bytes(contract.MAX_DIRECT_BYTES - len(PDF))
    assert put(user, data=data).status_code == 202


def test_a_large_file_goes_to_the_bucket_by_a_form(shared_world: World, user: SignedIn) -> None:
    answer = user.post("/documents/uploads", {"filename": "big.pdf", "bytes": len(PDF)})
    assert answer.status_code == 201
    form = answer.json()
    assert form.keys() == {"document_id", "url", "fields"}
    assert form["fields"]["key"] == f"uploads/{user.id}/{form['document_id']}.pdf"
    document = user.get(f"/documents/{form['document_id']}").json()
    assert (document["status"], document["filename"]) == ("queued", "big.pdf")
    assert user.get(f"/documents/{form['document_id']}/file").json()["error"]["code"] == "not_uploaded"
    assert send(form, PDF) in (200, 204)
    assert keys(shared_world, form["fields"]["key"]) == [form["fields"]["key"]]


@pytest.mark.parametrize("change", ["larger", "key", "type"])
def test_a_form_is_for_that_file_only(shared_world: World, user: SignedIn, change: str) -> None:
    form = user.post("/documents/uploads", {"filename": "big.pdf", "bytes": len(PDF)}).json()
    other = f"uploads/{user.id}/{identifiers.new()}.pdf"
    fields = {
        "larger": form["fields"],
        "key": {**form["fields"], "key": other},
        "type": {**form["fields"], "Content-Type": "text/html"},
    }[change]
    data = PDF + b"%" if change == "larger" else PDF
    assert send({**form, "fields": fields}, data) in (400, 403)
    assert keys(shared_world, f"uploads/{user.id}/") == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"filename": "a.pdf", "bytes": 0}, 400),
        ({"filename": "a.pdf", "bytes": -1}, 400),
        ({"filename": "a.pdf", "bytes": "7"}, 400),
        ({"filename": "a.pdf", "bytes": contract.MAX_UPLOAD_BYTES + 1}, 413),
        ({"filename": "a.pdf", "bytes": 1e300}, 400),
        ({"filename": "", "bytes": 7}, 400),
        ({"filename": "a.pdf"}, 400),
        ({"filename": "a.pdf", "bytes": 7, "key": "x"}, 400),
    ],
)
def test_wrong_announcements_are_refused(user: SignedIn, body: Any, status: int) -> None:
    answer = user.post("/documents/uploads", body)
    assert answer.status_code == status
    assert user.get("/documents").json()["items"] == []


def test_what_is_never_uploaded_goes_after_a_day(world: World) -> None:
    user = world.user()
    form = user.post("/documents/uploads", {"filename": "big.pdf", "bytes": 7}).json()
    put(user)
    path = f"/documents/{form['document_id']}"
    world.clock.pass_(23 * 3_600)
    user = world.sign_in(user.email, user_id=user.id)
    assert user.get(path).json()["status"] == "queued", "its upload may have come, and wait"
    world.clock.pass_(3_700)
    user = world.sign_in(user.email, user_id=user.id)
    assert user.get(path).status_code == 404
    assert user.delete(path).status_code == 404
    assert [each["id"] for each in user.get("/documents").json()["items"]] != []
    item = world.services.documents.table.find(user.id, form["document_id"])
    assert item is not None
    assert item.expires_at is not None, "DynamoDB removes the row"


def test_documents_are_listed_newest_first_page_by_page(user: SignedIn) -> None:
    made = [put(user, f"{number}.pdf").json()["id"] for number in range(5)]
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = user.get("/documents", params={"limit": "2", **cursor}).json()
        pages.append([each["id"] for each in answer["items"]])
        if answer["next"] is None:
            break
        cursor = {"cursor": answer["next"]}
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=nonsense", "cursor=", "cursor=%00"])
def test_wrong_limits_and_cursors_are_refused(user: SignedIn, query: str) -> None:
    assert user.get(f"/documents?{query}").status_code == 400


def test_another_users_cursor_and_documents_are_not_there(shared_world: World, user: SignedIn) -> None:
    other = shared_world.user()
    for number in range(2):
        put(user, f"{number}.pdf")
    cursor = user.get("/documents?limit=1").json()["next"]
    assert other.get(f"/documents?cursor={cursor}").json()["error"]["code"] == "bad_cursor"
    document = put(user).json()["id"]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("GET", "/file"), ("GET", "/pages/1")):
        answer = other.request(method, f"/documents/{document}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), (method, path)
    assert user.get(f"/documents/{document}").status_code == 200


@pytest.mark.parametrize("document", ["x", "0" * 26, "%2e%2e", "a" * 5_000, "É" * 26])
def test_ids_that_nobody_gave_are_not_there(user: SignedIn, document: str) -> None:
    assert user.get(f"/documents/{document}").status_code == 404


def test_pages_are_shown_when_it_is_ready(user: SignedIn) -> None:
    document = put(user).json()["id"]
    answer = user.get(f"/documents/{document}/pages/1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_ready")


def test_only_what_failed_is_read_again(user: SignedIn) -> None:
    document = put(user).json()["id"]
    answer = user.post(f"/documents/{document}/retry")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_failed")


def test_a_document_that_nobody_begins_with_can_be_tried_again(world: World) -> None:
    user = world.user()
    document = put(user).json()["id"]
    world.messages()
    world.clock.pass_(WAITS_SECONDS + 1)
    user = world.sign_in(user.email, user_id=user.id)
    assert user.get(f"/documents/{document}").json()["error"]["code"] == "not_started"
    assert user.post(f"/documents/{document}/retry").json() == {"id": document, "status": "queued"}
    assert world.messages() == [{"user_id": user.id, "document_id": document}]


def test_a_queue_that_does_not_answer_leaves_nothing(world: World) -> None:
    user = world.user()
    broken = world.restarted(INGESTION_QUEUE_URL="http://127.0.0.1:9/000000000000/none")
    there = broken.sign_in(user.email, user_id=user.id)
    answer = put(there)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert user.get("/documents").json()["items"] == []
    assert keys(world) == []


def test_deleting_removes_every_version_of_everything(world: World) -> None:
    user = world.user()
    document = put(user).json()["id"]
    other = put(user, "other.pdf").json()["id"]
    files = world.services.files
    files.keep(user.id, document, PDF + b"%another version")
    assert len(keys(world, f"documents/{user.id}/{document}/")) == 2
    assert user.delete(f"/documents/{document}").status_code == 204
    assert user.get(f"/documents/{document}").status_code == 404
    assert user.delete(f"/documents/{document}").status_code == 404
    assert keys(world) == [f"documents/{user.id}/{other}/original.pdf"]
    assert world.services.documents.table.find(user.id, document) is None
    assert world.services.documents.unready(user.id) == [other]


def send(form: dict[str, Any], data: bytes) -> int:
    """What a browser does with a form; the status."""
    mark = "----strata"
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in form["fields"].items()
    ]
    file = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="big.pdf"\r\n\r\n'.encode()
    body = b"".join(parts) + file + data + f"\r\n--{mark}--\r\n".encode()
    place = urlsplit(form["url"])
    connection = http.client.HTTPConnection(place.netloc, timeout=10)
    try:
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        connection.request("POST", place.path or "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
