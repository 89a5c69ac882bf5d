"""The API's connections to the database: kept while they are good, made anew after an outage."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Connections:
    """Idle connections, the latest used first."""

    def __init__(self, url: Callable[[], str]) -> None:
        """Nothing is connected before `transaction`.

        Args:
            url: where to; asked each time, since a server may come back on another port.
        """
        self._url = url
        self._idle: list[psycopg.Connection[Any]] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def transaction(self) -> Generator[psycopg.Connection[Any]]:
        """A connection in a transaction, which an error rolls back.

        Raises:
            ConnectionError: none can be made.
        """
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            with connection.transaction():
                yield connection
        finally:
            if connection.closed:  # broken, so the others are too: the server has gone
                self.close()
            else:
                with self._lock:
                    self._idle.append(connection)

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(self._url(), autocommit=True, connect_timeout=5, prepare_threshold=None)
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error).strip()) from None

    def close(self) -> None:
        """Close those that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
