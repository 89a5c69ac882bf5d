"""A project of the Supabase stand-in for a test: a database of its own, on a server that a process's tests share."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.standins.serving import Server
from sandbox.standins.supabase.postgres import Cluster
from sandbox.standins.supabase.server import SupabaseState, create_app

if TYPE_CHECKING:
    from collections.abc import Generator

KEY = "sb_secret_tests"
PUBLISHABLE = "sb_publishable_tests"
_numbers = itertools.count()


@cache
def cluster() -> Cluster:
    """Started once a process; it ends with it."""
    started = Cluster(Path(tempfile.mkdtemp(prefix="strata-tests-postgres-")))
    atexit.register(started.discard)
    return started.start()


def new_state() -> SupabaseState:
    """A new project."""
    name = f"project_{next(_numbers)}"
    cluster().new_database(name)
    return SupabaseState(keys=[KEY, PUBLISHABLE], cluster=cluster(), database=name)


@contextlib.contextmanager
def project() -> Generator[tuple[SupabaseState, Server]]:
    """A new project, served."""
    state = new_state()
    try:
        with Server(create_app(state)) as server:
            yield state, server
    finally:
        state.close()
