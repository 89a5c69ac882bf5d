"""The embedding_processor's migration on a real PostgreSQL: what its functions promise, asked by the real client."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from postgrest.exceptions import APIError
from supabase import create_client

from lambdas.embedding_processor import contract
from layer_builds.plan import REPOSITORY
from ops.errors import OpsError, UsageError
from ops.migration import FOLDER, Migration, apply
from tests.sandbox.supabase_project import KEY, PUBLISHABLE, new_state, project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.standins.serving import Server
    from sandbox.standins.supabase.server import SupabaseState

DIMENSION = 8
DOCUMENT = "bucket/notes/a.txt"
EXACT = """
select id from content_embeddings where metadata ->> 'lang' = 'eo' order by embedding <=> %s::vector limit %s
"""
NEAREST = "explain select id from content_embeddings order by embedding::halfvec(8) <=> %s::halfvec(8) limit 5"
MODEL = {"model": "minilm", "revision": "r1", "quantization": "fp32"}


class Rpc:
    """The migration's functions by their names in the contract."""

    def __init__(self, url: str, key: str = KEY) -> None:
        self._client: Any = create_client(url, key)

    def __call__(self, name: str, **arguments: object) -> Any:
        return self._client.rpc(name, arguments).execute().data

    def begin(self, sequencer: str, generation: str, key: str = DOCUMENT) -> Any:
        return self(contract.BEGIN, source_key=key, event_sequencer=sequencer, source_generation=generation)

    def stage(self, generation: str, rows: list[dict[str, Any]], key: str = DOCUMENT) -> Any:
        return self(contract.STAGE, source_key=key, source_generation=generation, rows=rows)

    def replace(self, sequencer: str, generation: str, rows: list[dict[str, Any]], key: str = DOCUMENT) -> Any:
        return self(
            contract.REPLACE, source_key=key, event_sequencer=sequencer, source_generation=generation, rows=rows
        )

    def rows(self, key: str = DOCUMENT) -> list[dict[str, Any]]:
        return self._client.table(contract.TABLE).select("*").eq("key", key).order("id").execute().data

    def contents(self, key: str = DOCUMENT) -> list[str]:
        return [row["content"] for row in self.rows(key)]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[SupabaseState, Server]]:
    with project() as (state, server):
        apply(state.url(), DIMENSION)
        yield state, server


@pytest.fixture
def database(served: tuple[SupabaseState, Server]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(served[0].url(), autocommit=True) as connection:
        yield connection
        for table in ("content_embeddings", "content_embedding_sources", "content_embeddings_staged"):
            connection.execute(f"truncate {table}".encode())


@pytest.fixture
def rpc(served: tuple[SupabaseState, Server], database: psycopg.Connection[Any]) -> Rpc:
    return Rpc(served[1].url)


def vector(seed: object) -> list[float]:
    chance = random.Random(str(seed))  # noqa: S311
    values = [chance.gauss(0, 1) for _ in range(DIMENSION)]
    return [value / math.hypot(*values) for value in values]


def row(number: int, text: str, *, key: str = DOCUMENT, **metadata: object) -> dict[str, Any]:
    return {
        "id": f"{key}-{text}-{number}",
        "content": f"{text} {number}",
        "key": key,
        "embedding": vector((text, number)),
        "metadata": {**MODEL, "chunk": number, **metadata},
    }


def refused(call: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(APIError) as error:
        call()
    return error.value.json()


# --- a document's rows ---


def test_a_new_version_leaves_no_row_of_the_old_one(rpc: Rpc) -> None:
    assert rpc.begin("0A", "v1") == {"state": "open", "staged": 0}
    first = [row(0, "old"), row(1, "old"), row(2, "old")]
    assert rpc.replace("0A", "v1", first) == {"state": "replaced", "written": 3, "removed": 0}
    assert rpc.replace("0B", "v2", [row(0, "new")]) == {"state": "replaced", "written": 1, "removed": 3}
    assert rpc.contents() == ["new 0"]


def test_a_second_delivery_changes_nothing(rpc: Rpc) -> None:
    rows = [row(0, "text"), row(1, "text")]
    rpc.replace("0A", "v1", rows)
    before = rpc.rows()
    assert rpc.begin("0A", "v1") == {"state": "done", "staged": 0}
    assert rpc.replace("0A", "v1", rows) == {"state": "replaced", "written": 0, "removed": 0}
    assert rpc.rows() == before


def test_rows_that_are_the_same_in_a_new_version_are_not_touched(rpc: Rpc) -> None:
    rpc.replace("0A", "v1", [row(0, "text"), row(1, "text")])
    before = rpc.rows()[0]
    assert rpc.replace("0B", "v2", [row(0, "text"), row(1, "text", etag="other")])["written"] == 1
    assert rpc.rows()[0] == before


def test_an_older_event_that_comes_late_changes_nothing(rpc: Rpc) -> None:
    rpc.replace("0055AED6DCD90281E6", "v2", [row(0, "new")])
    for late in ("0055AED6DCD90281E5", "0055aed6dcd90281e5", "0055AED6DCD9", ""):
        assert rpc.begin(late, "v1") == {"state": "outdated", "staged": 0}
        assert rpc.replace(late, "v1", [row(0, "old")])["state"] == "outdated"
        assert rpc.replace(late, "", [])["state"] == "outdated"
    assert rpc.contents() == ["new 0"]
    # The shorter one is padded on its right: this one is newer.
    assert rpc.replace("1", "v3", [row(0, "newest")])["state"] == "replaced"


def test_a_removed_document_stays_removed_when_an_older_event_comes_late(rpc: Rpc) -> None:
    rpc.replace("0A", "v1", [row(0, "text")])
    assert rpc.replace("0C", "", []) == {"state": "replaced", "written": 0, "removed": 1}
    assert rpc.replace("0B", "v2", [row(0, "late")])["state"] == "outdated"
    assert rpc.rows() == []
    assert rpc.replace("0D", "v1", [row(0, "text")])["written"] == 1  # uploaded again, as it was


def test_one_document_leaves_another_alone(rpc: Rpc) -> None:
    rpc.replace("0A", "v1", [row(0, "text")])
    rpc.replace("0A", "v1", [row(0, "text", key="bucket/b")], key="bucket/b")
    rpc.replace("0B", "", [])
    assert (rpc.rows(), rpc.contents("bucket/b")) == ([], ["text 0"])


def test_a_long_document_is_staged_and_appears_whole(rpc: Rpc, database: psycopg.Connection[Any]) -> None:
    rpc.replace("0A", "v1", [row(0, "old")])
    rpc.begin("0B", "v2")
    assert rpc.stage("v2", [row(0, "new"), row(1, "new")]) == 2
    assert rpc.stage("v2", [row(1, "new"), row(2, "new")]) == 3
    assert rpc.contents() == ["old 0"]
    assert rpc.begin("0B", "v2") == {"state": "open", "staged": 3}
    assert rpc.replace("0B", "v2", [row(3, "new")]) == {"state": "replaced", "written": 4, "removed": 1}
    assert rpc.contents() == [f"new {number}" for number in range(4)]
    assert database.execute("select count(*) from content_embeddings_staged").fetchone() == (0,)


def test_a_duplicate_that_is_slower_does_not_undo_the_faster_one(rpc: Rpc) -> None:
    rpc.stage("v1", [row(0, "text"), row(1, "text")])
    rpc.replace("0A", "v1", [row(2, "text")])
    rpc.stage("v1", [row(1, "text")])  # the slower one still stages
    assert rpc.replace("0A", "v1", [row(2, "text")]) == {"state": "replaced", "written": 0, "removed": 0}
    assert len(rpc.rows()) == 3


def test_two_versions_that_are_staged_at_once_do_not_mix(rpc: Rpc, database: psycopg.Connection[Any]) -> None:
    rpc.begin("0A", "v1")
    rpc.stage("v1", [row(0, "old"), row(1, "old")])
    rpc.begin("0B", "v2")
    rpc.stage("v2", [row(0, "new")])
    assert rpc.replace("0A", "v1", [row(2, "old")])["written"] == 3
    assert rpc.replace("0B", "v2", [row(1, "new")]) == {"state": "replaced", "written": 2, "removed": 3}
    assert rpc.contents() == ["new 0", "new 1"]
    rpc.stage("v3", [row(0, "killed")])
    database.execute("update content_embeddings_staged set staged_at = now() - interval '2 hours'")
    assert rpc.begin("0C", "v4") == {"state": "open", "staged": 0}
    assert database.execute("select count(*) from content_embeddings_staged").fetchone() == (0,)


def test_versions_at_the_same_time_end_with_the_newest(served: tuple[SupabaseState, Server], rpc: Rpc) -> None:
    versions = list(range(24))
    random.Random(7).shuffle(versions)  # noqa: S311
    start = threading.Barrier(8)
    own = threading.local()

    def put(number: int) -> str:
        if not hasattr(own, "rpc"):
            own.rpc = Rpc(served[1].url)
            start.wait(100)
        rows = [row(chunk, f"v{number:02}") for chunk in range(number % 5 + 1)]
        return own.rpc.replace(f"{number + 16:X}", f"v{number}", rows)["state"]

    with ThreadPoolExecutor(8) as threads:
        states = list(threads.map(put, versions))
    assert states[versions.index(23)] == "replaced"
    assert rpc.contents() == [f"v23 {chunk}" for chunk in range(4)]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"rows": [row(0, "text", key="other/key")]}, "22023"),
        ({"rows": {"id": 1}}, "22023"),
        ({"event_sequencer": "not hex"}, "22023"),
        ({"source_key": ""}, "22023"),
        ({"rows": [{**row(0, "text"), "embedding": [1.0] * (DIMENSION + 1)}]}, "22000"),
        ({"rows": [{**row(0, "text"), "embedding": [0.0] * DIMENSION}]}, "23514"),
        ({"rows": [{**row(0, "text"), "embedding": None}]}, "23502"),
        ({"rows": [{**row(0, "text"), "content": "a\0b"}]}, "22P05"),
    ],
)
def test_bad_rows_are_refused_and_change_nothing(rpc: Rpc, given: dict[str, Any], code: str) -> None:
    rpc.replace("0A", "v1", [row(0, "text")])
    asked = {"source_key": DOCUMENT, "event_sequencer": "0B", "source_generation": "v2", "rows": [row(1, "text")]}
    said = refused(lambda: rpc(contract.REPLACE, **{**asked, **given}))
    assert said["code"] == code, said
    assert rpc.contents() == ["text 0"]
    assert rpc.begin("0A", "v1")["state"] == "done"


# --- search ---


def test_search_finds_the_nearest_with_their_similarity(rpc: Rpc) -> None:
    rpc.replace("0A", "v1", [row(number, "text") for number in range(50)])
    found = rpc(contract.MATCH, query_embedding=vector(("text", 7)), match_count=3, filter=MODEL)
    assert found[0]["content"] == "text 7"
    assert found[0]["similarity"] == pytest.approx(1, abs=1e-6)
    assert set(found[0]) == {"id", "key", "content", "metadata", "similarity"}
    assert [item["similarity"] for item in found] == sorted((item["similarity"] for item in found), reverse=True)


def test_a_filter_gets_as_many_as_were_asked_for(rpc: Rpc, database: psycopg.Connection[Any]) -> None:
    """One row in 200 passes, all far from the query: an index scan alone comes back with none of them."""
    for start in range(0, 4_000, 1_000):
        rows = [row(number, "text", lang="eo" if number % 200 == 0 else "en") for number in range(start, start + 1_000)]
        for each in rows:
            each["embedding"][0] = -9.0 if each["metadata"]["lang"] == "eo" else 9.0
        rpc.replace("0A", f"v{start}", [dict(each, key=f"b/{start}") for each in rows], key=f"b/{start}")
    database.execute("analyze content_embeddings")
    query = [9.0] + [0.1] * (DIMENSION - 1)
    for count in (5, 20):
        found = rpc(contract.MATCH, query_embedding=query, match_count=count, filter={"lang": "eo"})
        assert len(found) == count
        exact = database.execute(EXACT, (json.dumps(query), count)).fetchall()
        assert [item["id"] for item in found] == [found_id for (found_id,) in exact]
    assert len(rpc(contract.MATCH, query_embedding=query, match_count=100, filter={"lang": "eo"})) == 20
    assert len(rpc(contract.MATCH, query_embedding=query, match_count=1_000, filter={})) == 1_000


def test_the_search_uses_the_half_precision_index(rpc: Rpc, database: psycopg.Connection[Any]) -> None:
    rpc.replace("0A", "v1", [row(number, "text") for number in range(1_000)])
    database.execute("analyze content_embeddings")
    with psycopg.ClientCursor(database) as cursor, database.transaction():
        cursor.execute("set local enable_seqscan = off")  # what a table of this size is worth
        plan = cursor.execute(NEAREST.encode(), (json.dumps(vector(1)),)).fetchall()
    assert "content_embeddings_embedding" in str(plan)


def test_vectors_of_two_models_are_never_compared(rpc: Rpc) -> None:
    rpc.replace("0A", "v1", [row(0, "text"), row(1, "text")])
    rpc.replace("0A", "v1", [row(0, "b", key="b/b", revision="r2")], key="b/b")
    said = refused(lambda: rpc(contract.MATCH, query_embedding=vector(1)))
    assert said["code"] == "22023"
    assert '"revision": "r2"' in said["hint"]
    assert len(rpc(contract.MATCH, query_embedding=vector(1), filter={"revision": "r1"})) == 2
    assert [item["key"] for item in rpc(contract.MATCH, query_embedding=vector(1), filter={"revision": "r2"})] == [
        "b/b"
    ]
    # Rows of one model alone pass this filter, whatever it names.
    assert len(rpc(contract.MATCH, query_embedding=vector(1), filter={"chunk": 1})) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"query_embedding": [1.0]}, "22000"),
        ({"match_count": 0}, "22023"),
        ({"match_count": 1_001}, "22023"),
        ({"filter": [1]}, "22023"),
    ],
)
def test_a_bad_search_is_refused(rpc: Rpc, given: dict[str, Any], code: str) -> None:
    assert refused(lambda: rpc(contract.MATCH, **{"query_embedding": vector(1), **given}))["code"] == code


# --- who may ---


def test_only_the_service_role_reads_and_writes(served: tuple[SupabaseState, Server], rpc: Rpc) -> None:
    state, server = served
    rpc.replace("0A", "v1", [row(0, "text")])
    for key in (PUBLISHABLE, state.keys.legacy("anon")):
        other = Rpc(server.url, key)
        calls: list[Callable[[], object]] = [
            other.rows,
            lambda other=other: other.replace("0B", "v2", []),
            lambda other=other: other.begin("0B", "v2"),
            lambda other=other: other.stage("v2", []),
            lambda other=other: other(contract.MATCH, query_embedding=vector(1)),
            lambda other=other: other(contract.DIMENSION),
        ]
        assert [refused(call)["code"] for call in calls] == ["42501"] * len(calls)
    assert Rpc(server.url, state.keys.legacy("service_role")).contents() == ["text 0"]


def test_row_level_security_holds_even_for_who_is_granted_the_table(
    database: psycopg.Connection[Any], rpc: Rpc
) -> None:
    rpc.replace("0A", "v1", [row(0, "text")])
    with database.transaction(force_rollback=True):
        database.execute("grant all on content_embeddings to authenticated")
        database.execute("set local role authenticated")
        assert database.execute("select * from content_embeddings").fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            database.execute("insert into content_embeddings values ('x', 'x', 'x', %s)", (json.dumps(vector(1)),))


# --- applying it ---


def test_it_is_applied_once_and_tells_its_dimension() -> None:
    state = new_state()
    assert apply(state.url(), 16).data["changed"] is True
    assert apply(state.url(), 16).data["changed"] is False
    with psycopg.connect(state.url()) as connection:
        assert connection.execute("select content_embeddings_dimension()").fetchone() == (16,)
    with pytest.raises(OpsError, match=r"holds vectors of 16 dimensions, and 32 were asked for.*--replace"):
        apply(state.url(), 32)
    assert apply(state.url(), 32, replace=True).data["changed"] is True
    assert apply(state.url(), 32).data["changed"] is False


def test_two_at_once_apply_it_once() -> None:
    state = new_state()
    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(lambda _: apply(state.url(), 16), range(4)))
    assert sorted(bool(report.data["changed"]) for report in reports) == [False, False, False, True]


def test_what_fails_leaves_nothing_behind() -> None:
    state = new_state()
    with psycopg.connect(state.url(), autocommit=True) as connection:
        connection.execute("create table content_embedding_sources (mine int)")
        with pytest.raises(OpsError, match=r"already exists, and not by this command.*Nothing was changed"):
            apply(state.url(), 16)
        assert connection.execute("select to_regclass('content_embeddings'), to_regnamespace('strata')").fetchone() == (
            None,
            None,
        )
        connection.execute("drop table content_embedding_sources")
    assert apply(state.url(), 16).data["changed"] is True


def test_the_longest_vectors_that_can_be_indexed() -> None:
    state = new_state()
    apply(state.url(), 4_000)
    with pytest.raises(UsageError, match="from 1 to 4,000"):
        apply(state.url(), 4_001)


def test_a_project_that_has_the_extension_elsewhere_keeps_it() -> None:
    state = new_state()
    with psycopg.connect(state.url()) as connection:
        connection.execute("create extension vector with schema public")
    assert apply(state.url(), 16).data["changed"] is True


def test_the_committed_files_are_what_the_command_writes() -> None:
    files = sorted(FOLDER.glob("*.sql"))
    assert [file.stem for file in files] == ["content_embeddings_768"]
    for file in files:
        assert file.read_text(encoding="utf-8") == Migration(int(file.stem.rpartition("_")[2])).text


def ops(*arguments: str, stdin: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops", "supabase", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, input=stdin, capture_output=True, text=True, check=False)


def test_the_address_comes_on_stdin_and_is_never_shown() -> None:
    state = new_state()
    done = ops("apply", "--dimension", "16", stdin=f"{state.url()}\n")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    password = state.url().split(":")[2].split("@")[0]
    wrong = state.url().replace(password, "Geheim-123")
    for address in (wrong, f"https://x:{password}@host/", f"postgresql://x:{password}@127.0.0.1:1/x", f"a[{password}"):
        failed = ops("apply", "--dimension", "16", stdin=address)
        assert failed.returncode in {1, 2}
        assert failed.stderr.startswith("error: ")
        assert "Traceback" not in failed.stderr
        assert not any(secret in failed.stdout + failed.stderr for secret in (password, "Geheim-123"))
    assert ops("apply", "--dimension", "16", stdin="").returncode == 2
    assert "4,000" in ops("migration", "--dimension", "5000", stdin="").stderr
