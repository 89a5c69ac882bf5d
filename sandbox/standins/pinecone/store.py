"""The vectors of the Pinecone stand-in: exact search in memory, optionally kept in a SQLite file.

Owns storage, similarity and metadata filters. What a request may contain is `sandbox.standins.pinecone.server`'s.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdas.shared.json_values import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

Metadata = dict[str, Any]


class FilterError(ValueError):
    """A metadata filter that Pinecone would refuse."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored vector."""

    id: str
    values: Floats
    """(d,) float32"""
    metadata: Metadata | None


def _compare(operator: str) -> Callable[[Any, Any], bool]:
    """An ordering operator: numbers only, false for anything else that is stored."""

    def compare(stored: Any, wanted: Any) -> bool:
        if not _is_number(wanted):
            raise FilterError(f"the {operator} operator must be followed by a number, got {json.dumps(wanted)}")
        if not _is_number(stored):
            return False
        results = {"$gt": stored > wanted, "$gte": stored >= wanted, "$lt": stored < wanted, "$lte": stored <= wanted}
        return results[operator]

    return compare


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(stored: Any, wanted: Any) -> bool:
    """Equality without Python's `True == 1`; a stored list is equal to each of its strings."""
    if isinstance(stored, list):
        return wanted in stored
    return isinstance(stored, bool) == isinstance(wanted, bool) and stored == wanted


def _equal(stored: Any, wanted: Any) -> bool:
    if not isinstance(wanted, str | int | float | bool):
        raise FilterError(f"the $eq operator must be followed by a string, boolean or number, got {json.dumps(wanted)}")
    return _same(stored, wanted)


def _in(stored: Any, wanted: Any) -> bool:
    if not is_list(wanted):
        raise FilterError(
            f"the $in operator must be followed by a list of strings or numbers, got {json.dumps(wanted)}"
        )
    return any(_same(stored, value) for value in wanted)


def _exists(stored: Any, wanted: Any) -> bool:
    if not isinstance(wanted, bool):
        raise FilterError(f"the $exists operator must be followed by a boolean, got {json.dumps(wanted)}")
    return (stored is not None) == wanted


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": _equal,
    "$ne": lambda stored, wanted: not _equal(stored, wanted),
    "$gt": _compare("$gt"),
    "$gte": _compare("$gte"),
    "$lt": _compare("$lt"),
    "$lte": _compare("$lte"),
    "$in": _in,
    "$nin": lambda stored, wanted: not _in(stored, wanted),
    "$exists": _exists,
}


def matches(condition: Any, metadata: Metadata) -> bool:
    """Whether metadata passes a filter. A record without the field passes `$ne` and `$nin`, as in MongoDB.

    Raises:
        FilterError: the filter is not one.
    """
    if not is_object(condition):
        raise FilterError(f"a filter must be an object, got {json.dumps(condition)}")
    # Every clause is looked at, so that a wrong filter is refused whatever is stored.
    results = [_clause(key, wanted, metadata) for key, wanted in condition.items()]
    return all(results)


def _clause(key: str, wanted: Any, metadata: Metadata) -> bool:
    if key in {"$and", "$or"}:
        if not is_list(wanted) or not wanted:
            raise FilterError(f"the {key} operator must be followed by a list of filters")
        results = [matches(clause, metadata) for clause in wanted]
        return all(results) if key == "$and" else any(results)
    if key.startswith("$"):
        raise FilterError(f"{key} is not a valid operator at this place")
    if not is_object(wanted):
        return _equal(metadata.get(key), wanted)
    unknown = wanted.keys() - OPERATORS.keys()
    if unknown or not wanted:
        raise FilterError(f"{min(unknown, default='{}')} is not a valid operator")
    results = [OPERATORS[name](metadata.get(key), value) for name, value in wanted.items()]
    return all(results)


class Namespace:
    """The records of one namespace, with their matrix made when a search needs it."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self._matrix: Floats | None = None
        self._order: list[Record] = []

    def changed(self) -> None:
        """Drop the matrix."""
        self._matrix = None

    def search(self, metric: str, vector: Floats, top_k: int, condition: Any) -> list[tuple[Record, float]]:
        """The best records by exact comparison with every one that passes the filter."""
        if self._matrix is None:
            self._order = list(self.records.values())
            self._matrix = np.stack([record.values for record in self._order]) if self._order else None
        if self._matrix is None:
            return []
        scores = similarity(metric, self._matrix, vector)
        order = np.argsort(scores if metric == "euclidean" else -scores, kind="stable")
        found: list[tuple[Record, float]] = []
        positions: list[int] = order.tolist()
        for position in positions:
            record = self._order[position]
            if condition is None or matches(condition, record.metadata or {}):
                found.append((record, float(scores[position])))
                if len(found) == top_k:
                    break
        return found


def similarity(metric: str, matrix: Floats, vector: Floats) -> Floats:
    """Scores as Pinecone gives them: cosine, dot product, or the square of the distance: (n, d), (d,) to (n,)."""
    if metric == "euclidean":
        return np.square(matrix - vector).sum(axis=1)
    products = matrix @ vector
    if metric == "cosine":
        return np.divide(products, np.linalg.norm(matrix, axis=1) * np.linalg.norm(vector), dtype=np.float32)
    return products


class VectorStore:
    """Namespaces of records; every method is safe to call from several threads.

    With a file, a write is committed before the method returns: it then outlives a killed process (not a power cut).
    """

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._namespaces: dict[str, Namespace] = {}
        self._database: sqlite3.Connection | None = None
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(file, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS vectors "
                "(namespace TEXT, id TEXT, data BLOB, metadata TEXT, PRIMARY KEY (namespace, id))"
            )
            rows = self._database.execute("SELECT namespace, id, data, metadata FROM vectors ORDER BY rowid")
            for name, key, data, metadata in rows:
                values = np.frombuffer(data, "<f4").astype(np.float32)
                self._namespace(name).records[key] = Record(key, values, json.loads(metadata))

    def _namespace(self, name: str) -> Namespace:
        return self._namespaces.setdefault(name, Namespace())

    def upsert(self, name: str, records: Iterable[Record]) -> None:
        """Store records, replacing those of the same id."""
        with self._lock:
            namespace = self._namespace(name)
            rows = [
                (name, record.id, record.values.astype("<f4").tobytes(), json.dumps(record.metadata))
                for record in records
            ]
            self._commit("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
            namespace.records.update((record.id, record) for record in records)
            namespace.changed()

    def delete(self, name: str, ids: Iterable[str]) -> None:
        """Remove records; an id that is not there is no error."""
        with self._lock:
            namespace = self._namespace(name)
            ids = list(ids)
            self._commit("DELETE FROM vectors WHERE namespace = ? AND id = ?", [(name, key) for key in ids])
            for key in ids:
                namespace.records.pop(key, None)
            namespace.changed()
            if not namespace.records:
                del self._namespaces[name]

    def _commit(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if self._database is not None:
            with self._database:
                self._database.executemany(statement, rows)

    def records(self, name: str) -> dict[str, Record]:
        """A copy of a namespace's records by id."""
        with self._lock:
            found = self._namespaces.get(name)
            return dict(found.records) if found else {}

    def select(self, name: str, condition: Any) -> list[Record]:
        """The records that pass a filter."""
        matches(condition, {})
        return [record for record in self.records(name).values() if matches(condition, record.metadata or {})]

    def search(self, name: str, metric: str, vector: Floats, top_k: int, condition: Any) -> list[tuple[Record, float]]:
        """The `top_k` best records with their scores, best first."""
        if condition is not None:
            matches(condition, {})
        with self._lock:
            found = self._namespaces.get(name)
            return found.search(metric, vector, top_k, condition) if found else []

    def counts(self) -> dict[str, int]:
        """Vectors per namespace."""
        with self._lock:
            return {name: len(namespace.records) for name, namespace in self._namespaces.items()}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None
