"""What functions and layers may be called, and what is said of another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from components import limits
from components.layer import physical_layer_name
from layer_builds.plan import ALL_TARGETS
from scripts.scaffold import names
from scripts.scaffold.names import function_name, layer_name, longest_function_name, longest_layer_name
from scripts.staging import StagingError
from tests.harness import Build

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_STACK = "s" * limits.STACK_NAME_LENGTH


@pytest.mark.parametrize(
    ("text", "snake", "kebab", "title"),
    [
        ("thumbnails", "thumbnails", "thumbnails", "Thumbnails"),
        ("count_words", "count_words", "count-words", "CountWords"),
        ("count-words", "count_words", "count-words", "CountWords"),
        ("s3_to_index2", "s3_to_index2", "s3-to-index2", "S3ToIndex2"),
    ],
)
def test_a_name_has_its_forms(text: str, snake: str, kebab: str, title: str) -> None:
    name = function_name(text)
    assert (name.snake, name.kebab, name.title) == (snake, kebab, title)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "lower-case words"),
        ("Extract", "lower-case words"),
        ("2fast", "lower-case words"),
        ("a__b", "lower-case words"),
        ("a_", "lower-case words"),
        ("../up", "lower-case words"),
        ("a.b", "lower-case words"),
        ("naïve", "lower-case words"),
        ("x\n", "lower-case words"),
        ("x" * 25, "it has 25 characters, and AWS's limits on resource names leave 24: shorten it"),
        ("class", "Python has a keyword or a module of this name"),
        ("match", "Python has a keyword or a module of this name"),
        ("json", "Python has a keyword or a module of this name"),
        ("secrets", "Python has a keyword or a module of this name"),
        ("layers", "the project itself uses this name"),
        ("shared", "the project itself uses this name"),
        ("documents", "the project itself uses this name"),
        *(
            (name, f"the name of one of its classes would be {name.capitalize()}Settings, and there is one: add a word")
            for name in ("layer", "secret", "function")
        ),
        ("embedding", "there is a function of this name"),
        ("other", "there is a function of this name"),
    ],
)
def test_a_bad_name_is_refused_with_its_value_the_rule_and_the_remedy(text: str, rule: str) -> None:
    with pytest.raises(StagingError) as refused:
        function_name(text, {"other"})
    assert str(refused.value).startswith(f"NAME is {text!r}: ")
    assert rule in str(refused.value)
    assert "such as" in str(refused.value) or ": " in str(refused.value).removeprefix(f"NAME is {text!r}: ")


def test_a_name_whose_class_is_another_function_s_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert function_name("page2").title == "Page2"
    (tmp_path / "page_2.py").write_text("class Page2System(pulumi.ComponentResource):\n    ...\n")
    monkeypatch.setattr(names, "COMPONENTS", tmp_path)
    with pytest.raises(StagingError, match=r"NAME is 'page2': the name of one of its classes would be Page2System"):
        function_name("page2")


def test_the_longest_name_fits_the_longest_stack() -> None:
    assert len(f"strata-{LONGEST_STACK}-{'x' * longest_function_name()}-function-000000") == 64
    assert function_name("x" * longest_function_name()).kebab


def test_the_longest_layer_fits_the_longest_stack() -> None:
    lengths: list[int] = []

    def measure() -> None:
        lengths.extend(len(physical_layer_name("x" * longest_layer_name(), target)) for target in ALL_TARGETS)

    Build()(measure, stack=LONGEST_STACK)
    assert max(lengths) == limits.LAYER_NAME_LENGTH


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("pdf_tools", "joined by -, such as pdf-tools"),
        ("Pdf", "joined by -, such as pdf-tools"),
        ("pdf-", "joined by -, such as pdf-tools"),
        ("", "joined by -, such as pdf-tools"),
        ("x" * 40, "it has 40 characters, and the published layer's name leaves"),
        ("openai-pinecone", "there is a layer of this name"),
    ],
)
def test_a_bad_layer_name_is_refused(text: str, rule: str) -> None:
    with pytest.raises(StagingError) as refused:
        layer_name(text, {"openai-pinecone"})
    assert str(refused.value).startswith(f"NAME is {text!r}: ")
    assert rule in str(refused.value)
