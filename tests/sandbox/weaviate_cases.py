"""What Weaviate is asked in its contract, by its real client, and in what form the answers are compared.

`python -m tests.sandbox.weaviate_cases FOLDER` asks the real server and writes its answers to `weaviate_answers.json`.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from weaviate import WeaviateClient
from weaviate.auth import Auth
from weaviate.classes.config import Configure, DataType, Property, Tokenization
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter, HybridFusion, MetadataQuery
from weaviate.connect import ConnectionParams
from weaviate.exceptions import WeaviateBaseError

from tests.sandbox.real_weaviate import Weaviate, missing, real

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ANSWERS = Path(__file__).with_name("weaviate_answers.json")
CLASS, PLAIN, ABSENT = "Contract", "ContractPlain", "ContractAbsent"
SPACE = UUID("6f7b0c62-3a0f-4b0e-9b59-0d4f5d5f7b2f")
TEXT = "the fox and a dog in of red river stone Überfluß café 42 x1 don't data-base night lamp to be or not"
FULL, OTHER = "full", "other"
SCORED = MetadataQuery(score=True)


@contextmanager
def connected(weaviate: Weaviate, key: str | None = None) -> Generator[WeaviateClient]:
    """The real client, with all its checks but the one that asks PyPI."""
    rest, grpc = urlsplit(weaviate.url), urlsplit(weaviate.grpc_url)
    params = ConnectionParams.from_params("127.0.0.1", rest.port or 0, False, "127.0.0.1", grpc.port or 0, False)
    client = WeaviateClient(params, auth_client_secret=Auth.api_key(key or weaviate.key), skip_init_checks=True)
    client.connect()
    try:
        yield client
    finally:
        client.close()


def seed(client: WeaviateClient) -> None:
    """Make two collections: one with two tenants and 60 objects in each, one without tenants."""
    for name in (CLASS, PLAIN, ABSENT):
        client.collections.delete(name)
    client.collections.create(
        CLASS,
        properties=[
            Property(name="text", data_type=DataType.TEXT, tokenization=Tokenization.WORD, index_filterable=False),
            Property(name="group", data_type=DataType.TEXT, tokenization=Tokenization.FIELD, index_searchable=False),
            Property(name="page", data_type=DataType.INT),
            Property(name="silent", data_type=DataType.INT, index_filterable=False),
        ],
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(quantizer=Configure.VectorIndex.Quantizer.none())
        ),
        multi_tenancy_config=Configure.multi_tenancy(enabled=True, auto_tenant_creation=True),
    )
    client.collections.create(PLAIN, properties=[Property(name="text", data_type=DataType.TEXT)])
    for tenant in (FULL, OTHER):
        outcome = client.collections.use(CLASS).with_tenant(tenant).data.insert_many(_objects(tenant))
        assert not outcome.has_errors, outcome.errors


def _objects(tenant: str) -> list[DataObject[Any, None]]:
    chance = random.Random(tenant)  # noqa: S311 - no secret
    return [
        DataObject(
            properties={
                "text": " ".join(chance.choices(TEXT.split(), k=chance.randint(1, 40))),
                "group": f"group {index % 7}",
                "page": index,
                "silent": index,
            },
            uuid=uuid5(SPACE, f"{tenant}/{index}"),
            vector=[chance.uniform(-1, 1) for _ in range(4)],
        )
        for index in range(60)
    ]


def _hits(answer: Any) -> list[list[Any]]:
    """What was found, by page and score: the order of equals is the answer's, too."""
    return [[each.properties["page"], _rounded(each.metadata)] for each in answer.objects]


def _rounded(metadata: Any) -> float | None:
    value = metadata.distance if metadata.distance is not None else metadata.score
    return None if value is None else round(value, 4)


def _hybrid(query: str, **options: Any) -> Callable[[WeaviateClient], Any]:
    options = {"vector": [0.3, -0.2, 0.9, 0.1], "return_metadata": SCORED, "limit": 15, **options}
    return lambda client: _hits(_full(client).query.hybrid(query, **options))


def _bm25(query: str, **options: Any) -> Callable[[WeaviateClient], Any]:
    return lambda client: _hits(_full(client).query.bm25(query, **{"return_metadata": SCORED, "limit": 60, **options}))


def _filtered(where: Any) -> Callable[[WeaviateClient], Any]:
    return lambda client: sorted(
        each.properties["page"] for each in _full(client).query.fetch_objects(filters=where, limit=100).objects
    )


def _full(client: WeaviateClient) -> Any:
    return client.collections.use(CLASS).with_tenant(FULL)


def _at(client: WeaviateClient, name: str, tenant: str | None = None) -> Any:
    found = client.collections.use(name)
    return found.with_tenant(tenant) if tenant else found


def _inserted(client: WeaviateClient, name: str, tenant: str | None, *objects: Any) -> Any:
    outcome = _at(client, name, tenant).data.insert_many(list(objects))
    return sorted(outcome.errors)


def _object(vector: list[float] | None = None, **properties: Any) -> DataObject[Any, None]:
    return DataObject(properties=properties, vector=vector or [1.0, 0.0, 0.0, 0.0])


def _replaced(client: WeaviateClient) -> Any:
    """The same id again is the same object, with the new properties only."""
    data = _at(client, CLASS, "replaced").data
    for text in ("first", "second"):
        data.insert_many([DataObject({"text": text, "page": 1}, uuid=uuid5(SPACE, "one"), vector=[1, 0, 0, 0])])
    query = _at(client, CLASS, "replaced").query
    found = query.fetch_objects(include_vector=True).objects
    return [[str(each.uuid), each.properties["text"], each.vector] for each in found], [
        len(query.bm25(word).objects) for word in ("first", "second")
    ]


def _removed(client: WeaviateClient) -> Any:
    there = _at(client, CLASS, "removed")
    there.data.insert_many([_object(text="a word", page=page, group=f"g{page % 3}") for page in range(9)])
    where = Filter.by_property("group").equal("g1") & Filter.by_property("page").not_equal(4)
    outcomes = [there.data.delete_many(where=where, dry_run=dry) for dry in (True, False, False)]
    left = sorted(each.properties["page"] for each in there.query.fetch_objects(limit=20).objects)
    return [[each.matches, each.successful, each.failed] for each in outcomes], left


def _tenants(client: WeaviateClient) -> Any:
    tenants = client.collections.use(CLASS).tenants
    tenants.create(["one", "two"])
    tenants.create(["two"])
    tenants.remove(["one", "never"])
    return sorted(tenants.get_by_names(["one", "two", FULL])), "two" in tenants.get(), tenants.exists("one")


def _counted(client: WeaviateClient) -> Any:
    where = Filter.by_property("page").less_than(7)
    return [_full(client).aggregate.over_all(total_count=True, filters=each).total_count for each in (None, where)]


def _config(client: WeaviateClient) -> Any:
    config = client.collections.use(CLASS).config.get().to_dict()
    return {key: config[key] for key in ("invertedIndexConfig", "multiTenancyConfig", "properties", "vectorConfig")}


def _document(where: str) -> Any:
    return Filter.by_property("group").equal(where)


MANY = [f"group {number}" for number in range(2, 1_000)]
GROUP, PAGE = Filter.by_property("group"), Filter.by_property("page")
NEAR = MetadataQuery(distance=True)
CASES: dict[str, Callable[[WeaviateClient], Any]] = {
    "config": _config,
    "exists": lambda client: [client.collections.exists(name) for name in (CLASS, ABSENT)],
    "create twice": lambda client: client.collections.create(CLASS),
    "bm25 one word": _bm25("fox"),
    "bm25 case and accents": _bm25("CAFÉ überfluß"),
    "bm25 marks divide words": _bm25("don't data-base"),
    "bm25 numbers": _bm25("42 x1"),
    "bm25 a word twice": _bm25("fox fox river"),
    "bm25 stopwords only": _bm25("the and to be"),
    "bm25 stopwords and a word": _bm25("the lamp of the night"),
    "bm25 unknown word": _bm25("zebra"),
    "bm25 filtered": _bm25("stone night", filters=GROUP.contains_any(["group 1", "group 3"])),
    "bm25 by property": _bm25("fox", query_properties=["text"]),
    "bm25 other property": _bm25("fox", query_properties=["group"]),
    "bm25 no property": _bm25("fox", query_properties=["nothing"]),
    "bm25 empty": _bm25(""),
    "near vector": lambda client: _hits(_full(client).query.near_vector([1, 2, 3, 4], limit=60, return_metadata=NEAR)),
    "near vector filtered": lambda client: _hits(
        _full(client).query.near_vector([1, 0, 0, 0], limit=9, filters=_document("group 2"), return_metadata=NEAR)
    ),
    "near vector within": lambda client: _hits(
        _full(client).query.near_vector([1, 0, 0, 0], limit=60, distance=0.5, return_metadata=NEAR)
    ),
    "near vector of another length": lambda client: _full(client).query.near_vector([1, 0, 0]),
    "near vector of another name": lambda client: _full(client).query.near_vector([1, 0, 0, 0], target_vector="other"),
    "hybrid": _hybrid("red fox at night"),
    "hybrid all": _hybrid("fox river", limit=60),
    "hybrid by words alone": _hybrid("fox river", alpha=0, limit=60),
    "hybrid by vectors alone": _hybrid("fox river", alpha=1),
    "hybrid half": _hybrid("stone lamp", alpha=0.5),
    "hybrid ranked": _hybrid("stone lamp", fusion_type=HybridFusion.RANKED),
    "hybrid no words": _hybrid(""),
    "hybrid stopwords": _hybrid("the and to"),
    "hybrid marks": _hybrid("?!"),
    "hybrid unknown word": _hybrid("zebra"),
    "hybrid among many": _hybrid("fox", filters=GROUP.contains_any(MANY)),
    "hybrid without many": _hybrid("fox", filters=Filter.all_of([GROUP.not_equal(each) for each in MANY])),
    "hybrid none of": _hybrid("fox", filters=GROUP.contains_none(MANY)),
    "hybrid nothing": _hybrid("fox", filters=_document("no such group")),
    "hybrid without a vector": _hybrid("fox", vector=None),
    "hybrid of another length": _hybrid("fox", vector=[1, 0]),
    "filter and or not": _filtered(
        (PAGE.greater_than(5) & PAGE.less_or_equal(9)) | (_document("group 0") & PAGE.less_than(10))
    ),
    "filter contains all": _filtered(GROUP.contains_all(["group 1", "group 2"])),
    "filter case": _filtered(_document("GROUP 1")),
    "filter spaces": _filtered(_document("  group 1 ")),
    "filter by id": _filtered(Filter.by_id().equal(uuid5(SPACE, f"{FULL}/3"))),
    "filter by words": _filtered(Filter.by_property("text").equal("the fox river")),
    "filter no property": _filtered(Filter.by_property("nothing").equal("x")),
    "filter other type": _filtered(GROUP.equal(3)),
    "filter without index": _filtered(Filter.by_property("silent").equal(3)),
    "filter null": _filtered(GROUP.is_none(True)),
    "return no property": lambda client: _full(client).query.fetch_objects(return_properties=["nothing"]),
    "too many": lambda client: _full(client).query.fetch_objects(limit=10_001),
    "other tenant": lambda client: _hits(_at(client, CLASS, OTHER).query.bm25("fox", return_metadata=SCORED, limit=60)),
    "no tenant": lambda client: _at(client, CLASS).query.fetch_objects(),
    "no tenant insert": lambda client: _inserted(client, CLASS, None, _object(text="x")),
    "no tenant delete": lambda client: _at(client, CLASS).data.delete_many(where=_document("x")),
    "unknown tenant hybrid": lambda client: _at(client, CLASS, "nobody").query.hybrid("fox", vector=[1, 0, 0, 0]),
    "unknown tenant delete": lambda client: _at(client, CLASS, "nobody").data.delete_many(where=_document("x")),
    "unknown tenant count": lambda client: _at(client, CLASS, "nobody").aggregate.over_all(total_count=True),
    "unknown tenant names": lambda client: sorted(_at(client, CLASS).tenants.get_by_names(["nobody", FULL])),
    "wrong tenant name": lambda client: _inserted(client, CLASS, "a b", _object(text="x")),
    "tenant of a plain one": lambda client: _at(client, PLAIN, "x").query.fetch_objects(),
    "tenant of a plain one insert": lambda client: _inserted(client, PLAIN, "x", _object(text="x")),
    "no class search": lambda client: _at(client, ABSENT, "x").query.bm25("fox"),
    "no class delete": lambda client: _at(client, ABSENT, "x").data.delete_many(where=_document("x")),
    "no class tenants": lambda client: _at(client, ABSENT).tenants.get_by_names(["x"]),
    "no class count": lambda client: _at(client, ABSENT).aggregate.over_all(total_count=True),
    "no class config": lambda client: client.collections.use(ABSENT).config.get(),
    "no class makes one": lambda client: [
        _told(lambda: _inserted(client, ABSENT, "x", _object(text="x"))),
        client.collections.exists(ABSENT),
    ],
    "insert another length": lambda client: _inserted(client, CLASS, FULL, _object([1.0], text="x")),
    "insert one of another length": lambda client: [
        _inserted(client, CLASS, "mixed", _object(text="w")),
        _inserted(client, CLASS, "mixed", _object(text="x"), _object([1.0], text="y"), _object(text="z")),
    ],
    "insert a number for a text": lambda client: _inserted(client, CLASS, "x", _object(text=3)),
    "insert a text for a number": lambda client: _inserted(client, CLASS, "x", _object(page="x")),
    "insert again": _replaced,
    "remove": _removed,
    "tenants": _tenants,
    "count": _counted,
}


def _told(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except WeaviateBaseError as error:
        return {"error": type(error).__name__, "says": str(error)}


def answer(client: WeaviateClient, case: str) -> Any:
    """What comes out, as JSON has it."""
    return json.loads(json.dumps(_told(lambda: CASES[case](client)), default=str))


def main() -> int:
    """Write the real server's answers."""
    if (reason := missing()) is not None:
        print(reason, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, real(Path(folder)) as weaviate, connected(weaviate) as client:
        seed(client)
        lines = [f"{json.dumps(case)}: {json.dumps(answer(client, case), ensure_ascii=False)}" for case in CASES]
    ANSWERS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
