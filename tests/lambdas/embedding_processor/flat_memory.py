"""Embeds one text of a given size and prints what it took, in a process of its own: a peak is never given back.

The tokenizer is the model's, and so are chunks, rows and requests; vectors are made up, because the model would take
half an hour on ten megabytes, and its memory does not depend on how many batches came before.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdas.embedding_processor.documents import Documents
from lambdas.embedding_processor.embedder import load
from lambdas.embedding_processor.events import ObjectEvent
from lambdas.embedding_processor.settings import Settings
from lambdas.shared.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Generator

FOLDER, SIZE = Path(sys.argv[1]), int(sys.argv[2])
LINE = "The queue keeps message {} until bucket {} has been read, and nobody waits for vector {}.\n"


class Body:
    """A stream that makes its bytes as they are read."""

    def read(self) -> bytes:
        text = "".join(LINE.format(number, number * 3, number * 7) for number in range(SIZE // 80))
        return text.encode()[:SIZE]


class Objects:
    """A bucket with one object."""

    def open(self, _bucket: str, _key: str) -> Any:
        import contextlib

        from lambdas.embedding_processor.objects import Found

        @contextlib.contextmanager
        def opened() -> Generator[Found]:
            yield Found(version_id="1", etag="e", modified="now", bytes=SIZE, body=Body())

        return opened()


class Database:
    """Takes rows as the client would send them, and counts."""

    rows = 0

    def check_dimension(self, *_: Any) -> None:
        pass

    def begin(self, *_: Any) -> dict[str, Any]:
        return {"state": "open", "staged": 0}

    def stage(self, _key: str, _generation: str, rows: list[Any], _deadline: Any) -> int:
        self.rows += len(json.loads(json.dumps(rows)))
        return self.rows

    def replace(self, *arguments: Any) -> dict[str, Any]:
        self.rows += len(arguments[3])
        return {"state": "replaced", "written": self.rows, "removed": 0}


embedder: Any = load("onnx", FOLDER, memory_mb=1_769)
embedder.embed(["One batch of the model itself. " * 20] * 16)
embedder.embed = lambda texts: np.ones((len(texts), 384), np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
database = Database()
documents = Documents(Settings.load({"MAX_FILE_BYTES": str(SIZE)}), embedder, Objects(), database)  # type: ignore[arg-type]  # their parts that are used
event = ObjectEvent(bucket="b", key="k", sequencer="01", event={})
outcome = documents.settle(event, Deadline.after(600))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({"chunks": outcome.chunks, "rows": database.rows, "peak_kb": int(status["VmHWM"].split()[0])}))
