"""The index of passages: Weaviate's real client against the stand-in and, where there is one, the real server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from weaviate.classes.tenants import TenantActivityStatus

from lambdas.knowledge_base.errors import VectorsError
from lambdas.knowledge_base.retrieval import connection as connecting
from lambdas.knowledge_base.retrieval import vectors as module
from lambdas.knowledge_base.retrieval.collection import NAME
from lambdas.knowledge_base.retrieval.opening import params
from lambdas.knowledge_base.retrieval.vectors import Hit, Passage, Vectors
from lambdas.shared.deadline import Deadline
from lambdas.shared.secret import Secret
from layer_builds.plan import REPOSITORY
from sandbox.standins.faults import Fault
from sandbox.standins.serving import listen
from sandbox.standins.weaviate.server import WeaviateState
from tests.sandbox.real_weaviate import Weaviate, kinds, real, stand_in
from tests.sandbox.weaviate_cases import connected
from tests.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

SERVICE = "/weaviate.v1.Weaviate"
TEXTS = ("The quick brown fox", "jumps over the lazy dog", "and the fox is in the den of foxes")
TOWARDS = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0])


class Keys(Secret):
    """The key as a function has it: an old one until it is read again."""

    def __init__(self, *values: str) -> None:
        self.values = list(values)
        self.reads = 0

    def value(self) -> str:
        return self.values[0]

    def refresh(self) -> bool:
        self.reads += 1
        if len(self.values) > 1:
            self.values.pop(0)
            return True
        return False


@contextmanager
def vectors_of(weaviate: Weaviate, *keys: str, url: str = "", grpc_url: str = "") -> Generator[Vectors]:
    made = Vectors(url or weaviate.url, grpc_url or weaviate.grpc_url, Keys(*(keys or (weaviate.key,))))
    try:
        yield made
    finally:
        made.close()


def passages(document: str = "doc", run: str = "run", texts: Any = TEXTS) -> list[Passage]:
    return [Passage(document, run, index, index + 1, 0, len(text), text) for index, text in enumerate(texts)]


def put(vectors: Vectors, user: str, document: str = "doc", run: str = "run") -> None:
    vectors.put(user, passages(document, run), TOWARDS)


def found(vectors: Vectors, user: str, query: str = "fox", **options: Any) -> list[Hit]:
    options.setdefault("limit", 10)
    return vectors.search(user, query, [1.0, 0.1, 0.0], **options)


def documents(hits: list[Hit]) -> set[str]:
    return {hit.passage.document_id for hit in hits}


@pytest.fixture(scope="module", params=kinds())
def weaviate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weaviate]:
    if request.param == "stand-in":
        with stand_in() as running:
            yield running
    else:
        with real(tmp_path_factory.mktemp("weaviate")) as running:
            yield running


@pytest.fixture(scope="module")
def vectors(weaviate: Weaviate) -> Iterator[Vectors]:
    with vectors_of(weaviate) as made:
        yield made


@pytest.fixture
def user() -> str:
    return uuid.uuid4().hex[:26]


def test_what_was_put_is_found_by_its_words_and_its_vector(vectors: Vectors, user: str) -> None:
    put(vectors, user)
    hits = found(vectors, user)
    assert [hit.passage for hit in hits] == [passages()[0], passages()[2], passages()[1]]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.5272, 0.0], abs=1e-4)
    # The vector says nothing for it, and only it has the words.
    last = found(vectors, user, "lazy dog")[2]
    assert last.passage == passages()[1]
    assert last.score == pytest.approx(0.3)


@pytest.mark.parametrize("query", ["", "?!", "the and", "zebra", '"', "\\", "(a OR b)", "\x00", "ß" * 900])
def test_any_query_is_only_words(vectors: Vectors, user: str, query: str) -> None:
    put(vectors, user)
    assert found(vectors, user, query)[0].passage == passages()[0]


def test_the_same_again_is_the_same_once(vectors: Vectors, user: str) -> None:
    for _ in range(2):
        put(vectors, user)
    assert len(found(vectors, user)) == len(TEXTS)


def test_nobody_finds_what_is_anothers(vectors: Vectors, user: str) -> None:
    put(vectors, user)
    other = f"{user}x"
    assert found(vectors, other) == []
    put(vectors, other, "theirs")
    assert documents(found(vectors, other)) == {"theirs"}
    assert documents(found(vectors, user)) == {"doc"}
    assert found(vectors, other, document_ids=["doc"]) == []
    vectors.remove(other, "doc")
    assert len(found(vectors, user)) == len(TEXTS)
    vectors.remove_user(other)
    assert found(vectors, other) == []
    assert len(found(vectors, user)) == len(TEXTS)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "../other", "ü", 'x"', "*"])
def test_what_is_not_a_users_id_reaches_nothing(vectors: Vectors, user: str, name: str) -> None:
    put(vectors, user)
    for work in (lambda: found(vectors, name), lambda: vectors.remove(name, "doc"), lambda: vectors.remove_user(name)):
        with suppress(VectorsError):
            assert not work()
    assert len(found(vectors, user)) == len(TEXTS)


def test_only_documents_that_are_named_are_searched_and_none_that_are_excluded(vectors: Vectors, user: str) -> None:
    for document in ("one", "two", "three"):
        put(vectors, user, document)
    assert documents(found(vectors, user)) == {"one", "two", "three"}
    assert documents(found(vectors, user, document_ids=["one", "three"])) == {"one", "three"}
    assert documents(found(vectors, user, document_ids=["one", "three"], excluding=["one"])) == {"three"}
    assert documents(found(vectors, user, excluding=["one", "two", "other"])) == {"three"}
    assert found(vectors, user, document_ids=["one"], excluding=["one"]) == []
    assert found(vectors, user, document_ids=[]) == []
    assert documents(found(vectors, user, document_ids=["ONE", " one", "on"])) <= {"one"}


def test_a_thousand_documents_can_be_named_or_excluded(vectors: Vectors, user: str) -> None:
    put(vectors, user, "one")
    put(vectors, user, "two")
    many = [uuid.uuid4().hex[:26] for _ in range(1_000)]
    assert documents(found(vectors, user, document_ids=[*many, "two"])) == {"two"}
    assert documents(found(vectors, user, excluding=[*many, "two"])) == {"one"}


def test_a_run_replaces_the_runs_before_it(vectors: Vectors, user: str) -> None:
    put(vectors, user, run="old")
    put(vectors, user, run="new")
    put(vectors, user, document="other", run="old")
    vectors.remove(user, "doc", except_run="new")
    assert {(hit.passage.document_id, hit.passage.run) for hit in found(vectors, user)} == {
        ("doc", "new"),
        ("other", "old"),
    }
    vectors.remove(user, "doc")
    assert documents(found(vectors, user)) == {"other"}


def test_removing_what_is_not_there_is_no_error(vectors: Vectors, user: str) -> None:
    vectors.remove(user, "doc")
    vectors.remove_user(user)
    put(vectors, user)
    vectors.remove(user, "never")
    assert len(found(vectors, user)) == len(TEXTS)


def test_more_than_fits_a_request_is_put_in_several(vectors: Vectors, user: str) -> None:
    count = module.PUT_AT_ONCE * 2 + 1
    vectors.put(user, passages(texts=["word"] * count), [[1.0, float(index), 1.0] for index in range(count)])
    assert len(found(vectors, user, limit=count + 1)) == count
    vectors.put(user, [], [])


def test_a_vector_of_another_length_is_refused_and_nobody_waits_for_it(vectors: Vectors, user: str) -> None:
    put(vectors, user)
    with pytest.raises(VectorsError, match="search_unavailable") as refused:
        vectors.put(user, passages("short"), [[1.0, 0.0]] * 3)
    assert not refused.value.may_pass
    assert "dimensions" in refused.value.detail
    with pytest.raises(VectorsError) as refused:
        vectors.search(user, "fox", [1.0], limit=1)
    assert not refused.value.may_pass


def test_what_cannot_be_a_vector_is_refused_before_it_is_sent(vectors: Vectors, user: str) -> None:
    with pytest.raises(ValueError, match="3 passages with 1 vectors"):
        vectors.put(user, passages(), [[1.0]])
    with pytest.raises(ValueError, match="not finite"):
        vectors.put(user, passages(texts=["x"]), [[1.0, float("nan")]])


def test_a_check_says_the_version(vectors: Vectors) -> None:
    assert vectors.check() == "1.35.2"


def test_two_environments_make_the_collection_at_once(weaviate: Weaviate, user: str) -> None:
    with connected(weaviate) as client:
        client.collections.delete(NAME)
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        many = [stack.enter_context(vectors_of(weaviate)) for _ in range(4)]
        list(pool.map(lambda each: put(each, user, uuid.uuid4().hex), many))
        assert len(documents(found(many[0], user, limit=20))) == 4


def test_a_collection_that_was_removed_is_made_again_as_it_was(weaviate: Weaviate, user: str) -> None:
    with vectors_of(weaviate) as vectors, connected(weaviate) as client:
        put(vectors, user)
        client.collections.delete(NAME)
        assert found(vectors, user) == []
        client.collections.delete(NAME)
        put(vectors, user)
        assert len(found(vectors, user)) == len(TEXTS)
        assert client.collections.use(NAME).config.get().multi_tenancy_config.enabled


@pytest.mark.parametrize("first", ["remove", "search", "put"])
def test_a_user_who_was_put_to_sleep_is_woken(weaviate: Weaviate, user: str, first: str) -> None:
    with vectors_of(weaviate) as vectors, connected(weaviate) as client:
        put(vectors, user)
        put(vectors, user, "other")
        tenants = client.collections.use(NAME).tenants
        tenants.deactivate(user)
        assert tenants.get_by_names([user])[user].activity_status is TenantActivityStatus.INACTIVE
        if first == "remove":
            vectors.remove(user, "doc")
        elif first == "put":
            put(vectors, user, "third")
        expected = {"remove": {"other"}, "search": {"doc", "other"}, "put": {"doc", "other", "third"}}[first]
        assert documents(found(vectors, user, limit=20)) == expected


def test_a_user_is_woken_by_us_where_the_server_does_not_for_a_removal(user: str) -> None:
    with stand_in(WeaviateState(wakes_to_remove=False)) as local, vectors_of(local) as vectors:
        put(vectors, user)
        put(vectors, user, "other")
        assert local.state is not None
        local.state.store.collections[NAME].tenants[user].active = False
        vectors.remove(user, "doc")
        assert documents(found(vectors, user)) == {"other"}


def test_a_collection_of_somebody_else_is_left_alone(weaviate: Weaviate, user: str) -> None:
    with connected(weaviate) as client:
        client.collections.delete(NAME)
        client.collections.create(NAME)
        try:
            with vectors_of(weaviate) as vectors, pytest.raises(VectorsError) as refused:
                put(vectors, user)
            assert "is not multi-tenant" in refused.value.detail
            assert not refused.value.may_pass
        finally:
            client.collections.delete(NAME)


def test_a_wrong_key_is_said_and_does_not_pass(weaviate: Weaviate, user: str) -> None:
    with vectors_of(weaviate, "wrong-key-0123456789") as vectors, pytest.raises(VectorsError) as refused:
        found(vectors, user)
    assert not refused.value.may_pass
    assert "401" in refused.value.detail
    assert "wrong-key" not in f"{refused.value!r} {refused.value.detail} {refused.value.__cause__!r}"


def test_a_key_that_has_changed_is_read_again(weaviate: Weaviate, user: str) -> None:
    with vectors_of(weaviate, "old", weaviate.key) as vectors:
        put(vectors, user)
        assert len(found(vectors, user)) == len(TEXTS)


# What follows needs a server that fails when it is told to.


@pytest.fixture
def local() -> Iterator[Weaviate]:
    with stand_in(WeaviateState(removed_at_once=2)) as running:
        yield running


@pytest.fixture
def state(local: Weaviate) -> WeaviateState:
    assert local.state is not None
    return local.state


def calls(state: WeaviateState, method: str) -> int:
    return len(state.log.entries(f"{SERVICE}/{method}"))


def test_a_key_that_changes_under_a_connection_is_read_again(local: Weaviate, state: WeaviateState, user: str) -> None:
    with vectors_of(local, local.key, "the-next-one") as vectors:
        put(vectors, user)
        state.keys.rotate("the-next-one")
        assert len(found(vectors, user)) == len(TEXTS)
        put(vectors, user, "another")
        assert documents(found(vectors, user)) == {"doc", "another"}


def test_a_document_of_any_length_is_removed_whole(local: Weaviate, state: WeaviateState, user: str) -> None:
    with vectors_of(local) as vectors:
        put(vectors, user)
        put(vectors, user, "other")
        vectors.remove(user, "doc")
        assert calls(state, "BatchDelete") == 3
        assert documents(found(vectors, user)) == {"other"}


def test_one_connection_serves_many_calls(local: Weaviate, state: WeaviateState, user: str) -> None:
    with vectors_of(local) as vectors:
        put(vectors, user)
        for _ in range(3):
            found(vectors, user)
        assert len(state.log.entries("/v1/meta")) == 1
        assert calls(state, "Search") == 3


WORK: dict[str, Callable[[Vectors, str], object]] = {
    "BatchObjects": put,
    "Search": found,
    "BatchDelete": lambda vectors, user: vectors.remove(user, "other"),
}


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(drop="before"), Fault(drop="after"), Fault(status=429)])
@pytest.mark.parametrize("method", WORK)
def test_a_moments_failure_is_tried_again(
    local: Weaviate, state: WeaviateState, user: str, fault: Fault, method: str
) -> None:
    with vectors_of(local) as vectors:
        put(vectors, user)
        state.faults.script(fault, path=f"{SERVICE}/{method}")
        WORK[method](vectors, user)
        assert state.faults.left() == 0
        assert len(found(vectors, user)) == len(TEXTS)


@pytest.mark.parametrize("path", ["/v1/meta", f"/v1/schema/{NAME}", "/v1/schema"])
@pytest.mark.parametrize("fault", [Fault(status=502, body="<html>"), Fault(body="<html>"), Fault(drop="before")])
def test_a_moments_failure_of_the_opening_is_tried_again(
    local: Weaviate, state: WeaviateState, user: str, fault: Fault, path: str
) -> None:
    state.faults.script(fault, path=path)
    with vectors_of(local) as vectors:
        put(vectors, user)
        assert len(found(vectors, user)) == len(TEXTS)


def test_what_failed_for_good_is_said_after_a_bounded_number_of_tries(
    local: Weaviate, state: WeaviateState, user: str
) -> None:
    state.faults.always(Fault(status=503), path=f"{SERVICE}/Search")
    with Stopwatch() as lived, vectors_of(local) as vectors, pytest.raises(VectorsError) as failed:
        found(vectors, user)
    assert failed.value.may_pass
    assert failed.value.status == 503
    assert "UNAVAILABLE" in failed.value.detail
    assert calls(state, "Search") == connecting.POLICY.retries + 1
    assert lived.seconds < 15


@pytest.mark.parametrize("slow", [f"{SERVICE}/Search", "/v1/meta"])
def test_nobody_waits_beyond_the_deadline(local: Weaviate, state: WeaviateState, user: str, slow: str) -> None:
    state.faults.always(Fault(delay_seconds=30), path=slow)
    with vectors_of(local) as vectors:
        vectors.prepare()
        started = time.monotonic()
        with pytest.raises(VectorsError) as failed:
            found(vectors, user, deadline=Deadline.after(0.8))
        assert time.monotonic() - started < 25
        assert failed.value.may_pass
        state.faults.clear()
        assert found(vectors, user) == []


def test_a_deadline_that_has_passed_begins_nothing(local: Weaviate, state: WeaviateState, user: str) -> None:
    with vectors_of(local) as vectors, pytest.raises(VectorsError):
        found(vectors, user, deadline=Deadline.after(-1))
    assert state.log.entries() == []


@pytest.mark.parametrize("silent", ["http", "grpc"])
def test_an_address_where_nobody_answers_is_left_in_time(local: Weaviate, user: str, silent: str) -> None:
    with listen() as nobody:  # connects, since the kernel does, and never answers
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        urls = {"url": address} if silent == "http" else {"grpc_url": address}
        with Stopwatch() as lived, vectors_of(local, **urls) as vectors, pytest.raises(VectorsError) as failed:
            found(vectors, user, deadline=Deadline.after(1))
    assert failed.value.may_pass
    assert lived.seconds < 10


@pytest.mark.parametrize("closed", ["http", "grpc"])
def test_an_address_without_a_server_may_pass(local: Weaviate, user: str, closed: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        urls = {"url": address} if closed == "http" else {"grpc_url": address}
        with vectors_of(local, **urls) as vectors, pytest.raises(VectorsError) as failed:
            found(vectors, user, deadline=Deadline.after(2))
    assert failed.value.may_pass


def test_a_connection_that_was_kept_too_long_is_made_anew(
    local: Weaviate, state: WeaviateState, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vectors_of(local) as vectors:
        put(vectors, user)
        thawed = time.time() + connecting.KEPT_SECONDS + 1
        monkeypatch.setattr(connecting.time, "time", lambda: thawed)
        assert len(found(vectors, user)) == len(TEXTS)
        found(vectors, user)
    assert len(state.log.entries("/v1/meta")) == 2


def test_a_connection_that_died_while_nobody_looked_is_made_anew(user: str) -> None:
    """As after a freeze: the server is another one, at the same address."""
    state = WeaviateState()
    with stand_in(state) as first, vectors_of(first) as vectors:
        put(vectors, user)
        for server in first.servers:
            server.stop()
        with stand_in(state, *(server.port for server in first.servers)):
            assert len(found(vectors, user)) == len(TEXTS)


def test_a_forked_child_takes_nothing_from_the_connection(local: Weaviate, user: str) -> None:
    """PDFs are read in forked children while the parent keeps its channel."""
    with vectors_of(local) as vectors:
        put(vectors, user)
        for _ in range(3):
            child = os.fork()
            if child == 0:
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            assert len(found(vectors, user)) == len(TEXTS)


def test_threads_share_it(local: Weaviate, user: str) -> None:
    with vectors_of(local) as vectors, ThreadPoolExecutor(8) as pool:
        put(vectors, user)
        assert {len(hits) for hits in pool.map(lambda _: found(vectors, user), range(24))} == {len(TEXTS)}


@pytest.mark.parametrize(
    ("url", "grpc_url", "host", "port", "secure"),
    [
        (
            "https://a1b2.c0.europe-west3.gcp.weaviate.cloud",
            None,
            "grpc-a1b2.c0.europe-west3.gcp.weaviate.cloud",
            443,
            True,
        ),
        ("https://name.weaviate.network", None, "name.grpc.weaviate.network", 443, True),
        ("https://vectors.example.org", None, "vectors.example.org", 50_051, True),
        ("http://10.0.0.7:8080", None, "10.0.0.7", 50_051, False),
        ("http://10.0.0.7:8080", "http://10.0.0.8:50061", "10.0.0.8", 50_061, False),
        ("https://vectors.example.org", "https://grpc.example.org", "grpc.example.org", 443, True),
    ],
)
def test_where_grpc_is(url: str, grpc_url: str | None, host: str, port: int, secure: bool) -> None:
    where = params(url, grpc_url).grpc
    assert (where.host, where.port, where.secure) == (host, port, secure)


def test_two_addresses_that_are_one_are_refused() -> None:
    with pytest.raises(VectorsError) as refused:
        params("http://10.0.0.7:8080", "http://10.0.0.7:8080")
    assert "differ in their ports" in refused.value.detail
    assert not refused.value.may_pass


def test_naming_it_imports_no_client() -> None:
    code = "import sys, lambdas.knowledge_base.retrieval.vectors as v; sys.exit('weaviate' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", ["lambdas.knowledge_base.retrieval.connection", "sandbox.standins.weaviate.calls"])
def test_the_client_changes_nothing_for_other_libraries(module: str) -> None:
    """Imported, it shows all warnings of the process: every library's, in a function's log and in the demonstration."""
    code = f"import {module}, warnings; assert not [f for f in warnings.filters if f[:3] == ('default', None, Warning)]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert (done.returncode, done.stderr) == (0, "")
