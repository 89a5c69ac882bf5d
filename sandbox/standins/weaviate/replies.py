"""An object in a search's answer: the properties and the metadata that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from weaviate.proto.v1 import base_pb2, properties_pb2, search_get_pb2

from sandbox.standins.weaviate.errors import UnsupportedError
from sandbox.standins.weaviate.store import UNNAMED

if TYPE_CHECKING:
    from sandbox.standins.weaviate.search import Found
    from sandbox.standins.weaviate.store import Collection

_FIELDS = {"text": "text_value", "int": "int_value", "number": "number_value", "boolean": "bool_value"}


def result(found: Found, request: Any, collection: Collection) -> Any:
    """One result.

    Args:
        found: the object, and how it was found.
        request: `weaviate.v1.SearchRequest`.
        collection: that it names.
    """
    return search_get_pb2.SearchResult(
        properties=search_get_pb2.PropertiesResult(
            target_collection=collection.name, non_ref_props=_properties(found, request, collection)
        ),
        metadata=_metadata(found, request),
    )


def _properties(found: Found, request: Any, collection: Collection) -> Any:
    asked = request.properties
    every = not request.HasField("properties") or asked.return_all_nonref_properties
    names = list(collection.properties) if every else list(asked.non_ref_properties)
    values = found.stored.properties
    return properties_pb2.Properties(fields={name: _value(values.get(name), collection, name) for name in names})


def _value(value: Any, collection: Collection, name: str) -> Any:
    if value is None:
        return properties_pb2.Value(null_value="NULL_VALUE")
    [kind] = collection.properties[name]["dataType"]
    if kind not in _FIELDS:
        raise UnsupportedError(f"answer with a property of the type {kind!r}")
    return properties_pb2.Value(**{_FIELDS[kind]: value})


def _metadata(found: Found, request: Any) -> Any:
    asked, stored = request.metadata, found.stored
    made = search_get_pb2.MetadataResult()
    if asked.uuid:
        made.id, made.id_as_bytes = stored.id, UUID(stored.id).bytes
    told = {"creation_time_unix": stored.created, "last_update_time_unix": stored.updated, "score": found.score}
    if found.distance is not None:
        told |= {"distance": found.distance, "certainty": 1 - found.distance / 2}
    for name, value in told.items():
        if getattr(asked, name):
            setattr(made, name, value)
            setattr(made, f"{name}_present", True)
    for name, vector in stored.vectors.items():
        packed = vector.astype("<f4").tobytes()
        if name == UNNAMED and asked.vector:
            made.vector_bytes = packed
        elif name != UNNAMED and (asked.vector or name in asked.vectors):
            made.vectors.append(base_pb2.Vectors(name=name, vector_bytes=packed))
    return made
