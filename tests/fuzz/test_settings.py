"""Any config: settings, or one message in which every bad key is named.

That arbitrary objects and texts raise nothing else is also tried in tests/components/test_settings.py; here, that no
bad key is passed over, whatever company it is in.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from components.problems import shown
from components.settings import load_settings
from components.stack_sections import COMMON_SECTIONS
from components.systems import SYSTEMS
from components.validation import SettingsError
from tests.fuzz.bounds import cpu_seconds, fuzzed

MODELS = {name: system.settings for name, system in SYSTEMS.items()}
SECTIONS = {**COMMON_SECTIONS, **MODELS}
# No key takes a list of such things, and none an object with such a key.
NEVER_RIGHT = st.sampled_from([[None], {"no such key": []}, [{"a": "b"}]])
KEYS = sorted((section, key) for section, model in SECTIONS.items() for key in model.model_fields)
UNKNOWN = st.text(min_size=1, max_size=20).filter(lambda name: all(name != key for _, key in KEYS))


def refused(config: dict[str, str], stack: str = "dev") -> SettingsError | None:
    """The error that a config is refused with; None when it passes."""
    try:
        with cpu_seconds(5):
            load_settings(config, MODELS, stack=stack)
    except SettingsError as error:
        return error
    return None


def problems(config: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    error = refused({f"strata:{name}": json.dumps(values) for name, values in config.items()})
    assert error is not None
    assert all("\n" not in problem and problem in str(error) for problem in error.problems)
    return error.problems


@fuzzed
@given(bad=st.dictionaries(st.sampled_from(KEYS), NEVER_RIGHT, min_size=1, max_size=8))
def test_every_key_with_an_impossible_value_is_named(bad: dict[tuple[str, str], Any]) -> None:
    config: dict[str, dict[str, Any]] = {"embedding": {"pinecone_index_host": "index.example.com"}}
    for (section, key), value in bad.items():
        config.setdefault(section, {})[key] = value
    found = problems(config)
    for section, key in bad:
        assert any(problem.startswith(f"strata:{section}.{key}") for problem in found), key


@fuzzed
@given(
    unknown=st.dictionaries(
        st.tuples(st.sampled_from(sorted(SECTIONS)), UNKNOWN), st.integers(), min_size=1, max_size=5
    )
)
def test_every_unknown_key_is_named(unknown: dict[tuple[str, str], int]) -> None:
    config: dict[str, dict[str, Any]] = {"embedding": {"pinecone_index_host": "index.example.com"}}
    for (section, key), value in unknown.items():
        config.setdefault(section, {})[key] = value
    found = problems(config)
    for section, key in unknown:
        # A message shows 60 characters, of which the longest section takes 32.
        assert any(shown(key)[:20] in problem or key in problem for problem in found), (section, key, found)


@fuzzed
@given(names=st.sets(st.text(min_size=1, max_size=20), min_size=1, max_size=4))
def test_every_unknown_section_is_named(names: set[str]) -> None:
    error = refused(dict.fromkeys((f"strata:{name}" for name in names - set(SECTIONS)), "{}"))
    assert error is not None
    assert all(shown(f"strata:{name}")[:30] in str(error) for name in names - set(SECTIONS))


@fuzzed
@given(
    key=st.sampled_from([key for section, key in KEYS if section == "embedding"]),
    depth=st.sampled_from([10, 500, 900, 1_000, 5_000, 100_000]),
    shape=st.sampled_from(["[", '{"a":']),
)
def test_a_value_nested_deeply_is_a_problem_and_no_traceback(key: str, depth: int, shape: str) -> None:
    closing = "]" if shape == "[" else "}"
    text = '{"pinecone_index_host": "x.example.com", ' + f'"{key}": {shape * depth}1{closing * depth}' + "}"
    error = refused({"strata:embedding": text})
    assert error is not None
    assert "strata:embedding" in str(error)


@fuzzed
@given(
    key=st.sampled_from([key for section, key in KEYS if section == "embedding"]),
    number=st.sampled_from(["1e999", "-1e999", "NaN", "Infinity", "9" * 400, "9" * 5_000, "1e-999", "-0", "0.1"]),
)
def test_a_number_that_json_cannot_hold_is_a_problem_and_no_traceback(key: str, number: str) -> None:
    text = '{"pinecone_index_host": "x.example.com", ' + f'"{key}": {number}' + "}"
    error = refused({"strata:embedding": text})
    assert error is None or "strata:embedding" in str(error)


@fuzzed
@given(stack=st.text(max_size=80))
def test_any_stack_name_is_accepted_or_refused_by_its_rule(stack: str) -> None:
    error = refused({"strata:embedding": '{"pinecone_index_host": "x.example.com"}'}, stack)
    if error is None:
        assert stack.isascii()
        assert stack.replace("-", "").isalnum()
    else:
        assert "the stack's name is" in str(error)
