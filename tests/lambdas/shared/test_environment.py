"""Variables without pydantic: bounds, patterns and words, every problem in one message, nothing that slips through."""

from __future__ import annotations

import copy
import pickle

import pytest

from lambdas.shared.contract import Variable
from lambdas.shared.environment import Variables, VariablesError

GIVEN = {"N": "5", "T": "abc", "W": "left", "EMPTY": ""}


def problems(environment: dict[str, str]) -> list[str]:
    """What is wrong, read as a function would."""
    read = Variables(environment)
    read.number(Variable("N", 3, at_least=2, at_most=9))
    read.required("T", pattern=r"[a-z]+", rule="it has to be letters")
    read.choice(Variable("W", "left"), ("left", "right"))
    read.optional("O", pattern=r"\d", rule="it has to be a digit")
    return read.problems


def test_what_is_right_is_read() -> None:
    read = Variables(GIVEN)
    assert read.number(Variable("N", 3)) == 5
    assert read.required("T") == "abc"
    assert read.text(Variable("T", "d"), pattern="[a-c]+", rule="") == "abc"
    assert read.choice(Variable("W", "right"), ("left", "right")) == "left"
    assert read.number(Variable("EMPTY", 3)) == 3
    assert read.text(Variable("EMPTY", "d"), pattern="x", rule="") == "d"
    assert read.choice(Variable("EMPTY", "a"), ("a",)) == "a"
    assert read.optional("EMPTY", pattern=r"\d", rule="") is None
    read.check()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"N": "1"}, "N is '1': it has to be a whole number of at least 2 and at most 9"),
        ({"N": "10"}, "N is '10': it has to be"),
        ({"N": "-5"}, "N is '-5': it has to be"),
        ({"N": "5.0"}, "N is '5.0': it has to be"),
        ({"N": "٣"}, "N is '٣': it has to be"),
        ({"N": "9" * 5_000}, "N is '9999"),
        ({"T": "ABC"}, "T is 'ABC': it has to be letters"),
        ({"T": "abc\n"}, "T is 'abc\\n': it has to be letters"),
        ({"T": ""}, "T is not set"),
        ({"W": "up"}, "W is 'up': it has to be one of left, right"),
        ({"O": "12"}, "O is '12': it has to be a digit"),
    ],
)
def test_what_is_wrong_is_said_with_its_value_and_the_rule(change: dict[str, str], problem: str) -> None:
    (found,) = problems({**GIVEN, **change})
    assert found.startswith(problem)


def test_all_problems_come_at_once() -> None:
    read = Variables({"A": "x", "B": "y"})
    read.number(Variable("A", 1))
    read.number(Variable("B", 1))
    read.required("C")
    with pytest.raises(VariablesError, match=r"A is 'x'.*; B is 'y'.*; C is not set"):
        read.check()


def test_a_variable_is_its_name_with_what_is_known_of_it_in_every_process() -> None:
    variable = Variable("N", 3, at_least=2, at_most=9)
    for copied in (variable, pickle.loads(pickle.dumps(variable)), copy.deepcopy(variable)):  # noqa: S301 - its own
        assert (copied, copied.default, copied.at_least, copied.at_most) == ("N", 3, 2, 9)
