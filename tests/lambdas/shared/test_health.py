"""The answer to a health request."""

from __future__ import annotations

import platform

import pytest

from lambdas.shared.health import is_health_request, report


@pytest.mark.parametrize("event", [{"test": True}, {"health": True}, {"test": True, "from": "ops"}])
def test_a_health_request_is_known(event: object) -> None:
    assert is_health_request(event)


@pytest.mark.parametrize("event", [{}, {"test": "true"}, {"test": 1}, {"Records": []}, None, [], "test"])
def test_anything_else_is_none(event: object) -> None:
    assert not is_health_request(event)


def test_a_report_names_versions_and_what_the_checks_found() -> None:
    answer = report("f", {"pydantic": "pydantic"}, {"vocabulary": lambda: "here"})
    assert answer["ok"]
    assert answer["versions"].keys() == {"pydantic"}
    assert answer["checks"] == {"vocabulary": "here"}
    assert (answer["function"], answer["python"]) == ("f", platform.python_version())


def test_a_missing_package_and_a_failed_check_are_lines_and_not_exceptions() -> None:
    def broken() -> str:
        raise OSError("gone")

    answer = report("f", {"no-such-dist": "no_such_module"}, {"disk": broken})
    assert not answer["ok"]
    assert answer["problems"] == [
        "no-such-dist: ModuleNotFoundError: No module named 'no_such_module'",
        "disk: OSError: gone",
    ]
