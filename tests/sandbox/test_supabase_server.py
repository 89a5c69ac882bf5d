"""The Supabase stand-in, asked by the real client over a socket, and by plain HTTP where the client hides what is said.

Expected answers are PostgREST's documentation's: https://docs.postgrest.org/en/v14/references/api/tables_views.html.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from postgrest.exceptions import APIError
from supabase import create_client

from sandbox.standins.faults import Fault
from tests.sandbox.supabase_project import KEY, PUBLISHABLE, project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.standins.serving import Server
    from sandbox.standins.supabase.server import SupabaseState

SCHEMA = """
create extension if not exists vector with schema extensions;
create table people (
    id int primary key, first_name text, age int, student boolean, tags text[] default '{}', json_data jsonb,
    "odd, name" text, place vector(3)
);
insert into people (id, first_name, age, student, tags, json_data, "odd, name") values
    (1, 'Jane', 12, true, '{example,new}',
     '{"blood_type": "A-", "age": 25, "phones": [{"number": "917-929-5745"}]}', 'x'),
    (2, 'John', 30, false, '{new}', '{"blood_type": "O+", "age": 15}', null),
    (3, 'a,b "c" \\ (d)', 21, null, '{}', null, 'ä');
create table secrets (id int primary key, owner text, word text);
alter table secrets enable row level security;
create policy own on secrets for select to authenticated
    using (owner = current_setting('request.jwt.claims', true)::jsonb ->> 'sub');
insert into secrets values (1, 'ann', 'one'), (2, 'bob', 'two');
create table locked (id int primary key);
revoke all on locked from anon, authenticated;
create function add_them(a int, b int default 2) returns int language sql immutable as 'select a + b';
create function older_than(years int) returns setof people language sql stable as
    'select * from people where age > years order by id';
create function names() returns setof text language sql stable as 'select first_name from people order by id';
create function nothing() returns void language sql as '';
create function fails() returns int language plpgsql as
    $$ begin raise exception 'too bad' using errcode = 'P0001', detail = 'why', hint = 'what'; end $$;
create function writes() returns int language sql as 'insert into locked values (1) returning id';
create function slow() returns int language sql volatile as 'select 1 from pg_sleep(4)';
create function patient() returns int language sql volatile set statement_timeout = '20s' as
    'select 1 from pg_sleep(4)';
"""


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[SupabaseState, Server]]:
    with project() as (state, server):
        with psycopg.connect(state.url()) as connection:
            connection.execute(SCHEMA)
        yield state, server


@pytest.fixture
def state(served: tuple[SupabaseState, Server]) -> Iterator[SupabaseState]:
    yield served[0]
    served[0].faults.clear()


@pytest.fixture
def url(state: SupabaseState, served: tuple[SupabaseState, Server]) -> str:
    return served[1].url


@pytest.fixture
def client(url: str) -> Any:
    return connect(url, KEY)


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/rest/v1", headers={"apikey": KEY}, timeout=30) as plain:
        yield plain


@pytest.fixture
def people(state: SupabaseState) -> Iterator[None]:
    """The rows as they were, after a test that changes them."""
    yield
    with psycopg.connect(state.url()) as connection:
        connection.execute("delete from people where id > 3")


def connect(url: str, key: str) -> Any:
    """The real client. What it answers is typed as any JSON."""
    return create_client(url, key)


def refused(call: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(APIError) as error:
        call()
    return error.value.json()


# --- reading ---


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("age=lt.13", [1]),
        ("age=gte.18&student=is.false", [2]),
        ("or=(age.lt.18,age.gt.21)", [1, 2]),
        ("student=is.true&or=(age.eq.14,not.and(age.gte.13,age.lte.17))", [1]),
        ("age=not.eq.30", [1, 3]),
        ("not.or=(id.eq.1,id.eq.2)", [3]),
        ("first_name=like.J*n*", [1, 2]),
        ("first_name=ilike.*JANE", [1]),
        ("first_name=match.^Jo", [2]),
        ('first_name=in.(Jane,"a,b \\"c\\" \\\\ (d)")', [1, 3]),
        ('or=(first_name.eq."a,b \\"c\\" \\\\ (d)",id.in.(2,7))', [2, 3]),
        ("tags=cs.{example,new}", [1]),
        ("tags=cd.{new,old}", [2, 3]),
        ("tags=ov.{example,old}", [1]),
        ("student=is.null", [3]),
        ("student=not.is.null", [1, 2]),
        ("student=isdistinct.true", [2, 3]),
        ("json_data->>blood_type=eq.A-", [1]),
        ("json_data->age=gt.20", [1]),
        ("json_data->phones->0->>number=eq.917-929-5745", [1]),
        ('json_data=cs.{"blood_type":"O%2B"}', [2]),
        ("odd,%20name=eq.%C3%A4", [3]),
        ("id=in.()", []),
    ],
)
def test_filters_choose_rows_as_documented(http: httpx.Client, query: str, ids: list[int]) -> None:
    answer = http.get(f"/people?select=id&order=id&{query}")
    assert answer.status_code == httpx.codes.OK, answer.text
    assert [row["id"] for row in answer.json()] == ids


def test_a_value_is_never_sql(http: httpx.Client) -> None:
    for hostile in ("'; drop table people; --", "1) or (1=1", "\\"):
        assert http.get("/people", params={"first_name": f"eq.{hostile}"}).json() == []
        assert http.get("/people", params={f'x"; drop table people; -- {hostile}': "eq.1"}).json()["code"] == "42703"
        assert http.get("/people", params={"order": f'id"{hostile}'}).status_code == httpx.codes.BAD_REQUEST
        path = http.get("/people", params={"select": "id", f"json_data->>{hostile}": "eq.1"})
        assert path.json() == [], path.text
        assert http.get("/people", params={"select": f"first_name::{hostile}"}).status_code >= httpx.codes.BAD_REQUEST
    assert len(http.get("/people").json()) == 3


def test_columns_are_named_cast_and_found_in_json(http: httpx.Client) -> None:
    query = "select=fullName:first_name,age::text,json_data->>blood_type,json_data->phones->0->>number,b:json_data->age"
    assert http.get(f"/people?{query}&id=eq.1").json() == [
        {"fullName": "Jane", "age": "12", "blood_type": "A-", "number": "917-929-5745", "b": 25}
    ]


def test_order_limit_and_offset(client: Any) -> None:
    found = client.table("people").select("id").order("student", desc=True, nullsfirst=False).execute()
    assert [row["id"] for row in found.data] == [1, 2, 3]
    assert client.table("people").select("id").order("age").limit(1).offset(1).execute().data == [{"id": 3}]
    assert client.table("people").select("id").order("id").range(1, 2).execute().data == [{"id": 2}, {"id": 3}]


def test_ranges_and_counts_are_in_the_headers(http: httpx.Client, client: Any) -> None:
    assert client.table("people").select("id", count="exact").gt("id", 1).execute().count == 2
    answer = http.get("/people", headers={"Range": "0-1", "Prefer": "count=exact"})
    assert (answer.status_code, answer.headers["content-range"]) == (206, "0-1/3")
    assert answer.headers["preference-applied"] == "count=exact"
    assert http.get("/people?id=eq.9").headers["content-range"] == "*/*"
    beyond = http.get("/people?offset=5", headers={"Prefer": "count=exact"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "PGRST103")
    assert beyond.json()["details"] == "An offset of 5 was requested, but there are only 3 rows."
    head = http.head("/people", headers={"Prefer": "count=exact"})
    assert (head.text, head.headers["content-range"]) == ("", "0-2/3")


def test_one_object_or_an_error(client: Any) -> None:
    assert client.table("people").select("id").eq("id", 1).single().execute().data == {"id": 1}
    said = refused(lambda: client.table("people").select("id").single().execute())
    assert (said["code"], said["details"]) == ("PGRST116", "The result contains 3 rows")
    assert client.table("people").select("id").eq("id", 9).maybe_single().execute() is None


def test_vectors_and_text_come_back_as_postgresql_writes_them(client: Any, people: None) -> None:
    row = {"id": 7, "first_name": "Zoë 夜行", "place": [1, 0.5, -2]}
    stored = client.table("people").insert(row).execute().data
    assert stored[0]["place"] == "[1,0.5,-2]"
    assert stored[0]["first_name"] == "Zoë 夜行"


# --- writing ---


def test_a_list_upsert_inserts_and_merges(client: Any, http: httpx.Client, people: None) -> None:
    rows = [{"id": 8, "first_name": "new", "odd, name": "1"}, {"id": 9, "first_name": "too", "odd, name": "2"}]
    assert len(client.table("people").upsert(rows).execute().data) == 2
    again = client.table("people").upsert({"id": 8, "first_name": "newer"}, on_conflict="id").execute().data
    assert (again[0]["first_name"], again[0]["odd, name"]) == ("newer", "1")
    client.table("people").upsert({"id": 8, "first_name": "ignored"}, ignore_duplicates=True).execute()
    assert client.table("people").select("first_name").eq("id", 8).execute().data == [{"first_name": "newer"}]
    merge = {"Prefer": "resolution=merge-duplicates"}
    assert http.post("/people", json=[{"id": 8}, {"id": 10}], headers=merge).status_code == httpx.codes.CREATED
    both = [{"id": 8, "age": 1}, {"id": 10, "age": 2}]
    assert http.post("/people", json=both, headers=merge).status_code == httpx.codes.OK


def test_only_named_columns_of_a_body_count(http: httpx.Client, people: None) -> None:
    prefer = {"Prefer": "return=representation"}
    body = [{"id": 8, "age": 5, "extra": 1}, {"id": 9}]
    answer = http.post('/people?columns="id","age"&select=id,age', json=body, headers=prefer)
    assert answer.json() == [{"id": 8, "age": 5}, {"id": 9, "age": None}]
    without = http.post("/people", json=[{"id": 8}, {"id": 9, "age": 1}])
    assert (without.status_code, without.json()["message"]) == (400, "All object keys must match")


def test_updates_and_deletes_choose_their_rows(client: Any, http: httpx.Client, people: None) -> None:
    client.table("people").insert([{"id": 8, "age": 1}, {"id": 9, "age": 1}]).execute()
    assert client.table("people").update({"age": 2}).eq("id", 8).execute().data[0]["age"] == 2
    minimal = http.patch("/people?id=eq.9", json={"age": 3})
    assert (minimal.status_code, minimal.text, minimal.headers["content-range"]) == (204, "", "0-0/*")
    assert [row["id"] for row in client.table("people").delete().gt("id", 3).execute().data] == [8, 9]
    for refusal in (http.delete("/people"), http.patch("/people", json={"age": 1})):
        assert (refusal.status_code, refusal.json()["code"]) == (400, "21000")


def test_a_request_is_one_transaction(client: Any, http: httpx.Client) -> None:
    said = refused(lambda: client.table("people").insert([{"id": 8}, {"id": 1}]).execute())
    assert (said["code"], said["details"]) == ("23505", "Key (id)=(1) already exists.")
    single = {"Accept": "application/vnd.pgrst.object+json", "Prefer": "return=representation"}
    assert http.delete("/people?id=gt.0", headers=single).json()["code"] == "PGRST116"
    assert len(http.get("/people").json()) == 3


# --- functions ---


def test_functions_answer_values_rows_and_nothing(client: Any, http: httpx.Client) -> None:
    assert client.rpc("add_them", {"a": 3}).execute().data == 5
    assert http.get("/rpc/add_them?a=1&b=5").json() == 6
    found = client.rpc("older_than", {"years": 20}).select("id,first_name").eq("id", 2).execute()
    assert found.data == [{"id": 2, "first_name": "John"}]
    assert client.rpc("names").execute().data[:2] == ["Jane", "John"]
    assert http.post("/rpc/nothing").status_code == httpx.codes.NO_CONTENT


def test_what_is_called_by_get_cannot_write(http: httpx.Client) -> None:
    answer = http.get("/rpc/writes")
    assert (answer.status_code, answer.json()["code"]) == (405, "25006")


def test_a_roles_timeout_counts_unless_the_function_has_its_own(url: str) -> None:
    headers = {"apikey": PUBLISHABLE}
    answer = httpx.post(f"{url}/rest/v1/rpc/slow", headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (500, "57014")
    assert httpx.post(f"{url}/rest/v1/rpc/patient", headers=headers, timeout=30).json() == 1


# --- errors ---


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", "/nothing_here", None, (404, "PGRST205")),
        ("POST", "/people", {"id": 5, "nope": 1}, (400, "PGRST204")),
        ("GET", "/people?nope=eq.1", None, (400, "42703")),
        ("GET", "/people?age=eq.old", None, (400, "22P02")),
        ("GET", "/people?age=is.old", None, (400, "PGRST100")),
        ("GET", "/people?age=near.1", None, (400, "PGRST100")),
        ("GET", "/people?or=(age.eq.1", None, (400, "PGRST100")),
        ("GET", "/people?limit=-1", None, (416, "PGRST103")),
        ("GET", "/people?select=count()", None, (400, "PGRST123")),
        ("POST", "/people", "[1]", (400, "PGRST102")),
        ("POST", "/people", "not json", (400, "PGRST102")),
        ("POST", "/people", {"id": None}, (400, "23502")),
        ("POST", "/people", {"id": 6, "place": [1]}, (400, "22000")),
        ("POST", "/rpc/nothing_here", {"a": 1}, (404, "PGRST202")),
        ("POST", "/rpc/add_them", {"c": 1}, (404, "PGRST202")),
        ("POST", "/rpc/fails", {}, (400, "P0001")),
        ("DELETE", "/rpc/add_them", None, (405, "PGRST101")),
        ("PUT", "/people?id=eq.1", {"id": 1}, (405, "PGRST117")),
        # What PostgREST has and this does not is refused, never answered wrongly.
        ("GET", "/people?select=id,pets(name)", None, (501, "STANDIN")),
        ("GET", "/people?first_name=fts.jane", None, (501, "STANDIN")),
        ("GET", "/people?pets.name=eq.x", None, (501, "STANDIN")),
        ("DELETE", "/people?id=gt.0&limit=1", None, (501, "STANDIN")),
    ],
)
def test_errors_have_the_documented_code_and_status(
    http: httpx.Client, method: str, path: str, body: object, said: tuple[int, str]
) -> None:
    given: dict[str, Any] = {"json": body}
    if isinstance(body, str):
        given = {"content": body, "headers": {"Content-Type": "application/json"}}
    answer = http.request(method, path, **given)
    assert (answer.status_code, answer.json()["code"]) == said, answer.text
    assert set(answer.json()) == {"code", "details", "hint", "message"}


def test_preferences_headers_and_services_that_are_not_there(http: httpx.Client, url: str) -> None:
    strict = http.get("/people", headers={"Prefer": "handling=strict, foo, bar"})
    assert (strict.status_code, strict.json()["details"]) == (400, "Invalid preferences: foo, bar")
    assert http.get("/people", headers={"Prefer": "foo"}).status_code == httpx.codes.OK
    assert http.get("/people", headers={"Prefer": "count=planned"}).status_code == httpx.codes.NOT_IMPLEMENTED
    assert http.get("/people", headers={"Accept-Profile": "auth"}).json()["code"] == "PGRST106"
    assert http.get("/people", headers={"Accept": "text/csv"}).status_code == httpx.codes.NOT_ACCEPTABLE
    assert http.post("/people", data={"id": "1"}).status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE
    storage = httpx.get(f"{url}/storage/v1/bucket", headers={"apikey": KEY})
    assert storage.status_code == httpx.codes.NOT_IMPLEMENTED


# --- keys and roles ---


def test_both_kinds_of_key_reach_their_role(state: SupabaseState, url: str) -> None:
    for key in (KEY, state.keys.legacy("service_role")):
        assert len(connect(url, key).table("secrets").select("*").execute().data) == 2
    for key in (PUBLISHABLE, state.keys.legacy("anon")):
        assert connect(url, key).table("secrets").select("*").execute().data == []
        said = refused(lambda key=key: connect(url, key).table("locked").select("*").execute())
        assert said["code"] == "42501"


def test_row_level_security_sees_who_is_signed_in(state: SupabaseState, url: str) -> None:
    ann = {"apikey": PUBLISHABLE, "Authorization": f"Bearer {state.keys.sign(role='authenticated', sub='ann')}"}
    rows = httpx.get(f"{url}/rest/v1/secrets", headers=ann)
    assert [row["word"] for row in rows.json()] == ["one"]
    written = httpx.post(f"{url}/rest/v1/secrets", headers=ann, json={"id": 3, "owner": "ann"})
    assert (written.status_code, written.json()["code"]) == (403, "42501")
    unsigned = httpx.post(f"{url}/rest/v1/secrets", headers={"apikey": PUBLISHABLE}, json={"id": 3})
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "42501")


def test_the_gateway_refuses_what_it_does_not_know(state: SupabaseState, url: str) -> None:
    def asked(**headers: str) -> tuple[int, dict[str, Any]]:
        answer = httpx.get(f"{url}/rest/v1/people", headers=headers)
        return answer.status_code, answer.json()

    assert asked()[1] == {
        "message": "No API key found in request",
        "hint": "No `apikey` request header or url param was found.",
    }
    assert asked(apikey="sb_secret_wrong") == (
        401,
        {"message": "Invalid API key", "hint": "Double check your Supabase `anon` or `service_role` API key."},
    )
    status, said = asked(apikey=KEY, Authorization="Bearer sb_secret_other")
    assert (status, said["code"], said["message"]) == (401, "PGRST301", "Expected 3 parts in JWT; got 1")
    forged = state.keys.sign(role="service_role").rpartition(".")[0] + ".AAAA"
    assert asked(apikey=KEY, Authorization=f"Bearer {forged}")[1]["code"] == "PGRST301"
    old = state.keys.sign(role="service_role", exp=int(time.time()) - 60)
    assert asked(apikey=KEY, Authorization=f"Bearer {old}")[1] == {
        "code": "PGRST303",
        "details": None,
        "hint": None,
        "message": "JWT expired",
    }
    assert asked(apikey=KEY, Authorization=f"Bearer {state.keys.sign(role='postgres')}")[0] == 403
    assert asked(apikey=KEY, **{"User-Agent": "Mozilla/5.0"})[0] == 401


def test_rotation_ends_the_old_keys(state: SupabaseState, url: str) -> None:
    legacy = state.keys.legacy("service_role")
    state.keys.rotate("sb_secret_next")
    try:
        for key in (KEY, legacy):
            assert refused(lambda key=key: connect(url, key).table("people").select("*").execute())["message"]
        assert connect(url, "sb_secret_next").table("people").select("id").execute().data
    finally:
        state.keys.rotate(KEY, PUBLISHABLE)


# --- faults ---


def test_scripted_faults_are_what_the_client_sees(state: SupabaseState, client: Any) -> None:
    state.faults.script(Fault(status=500, body='{"code":"XX000","message":"oh","details":null,"hint":null}'))
    assert refused(lambda: client.table("people").insert({"id": 99}).execute())["code"] == "XX000"
    state.faults.script(Fault(drop="before"))
    with pytest.raises(httpx.HTTPError):
        client.rpc("add_them", {"a": 1}).execute()
    assert client.rpc("add_them", {"a": 1}).execute().data == 3


def test_many_clients_at_once(http: httpx.Client, people: None) -> None:
    def one(number: int) -> int:
        return http.post("/people", json={"id": 1_000 + number}).status_code

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(one, range(100))) == {201}
