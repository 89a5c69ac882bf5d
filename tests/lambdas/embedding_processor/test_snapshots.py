"""SnapStart: nothing connected and nothing unique is in a snapshot, and the model is."""

from __future__ import annotations

import importlib
import random
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.embedding_processor import handler
from lambdas.shared.snapshots import around_snapshot
from tests.lambdas.embedding_processor.test_files import HONEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lambdas.embedding_processor.conftest import Function


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The runtime's module of hooks, as awslambdaric has it: the real one where it is installed."""
    try:
        module = importlib.import_module("snapshot_restore_py")
    except ImportError:
        module = types.ModuleType("snapshot_restore_py")
        before: list[Any] = []
        after: list[Any] = []
        module.__dict__.update(
            register_before_snapshot=lambda call, *a, **k: before.append((call, a, k)),
            register_after_restore=lambda call, *a, **k: after.append((call, a, k)),
            get_before_snapshot=lambda: before,
            get_after_restore=lambda: after,
        )
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", module)
    return module


def run(hooks: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]) -> None:
    """As the runtime does."""
    for call, arguments, named in hooks:
        call(*arguments, **named)


def test_a_snapshot_holds_the_model_and_no_connection(function: Function, runtime: Any) -> None:
    around_snapshot(handler._forget)
    function.deliver(function.put("a.txt", HONEY))
    model, connection = handler._embedder(), handler._database()._client[2]  # type: ignore[index]  # it has been called
    run(runtime.get_before_snapshot())
    assert connection.is_closed
    assert handler._embedder() is model
    assert [cached.cache_info().currsize for cached in (handler._documents, handler._database, handler._s3)] == [
        0,
        0,
        0,
    ]


def test_a_restored_environment_reads_the_key_of_today(function: Function, runtime: Any, supabase: Any) -> None:
    state, server = supabase
    around_snapshot(handler._forget)
    function.deliver(function.put("a.txt", HONEY))
    run(runtime.get_before_snapshot())
    state.keys.rotate("sb_secret_today")
    function.configure(server.url, "sb_secret_today")
    refused = len([entry for entry in state.log.entries() if entry.status == 401])
    run(runtime.get_after_restore())
    function.deliver(function.put("b.txt", HONEY))
    assert len(function.rows()) == 2
    assert len([entry for entry in state.log.entries() if entry.status == 401]) == refused, "the old key was not tried"


def test_two_environments_of_one_snapshot_do_not_wait_in_step(runtime: Any) -> None:
    around_snapshot(lambda: None)
    state = random.getstate()
    chances: list[float] = []
    for _ in range(2):
        random.setstate(state)
        run(runtime.get_after_restore())
        chances.append(random.random())  # noqa: S311  no secret
    assert chances[0] != chances[1]


def test_a_runtime_without_snapshots_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    around_snapshot(lambda: pytest.fail("there is no snapshot"))
