"""Requests made up from the OpenAPI document, right ones and wrong ones: none is a 5xx, every answer is as described.

A few hundred with `make test`, in seconds; some thousands with `make corpora`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lambdas.knowledge_base.app.security_headers import FIXED
from tests.lambdas.knowledge_base.library import shelved
from tests.lambdas.knowledge_base.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tests.lambdas.knowledge_base.world import SignedIn, World

UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
FEW, MANY = 10, 250
"""Requests of each route."""


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    """What makes requests from a schema: two seconds that not every process which collects tests is to spend."""
    from tests.lambdas.knowledge_base import schema

    return schema


@pytest.fixture(scope="module")
def described(schema: ModuleType, shared_world: World) -> Any:
    return schema.described(shared_world.app)


@pytest.fixture(scope="module")
def signed_in(shared_world: World) -> SignedIn:
    return shared_world.user()


@pytest.fixture(scope="module")
def ids(shared_world: World, signed_in: SignedIn) -> dict[str, Any]:
    """What a path may name that is there: without it all that is behind an id would be a 404."""
    document = shelved(shared_world, signed_in, "A kettle boils water.", "A whistle tells of it.")
    session = signed_in.post("/chat/sessions", {})
    return {"document_id": document, "session_id": session.json()["id"]}


@pytest.fixture(scope="module")
def answers() -> Iterator[list[int]]:
    """Statuses of all answers: enough of them, and not all refusals."""
    found: list[int] = []
    yield found
    assert len(found) >= 2 * FEW
    assert {status // 100 for status in found} >= {2, 4}


@pytest.mark.parametrize("requests", [FEW, pytest.param(MANY, marks=[pytest.mark.corpora, pytest.mark.slow])])
@pytest.mark.parametrize("route", ROUTES)
def test_no_request_is_a_5xx_and_every_answer_is_as_described(
    schema: ModuleType,
    described: Any,
    signed_in: SignedIn,
    ids: dict[str, Any],
    answers: list[int],
    *,
    route: str,
    requests: int,
) -> None:
    method, path = route.split(" ")
    named = {name: value for name, value in ids.items() if f"{{{name}}}" in path and method != "DELETE"}
    cases = schema.cases(described[path][method], named)

    @settings(max_examples=requests, derandomize=True, phases=[Phase.generate], suppress_health_check=UNHURRIED)
    @given(case=st.one_of(cases))
    def fuzz(case: Any) -> None:
        answer = case.call(headers=signed_in.headers)
        answers.append(answer.status_code)
        case.validate_response(answer, checks=schema.CHECKS)
        assert {name: answer.headers[name.lower()][0] for name in FIXED} == FIXED

    fuzz()
