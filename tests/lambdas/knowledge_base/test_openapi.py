"""/openapi.json against the contract: the routes, what they take and what they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import APIRoute

from tests.lambdas.knowledge_base.routes import BESIDE_THE_CONTRACT, HIDDEN, ROUTES, Expected

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import World


class Document:
    """An OpenAPI document, with its references followed."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def operation(self, route: str) -> dict[str, Any]:
        method, path = route.split(" ")
        return self.content["paths"][path][method.lower()]

    def routes(self) -> set[str]:
        paths = self.content["paths"]
        return {f"{method.upper()} {path}" for path in paths for method in paths[path]}

    def schema(self, place: dict[str, Any]) -> dict[str, Any]:
        """What is at a place, without references and without that it may be null."""
        while True:
            if "$ref" in place:
                place = self.content["components"]["schemas"][place["$ref"].rpartition("/")[2]]
            elif "anyOf" in place:
                place = next(part for part in place["anyOf"] if part.get("type") != "null")
            elif place.get("type") == "array":
                place = place["items"]
            else:
                return place

    def keys(self, place: dict[str, Any]) -> set[str]:
        schema = self.schema(place)
        required = {*schema.get("required", ())}
        return {name if name in required else f"{name}?" for name in schema.get("properties", {})}

    def body(self, route: str, media_type: str) -> set[str]:
        content = self.operation(route).get("requestBody", {}).get("content", {})
        assert {*content} <= {media_type}
        return self.keys(content[media_type]["schema"]) if content else set()

    def answer(self, route: str, status: int) -> dict[str, Any]:
        content = self.operation(route)["responses"][str(status)].get("content", {})
        return content["application/json"]["schema"] if content else {}


@pytest.fixture(scope="module")
def document(shared_world: World) -> Document:
    answer = shared_world.client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return Document(answer.json())


def test_the_routes_are_the_contracts_and_no_others(document: Document) -> None:
    assert document.routes() == {*ROUTES, *BESIDE_THE_CONTRACT}


def test_what_the_description_leaves_out_is_the_page(shared_world: World) -> None:
    hidden = {
        f"{method} {route.path}"
        for route in routes_of(shared_world)
        for method in route.methods or ()
        if not getattr(route, "include_in_schema", False)
    }
    assert {route for route in hidden if not route.startswith("HEAD ")} == {*HIDDEN}


def routes_of(world: World) -> list[Any]:
    """Every route of the application, those of included routers too."""
    found: list[Any] = []
    waiting = list(world.app.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner and not isinstance(route, APIRoute):
            waiting += inner
        else:
            found.append(route)
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_takes_and_answers_what_the_contract_says(document: Document, route: str) -> None:
    expected = ROUTES[route]
    success = [status for status in document.operation(route)["responses"] if status[0] in "23"]
    assert success == [str(expected.status)]
    assert document.body(route, expected.media_type) == {*expected.body}
    answer = document.answer(route, expected.status)
    assert {name.rstrip("?") for name in document.keys(answer)} == {name.rstrip("?") for name in expected.answer}
    assert all(name in document.keys(answer) for name in expected.answer if not name.endswith("?"))
    for key, names in inner(document, answer, expected).items():
        assert document.keys(document.schema(answer)["properties"][key]) == {*names}, key


def inner(document: Document, answer: dict[str, Any], expected: Expected) -> dict[str, tuple[str, ...]]:
    """Key of the answer to the keys of what is in it. What is within a list's items is checked here."""
    if not expected.items:
        return dict(expected.nested)
    name = "results" if "results" in expected.answer else "items"
    item = document.schema(document.schema(answer)["properties"][name])
    for key, names in expected.nested.items():
        assert document.keys(item["properties"][key]) == {*names}, key
    return {name: expected.items}


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_needs_a_token_unless_it_is_public(document: Document, route: str) -> None:
    assert bool(document.operation(route).get("security")) is not ROUTES[route].public


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_describes_its_errors_and_itself(document: Document, route: str) -> None:
    operation = document.operation(route)
    assert operation["summary"]
    assert operation["tags"]
    for status, response in operation["responses"].items():
        if status[0] not in "23":
            schema = response["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Failure"}, status
    assert "422" not in operation["responses"]


@pytest.mark.parametrize(
    ("route", "name", "rules"),
    [
        ("POST /auth/register", "password", {"minLength": 10, "maxLength": 128}),
        ("POST /search", "query", {"minLength": 1, "maxLength": 1000}),
        ("POST /search", "limit", {"minimum": 1, "maximum": 50, "default": 10}),
        ("POST /chat/sessions/{session_id}/messages", "content", {"minLength": 1, "maxLength": 4000}),
    ],
)
def test_a_body_has_the_contracts_bounds(document: Document, route: str, name: str, rules: dict[str, int]) -> None:
    content = document.operation(route)["requestBody"]["content"]["application/json"]["schema"]
    field = document.schema(content)["properties"][name]
    assert rules.items() <= field.items()


@pytest.mark.parametrize("route", [route for route, expected in ROUTES.items() if "next?" in expected.answer])
def test_a_list_goes_on_by_limit_and_cursor(document: Document, route: str) -> None:
    names = {part["name"] for part in document.operation(route)["parameters"] if part["in"] == "query"}
    assert names == {"limit", "cursor"}


def test_every_body_and_answer_is_exact(document: Document) -> None:
    for name, schema in document.content["components"]["schemas"].items():
        assert schema.get("additionalProperties") is False or name.startswith("Body_") or "enum" in schema, name
