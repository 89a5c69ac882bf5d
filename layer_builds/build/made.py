"""What builds have made before, by the content it was made from: bytecode, packed files, facts about native code.

A value depends on its key alone, so any build may use it: of another layer, of another target, at the same time. It is
a cache: what is damaged, locked too long or gone is made anew, and deleting the file loses nothing but time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from contextlib import contextmanager, suppress
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")
_BUSY_SECONDS = 10.0
_AT_ONCE = 500
"""Keys of one query; SQLite takes 999 in its oldest builds."""
_DAY = 86_400
_SELECT = "SELECT key, value, sum, day FROM made WHERE key IN ({})"  # question marks
_SCHEMA = """
CREATE TABLE IF NOT EXISTS made (key BLOB PRIMARY KEY, value BLOB NOT NULL, sum BLOB NOT NULL, day INTEGER NOT NULL)
"""


def key_of(kind: str, *parts: str | int) -> bytes:
    """The name of something made: what it is, and everything that it depends on."""
    return hashlib.sha256(json.dumps([kind, *parts]).encode()).digest()


class Made:
    """Values by key, in one file that processes share."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Those of the keys that are known; a damaged value is not."""
        wanted = list(keys)
        return self._tried(lambda database: _select(database, wanted)) or {}

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Keep values; all of them, or when the file cannot be written none."""
        rows = [(key, value, _sum(key, value), _today()) for key, value in values.items()]
        if rows:
            self._tried(lambda database: database.executemany("INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?)", rows))

    def size(self) -> tuple[int, int]:
        """Values, and bytes of the file."""
        count = self._tried(lambda database: int(database.execute("SELECT count(*) FROM made").fetchone()[0]))
        return count or 0, sum(path.stat().st_size for path in self._files() if path.is_file())

    def trim(self, limit: int) -> None:
        """Delete what was used longest ago until the rest has at most so many bytes."""
        self._tried(lambda database: _delete_oldest(database, limit))
        self._tried(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)"))

    def _tried(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do something with the database; None when that fails."""
        with suppress(sqlite3.OperationalError):  # locked for long, or a disk that is full: the build goes on without
            try:
                with self._connected() as database:
                    return work(database)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                for path in self._files():
                    path.unlink(missing_ok=True)
        return None

    @contextmanager
    def _connected(self) -> Generator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=_BUSY_SECONDS)
        try:
            _use_wal(database)
            database.execute("PRAGMA synchronous = OFF")  # a damaged value is noticed, and nothing else is lost
            database.execute(_SCHEMA)
            with database:
                yield database
        finally:
            database.close()

    def _files(self) -> Iterator[Path]:
        return (self.path.with_name(f"{self.path.name}{more}") for more in ("", "-wal", "-shm"))


def _use_wal(database: sqlite3.Connection) -> None:
    """Let readers and a writer share the file; SQLite does not wait where several that open it first say so at once."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _select(database: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    today = _today()
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        rows = database.execute(_SELECT.format(",".join("?" * len(some))), some).fetchall()
        found |= {key: value for key, value, checksum, _ in rows if _is_whole(key, value, checksum)}
        old = [(today, key) for key, _, _, day in rows if day != today]
        database.executemany("UPDATE made SET day = ? WHERE key = ?", old)
    return found


def _delete_oldest(database: sqlite3.Connection, limit: int) -> None:
    rows = database.execute("SELECT day, sum(length(value)) FROM made GROUP BY day ORDER BY day DESC")
    sizes = [(int(day), int(size)) for day, size in rows]
    totals = accumulate(size for _, size in sizes)
    last = next((day for (day, _), total in zip(sizes, totals, strict=True) if total > limit), None)
    if last is not None:
        database.execute("DELETE FROM made WHERE day <= ?", (last,))
        database.commit()
        database.execute("VACUUM")


def _today() -> int:
    return int(time.time()) // _DAY


def _is_whole(key: bytes, value: object, checksum: object) -> bool:
    return isinstance(value, bytes) and checksum == _sum(key, value)


def _sum(key: bytes, value: bytes) -> bytes:
    return hashlib.sha256(key + value).digest()[:16]
