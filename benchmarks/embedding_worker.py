"""One contender of `benchmarks.embedding_processor`: loads a model, embeds the corpus, prints what it took.

Runs in the project's Python or in one with sentence-transformers: imports neither before it is asked to.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambdas.embedding_processor.embedder import Embedder

CHUNK = "The queue keeps message {} until bucket {} has been read, and nobody waits for vector {} meanwhile. "
CHUNKS, TOKENS_ROUGHLY = 48, 220
SIDES = ("queries", "documents")


def main() -> None:
    """Print one line of JSON. Arguments: backend, the model's folder, and a corpus to embed, if any."""
    backend, folder = sys.argv[1], Path(sys.argv[2])
    started = time.perf_counter()
    from lambdas.embedding_processor.embedder import load  # with all that it needs, in the time

    model = load(backend, folder, memory_mb=1_769)
    init = time.perf_counter() - started
    chunks = ["".join(CHUNK.format(n * k, k, n) for k in range(TOKENS_ROUGHLY // 20)) for n in range(CHUNKS)]
    model.embed(chunks[:4])
    least = 1e9
    for _ in range(3):
        processor = time.process_time()
        model.embed(chunks)
        least = min(least, time.process_time() - processor)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    found: dict[str, Any] = {
        "init_seconds": round(init, 3),
        "peak_mb": int(status["VmHWM"].split()[0]) // 1024,
        "chunks_a_processor_second": round(CHUNKS / least, 2),
        "load_average": round(os.getloadavg()[0], 1),
    }
    if len(sys.argv) > 3:
        corpus = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
        found["documents"] = len(corpus)
        found["vectors"] = {name: _vectors(model, [pair[place] for pair in corpus]) for place, name in enumerate(SIDES)}
    if backend != "onnx":
        names = ("torch", "sentence-transformers")
        found["versions"] = {name: importlib.metadata.version(name) for name in names}
    print(json.dumps(found))


def _vectors(model: Embedder, texts: list[str]) -> Any:
    return model.embed([fitting(text, model) for text in texts]).round(5).tolist()


def fitting(text: str, model: Embedder) -> str:
    """As much of a text as sentence-transformers would take: it cuts without a word, and ours refuses."""
    while model.count(text) > model.room:
        text = text[: int(len(text) * 0.95)].rsplit(" ", 1)[0]
    return text


if __name__ == "__main__":
    main()
