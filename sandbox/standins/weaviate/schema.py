"""What a collection is made with: the request's configuration, completed by the server's defaults, and checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lambdas.shared.json_values import is_object
from sandbox.standins.weaviate.errors import RefusedError, UnsupportedError
from sandbox.standins.weaviate.words import STOPWORDS, TOKENIZATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    Config = dict[str, Any]

_NAME = re.compile(r"[A-Z][_0-9A-Za-z]{0,254}")
_PROPERTY = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,230}")
_TEXTS = {"text", "text[]"}
_TYPES = {*_TEXTS, "int", "number", "boolean", "date", "uuid"}
_HNSW: dict[str, Any] = {
    "skip": False,
    "cleanupIntervalSeconds": 300,
    "maxConnections": 32,
    "efConstruction": 128,
    "ef": -1,
    "dynamicEfMin": 100,
    "dynamicEfMax": 500,
    "dynamicEfFactor": 8,
    "vectorCacheMaxObjects": 1_000_000_000_000,
    "flatSearchCutoff": 40_000,
    "distance": "cosine",
    "filterStrategy": "acorn",
    "pq": {
        "enabled": False,
        "bitCompression": False,
        "segments": 0,
        "centroids": 256,
        "trainingLimit": 100_000,
        "encoder": {"type": "kmeans", "distribution": "log-normal"},
    },
    "bq": {"enabled": False},
    "sq": {"enabled": False, "trainingLimit": 100_000, "rescoreLimit": 20},
    "rq": {"enabled": False, "bits": 8, "rescoreLimit": 20},
    "multivector": {
        "enabled": False,
        "muvera": {"enabled": False, "ksim": 4, "dprojections": 16, "repetitions": 10},
        "aggregation": "maxSim",
    },
    "skipDefaultQuantization": False,
    "trackDefaultQuantization": False,
}


def completed(asked: Mapping[str, Any]) -> Config:
    """The configuration that is kept and told.

    Raises:
        RefusedError: the server refuses it.
        UnsupportedError: the stand-in does.
    """
    name = str(asked.get("class", ""))
    if not _NAME.fullmatch(name):
        raise RefusedError(f"'{name}' is not a valid class name")
    tenancy = {"enabled": False, "autoTenantCreation": False, "autoTenantActivation": False}
    properties: list[dict[str, Any]] = asked.get("properties") or []
    config: Config = {
        "class": name,
        "invertedIndexConfig": _inverted(asked.get("invertedIndexConfig") or {}),
        "multiTenancyConfig": tenancy | (asked.get("multiTenancyConfig") or {}),
        "properties": [_property(each) for each in properties],
        "replicationConfig": {"asyncEnabled": False, "deletionStrategy": "NoAutomatedResolution", "factor": 1},
        "shardingConfig": _sharding(),
    }
    if asked.get("vectorConfig"):
        config["vectorConfig"] = {key: _vector(each) for key, each in asked["vectorConfig"].items()}
    else:
        config |= {"vectorizer": asked.get("vectorizer") or "none", **_index(asked)}
    return config


def _sharding() -> Config:
    """Of one node; where tenants are the shards it says nothing either."""
    counts = {"actualCount": 1, "desiredCount": 1, "actualVirtualCount": 128, "desiredVirtualCount": 128}
    return counts | {"virtualPerPhysical": 128, "function": "murmur3", "key": "_id", "strategy": "hash"}


def _inverted(asked: Mapping[str, Any]) -> Config:
    stopwords: Config = {"preset": "en", "additions": None, "removals": None, **(asked.get("stopwords") or {})}
    if stopwords["preset"] not in STOPWORDS:
        raise RefusedError(f"stopwordPreset '{stopwords['preset']}' does not exist")
    bm25: Config = {"k1": 1.2, "b": 0.75, **(asked.get("bm25") or {})}
    return {
        "bm25": bm25,
        "cleanupIntervalSeconds": asked.get("cleanupIntervalSeconds") or 60,
        "stopwords": stopwords,
        "usingBlockMaxWAND": True,
    }


def _property(asked: Mapping[str, Any]) -> Config:
    name, [kind] = str(asked.get("name", "")), asked.get("dataType") or [""]
    if not _PROPERTY.fullmatch(name) or name in {"id", "_id"}:
        raise RefusedError(f"'{name}' is not a valid property name")
    if kind not in _TYPES:
        raise UnsupportedError(f"property of the type {kind!r}")
    tokenization = asked.get("tokenization") or ("word" if kind in _TEXTS else "")
    if tokenization and tokenization not in TOKENIZATIONS:
        raise UnsupportedError(f"tokenization {tokenization!r}")
    searchable = asked.get("indexSearchable")
    if searchable and kind not in _TEXTS:
        raise RefusedError("`indexSearchable` is allowed only for text/text[] data types")
    filterable = asked.get("indexFilterable")
    made: Config = {
        "name": name,
        "dataType": [kind],
        "indexFilterable": True if filterable is None else filterable,
        "indexRangeFilters": bool(asked.get("indexRangeFilters")),
        "indexSearchable": kind in _TEXTS if searchable is None else searchable,
    }
    return made | ({"tokenization": tokenization} if tokenization else {})


def _vector(asked: Mapping[str, Any]) -> Config:
    vectorizer: dict[str, Any] = asked.get("vectorizer") or {"none": {}}
    if list(vectorizer) != ["none"]:
        raise UnsupportedError("vectorizer: vectors come with the objects")
    return {"vectorizer": {"none": {}}, **_index(asked)}


def _index(asked: Mapping[str, Any]) -> Config:
    kind = asked.get("vectorIndexType") or "hnsw"
    if kind != "hnsw":
        raise UnsupportedError(f"vector index {kind!r}")
    given: dict[str, Any] = asked.get("vectorIndexConfig") or {}
    if given.get("distance", "cosine") != "cosine":
        raise UnsupportedError(f"distance {given['distance']!r}")
    config = {key: _set(value, given.get(key)) for key, value in _HNSW.items()}
    return {"vectorIndexType": kind, "vectorIndexConfig": config}


def _set(default: Any, given: Any) -> Any:
    if is_object(default):
        chosen: Config = given or {}
        return default | chosen
    return default if given is None else given
