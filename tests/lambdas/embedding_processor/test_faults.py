"""What goes wrong around the function: no file is lost, and each fault shows as what it is."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from lambdas.embedding_processor import database, handler
from lambdas.embedding_processor.handler import RetryError
from ops.migration import apply
from sandbox.standins.faults import Fault
from tests.lambdas.embedding_processor.test_files import HONEY, LONG
from tests.sandbox.supabase_project import KEY, PUBLISHABLE, project
from tests.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.standins.serving import Server
    from sandbox.standins.supabase.server import SupabaseState
    from tests.lambdas.embedding_processor.conftest import Function

Supabase = tuple["SupabaseState", "Server"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are a hundredth."""
    real = time.sleep
    monkeypatch.setattr("lambdas.shared.attempts.time.sleep", lambda seconds: real(seconds / 100))


def test_a_rotated_key_is_read_again_when_the_old_one_is_refused(function: Function, supabase: Supabase) -> None:
    state, server = supabase
    function.deliver(function.put("a.txt", HONEY))
    state.keys.rotate("sb_secret_new")
    function.configure(server.url, "sb_secret_new")
    function.deliver(function.put("b.txt", HONEY))
    assert len(function.rows()) == 2


def test_a_legacy_key_works_too(function: Function, supabase: Supabase) -> None:
    state, server = supabase
    function.configure(server.url, state.keys.legacy("service_role"))
    function.restart()
    function.deliver(function.put("a.txt", HONEY))
    assert len(function.rows()) == 1


@pytest.mark.parametrize("key", ["sb_secret_wrong", "anon"])
def test_a_key_that_may_not_write_is_named_as_such(function: Function, supabase: Supabase, key: str) -> None:
    state, server = supabase
    record = function.put("a.txt", HONEY)
    function.configure(server.url, state.keys.legacy("anon") if key == "anon" else key)
    function.restart()
    with pytest.raises(RetryError, match="KeyRefusedError: Supabase refused the key") as raised:
        function.deliver(record)
    assert "sb_secret_wrong" not in str(raised.value)
    function.configure(server.url, KEY)
    function.deliver(record)
    assert len(function.rows()) == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "is empty"),
        ("sb_secret_x", "is not a JSON object"),
        (json.dumps({"url": "https://x.supabase.co"}), "is not a JSON object"),
        (json.dumps({"url": "x.supabase.co", "service_key": "k"}), "not the address of a project"),
        (json.dumps({"url": "https://x.supabase.co", "service_key": PUBLISHABLE}), "publishable key"),
    ],
)
def test_a_useless_parameter_says_what_is_wrong_and_not_what_is_in_it(
    function: Function, value: str, said: str
) -> None:
    function.ssm.delete_parameter(Name=function.parameter)
    if value:
        function.ssm.put_parameter(Name=function.parameter, Value=value, Type="SecureString")
    function.restart()
    with pytest.raises(RetryError, match=said) as raised:
        function.deliver(function.put("a.txt", HONEY))
    assert "secret set" in str(raised.value)
    assert not [word for word in ("sb_secret_x", PUBLISHABLE) if word in str(raised.value)]


def test_a_missing_migration_is_named_with_the_command(make_function: Callable[..., Function]) -> None:
    function = make_function()
    with project() as (_, server):
        function.configure(server.url, KEY)
        function.restart()
        with pytest.raises(RetryError, match="python -m ops supabase apply"):
            function.deliver(function.put("a.txt", HONEY))


def test_a_table_of_another_dimension_is_found_before_a_file_is_embedded(
    make_function: Callable[..., Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = make_function()
    with project() as (state, server):
        apply(state.url(), 768)
        function.configure(server.url, KEY)
        function.restart()
        monkeypatch.setattr(type(handler._embedder()), "embed", lambda *_: pytest.fail("it was embedded"))
        with pytest.raises(RetryError, match="vectors of 384 dimensions, and content_embeddings holds 768"):
            function.deliver(function.put("a.txt", HONEY))


def test_a_database_that_is_away_for_a_while_costs_nothing(function: Function, supabase: Supabase) -> None:
    state, _ = supabase
    function.deliver(function.put("a.txt", HONEY))
    record = function.put("b.txt", HONEY)
    state.faults.script(*[Fault(status=503)] * 3)
    function.deliver(record)
    assert len(function.rows()) == 2


def test_a_database_that_stays_away_fails_the_event_and_a_retry_makes_it_good(
    function: Function, supabase: Supabase
) -> None:
    state, _ = supabase
    records = [function.put(f"{number}.txt", f"{HONEY} {number}") for number in range(3)]
    state.faults.always(Fault(status=503))
    with pytest.raises(RetryError, match="Supabase answered 503"):
        function.deliver(*records)
    state.faults.clear()
    function.deliver(*records)
    assert len(function.rows()) == 3


def postgrest(status: int, code: str, message: str) -> Fault:
    body = {"code": code, "message": message, "details": None, "hint": None}
    return Fault(status=status, body=json.dumps(body))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (postgrest(400, "PGRST204", "Column x of y"), "Apply the migration"),
        (postgrest(404, "PGRST205", "no table"), "Apply the migration"),
        (postgrest(500, "57014", "canceling statement due to statement timeout"), r"UnavailableError.*57014"),
        (postgrest(409, "23505", "duplicate key"), r"UnavailableError.*23505"),
        (postgrest(504, "PGRST003", "Timed out acquiring connection"), r"UnavailableError.*PGRST003"),
        (postgrest(403, "42501", "permission denied"), r"KeyRefusedError.*42501"),
        (Fault(status=540, body="paused"), "UnavailableError: Supabase answered 540"),
        (
            Fault(status=403, body="<html>Attention Required!</html>"),
            r"ConfigurationError.*a firewall before the project",
        ),
        (Fault(status=404, body="<html>no such project</html>"), "no project answers there: check `url`"),
        (Fault(status=301, body="", headers={"location": "https://x"}), "no project answers there: check `url`"),
        (Fault(status=413, body="<html>too large</html>"), "POOLING=document"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.status}",
)
def test_what_an_answer_means_is_said_with_the_remedy(
    function: Function, supabase: Supabase, fault: Fault, said: str
) -> None:
    function.deliver(function.put("warm.txt", HONEY))
    record = function.put("a.txt", HONEY)
    supabase[0].faults.always(fault)
    with pytest.raises(RetryError, match=said):
        function.deliver(record)
    supabase[0].faults.clear()
    function.deliver(record)
    assert len(function.rows("a.txt")) == 1


@pytest.mark.parametrize(
    "body", ["<html>Bad gateway</html>", "null", "[]", "5", '{"state": "weird"}', '{"state": "open"}', '"done"', "{}"]
)
def test_an_answer_that_is_none_of_the_functions_is_asked_for_again_and_loses_nothing(
    function: Function, supabase: Supabase, body: str
) -> None:
    function.deliver(function.put("warm.txt", HONEY))
    record = function.put("a.txt", HONEY)
    supabase[0].faults.script(Fault(body=body))
    function.deliver(record)
    assert len(function.rows("a.txt")) == 1
    supabase[0].faults.always(Fault(body=body))
    with pytest.raises(RetryError, match="could not be read"):
        function.deliver(function.put("b.txt", HONEY))


def test_what_does_not_answer_is_left_at_the_deadline(function: Function, supabase: Supabase) -> None:
    function.deliver(function.put("a.txt", HONEY))
    record = function.put("b.txt", HONEY)
    with psycopg.connect(supabase[0].url()) as blocking:
        blocking.execute("lock table content_embedding_sources in access exclusive mode")
        with Stopwatch() as lived, pytest.raises(RetryError, match=r"OutOfTimeError|UnavailableError"):
            function.deliver(record, seconds=18.0)
        assert lived.seconds < 18.0
    function.deliver(record)
    assert len(function.rows()) == 2


def test_a_document_that_is_too_long_for_one_invocation_is_gone_on_with(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.embedding_processor.documents.BATCH_CHUNKS", 2)
    monkeypatch.setattr("lambdas.embedding_processor.rows.MAX_REQUEST_ROWS", 2)
    record = function.put("long.txt", LONG)
    embedder = handler._embedder()
    real, embedded = embedder.embed, []

    def embed(texts: list[str], kind: Any = "document") -> Any:
        embedded.extend(texts)
        if len(embedded) == 4:  # time passes while these are embedded
            monkeypatch.setattr("lambdas.shared.deadline.Deadline.left", lambda self: real_left(self) - 270)
        return real(texts, kind)

    from lambdas.shared.deadline import Deadline

    real_left = Deadline.left
    monkeypatch.setattr(embedder, "embed", embed)
    monkeypatch.setattr("lambdas.embedding_processor.documents.KEEPING_SECONDS", 600.0)
    with pytest.raises(RetryError, match="OutOfTimeError: 4 of"):
        function.deliver(record, seconds=280.0)
    assert function.rows() == [], "half a document is not searched"
    assert function.staged() == 4
    monkeypatch.setattr("lambdas.shared.deadline.Deadline.left", real_left)
    (answer,) = function.deliver(record)
    rows = function.rows()
    assert answer["resumed"] == 4
    assert len(embedded) == len(rows) == answer["chunks"], "nothing is embedded twice"
    assert function.staged() == 0


def test_two_deliveries_at_once_leave_one_set_of_rows(function: Function) -> None:
    record = function.put("long.txt", LONG)
    handler._documents()
    threads = [threading.Thread(target=function.deliver, args=(record,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = function.rows()
    assert [row["metadata"]["chunk"] for row in rows] == list(range(len(rows)))


def test_an_object_that_may_not_be_read_is_tried_again(function: Function) -> None:
    record = function.put("a.txt", HONEY)
    handler._documents()._objects._client = _denying(function)
    with pytest.raises(RetryError, match="DeniedError"):
        function.deliver(record)


def _denying(function: Function) -> Any:
    class Denying:
        def get_object(self, **_: Any) -> None:
            raise function.s3.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "GetObject")

    return Denying()


def test_a_wrong_variable_fails_files_and_not_the_start(make_function: Callable[..., Function]) -> None:
    function = make_function(CHUNK_TOKENS="1", CHUNK_OVERLAP_TOKENS="-3")
    with pytest.raises(RetryError, match=r"CHUNK_TOKENS is '1'.*CHUNK_OVERLAP_TOKENS is '-3'"):
        function.deliver(function.put("a.txt", HONEY))


def test_retries_fit_the_time_that_a_restart_takes() -> None:
    waits = [min(database.POLICY.first_wait_seconds * 2**n, database.POLICY.max_wait_seconds) for n in range(6)]
    assert sum(waits) / 2 >= 12
