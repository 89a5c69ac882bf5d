"""A server that speaks Pinecone's REST API for one index, with the real distance. Not Pinecone, and it says so.

Owns the data plane that the client uses (upsert, query, fetch, list, update, delete, stats), the control plane's
description of the one index, and the limits and errors of the real service. Search compares with every vector: exact,
and meant for thousands of vectors, not millions. Writes are visible at once; Pinecone's are eventually.

Run it alone: `python -m sandbox.standins pinecone --port 8082 --options '{"dimension": 384}'`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import numpy as np
from starlette.responses import JSONResponse
from starlette.routing import Route

from lambdas.shared.json_values import is_list, is_object
from sandbox.standins.pinecone.store import FilterError, Record, VectorStore
from sandbox.standins.serving import ServerState, add_detail, build_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

DEFAULT_KEY = "pc-local"
DEFAULT_NAMESPACE = "__default__"
"""The API's name for the namespace that requests call ""."""
METRICS = ("cosine", "dotproduct", "euclidean")
# https://docs.pinecone.io/reference/api/database-limits
MAX_UPSERT_BYTES = 2 * 1024 * 1024
MAX_UPSERT_VECTORS = 1_000
MAX_METADATA_BYTES = 40 * 1024
MAX_ID_LENGTH = 512
MAX_TOP_K = 10_000
MAX_IDS = 1_000
MAX_LIST = 100
INVALID_ARGUMENT = 3
"""gRPC's code, which the data plane's error bodies carry."""
HEADERS = {"x-strata-stand-in": "an exact local index, not Pinecone"}


class PineconeError(Exception):
    """An answer other than 200."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """What the index was created with."""

    name: str = "strata"
    dimension: int = 384
    metric: str = "cosine"

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric is {self.metric!r}: it must be one of {', '.join(METRICS)}")


class PineconeState(ServerState):
    """The index, the accepted keys, the faults and the log of one server."""

    def __init__(
        self, spec: IndexSpec | None = None, *, keys: Iterable[str] = (DEFAULT_KEY,), data: Path | None = None
    ) -> None:
        """Open the index.

        Args:
            spec: the index's name, dimension and metric.
            keys: accepted API keys.
            data: folder to keep the vectors in; None keeps them in memory only.
        """
        super().__init__(keys)
        self.spec = spec or IndexSpec()
        self.store = VectorStore(None if data is None else data / f"{self.spec.name}.sqlite3")

    def close(self) -> None:
        """Close the store's file."""
        self.store.close()


def _namespace(value: Any) -> str:
    if value in {None, "", DEFAULT_NAMESPACE}:
        return ""
    if not isinstance(value, str) or not value.isascii() or len(value) > MAX_ID_LENGTH:
        raise PineconeError(f"Namespace must be up to {MAX_ID_LENGTH} ASCII characters")
    return value


def _id(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise PineconeError("Vector ID must be a non-empty string")
    if not value.isascii():
        raise PineconeError(f"Vector ID must be ASCII, but got '{value}'")
    if "\0" in value:
        raise PineconeError("Vector ID must not contain null characters")
    if len(value) > MAX_ID_LENGTH:
        raise PineconeError(f"Vector ID exceeds the maximum length of {MAX_ID_LENGTH} characters, got {len(value)}")
    return value


def _values(spec: IndexSpec, value: Any) -> NDArray[np.float32]:
    if not is_list(value) or not all(type(item) in {int, float} for item in value):
        raise PineconeError("values must be a list of numbers")
    if len(value) != spec.dimension:
        raise PineconeError(f"Vector dimension {len(value)} does not match the dimension of the index {spec.dimension}")
    with np.errstate(over="ignore"):
        values = np.array(value, np.float32)
    if not np.isfinite(values).all():
        raise PineconeError("Vector values must be finite 32-bit floats")
    if spec.metric == "cosine" and not values.any():
        raise PineconeError("Dense vectors must contain at least one non-zero value.")
    return values


def _metadata(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not is_object(value):
        raise PineconeError("metadata must be an object")
    for field, item in value.items():
        strings = is_list(item) and all(isinstance(text, str) for text in item)
        if not (item is None or strings or isinstance(item, str | bool | int | float)):
            shown = json.dumps(item)[:16]
            raise PineconeError(
                "Metadata value must be a string, number, boolean or list of strings, "
                f"got '{shown}' for field '{field}'"
            )
    kept = {field: item for field, item in value.items() if item is not None}
    size = len(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_METADATA_BYTES:
        raise PineconeError(
            f"Metadata size is {size} bytes, which exceeds the limit of {MAX_METADATA_BYTES} bytes per vector"
        )
    return kept


def _whole(body: dict[str, Any], name: str, default: int | None, most: int) -> int:
    value = body.get(name, default)
    if type(value) is not int or not 1 <= value <= most:
        raise PineconeError(f"{name} must be from 1 to {most}")
    return value


def upsert(state: PineconeState, body: dict[str, Any]) -> dict[str, Any]:
    """POST /vectors/upsert: all of them or none."""
    vectors = body.get("vectors")
    if not is_list(vectors) or not vectors or not all(is_object(vector) for vector in vectors):
        raise PineconeError("vectors must be a non-empty list of objects")
    if len(vectors) > MAX_UPSERT_VECTORS:
        raise PineconeError(f"Request has {len(vectors)} vectors, which exceeds the maximum of {MAX_UPSERT_VECTORS}")
    records = [
        Record(_id(vector.get("id")), _values(state.spec, vector.get("values")), _metadata(vector.get("metadata")))
        for vector in vectors
    ]
    state.store.upsert(_namespace(body.get("namespace")), records)
    return {"upsertedCount": len(records)}


def query(state: PineconeState, body: dict[str, Any]) -> dict[str, Any]:
    """POST /query, by vector or by the id of a stored one."""
    name = _namespace(body.get("namespace"))
    if (body.get("vector") is None) == (body.get("id") is None):
        raise PineconeError("Provide exactly one of vector and id")
    top_k = _whole(body, "topK", None, MAX_TOP_K)
    if body.get("id") is not None:
        stored = state.store.records(name).get(_id(body["id"]))
        found = (
            []
            if stored is None
            else state.store.search(name, state.spec.metric, stored.values, top_k, body.get("filter"))
        )
    else:
        vector = _values(state.spec, body["vector"])
        found = state.store.search(name, state.spec.metric, vector, top_k, body.get("filter"))
    hits: list[dict[str, Any]] = []
    for record, score in found:
        hit: dict[str, Any] = {"id": record.id, "score": score, "values": []}
        if body.get("includeValues"):
            hit["values"] = record.values.tolist()
        if body.get("includeMetadata") and record.metadata is not None:
            hit["metadata"] = record.metadata
        hits.append(hit)
    return {"matches": hits, "namespace": name, "usage": {"readUnits": 1}}


def _described(record: Record) -> dict[str, Any]:
    described: dict[str, Any] = {"id": record.id, "values": record.values.tolist()}
    return described if record.metadata is None else described | {"metadata": record.metadata}


def fetch(state: PineconeState, ids: list[str], namespace: str | None) -> dict[str, Any]:
    """GET /vectors/fetch: ids that are not stored are left out."""
    name = _namespace(namespace)
    if not 1 <= len(ids) <= MAX_IDS:
        raise PineconeError(f"ids must be from 1 to {MAX_IDS}, got {len(ids)}")
    stored = state.store.records(name)
    found = {key: _described(stored[key]) for key in map(_id, ids) if key in stored}
    return {"vectors": found, "namespace": name, "usage": {"readUnits": 1}}


def list_ids(state: PineconeState, prefix: str, limit: str | None, token: str | None, name: str) -> dict[str, Any]:
    """GET /vectors/list: ids in order, the token being the last id of the page before."""
    if limit is not None and not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= MAX_LIST):
        raise PineconeError(f"limit must be from 1 to {MAX_LIST}")
    size = int(limit) if limit else MAX_LIST
    ids = sorted(key for key in state.store.records(name) if key.startswith(prefix) and (token is None or key > token))
    page: dict[str, Any] = {
        "vectors": [{"id": key} for key in ids[:size]],
        "namespace": name,
        "usage": {"readUnits": 1},
    }
    return page | {"pagination": {"next": ids[size - 1]}} if len(ids) > size else page


def update(state: PineconeState, body: dict[str, Any]) -> dict[str, Any]:
    """POST /vectors/update: new values, and metadata merged into the old, for one id."""
    name, key = _namespace(body.get("namespace")), _id(body.get("id"))
    stored = state.store.records(name).get(key)
    if stored is not None:
        values = stored.values if body.get("values") is None else _values(state.spec, body["values"])
        merged = _metadata((stored.metadata or {}) | (body.get("setMetadata") or {}))
        state.store.upsert(name, [Record(key, values, merged)])
    return {}


def delete(state: PineconeState, body: dict[str, Any]) -> dict[str, Any]:
    """POST /vectors/delete, by ids, by filter or all of a namespace."""
    name = _namespace(body.get("namespace"))
    chosen = [key for key in ("ids", "deleteAll", "filter") if body.get(key)]
    if len(chosen) != 1:
        raise PineconeError("Provide exactly one of ids, deleteAll and filter")
    stored = state.store.records(name)
    if not stored:
        return {}
    if chosen == ["ids"]:
        ids = body["ids"]
        if not is_list(ids) or len(ids) > MAX_IDS:
            raise PineconeError(f"ids must be a list of up to {MAX_IDS}")
        gone = [_id(key) for key in ids]
    else:
        records = stored.values() if body.get("deleteAll") else state.store.select(name, body["filter"])
        gone = [record.id for record in records]
    state.store.delete(name, gone)
    return {}


def stats(state: PineconeState, _: dict[str, Any]) -> dict[str, Any]:
    """POST /describe_index_stats."""
    counts = state.store.counts()
    return {
        "namespaces": {name or DEFAULT_NAMESPACE: {"vectorCount": count} for name, count in counts.items()},
        "dimension": state.spec.dimension,
        "indexFullness": 0.0,
        "totalVectorCount": sum(counts.values()),
        "metric": state.spec.metric,
        "vectorType": "dense",
    }


def described_index(state: PineconeState, host: str) -> dict[str, Any]:
    """The index as the control plane shows it."""
    field = {"type": "dense_vector", "dimension": state.spec.dimension, "metric": state.spec.metric}
    return {
        "name": state.spec.name,
        "host": host,
        "schema": {"fields": {"_values": field}},
        "deployment": {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"},
        "status": {"ready": True, "state": "Ready"},
        "deletion_protection": "disabled",
    }


def _post(
    state: PineconeState, work: Callable[[PineconeState, dict[str, Any]], dict[str, Any]]
) -> Callable[[Request], Awaitable[Response]]:
    """A route that reads a JSON object and answers one."""

    async def endpoint(request: Request) -> Response:
        _authorise(state, request)
        raw = await request.body()
        if len(raw) > MAX_UPSERT_BYTES:
            raise PineconeError(
                f"Request size {len(raw)} bytes exceeds the maximum supported size of {MAX_UPSERT_BYTES} bytes", 413
            )
        try:
            body = json.loads(raw or b"{}")
        except (ValueError, RecursionError) as error:
            raise PineconeError("Request body is not valid JSON") from error
        if not is_object(body):
            raise PineconeError("Request body must be a JSON object")
        add_detail(request, bytes=len(raw), namespace=str(body.get("namespace") or ""))
        if is_list(vectors := body.get("vectors")):
            add_detail(request, vectors=len(vectors))
        return JSONResponse(await anyio.to_thread.run_sync(work, state, body), headers=HEADERS)

    return endpoint


def _authorise(state: PineconeState, request: Request) -> None:
    if not state.keys.accepts(request.headers.get("api-key", "")):
        raise PineconeError("Invalid API Key", 401)


def create_app(state: PineconeState) -> Starlette:
    """The application: serve it with `sandbox.standins.serving.Server`."""

    async def fetch_route(request: Request) -> Response:
        _authorise(state, request)
        ids = request.query_params.getlist("ids")
        add_detail(request, ids=len(ids))
        return JSONResponse(fetch(state, ids, request.query_params.get("namespace")), headers=HEADERS)

    async def list_route(request: Request) -> Response:
        _authorise(state, request)
        given = request.query_params
        name = _namespace(given.get("namespace"))
        page = list_ids(state, given.get("prefix", ""), given.get("limit"), given.get("paginationToken"), name)
        return JSONResponse(page, headers=HEADERS)

    async def indexes(request: Request) -> Response:
        _authorise(state, request)
        return JSONResponse({"indexes": [described_index(state, _host(request))]}, headers=HEADERS)

    async def index(request: Request) -> Response:
        _authorise(state, request)
        name = request.path_params["name"]
        if name != state.spec.name:
            message = f"Resource {name} not found"
            return JSONResponse({"error": {"code": "NOT_FOUND", "message": message}, "status": 404}, 404, HEADERS)
        return JSONResponse(described_index(state, _host(request)), headers=HEADERS)

    async def refused(_: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, PineconeError) else 400
        code = {401: 16, 413: 11}.get(status, INVALID_ARGUMENT)
        return JSONResponse({"code": code, "message": str(error), "details": []}, status, HEADERS)

    routes = [
        Route("/vectors/upsert", _post(state, upsert), methods=["POST"]),
        Route("/query", _post(state, query), methods=["POST"]),
        Route("/vectors/update", _post(state, update), methods=["POST"]),
        Route("/vectors/delete", _post(state, delete), methods=["POST"]),
        Route("/describe_index_stats", _post(state, stats), methods=["POST"]),
        Route("/vectors/fetch", fetch_route),
        Route("/vectors/list", list_route),
        Route("/indexes", indexes),
        Route("/indexes/{name}", index),
    ]
    return build_app(state, routes, {PineconeError: refused, FilterError: refused})


def _host(request: Request) -> str:
    """This server, with its scheme: without one the client would speak TLS."""
    return f"http://{request.headers.get('host', '127.0.0.1')}"
