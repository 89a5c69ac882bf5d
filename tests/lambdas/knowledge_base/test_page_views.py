"""A page as it looks, and a quote marked on it: of one's own ready documents, within limits."""

from __future__ import annotations

import email
import email.policy
import io
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from lambdas.knowledge_base.documents import views
from tests.lambdas.knowledge_base.library import begun, indexed
from tests.pdfs import text_pdf

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import SignedIn, World

TEXTS = ("The kettle is copper.", "It boils in four minutes.")


def kept(world: World, user: SignedIn, data: bytes, *, ready: bool = True) -> str:
    """A document with a file; its id."""
    document = begun(world, user)
    world.services.files.keep(user.id, document.id, data)
    indexed(world, document, *TEXTS)
    assert not ready or world.services.documents.table.finish(document, len(TEXTS))
    return document.id


@pytest.fixture
def kettle(shared_world: World, user: SignedIn) -> str:
    return kept(shared_world, user, text_pdf(TEXTS))


def view(user: SignedIn, document_id: str, number: int = 1, **query: Any) -> Any:
    return user.get(f"/documents/{document_id}/pages/{number}/view", params=query)


def parts(answer: Any) -> tuple[Any, Image.Image]:
    """The boxes and the picture of an answer, as others take a form apart."""
    assert answer.status_code == 200, answer.text
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + answer.content, policy=email.policy.HTTP)
    content = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
    assert [*content] == ["marks", "image"]
    assert content["image"].get_filename() == "page.png", "without one a browser reads it as text"
    assert content["image"].get_content_type() == "image/png"
    picture: Any = content["image"].get_payload(decode=True)
    boxes: Any = content["marks"].get_payload(decode=True)
    return json.loads(boxes), Image.open(io.BytesIO(picture))


def test_a_page_is_shown_as_it_looks_and_kept_for_its_user_alone(user: SignedIn, kettle: str) -> None:
    answer = view(user, kettle, 2)
    marks, picture = parts(answer)
    assert marks == []
    assert picture.width == pytest.approx(1_400, abs=1)
    assert answer.headers["cache-control"] == "private, max-age=300"
    assert "authorization" in answer.headers["vary"].lower()


def test_a_quote_has_a_box_on_its_page_and_the_file_is_fetched_once(
    shared_world: World, user: SignedIn, kettle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    fetch = shared_world.services.files.fetch
    monkeypatch.setattr(
        shared_world.services.files, "fetch", lambda *asked: (fetched.append(asked[1]), fetch(*asked))[1]
    )
    start = TEXTS[1].index("four minutes")
    (box,), picture = parts(view(user, kettle, 2, start=start, end=start + len("four minutes")))
    assert picture.width == pytest.approx(1_400, abs=1)
    assert box["left"] > 72 / 595
    assert box["top"] == pytest.approx(1 - 781 / 842, abs=0.01)
    assert fetched == [kettle]


@pytest.mark.parametrize("query", [{"start": 500, "end": 600}, {"start": 3, "end": 4}, {"start": 0, "end": 2**31 - 1}])
def test_characters_that_are_none_have_no_box_and_do_no_harm(
    user: SignedIn, kettle: str, query: dict[str, int]
) -> None:
    marks, _ = parts(view(user, kettle, **query))
    assert len(marks) <= 1


@pytest.mark.parametrize(
    "query",
    [
        {"start": 1},
        {"end": 1},
        {"start": 4, "end": 4},
        {"start": -1, "end": 4},
        {"start": "x", "end": 4},
        {"start": 0, "end": 10**30},
        {"page": 2},
    ],
)
def test_what_is_no_quote_is_refused_with_the_rule(user: SignedIn, kettle: str, query: dict[str, Any]) -> None:
    answer = view(user, kettle, **query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("query", [{}, {"start": 0, "end": 3}])
def test_a_page_that_is_not_there_or_not_ready_says_so(
    shared_world: World, user: SignedIn, kettle: str, query: dict[str, int]
) -> None:
    assert view(user, kettle, 3, **query).status_code == 404
    assert view(user, kettle, 0, **query).status_code in (400, 404)
    unready = kept(shared_world, user, text_pdf(TEXTS), ready=False)
    answer = view(user, unready, 1, **query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_ready")


def test_a_file_that_cannot_be_drawn_costs_no_more_than_its_picture(shared_world: World, user: SignedIn) -> None:
    broken = kept(shared_world, user, b"%PDF-1.7 and nothing more")
    answer = view(user, broken, start=0, end=3)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_drawable")
    assert user.get(f"/documents/{broken}/pages/1").json()["text"] == TEXTS[0]


def test_a_page_that_takes_too_long_is_given_up(user: SignedIn, kettle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "LIMITS", replace(views.LIMITS, wall_seconds=0.0))
    assert view(user, kettle).json()["error"]["code"] == "not_drawable"


def test_a_search_for_a_quote_that_crashes_costs_its_marks_alone(
    user: SignedIn, kettle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.shared.pdf.marks.find_marks", lambda *_: os.abort())
    marks, picture = parts(view(user, kettle, start=0, end=3))
    assert marks == []
    assert picture.width > 1_000


def test_a_document_deleted_meanwhile_is_not_there(shared_world: World, user: SignedIn, kettle: str) -> None:
    user.delete(f"/documents/{kettle}")
    assert view(user, kettle).status_code == 404
    gone = kept(shared_world, user, text_pdf(TEXTS))
    shared_world.services.files.remove(user.id, gone)
    assert view(user, gone).status_code == 404
