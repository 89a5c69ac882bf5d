"""A server that speaks Weaviate's REST and gRPC APIs, over exact search in memory. Not Weaviate, and it says so.

Owns what is the same for both: the state, the keys, what an answer's header says; and the REST routes that clients use
to connect and for collections, tenants and single objects. Searches, batches and aggregation are gRPC's (`calls.py`).
A contract test runs the same cases against this and the real server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID, uuid4

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.standins.serving import ServerState, build_app
from sandbox.standins.weaviate.errors import RefusedError, UnsupportedError
from sandbox.standins.weaviate.store import UNNAMED, Collection, Store, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.applications import Starlette
    from starlette.requests import Request

    from sandbox.standins.weaviate.store import Tenant

DEFAULT_KEY = "weaviate-local"
VERSION = "1.35.2"
"""Of the server that it answers like."""
MESSAGE_BYTES = 104_858_000
HEADERS = {"x-strata-stand-in": "an exact local index, not Weaviate"}
ANONYMOUS = "anonymous access not enabled. Please authenticate through one of the available methods: [API-keys]"
WRONG_KEY = "unauthorized: invalid api key"
TENANTS = "/v1/schema/{name}/tenants"
STATUSES = {"HOT": True, "ACTIVE": True, "COLD": False, "INACTIVE": False}
"""What a tenant can be set to, by the old names and the new: whether it is active then."""
OBJECT = "/v1/objects/{name}/{key:uuid}"


class WeaviateState(ServerState):
    """The collections, the accepted keys, the faults and the log of one server."""

    def __init__(
        self, *, keys: Iterable[str] = (DEFAULT_KEY,), removed_at_once: int = 10_000, wakes_to_remove: bool = True
    ) -> None:
        """Make it, without collections.

        Args:
            keys: that it accepts.
            removed_at_once: objects that a batch of removals takes, as the server's QUERY_MAXIMUM_RESULTS says.
            wakes_to_remove: whether a batch of removals makes its tenant active: not in every version.
        """
        super().__init__(keys)
        self.removed_at_once = removed_at_once
        self.wakes_to_remove = wakes_to_remove
        self.store = Store()

    def refusal(self, authorization: str | None) -> str | None:
        """Why a request with that header is refused; None when it is not."""
        if not authorization:
            return ANONYMOUS
        scheme, _, key = authorization.partition(" ")
        return None if scheme.lower() == "bearer" and self.keys.accepts(key.strip()) else WRONG_KEY


def create_app(state: WeaviateState) -> Starlette:
    """The REST API."""

    def route(path: str, method: str, work: Callable[[Request, Any], Any], *, public: bool = False) -> Route:
        async def answer(request: Request) -> Response:
            refusal = None if public else state.refusal(request.headers.get("authorization"))
            if refusal is not None:
                return JSONResponse({"code": 401, "message": refusal}, 401, HEADERS)
            try:
                body = await request.json() if method in {"POST", "PUT", "DELETE"} and await request.body() else None
                with state.store.lock:
                    made = work(request, body)
            except RefusedError as error:
                return JSONResponse({"error": [{"message": str(error)}]}, error.status, HEADERS)
            except UnsupportedError as error:
                return JSONResponse({"error": [{"message": str(error)}]}, 501, HEADERS)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                return JSONResponse({"code": 400, "message": f"parsing body: {error}"}, 400, HEADERS)
            if isinstance(made, int):
                return Response(status_code=made, headers=HEADERS)
            return JSONResponse(made, headers=HEADERS)

        return Route(path, answer, methods=[method])

    return build_app(state, _routes(state.store, route))


class _MakeRoute(Protocol):
    def __call__(
        self, path: str, method: str, work: Callable[[Request, Any], Any], *, public: bool = False
    ) -> Route: ...


def _routes(store: Store, route: _MakeRoute) -> list[Route]:
    def meta(_: Request, __: Any) -> dict[str, Any]:
        return {"grpcMaxMessageSize": MESSAGE_BYTES, "hostname": "http://127.0.0.1", "modules": {}, "version": VERSION}

    def add_tenants(request: Request, body: Any) -> list[Any]:
        collection = _at(store, request)
        collection.add_tenants(str(each["name"]) for each in body)
        return body

    def remove_tenants(request: Request, body: Any) -> int:
        collection = _at(store, request)
        for name in body:
            collection.tenants.pop(str(name), None)
        return 200

    def create(_: Request, body: Any) -> dict[str, Any]:
        return store.create(body).config

    def remove(request: Request, _: Any) -> int:
        store.collections.pop(request.path_params["name"], None)
        return 200

    def tell(request: Request, _: Any) -> dict[str, Any] | int:
        found = store.collections.get(request.path_params["name"])
        return found.config if found else 404

    return [
        route("/v1/.well-known/openid-configuration", "GET", lambda _, __: 404, public=True),
        route("/v1/.well-known/ready", "GET", lambda _, __: 200, public=True),
        route("/v1/.well-known/live", "GET", lambda _, __: 200, public=True),
        route("/v1/meta", "GET", meta),
        route("/v1/schema", "GET", lambda _, __: {"classes": [each.config for each in store.collections.values()]}),
        route("/v1/schema", "POST", create),
        route("/v1/schema/{name}", "GET", tell),
        route("/v1/schema/{name}", "DELETE", remove),
        route(TENANTS, "GET", lambda request, _: [_tenant(*each) for each in _at(store, request).tenants.items()]),
        route(TENANTS, "POST", add_tenants),
        route(TENANTS, "PUT", lambda request, body: _update_tenants(_at(store, request), body)),
        route(TENANTS, "DELETE", remove_tenants),
        route(f"{TENANTS}/{{tenant}}", "GET", lambda request, _: _one_tenant(store, request)),
        route("/v1/objects", "POST", lambda _, body: _insert(store, body)),
        route(OBJECT, "GET", lambda request, _: _read(store, request)),
        route(OBJECT, "DELETE", lambda request, _: _delete(store, request)),
    ]


def _at(store: Store, request: Request) -> Collection:
    name = request.path_params["name"]
    if name not in store.collections:
        raise RefusedError(f"could not find class {name} in schema: class not found")
    return store.collections[name]


def _update_tenants(collection: Collection, body: Any) -> list[Any]:
    for each in body:
        if each["name"] not in collection.tenants:
            raise RefusedError(f'tenant not found: "{each["name"]}"')
        if each["activityStatus"] not in STATUSES:
            raise UnsupportedError(f"tenants that are {each['activityStatus']}")
    for each in body:
        collection.tenants[each["name"]].active = STATUSES[each["activityStatus"]]
    return body


def _tenant(name: str, tenant: Tenant) -> dict[str, str]:
    return {"activityStatus": "HOT" if tenant.active else "COLD", "name": name}


def _one_tenant(store: Store, request: Request) -> dict[str, str] | int:
    name = request.path_params["tenant"]
    found = _at(store, request).tenants.get(name)
    return _tenant(name, found) if found else 404


def _insert(store: Store, body: Any) -> dict[str, Any]:
    collection = store.collection(str(body.get("class", "")))
    tenant = collection.tenant_to_write(str(body.get("tenant") or ""))
    vectors = body.get("vectors") or ({collection.vectors[0]: body["vector"]} if body.get("vector") else {})
    key = UUID(body["id"]) if body.get("id") else uuid4()
    if str(key) in tenant.objects:
        raise RefusedError(f"id '{key}' already exists")
    stored = collection.put(tenant, key, body.get("properties") or {}, vectors)
    return _told(collection, str(body.get("tenant") or ""), stored)


def _read(store: Store, request: Request) -> dict[str, Any] | int:
    collection = store.collection(request.path_params["name"])
    name = request.query_params.get("tenant", "")
    found = collection.tenant(name).objects.get(str(request.path_params["key"]))
    if found is None:
        return 404
    return 204 if request.method == "HEAD" else _told(collection, name, found)  # a GET's route is a HEAD's, too


def _delete(store: Store, request: Request) -> int:
    collection = store.collection(request.path_params["name"])
    tenant = collection.tenant(request.query_params.get("tenant", ""))
    return 204 if tenant.objects.pop(str(request.path_params["key"]), None) else 404


def _told(collection: Collection, tenant: str, stored: Stored) -> dict[str, Any]:
    told: dict[str, Any] = {
        "class": collection.name,
        "creationTimeUnix": stored.created,
        "id": stored.id,
        "lastUpdateTimeUnix": stored.updated,
        "properties": stored.properties,
    }
    if tenant:
        told["tenant"] = tenant
    lists = {name: vector.tolist() for name, vector in stored.vectors.items()}
    return told | ({"vector": lists[UNNAMED]} if UNNAMED in lists else {"vectors": lists})
