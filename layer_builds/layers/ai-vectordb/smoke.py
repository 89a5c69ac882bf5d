"""Real calls through what this layer promises: embeddings, an answer in a given form, vectors of tenants.

Runs with the standard library, this layer, the one before it and the runtime's boto3, on the target's CPU, with no
network but servers of its own on the loopback interface. The modules that it imports are those shipped with bytecode,
so it goes the way the function goes, errors and all.
"""

# ruff: noqa: ARG002, D102, N802, PLR2004, PT017, S101 - every call imports what it tries, and an assertion is its verdict

import base64
import json
import struct
from importlib.metadata import version
from typing import Any, ClassVar

from layer_builds.smoke_calls.service import Service, serving

DIMENSIONS = 3
TENANT = "me"


class Services(Service):
    """Just enough of OpenAI's API and of Weaviate's REST for one answer each, and one refusal."""

    protocol_version = "HTTP/1.1"
    calls: ClassVar[list[str]] = []
    schema: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        if self.path == "/v1/meta":
            self.answer(200, {"version": "1.35.2", "hostname": "http://127.0.0.1", "modules": {}})
        elif self.path.startswith("/v1/schema/") and self.schema:
            self.answer(200, self.schema)
        else:
            self.answer(404, {"error": [{"message": "not found"}]})

    def do_POST(self) -> None:
        body = self.document()
        self.calls.append(self.path)
        if self.path.startswith("/openai/") and self.headers["authorization"] != "Bearer right":
            self.answer(401, {"error": {"message": "wrong key", "code": "invalid_api_key"}})
        elif self.path == "/openai/embeddings":
            packed = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *range(DIMENSIONS))).decode()
            value: Any = packed if body.get("encoding_format") == "base64" else [float(i) for i in range(DIMENSIONS)]
            data = [{"object": "embedding", "index": i, "embedding": value} for i in range(len(body["input"]))]
            usage = {"prompt_tokens": 9, "total_tokens": 9}
            self.answer(200, {"object": "list", "model": body["model"], "data": data, "usage": usage})
        elif self.path == "/openai/chat/completions":
            message = {"role": "assistant", "content": json.dumps({"answer": "12 kg"})}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            about = {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"]}
            self.answer(200, {**about, "choices": choices})
        elif self.path == "/v1/schema":
            self.schema.update(body)
            self.answer(200, body)
        else:
            self.answer(200, body)

    def do_DELETE(self) -> None:
        self.do_POST()


def weaviate_server() -> tuple[Any, int]:
    """Start Weaviate's gRPC side, made of the servicers that the client brings; return it and its port."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from weaviate.proto.v1 import (
        base_pb2,
        batch_delete_pb2,
        batch_pb2,
        properties_pb2,
        search_get_pb2,
        tenants_pb2,
        weaviate_pb2_grpc,
    )
    from weaviate.proto.v1 import health_weaviate_pb2 as health

    kept: list[Any] = []

    def check(_: Any, __: Any) -> Any:
        return health.WeaviateHealthCheckResponse(status="SERVING")

    class Weaviate(weaviate_pb2_grpc.WeaviateServicer):
        def BatchObjects(self, request: Any, context: Any) -> Any:
            kept.extend(request.objects)
            return batch_pb2.BatchObjectsReply(took=0.1)

        def Search(self, request: Any, context: Any) -> Any:
            if dict(context.invocation_metadata()).get("authorization") != "Bearer right":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong key")
            assert request.tenant == TENANT
            assert request.hybrid_search.query == "honey"
            results: list[Any] = []
            for one in kept:
                text = properties_pb2.Value(text_value=one.properties.non_ref_properties.fields["text"].string_value)
                fields = properties_pb2.Properties(fields={"text": text})
                found = search_get_pb2.PropertiesResult(non_ref_props=fields, target_collection=one.collection)
                about = search_get_pb2.MetadataResult(id=one.uuid, score=0.5, score_present=True)
                results.append(search_get_pb2.SearchResult(properties=found, metadata=about))
            return search_get_pb2.SearchReply(took=0.1, results=results)

        def BatchDelete(self, request: Any, context: Any) -> Any:
            assert request.filters.operator == base_pb2.Filters.OPERATOR_EQUAL
            kept.clear()
            return batch_delete_pb2.BatchDeleteReply(took=0.1, matches=1, successful=1)

        def TenantsGet(self, request: Any, context: Any) -> Any:
            tenant = tenants_pb2.Tenant(name=TENANT, activity_status=tenants_pb2.TENANT_ACTIVITY_STATUS_HOT)
            return tenants_pb2.TenantsGetReply(took=0.1, tenants=[tenant])

    server = grpc.server(ThreadPoolExecutor(2))
    # The client brings this one's messages, and asks for it by name.
    method = grpc.unary_unary_rpc_method_handler(
        check,
        request_deserializer=health.WeaviateHealthCheckRequest.FromString,
        response_serializer=health.WeaviateHealthCheckResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),))
    weaviate_pb2_grpc.add_WeaviateServicer_to_server(Weaviate(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def models(address: str) -> None:
    """The official client embeds, answers in a form, and maps errors."""
    import openai

    client = openai.OpenAI(api_key="right", base_url=f"{address}/openai", timeout=20.0, max_retries=0)
    result = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [list(one.embedding) for one in result.data] == [[0, 1, 2], [0, 1, 2]], result.data
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    said = client.chat.completions.create(
        model="smoke", messages=[{"role": "user", "content": "How much honey?"}], response_format=form
    )
    assert json.loads(said.choices[0].message.content or "") == {"answer": "12 kg"}
    try:
        client.with_options(api_key="wrong").embeddings.create(model="smoke", input=["x"])
    except openai.AuthenticationError as error:
        assert error.status_code == 401
    else:
        raise AssertionError("a wrong key was accepted")


def vectors(port: int, grpc_port: int) -> None:
    """Weaviate's client makes a collection with tenants, fills it, searches, deletes; a wrong key is an error."""
    import weaviate
    from weaviate.classes.config import Configure, DataType, Property
    from weaviate.classes.data import DataObject
    from weaviate.classes.init import AdditionalConfig, Auth, Timeout
    from weaviate.classes.query import Filter, MetadataQuery
    from weaviate.classes.tenants import Tenant
    from weaviate.connect import ConnectionParams
    from weaviate.exceptions import WeaviateQueryError

    def client(key: str) -> weaviate.WeaviateClient:
        return weaviate.WeaviateClient(
            ConnectionParams.from_params("127.0.0.1", port, False, "127.0.0.1", grpc_port, False),
            auth_client_secret=Auth.api_key(key),
            additional_config=AdditionalConfig(timeout=Timeout(init=10, query=10, insert=10)),
        )

    with client("right") as weaviate_client:
        collection = weaviate_client.collections.create(
            "Passage",
            properties=[Property(name="text", data_type=DataType.TEXT)],
            vector_config=Configure.Vectors.self_provided(),
            multi_tenancy_config=Configure.multi_tenancy(enabled=True),
        )
        collection.tenants.create([Tenant(name=TENANT)])
        assert list(collection.tenants.get_by_names([TENANT])) == [TENANT]
        mine = collection.with_tenant(TENANT)
        put = mine.data.insert_many([DataObject(properties={"text": "12 kg of honey"}, vector=[0.0, 1.0, 2.0])])
        assert not put.has_errors, put.errors
        found = mine.query.hybrid("honey", vector=[0.0, 1.0, 2.0], return_metadata=MetadataQuery(score=True))
        (one,) = found.objects
        assert (one.properties["text"], one.metadata.score) == ("12 kg of honey", 0.5), one
        assert mine.data.delete_many(where=Filter.by_property("text").equal("x")).successful == 1
        collection.tenants.remove([TENANT])
    with client("wrong") as weaviate_client:
        try:
            weaviate_client.collections.use("Passage").with_tenant(TENANT).query.hybrid("honey", vector=[0.0])
        except WeaviateQueryError as error:
            assert "wrong key" in str(error)
        else:
            raise AssertionError("a wrong key was accepted")


def ciphers() -> None:
    """What the reader of PDFs decrypts with comes with this layer."""
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(b"k" * 16), modes.CBC(b"v" * 16), default_backend()).encryptor()
    assert len(cipher.update(b"t" * 16) + cipher.finalize()) == 16


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    weaviate, grpc_port = weaviate_server()
    with serving(Services) as address:
        try:
            ciphers()
            models(address)
            vectors(int(address.rpartition(":")[2]), grpc_port)
        finally:
            weaviate.stop(None).wait()
    assert "/v1/schema" in Services.calls
    assert "/v1/schema/Passage/tenants" in Services.calls
    return {name: version(name) for name in ("openai", "weaviate-client", "grpcio", "protobuf")}
