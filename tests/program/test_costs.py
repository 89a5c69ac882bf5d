"""docs/costs.md: computed from the program as it is, and sums that can be checked by hand."""

from __future__ import annotations

import re

import pytest

from benchmarks.costs import LOADS, PAGE, ROOT, Declared, Standing, declared, page, under_load
from ops.mock_plan import make_plan


def test_the_page_says_what_the_program_declares() -> None:
    plan = make_plan(ROOT, "prod")
    assert plan["error"] is None
    assert PAGE.read_text(encoding="utf-8") == page("prod", plan["resources"]), "run python -m benchmarks.costs"
    (every,) = re.findall(r"all six .*\*\*(\$[\d.]+)\*\*", page("prod", plan["resources"]))
    assert f"All six systems cost {every} a month" in (ROOT / "README.md").read_text(encoding="utf-8")
    found = declared("knowledge_base", plan["resources"])
    assert (found.standing, found.memory_mb) == (Standing(alarms=7, secrets=3, mappings=1), 3_008)


def test_what_is_free_is_shared_by_all() -> None:
    one = Standing(alarms=6, secrets=2, mappings=1)
    assert one.dollars == pytest.approx(0.80)
    three = Standing(alarms=20, secrets=0, mappings=3)
    assert three.dollars == pytest.approx(10 * 0.10 + (3 * 648_000 - 1_000_000) * 0.4e-6)


def test_a_load_is_invocations_seconds_memory_and_what_they_use() -> None:
    of = Declared(standing=Standing(alarms=0, secrets=0, mappings=1), memory_mb=1_024, architecture="arm64")
    aws, models = under_load(LOADS["embedding"], of)
    assert aws == pytest.approx(10_000 * (0.2e-6 + 0.0000133334) + 120_000 * 0.4e-6 + 0.1 * 0.63)
    assert models == pytest.approx(5.00)
