"""Nobody reaches what is another's: endpoint by endpoint, from the OpenAPI document.

A route that is new fails here until it has a rule that says what it is tried with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.knowledge_base import identifiers
from tests.lambdas.knowledge_base.library import shelved
from tests.lambdas.knowledge_base.routes import ROUTES
from tests.lambdas.knowledge_base.test_tokens import hostile

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import SignedIn, World

PDF = b"%PDF-1.4\n%%EOF\n"
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Things:
    """What somebody has: ids that another must not reach."""

    document_id: str
    session_id: str
    filename: str

    def path(self, route: str) -> str:
        return route.partition(" ")[2].format(document_id=self.document_id, session_id=self.session_id, number=1)


def things_of(user: SignedIn, filename: str) -> Things:
    document = user.post("/documents", files={"file": (filename, PDF, "application/pdf")})
    assert document.status_code == 202, document.text
    session = user.post("/chat/sessions", {"title": filename, "document_ids": []})
    assert session.status_code == 201, session.text
    return Things(document.json()["id"], session.json()["id"], filename)


@pytest.fixture(scope="module")
def owner(shared_world: World) -> SignedIn:
    return shared_world.user()


@pytest.fixture(scope="module", params=["queued", "ready"])
def things(shared_world: World, owner: SignedIn, request: pytest.FixtureRequest) -> Things:
    """Somebody's, once with a document that waits and once with one that is ready."""
    made = things_of(owner, "private.pdf")
    if request.param == "queued":
        return made
    return replace(made, document_id=shelved(shared_world, owner, "Nobody else reads what is written there."))


@pytest.fixture(scope="module")
def other(shared_world: World) -> SignedIn:
    return shared_world.user()


NAMED = object()
"""Somebody else's id is in the path: 404."""
MESSAGE = {"content": "What is written there?"}
RULES: dict[str, Any] = {
    "GET /documents": "a list",
    "POST /documents": "makes one's own",
    "POST /documents/uploads": "makes one's own",
    "GET /documents/{document_id}": NAMED,
    "POST /documents/{document_id}/retry": NAMED,
    "DELETE /documents/{document_id}": NAMED,
    "GET /documents/{document_id}/pages/{number}": NAMED,
    "GET /documents/{document_id}/pages/{number}/view": NAMED,
    "GET /documents/{document_id}/file": NAMED,
    "POST /search": lambda things: {"query": "anything", "document_ids": [things.document_id]},
    "POST /chat/sessions": lambda things: {"document_ids": [things.document_id]},
    "GET /chat/sessions": "a list",
    "DELETE /chat/sessions/{session_id}": NAMED,
    "GET /chat/sessions/{session_id}/messages": NAMED,
    "POST /chat/sessions/{session_id}/messages": NAMED,
}
"""Route to what it is tried with: somebody else's id in its path, or a body with one."""
REACHING = [route for route, rule in RULES.items() if not isinstance(rule, str)]


def guarded(world: World) -> set[str]:
    """The routes that the OpenAPI document says need a token, and all that it does not say are public."""
    paths = world.client.get("/openapi.json").json()["paths"]
    return {
        route
        for path in paths
        for method in paths[path]
        if not (expected := ROUTES.get(route := f"{method.upper()} {path}")) or not expected.public
    }


def body_of(route: str, things: Things) -> dict[str, Any]:
    """What a request carries besides its path: all that the route needs, so that nothing else is wrong with it."""
    rule = RULES[route]
    if callable(rule):
        return {"json": rule(things)}
    if route.endswith("/messages") and route.startswith("POST"):
        return {"json": MESSAGE}
    if route.endswith("/view"):
        return {"params": {"start": 0, "end": 6}}
    return {}


def test_every_route_that_needs_a_token_has_a_rule(shared_world: World) -> None:
    assert guarded(shared_world) == {*RULES}


@pytest.mark.parametrize("route", RULES)
def test_without_a_token_that_counts_there_is_one_answer(shared_world: World, owner: SignedIn, route: str) -> None:
    method, things = route.partition(" ")[0], Things(identifiers.new(), identifiers.new(), "")
    none = shared_world.client.request(method, things.path(route), **body_of(route, things))
    assert none.status_code == 401
    assert none.headers["WWW-Authenticate"] == "Bearer"
    for name, token in hostile(shared_world, owner).items():
        headers = {"Authorization": f"Bearer {token}"}
        answer = shared_world.client.request(method, things.path(route), headers=headers, **body_of(route, things))
        assert (answer.status_code, answer.content) == (401, none.content), name
    for header in (f"Basic {owner.tokens['access_token']}", owner.tokens["access_token"], "Bearer"):
        answer = shared_world.client.request(method, things.path(route), headers={"Authorization": header})
        assert (answer.status_code, answer.content) == (401, none.content), header
    token = owner.tokens["access_token"]
    cookies = {"Cookie": f"access_token={token}; Authorization=Bearer {token}"}
    answer = shared_world.client.request(method, f"{things.path(route)}?access_token={token}", headers=cookies)
    assert answer.status_code == 401


@pytest.mark.parametrize("route", REACHING)
def test_anothers_id_is_answered_as_one_that_is_nobodys(
    shared_world: World, other: SignedIn, things: Things, route: str
) -> None:
    method = route.partition(" ")[0]
    anothers = other.request(method, things.path(route), **body_of(route, things))
    assert anothers.status_code == 404, anothers.text
    nobodys = Things(identifiers.new(), identifiers.new(), "")
    answer = other.request(method, nobodys.path(route), **body_of(route, nobodys))
    assert (answer.status_code, answer.content) == (404, anothers.content)


@pytest.mark.parametrize("route", REACHING)
@pytest.mark.parametrize(
    "text", ["x", "0" * 26, "Z" * 26, "é", "%00", "..%2F..", "a" * 500, "' OR 1=1", "-1", "null", "01H8HCPVXR"]
)
def test_a_malformed_id_is_a_404(other: SignedIn, route: str, text: str) -> None:
    method = route.partition(" ")[0]
    odd = Things(text, text, "")
    answer = other.request(method, odd.path(route), **body_of(route, odd))
    assert answer.status_code == 404, answer.text
    assert answer.json()["error"]["code"] == "not_found"


def test_what_was_tried_changed_nothing(owner: SignedIn, things: Things) -> None:
    assert owner.get(f"/documents/{things.document_id}").status_code == 200
    assert owner.get(f"/chat/sessions/{things.session_id}/messages").json()["items"] == []


def test_lists_hold_ones_own(owner: SignedIn, other: SignedIn, things: Things) -> None:
    assert things.document_id in [item["id"] for item in owner.get("/documents").json()["items"]]
    assert things.session_id in [item["id"] for item in owner.get("/chat/sessions").json()["items"]]
    assert other.get("/documents").json()["items"] == []
    assert other.get("/chat/sessions").json()["items"] == []


@pytest.mark.parametrize("path", ["/documents", "/chat/sessions"])
def test_a_cursor_leads_nowhere_in_anothers_list(shared_world: World, path: str) -> None:
    first, second = shared_world.user(), shared_world.user()
    for number in range(3):
        things_of(first, f"{number}.pdf")
        things_of(second, f"{number}.pdf")
    cursor = first.get(f"{path}?limit=1").json()["next"]
    assert len(first.get(f"{path}?limit=9&cursor={cursor}").json()["items"]) == 2
    answer = second.get(f"{path}?limit=9&cursor={cursor}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_cursor")
    for odd in ("", "x", "é", cursor[:-4], "a" * 5000, cursor + "A"):
        answer = first.get(path, params={"cursor": odd})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_cursor"), odd
