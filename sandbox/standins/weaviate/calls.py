"""Weaviate's gRPC service over the store: batches, searches, counts, and tenants."""

from __future__ import annotations

import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict

with warnings.catch_warnings():  # it shows every warning of the whole process from its import on
    from weaviate.proto.v1 import (
        aggregate_pb2,
        base_search_pb2,
        batch_delete_pb2,
        batch_pb2,
        search_get_pb2,
        tenants_pb2,
        weaviate_pb2_grpc,
    )

from sandbox.standins.rpc import Handlers, RpcError
from sandbox.standins.weaviate.errors import RefusedError, UnsupportedError
from sandbox.standins.weaviate.filters import predicate
from sandbox.standins.weaviate.replies import result
from sandbox.standins.weaviate.search import HYBRID_RESULTS, Found, by_vector, by_words, fused
from sandbox.standins.weaviate.store import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.standins.weaviate.server import WeaviateState
    from sandbox.standins.weaviate.store import Collection, Tenant

MOST_RESULTS = 10_000
"""Of a search with what it leaves out, and of a batch of removals."""
DEFAULT_LIMIT = 10
_SENSES = tuple(f"near_{sense}" for sense in ("image", "audio", "video", "depth", "thermal", "imu"))
_UNKNOWN = (*_SENSES, "near_object", "near_text", "group_by", "generative", "rerank", "boost")


def handlers(state: WeaviateState) -> Handlers:
    """The service, and gRPC's health check."""
    add: Callable[[Calls, Handlers], None] = cast("Any", weaviate_pb2_grpc).add_WeaviateServicer_to_server
    return Handlers(partial(add, Calls(state)), _health)


def _health(server: Any) -> None:
    """SERVING, to whoever asks; the message is two bytes: field 1, value 1."""

    def serving(_: bytes, __: grpc.ServicerContext) -> bytes:
        return b"\x08\x01"

    check: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(serving)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check}),))


class Calls(weaviate_pb2_grpc.WeaviateServicer):
    """The methods; of those that are missing here, gRPC says UNIMPLEMENTED."""

    def __init__(self, state: WeaviateState) -> None:
        self.state = state

    def BatchObjects(self, request: Any, context: Any) -> Any:  # noqa: N802 - the method's name
        """Store objects."""
        return self._answered(self._put_all, request, context)

    def BatchDelete(self, request: Any, context: Any) -> Any:  # noqa: N802 - the method's name
        """Remove what a filter lets through."""
        return self._answered(self._remove, request, context)

    def Search(self, request: Any, context: Any) -> Any:  # noqa: N802 - the method's name
        """Search, or list."""
        return self._answered(self._search, request, context)

    def Aggregate(self, request: Any, context: Any) -> Any:  # noqa: N802 - the method's name
        """Count."""
        return self._answered(self._count, request, context)

    def TenantsGet(self, request: Any, context: Any) -> Any:  # noqa: N802 - the method's name
        """Name tenants."""
        return self._answered(self._name_tenants, request, context)

    def _answered(self, method: Callable[[Any], Any], request: Any, context: grpc.ServicerContext) -> Any:
        """Who may call it, and what its refusals become."""
        started = time.perf_counter()
        sent = dict(context.invocation_metadata()).get("authorization")
        refusal = self.state.refusal(sent if isinstance(sent, str) else None)
        if refusal is not None:
            # Of the server, too: not UNAUTHENTICATED.
            raise RpcError(grpc.StatusCode.UNKNOWN, f"extract auth: {refusal}")
        try:
            with self.state.store.lock:
                reply = method(request)
        except RefusedError as error:
            raise RpcError(grpc.StatusCode.UNKNOWN, str(error)) from None
        except UnsupportedError as error:
            raise RpcError(grpc.StatusCode.UNIMPLEMENTED, str(error)) from None
        reply.took = time.perf_counter() - started
        return reply

    def _put_all(self, request: Any) -> Any:
        """Store objects; what is wrong with one is said of that one."""
        errors: list[batch_pb2.BatchObjectsReply.BatchError] = []
        for name in dict.fromkeys(each.collection for each in request.objects):
            self._make_tenants(name, [each.tenant for each in request.objects if each.collection == name])
        for index, each in enumerate(request.objects):
            try:
                self._put(each)
            except RefusedError as error:
                errors.append(batch_pb2.BatchObjectsReply.BatchError(index=index, error=str(error)))
        return batch_pb2.BatchObjectsReply(errors=errors)

    def _make_tenants(self, name: str, tenants: list[str]) -> None:
        collection = self.state.store.collections.get(name)
        if collection is None:
            # The server's auto schema makes a collection without tenants, which nobody wants.
            self.state.store.create({"class": name, "vectorizer": "none"})
        elif collection.multi_tenant and collection.config["multiTenancyConfig"]["autoTenantCreation"]:
            try:
                collection.add_tenants(dict.fromkeys(tenants))
            except RefusedError as error:
                raise RefusedError(f'auto create tenants: add tenants to class "{name}": {error}') from None

    def _put(self, sent: Any) -> None:
        collection = self.state.store.collection(sent.collection)
        tenant = collection.tenant(sent.tenant)
        properties = MessageToDict(sent.properties.non_ref_properties)
        for each in collection.properties.values():  # numbers of JSON have no kind
            value = properties.get(each["name"])
            if each["dataType"] == ["int"] and isinstance(value, float) and value.is_integer():
                properties[each["name"]] = int(value)
        vectors = {each.name: _floats(each.vector_bytes) for each in sent.vectors}
        if sent.vector_bytes:
            vectors[UNNAMED if UNNAMED in collection.vectors else collection.vectors[0]] = _floats(sent.vector_bytes)
        collection.put(tenant, UUID(sent.uuid), properties, vectors)

    def _remove(self, request: Any) -> Any:
        """Remove what a filter lets through, so many at once."""
        collection = self.state.store.collection(request.collection)
        if not request.HasField("filters"):
            raise RefusedError("batch delete params: no filters in batch delete request")
        matches = predicate(request.filters, collection)
        tenant = collection.tenant(request.tenant, activating=self.state.wakes_to_remove)
        found = [key for key, each in tenant.objects.items() if matches(each)][: self.state.removed_at_once]
        if not request.dry_run:
            for key in found:
                del tenant.objects[key]
        removed = [batch_delete_pb2.BatchDeleteObject(uuid=UUID(key).bytes, successful=True) for key in found]
        return batch_delete_pb2.BatchDeleteReply(
            matches=len(found), successful=len(found), objects=removed if request.verbose else []
        )

    def _search(self, request: Any) -> Any:
        """Search, or list."""
        collection = self.state.store.collection(request.collection)
        for field in _UNKNOWN:
            if request.HasField(field):
                raise UnsupportedError(f"search with {field}")
        for name in request.properties.non_ref_properties:
            collection.property(name)
        limit = request.limit or DEFAULT_LIMIT
        if request.offset + limit > MOST_RESULTS:
            raise RefusedError("invalid pagination params: query maximum results exceeded")
        found = _found(request, collection, request.offset + limit)[request.offset : request.offset + limit]
        return search_get_pb2.SearchReply(results=[result(each, request, collection) for each in found])

    def _count(self, request: Any) -> Any:
        """Count."""
        collection = self.state.store.collection(request.collection)
        if request.aggregations or request.HasField("group_by") or request.WhichOneof("search"):
            raise UnsupportedError("aggregation but a count")
        among = _among(request, collection)
        tenant = collection.tenant(request.tenant)
        single = aggregate_pb2.AggregateReply.Single(objects_count=len(tenant.objects if among is None else among))
        return aggregate_pb2.AggregateReply(single_result=single)

    def _name_tenants(self, request: Any) -> Any:
        """Name tenants: those that are asked for and there, or all."""
        collection = self.state.store.collections.get(request.collection)
        if collection is None:
            raise RefusedError("get tenants: failed to execute query: could not get tenants: class not found")
        if not collection.multi_tenant:
            raise RefusedError(f"multi-tenancy is not enabled for class {collection.name!r}")
        names = set(request.names.values) if request.HasField("names") else set(collection.tenants)
        status = {True: "TENANT_ACTIVITY_STATUS_HOT", False: "TENANT_ACTIVITY_STATUS_COLD"}
        return tenants_pb2.TenantsGetReply(
            tenants=[
                tenants_pb2.Tenant(name=name, activity_status=status[each.active])
                for name, each in collection.tenants.items()
                if name in names
            ]
        )


def _among(request: Any, collection: Collection) -> frozenset[str] | None:
    """What the filter lets through; None without one."""
    if not request.HasField("filters"):
        return None
    matches = predicate(request.filters, collection)
    return frozenset(key for key, each in collection.tenant(request.tenant).objects.items() if matches(each))


def _found(request: Any, collection: Collection, most: int) -> list[Found]:
    """What is found, in its order; `most`: results that are asked for, with those that are left out."""
    tenant = collection.tenant(request.tenant)
    among = _among(request, collection)
    if request.HasField("hybrid_search"):
        return _hybrid(request.hybrid_search, collection, tenant, among, max(most, HYBRID_RESULTS))
    if request.HasField("bm25_search"):
        if not request.bm25_search.query:
            raise RefusedError("keyword search (bm25) must have query set")
        return by_words(collection, tenant, request.bm25_search.query, request.bm25_search.properties, among)
    if request.HasField("near_vector"):
        name, vector = _vector(request.near_vector, collection)
        found = by_vector(tenant, name, vector, among)
        most_distant = request.near_vector.distance if request.near_vector.HasField("distance") else 2.0
        return [each for each in found if (each.distance or 0.0) <= most_distant]
    listed = sorted(tenant.objects.values(), key=lambda each: each.id)
    return [Found(each) for each in listed if among is None or each.id in among]


def _hybrid(asked: Any, collection: Collection, tenant: Tenant, among: frozenset[str] | None, most: int) -> list[Found]:
    alpha = asked.alpha_param if asked.use_alpha_param else asked.alpha
    words = by_words(collection, tenant, asked.query, asked.properties, among)[:most] if asked.query else []
    near: list[Found] = []
    if alpha > 0:
        name, vector = _vector(asked, collection)
        near = by_vector(tenant, name, vector, among)[:most]
        if asked.HasField("vector_distance"):
            near = [each for each in near if (each.distance or 0.0) <= asked.vector_distance]
            close = {each.stored.id for each in near}
            words = [each for each in words if each.stored.id in close]
    return fused(words, near, alpha, ranked=asked.fusion_type == base_search_pb2.Hybrid.FUSION_TYPE_RANKED)


def _vector(asked: Any, collection: Collection) -> tuple[str, list[float]]:
    """The vector that is searched by, and the name of those that it is compared with."""
    sent = asked.near_vector if asked.DESCRIPTOR.name == "Hybrid" and asked.HasField("near_vector") else asked
    names = [*asked.targets.target_vectors, *asked.target_vectors, *sent.targets.target_vectors]
    name = names[0] if names else collection.vectors[0]
    if name not in collection.vectors:
        raise RefusedError(
            f"extract target vectors: class {collection.name} does not have named vector {name} configured. Available "
            f"named vectors [{' '.join(collection.vectors)}]"
        )
    packed = sent.vector_bytes or next((each.vector_bytes for each in sent.vectors), b"")
    if not packed and not sent.vector:
        words = getattr(asked, "query", "")
        raise RefusedError(
            f"VectorFromInput was called without vectorizer on class {collection.name} for input {words}"
        )
    return name, _floats(packed) if packed else list(sent.vector)


def _floats(packed: bytes) -> list[float]:
    return np.frombuffer(packed, "<f4").tolist()
